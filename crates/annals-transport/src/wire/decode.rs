//! A message from what came over the wire. Never fails: what is no event is kept as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use annals_core::event::{EventType, Metadata, NewEvent, Origin, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::port::transport::{Message, Topic, UNDECODABLE};
use annals_core::position::Position;
use annals_core::tag::Tag;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::attributes::*;

/// What came, as a protocol hands it over.
#[derive(Debug, Clone)]
pub struct Incoming<'a> {
    /// Where it came from.
    pub topic: Topic,
    /// Its headers with whatever prefix they have.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The prefixes that name an attribute of CloudEvents in this protocol; the case of names does not matter.
    pub prefixes: &'a [&'a str],
    /// The content type, from where the protocol keeps it.
    pub content_type: Option<String>,
    /// The partition key, from where the protocol keeps it; used where the attributes name none.
    pub key: Option<String>,
    /// Names this one delivery wherever it is delivered again, such as partition and place; empty where the protocol
    /// knows nothing of the kind, and then equal bytes on one topic are one message.
    pub place: String,
    /// The content.
    pub data: Bytes,
}

/// Decodes what came.
pub fn decode(incoming: Incoming<'_>) -> Message {
    let topic = incoming.topic.clone();
    let event = read(&incoming).unwrap_or_else(|reason| undecodable(&incoming, &reason));
    Message { topic, event }
}

/// Attributes by name, in small letters. Of several with one name the last counts; there are few, so a look at each is
/// the fastest search.
#[derive(Default)]
struct Attributes<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Attributes<'a> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().rev().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| &**value)
    }

    fn insert(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        self.0.push((name.into(), value.into()));
    }
}

/// Reads what came as an event.
///
/// # Errors
/// Why it is none.
pub fn read(incoming: &Incoming<'_>) -> Result<NewEvent, String> {
    let found = prefixed(incoming);
    if found.get(SPEC_VERSION).is_some() {
        return from_attributes(&found, incoming, incoming.data.clone());
    }
    let structured = incoming
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.starts_with(STRUCTURED));
    match structured_mode(&incoming.data) {
        Ok((attributes, data)) => from_attributes(&attributes, incoming, data),
        Err(reason) if structured => Err(reason),
        Err(_) => {
            Err("neither attributes of CloudEvents among its headers nor an event in its content".into())
        }
    }
}

fn prefixed<'a>(incoming: &'a Incoming<'_>) -> Attributes<'a> {
    let mut found = Attributes(Vec::with_capacity(incoming.headers.len()));
    for (name, value) in &incoming.headers {
        let attribute = incoming.prefixes.iter().find_map(|prefix| {
            let (start, rest) = name.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(rest)
        });
        if let Some(attribute) = attribute {
            found.insert(in_small_letters(attribute), &**value);
        }
    }
    found
}

fn in_small_letters(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// An event that is one JSON object, attributes and content together.
fn structured_mode(bytes: &[u8]) -> Result<(Attributes<'static>, Bytes), String> {
    let object: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(bytes).map_err(|reason| format!("no JSON object: {reason}"))?;
    let text_of = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    let is_json = object
        .get(CONTENT_TYPE)
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
                attributes.insert(name, text);
            }
            (_, None) if raw.get() == "null" => {}
            (_, None) => {
                attributes.insert(name, raw.get().to_owned());
            }
        }
    }
    if attributes.get(SPEC_VERSION).is_none() {
        return Err("a JSON object without specversion".into());
    }
    Ok((attributes, data))
}

