//! A message as attributes and content.

use std::borrow::Cow;

use annals_core::event::{EventType, Metadata, Purpose, Visibility};
use annals_core::port::store::limits;
use annals_core::port::transport::Message;
use annals_core::tag::Tag;
use bytes::Bytes;
use uuid::Uuid;

use super::attributes::{Attribute, JSON, OTHER};

/// A message in binary mode, before a protocol names its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded<'a> {
    /// Attribute names without prefix, and their values; `datacontenttype` is not among them.
    pub attributes: Vec<(&'static str, Cow<'a, str>)>,
    /// The content type; protocols have a place of their own for it.
    pub content_type: &'static str,
    /// What keeps its order: the partition tag.
    pub key: Option<&'a str>,
    /// The content, unchanged.
    pub data: &'a Bytes,
}

impl Encoded<'_> {
    /// The attributes for a protocol that has a place of its own for the key; `partitionkey` would say it once more.
    pub fn beside_key(&self) -> impl Iterator<Item = &(&'static str, Cow<'_, str>)> {
        let key = Attribute::PartitionKey.name();
        self.attributes.iter().filter(move |(name, _)| *name != key)
    }
}

/// Encodes a message in binary mode. What follows from other attributes is left out: every header costs whoever reads it.
///
/// # Errors
/// Why no broker may take it; sending it again unchanged is useless.
pub fn encode(message: &Message) -> Result<Encoded<'_>, String> {
    encode_all(message, false)
}

/// As [`encode`], with what follows from other attributes where it is wanted.
pub(super) fn encode_all(message: &Message, with_what_follows: bool) -> Result<Encoded<'_>, String> {
    let event = &message.event;
    check(message)?;
    let key = event.partition_tag().map(Tag::as_str);
    let origin = event.metadata.origin.as_ref();
    let mut values = Values(Vec::with_capacity(Attribute::COUNT));
    values.is(Attribute::SpecVersion, "1.0");
    values.is(Attribute::Id, text(event.id.as_uuid()));
    values.is(Attribute::Source, source(&event.metadata));
    values.is(Attribute::Type, event.event_type.as_str());
    match event.version {
        // Where it was recorded is said by nobody else, so this is an event of ours, and one without a version is of the first.
        1 if origin.is_some() && !with_what_follows => {}
        1 => values.is(Attribute::Shape, "1"),
        version => values.is(Attribute::Shape, version.to_string()),
    }
    let recorded = origin.map(|origin| origin.recorded.to_string());
    let occurred = event.occurred.map(|occurred| occurred.to_string());
    values.may_be(Attribute::Time, occurred.as_ref().or(recorded.as_ref()).cloned());
    values.may_be(Attribute::Subject, key);
    values.may_be(Attribute::PartitionKey, key);
    if event.tags.len() > 1 {
        let tags = serde_json::to_string(&event.tags).expect("tags are strings");
        values.is(Attribute::Tags, tags);
    }
    if event.purpose == Purpose::Command {
        values.is(Attribute::Purpose, "command");
    }
    if event.visibility == Visibility::Private {
        values.is(Attribute::Visibility, "private");
    }
    // Where the world has said nothing, the time is when it was recorded.
    let recorded = recorded.filter(|_| with_what_follows || occurred.is_some());
    values.may_be(Attribute::Occurred, occurred);
    metadata(&mut values, &event.metadata, with_what_follows);
    values.may_be(Attribute::OriginRecorded, recorded);
    Ok(Encoded {
        attributes: values.0,
        content_type: content_type(&event.data),
        key,
        data: &event.data,
    })
}

/// The values of attributes, in the order they are written.
struct Values<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Values<'a> {
    fn is(&mut self, attribute: Attribute, value: impl Into<Cow<'a, str>>) {
        self.0.push((attribute.name(), value.into()));
    }

    fn may_be(&mut self, attribute: Attribute, value: Option<impl Into<Cow<'a, str>>>) {
        if let Some(value) = value {
            self.is(attribute, value);
        }
    }
}

fn metadata<'a>(values: &mut Values<'a>, metadata: &'a Metadata, with_what_follows: bool) {
    values.may_be(
        Attribute::Correlation,
        metadata.correlation.map(|id| text(id.as_uuid())),
    );
    values.may_be(
        Attribute::Causation,
        metadata.causation.map(|id| text(id.as_uuid())),
    );
    values.may_be(Attribute::TraceParent, metadata.trace_parent.as_deref());
    values.may_be(Attribute::Actor, metadata.actor.as_deref());
    values.may_be(Attribute::Topic, metadata.topic.as_deref());
    if let Some(origin) = &metadata.origin {
        if with_what_follows || !is_source(metadata, &origin.service) {
            values.is(Attribute::OriginService, origin.service.as_str());
        }
        values.is(Attribute::OriginPosition, origin.position.to_string());
    }
}

/// An id as text, without the machinery of formatting.
fn text(id: Uuid) -> String {
    let mut text = Uuid::encode_buffer();
    id.hyphenated().encode_lower(&mut text).to_owned()
}

/// Whether the source says which service this is.
fn is_source(metadata: &Metadata, service: &str) -> bool {
    metadata.service.as_deref() == Some(service) && !service.contains(['/', ':'])
}

/// The service that wrote it, as a path; a lone `/` where that is not known.
fn source(metadata: &Metadata) -> Cow<'_, str> {
    match metadata.service.as_deref().unwrap_or_default() {
        service if service.contains(['/', ':']) => Cow::Borrowed(service),
        service => Cow::Owned(format!("/{service}")),
    }
}

fn content_type(data: &[u8]) -> &'static str {
    match serde_json::from_slice::<serde::de::IgnoredAny>(data) {
        Ok(_) => JSON,
        Err(_) => OTHER,
    }
}

/// Whether a broker may take a message.
///
/// # Errors
/// Why none may.
pub(crate) fn check(message: &Message) -> Result<(), String> {
    let Message { topic, event } = message;
    let named = !topic.is_empty() && topic.len() <= 200;
    if !named
        || !topic
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    {
        return Err(format!(
            "expected a topic of 1 to 200 letters, digits, `.`, `_` and `-`, found {topic:?}"
        ));
    }
    if !event.event_type.is_valid() {
        return Err(format!(
            "expected a type of 1 to {} bytes without control characters, found {:?}",
            EventType::BYTES_MAX,
            event.event_type
        ));
    }
    let (found, most) = (event.data.len(), limits::EVENT_DATA_BYTES_MAX);
    if found > most {
        return Err(format!("expected at most {most} bytes of content, found {found}"));
    }
    Ok(())
}
