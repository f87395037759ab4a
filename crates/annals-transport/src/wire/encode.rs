//! A message as attributes and content.

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::port::store::limits;
use annals_core::port::transport::Message;
use bytes::Bytes;

use super::attributes::*;

/// A message in binary mode, before a protocol names its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Attribute names without prefix, and their values; `datacontenttype` is not among them.
    pub attributes: Vec<(&'static str, String)>,
    /// The content type; protocols have a place of their own for it.
    pub content_type: &'static str,
    /// What keeps its order: the partition tag.
    pub key: Option<String>,
    /// The content, unchanged.
    pub data: Bytes,
}

/// Encodes a message in binary mode.
///
/// # Errors
/// Why no broker may take it; sending it again unchanged is useless.
pub fn encode(message: &Message) -> Result<Encoded, String> {
    let event = &message.event;
    check(&message.topic, event)?;
    let key = event.partition_tag().map(|tag| tag.as_str().to_owned());
    let mut attributes = vec![
        (SPEC_VERSION, "1.0".to_owned()),
        (ID, event.id.to_string()),
        (SOURCE, source(&event.metadata)),
        (TYPE, event.event_type.to_string()),
        (SHAPE, event.version.to_string()),
    ];
    let origin = event.metadata.origin.as_ref();
    let time = event.occurred.or(origin.map(|origin| origin.recorded));
    optional(&mut attributes, TIME, time);
    optional(&mut attributes, SUBJECT, key.as_ref());
    optional(&mut attributes, PARTITION_KEY, key.as_ref());
    if event.tags.len() > 1 {
        let tags = serde_json::to_string(&event.tags).expect("tags are strings");
        attributes.push((TAGS, tags));
    }
    if event.purpose == Purpose::Command {
        attributes.push((PURPOSE, "command".to_owned()));
    }
    if event.visibility == Visibility::Private {
        attributes.push((VISIBILITY, "private".to_owned()));
    }
    optional(&mut attributes, OCCURRED, event.occurred);
    metadata(&mut attributes, &event.metadata);
    Ok(Encoded {
        attributes,
        content_type: content_type(&event.data),
        key,
        data: event.data.clone(),
    })
}

fn metadata(attributes: &mut Vec<(&'static str, String)>, metadata: &Metadata) {
    optional(attributes, CORRELATION, metadata.correlation);
    optional(attributes, CAUSATION, metadata.causation);
    optional(attributes, TRACE_PARENT, metadata.trace_parent.as_ref());
    optional(attributes, ACTOR, metadata.actor.as_ref());
    optional(attributes, TOPIC, metadata.topic.as_ref());
    if let Some(origin) = &metadata.origin {
        attributes.push((ORIGIN_SERVICE, origin.service.to_string()));
        attributes.push((ORIGIN_POSITION, origin.position.to_string()));
        attributes.push((ORIGIN_RECORDED, origin.recorded.to_string()));
    }
}

fn optional(
    attributes: &mut Vec<(&'static str, String)>,
    name: &'static str,
    value: Option<impl std::fmt::Display>,
) {
    attributes.extend(value.map(|value| (name, value.to_string())));
}

/// The service that wrote it, as a path; a lone `/` where that is not known.
fn source(metadata: &Metadata) -> String {
    let service = metadata.service.as_deref().unwrap_or_default();
    if service.contains(['/', ':']) {
        return service.to_owned();
    }
    format!("/{service}")
}

fn content_type(data: &[u8]) -> &'static str {
    match serde_json::from_slice::<serde::de::IgnoredAny>(data) {
        Ok(_) => JSON,
        Err(_) => OTHER,
    }
}

fn check(topic: &str, event: &NewEvent) -> Result<(), String> {
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
