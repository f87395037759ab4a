//! A message from what came over the wire. Never fails: what is no event is kept as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use annals_core::event::{EventType, Metadata, NewEvent, Origin, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::port::transport::{Message, Topic, UNDECODABLE};
use annals_core::position::Position;
use annals_core::tag::Tag;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use smol_str::SmolStr;
use uuid::Uuid;

use super::attributes::{Attribute, Attributes, STRUCTURED};

/// What came, as a protocol hands it over.
#[derive(Debug, Clone)]
pub struct Incoming<'a> {
    /// Where it came from.
    pub topic: Topic,
    /// The attributes among its headers.
    pub attributes: Attributes<'a>,
    /// The content type, from where the protocol keeps it.
    pub content_type: Option<Cow<'a, str>>,
    /// The partition key, from where the protocol keeps it; used where the attributes name none.
    pub key: Option<Cow<'a, str>>,
    /// Where it was.
    pub place: Place<'a>,
    /// The content.
    pub data: Bytes,
}

/// Names one delivery wherever it is delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place<'a> {
    /// The protocol knows nothing of the kind; then equal bytes on one topic are one message.
    Unknown,
    /// By the name that its sender gave it, or the broker.
    Named(Cow<'a, str>),
    /// By its number in the whole of what the broker keeps.
    Numbered(u64),
    /// By where it lies.
    Record {
        /// The partition of the topic.
        partition: i32,
        /// The place in the partition.
        offset: i64,
    },
}

impl<'a> Place<'a> {
    /// By a name, if there is one.
    pub fn named(name: Option<impl Into<Cow<'a, str>>>) -> Self {
        name.map_or(Self::Unknown, |name| Self::Named(name.into()))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::Named(name) => f.write_str(name),
            Self::Numbered(number) => write!(f, "{number}"),
            Self::Record { partition, offset } => write!(f, "{partition}/{offset}"),
        }
    }
}

/// Decodes what came.
pub fn decode(mut incoming: Incoming<'_>) -> Message {
    let mut data = std::mem::take(&mut incoming.data);
    let event = event(&incoming, &mut data).unwrap_or_else(|reason| undecodable(&incoming, data, &reason));
    Message {
        topic: incoming.topic,
        event,
    }
}

/// Reads what came as an event.
///
/// # Errors
/// Why it is none.
pub fn read(incoming: &Incoming<'_>) -> Result<NewEvent, String> {
    event(incoming, &mut incoming.data.clone())
}

/// Reads what came with this content, and takes the content out only where it is that of an event: to share it would cost
/// as much as to copy it.
fn event(incoming: &Incoming<'_>, data: &mut Bytes) -> Result<NewEvent, String> {
    if incoming.attributes.get(Attribute::SpecVersion).is_some() {
        return from_attributes(&incoming.attributes, incoming, data);
    }
    let structured = incoming
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.starts_with(STRUCTURED));
    match structured_mode(data) {
        Ok((attributes, mut data)) => from_attributes(&attributes, incoming, &mut data),
        Err(reason) if structured => Err(reason),
        Err(_) => {
            Err("neither attributes of CloudEvents among its headers nor an event in its content".into())
        }
    }
}

/// An event that is one JSON object, attributes and content together.
fn structured_mode(bytes: &[u8]) -> Result<(Attributes<'static>, Bytes), String> {
    let object: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(bytes).map_err(|reason| format!("no JSON object: {reason}"))?;
    let text_of = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    let is_json = object
        .get(Attribute::ContentType.name())
        .and_then(|raw| text_of(raw))
        .is_none_or(|kind| kind.contains("json"));
    let mut attributes = Attributes::default();
    let mut data = Bytes::new();
    for (name, raw) in object {
        match (name.as_str(), text_of(&raw)) {
            ("data_base64", Some(text)) => {
                let bytes = STANDARD.decode(text);
                data = bytes
                    .map_err(|reason| format!("its data_base64 is none: {reason}"))?
                    .into();
            }
            ("data", Some(text)) if !is_json => data = text.into_bytes().into(),
            // As it stands there: numbers have the digits that somebody wrote.
            ("data", _) => data = raw.get().to_owned().into_bytes().into(),
            (_, Some(text)) => {
                attributes.insert(&name, text);
            }
            (_, None) if raw.get() == "null" => {}
            (_, None) => {
                attributes.insert(&name, raw.get().to_owned());
            }
        }
    }
    if attributes.get(Attribute::SpecVersion).is_none() {
        return Err("a JSON object without specversion".into());
    }
    Ok((attributes, data))
}

fn from_attributes(
    found: &Attributes<'_>,
    incoming: &Incoming<'_>,
    data: &mut Bytes,
) -> Result<NewEvent, String> {
    let spec = required(found, Attribute::SpecVersion)?;
    if !spec.starts_with("1.") {
        return Err(format!("expected CloudEvents 1.0, found specversion {spec:?}"));
    }
    let (id, source) = (
        required(found, Attribute::Id)?,
        required(found, Attribute::Source)?,
    );
    let event_type = EventType::new(required(found, Attribute::Type)?);
    if !event_type.is_valid() {
        return Err(format!(
            "expected a type without control characters, found {event_type:?}"
        ));
    }
    let version = parsed(found, Attribute::Shape)?.unwrap_or(1);
    let purpose = match found.get(Attribute::Purpose) {
        Some("command") => Purpose::Command,
        _ => Purpose::Event,
    };
    let visibility = match found.get(Attribute::Visibility) {
        Some("private") => Visibility::Private,
        _ => Visibility::Public,
    };
    let ours = found.get(Attribute::Shape).is_some() || found.get(Attribute::OriginPosition).is_some();
    let occurred = if ours {
        Attribute::Occurred
    } else {
        Attribute::Time
    };
    Ok(NewEvent {
        id: event_id(id, source),
        event_type,
        version,
        purpose,
        visibility,
        tags: tags(found, incoming, ours)?,
        occurred: parsed(found, occurred)?,
        metadata: metadata(found, source)?,
        data: std::mem::take(data),
    })
}