fn from_attributes(found: &Attributes<'_>, incoming: &Incoming<'_>, data: Bytes) -> Result<NewEvent, String> {
    let spec = required(found, SPEC_VERSION)?;
    if !spec.starts_with("1.") {
        return Err(format!("expected CloudEvents 1.0, found specversion {spec:?}"));
    }
    let (id, source) = (required(found, ID)?, required(found, SOURCE)?);
    let event_type = EventType::new(required(found, TYPE)?);
    if !event_type.is_valid() {
        return Err(format!(
            "expected a type without control characters, found {event_type:?}"
        ));
    }
    let version = parsed(found, SHAPE)?.unwrap_or(1);
    let purpose = match found.get(PURPOSE) {
        Some("command") => Purpose::Command,
        _ => Purpose::Event,
    };
    let visibility = match found.get(VISIBILITY) {
        Some("private") => Visibility::Private,
        _ => Visibility::Public,
    };
    let ours = found.get(SHAPE).is_some();
    let occurred = if ours { OCCURRED } else { TIME };
    Ok(NewEvent {
        id: event_id(id, source),
        event_type,
        version,
        purpose,
        visibility,
        tags: tags(found, incoming, ours)?,
        occurred: parsed(found, occurred)?,
        metadata: metadata(found, source)?,
        data,
    })
}

fn metadata(found: &Attributes<'_>, source: &str) -> Result<Metadata, String> {
    let origin = match (found.get(ORIGIN_SERVICE), parsed(found, ORIGIN_RECORDED)?) {
        (Some(service), Some(recorded)) => Some(Origin {
            service: service.into(),
            position: Position::new(parsed(found, ORIGIN_POSITION)?.unwrap_or(0)),
            recorded,
        }),
        _ => None,
    };
    let text = |name: &str| found.get(name).map(Into::into);
    Ok(Metadata {
        // Foreign correlations need not be UUIDs; they are named by one.
        correlation: found
            .get(CORRELATION)
            .map(|text| annals_core::id::CorrelationId::from_uuid(named(text, ""))),
        causation: found
            .get(CAUSATION)
            .map(|text| EventId::from_uuid(named(text, ""))),
        trace_parent: text(TRACE_PARENT),
        actor: text(ACTOR),
        service: match source.strip_prefix('/').unwrap_or(source) {
            "" => None,
            service if service.contains(['/', ':']) => Some(source.into()),
            service => Some(service.into()),
        },
        topic: text(TOPIC),
        origin,
    })
}

fn tags(found: &Attributes<'_>, incoming: &Incoming<'_>, ours: bool) -> Result<Vec<Tag>, String> {
    if let Some(text) = found.get(TAGS)
        && let Ok(tags) = serde_json::from_str::<Vec<Tag>>(text)
    {
        return Ok(tags);
    }
    let key = found
        .get(PARTITION_KEY)
        .or(incoming.key.as_deref())
        .or(found.get(SUBJECT))
        .filter(|key| !key.is_empty());
    match key {
        None => Ok(Vec::new()),
        Some(key) => match Tag::new(key) {
            Ok(tag) => Ok(vec![tag]),
            Err(reason) if ours => Err(reason.to_string()),
            Err(_) => Ok(Tag::of("subject", key).into_iter().collect()),
        },
    }
}

fn required<'a>(found: &'a Attributes<'_>, name: &str) -> Result<&'a str, String> {
    found
        .get(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("expected the attribute {name}, found none"))
}

fn parsed<T: std::str::FromStr>(found: &Attributes<'_>, name: &str) -> Result<Option<T>, String>
where
    T::Err: std::fmt::Display,
{
    let parse = |text: &str| {
        text.parse()
            .map_err(|reason| format!("the attribute {name} is {text:?}: {reason}"))
    };
    found.get(name).map(parse).transpose()
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
fn undecodable(incoming: &Incoming<'_>, reason: &str) -> NewEvent {
    tracing::warn!(topic = %incoming.topic, place = %incoming.place, "a message that is no event came in: {reason}");
    metrics::counter!("annals_messages_undecodable_total").increment(1);
    let space = Uuid::new_v5(
        &Uuid::NAMESPACE_URL,
        format!("annals:{}#{}", incoming.topic, incoming.place).as_bytes(),
    );
    NewEvent {
        id: EventId::from_uuid(Uuid::new_v5(&space, &incoming.data)),
        event_type: UNDECODABLE,
        version: 1,
        purpose: Purpose::Command,
        visibility: Visibility::Public,
        tags: Vec::new(),
        occurred: None,
        metadata: Metadata::default(),
        data: incoming.data.clone(),
    }
}

#[cfg(test)]
mod tests;