fn metadata(found: &Attributes<'_>, source: &str) -> Result<Metadata, String> {
    let service = service(source);
    let origin = origin(found, service.as_ref())?;
    let text = |attribute| found.get(attribute).map(Into::into);
    Ok(Metadata {
        // Foreign correlations need not be UUIDs; they are named by one.
        correlation: found
            .get(Attribute::Correlation)
            .map(|text| annals_core::id::CorrelationId::from_uuid(named(text, ""))),
        causation: found
            .get(Attribute::Causation)
            .map(|text| EventId::from_uuid(named(text, ""))),
        trace_parent: text(Attribute::TraceParent),
        actor: text(Attribute::Actor),
        service,
        topic: text(Attribute::Topic),
        origin,
    })
}

/// The service that a source names.
fn service(source: &str) -> Option<SmolStr> {
    match source.strip_prefix('/').unwrap_or(source) {
        "" => None,
        service if service.contains(['/', ':']) => Some(source.into()),
        service => Some(service.into()),
    }
}

/// Where it was recorded: of what is left out there, the source says which service, and the time says when.
fn origin(found: &Attributes<'_>, source: Option<&SmolStr>) -> Result<Option<Origin>, String> {
    let position = parsed(found, Attribute::OriginPosition)?;
    let named = found.get(Attribute::OriginService).map(SmolStr::from);
    let recorded = match parsed(found, Attribute::OriginRecorded)? {
        None if position.is_some() => parsed(found, Attribute::Time)?,
        recorded => recorded,
    };
    let service = named.or_else(|| source.filter(|_| position.is_some()).cloned());
    let (Some(service), Some(recorded)) = (service, recorded) else {
        return Ok(None);
    };
    Ok(Some(Origin {
        service,
        position: Position::new(position.unwrap_or(0)),
        recorded,
    }))
}

fn tags(found: &Attributes<'_>, incoming: &Incoming<'_>, ours: bool) -> Result<Vec<Tag>, String> {
    if let Some(text) = found.get(Attribute::Tags)
        && let Ok(tags) = serde_json::from_str::<Vec<Tag>>(text)
    {
        return Ok(tags);
    }
    let key = found
        .get(Attribute::PartitionKey)
        .or(incoming.key.as_deref())
        .or(found.get(Attribute::Subject))
        .filter(|key| !key.is_empty());
    match key {
        None => Ok(Vec::new()),
        Some(key) => match Tag::new(key) {
            Ok(tag) => {
                // Whoever keeps the message adds one of its own.
                let mut tags = Vec::with_capacity(2);
                tags.push(tag);
                Ok(tags)
            }
            Err(reason) if ours => Err(reason.to_string()),
            Err(_) => Ok(Tag::of("subject", key).into_iter().collect()),
        },
    }
}

fn required<'a>(found: &'a Attributes<'_>, attribute: Attribute) -> Result<&'a str, String> {
    found
        .get(attribute)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("expected the attribute {}, found none", attribute.name()))
}

fn parsed<T: std::str::FromStr>(found: &Attributes<'_>, attribute: Attribute) -> Result<Option<T>, String>
where
    T::Err: std::fmt::Display,
{
    let parse = |text: &str| {
        text.parse()
            .map_err(|reason| format!("the attribute {} is {text:?}: {reason}", attribute.name()))
    };
    found.get(attribute).map(parse).transpose()
}

/// The id itself where it is a UUID; where it is not, a name for this id of this source, always the same.
fn event_id(id: &str, source: &str) -> EventId {
    EventId::from_uuid(named(id, source))
}

fn named(id: &str, source: &str) -> Uuid {
    Uuid::parse_str(id).unwrap_or_else(|_| {
        let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, source.as_bytes());
        Uuid::new_v5(&space, id.as_bytes())
    })
}

/// The bytes as they are, under a name that is the same whenever they come again.
fn undecodable(incoming: &Incoming<'_>, data: Bytes, reason: &str) -> NewEvent {
    tracing::warn!(topic = %incoming.topic, place = %incoming.place, "a message that is no event came in: {reason}");
    metrics::counter!("annals_messages_undecodable_total").increment(1);
    let space = Uuid::new_v5(
        &Uuid::NAMESPACE_URL,
        format!("annals:{}#{}", incoming.topic, incoming.place).as_bytes(),
    );
    NewEvent {
        id: EventId::from_uuid(Uuid::new_v5(&space, &data)),
        event_type: UNDECODABLE,
        version: 1,
        purpose: Purpose::Command,
        visibility: Visibility::Public,
        tags: Vec::new(),
        occurred: None,
        metadata: Metadata::default(),
        data,
    }
}

#[cfg(test)]
mod tests;
