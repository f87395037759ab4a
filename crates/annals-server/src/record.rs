//! Events as JSON, for people and programs that look at a history.
//!
//! In: a record of a store. Out: one object, close to a CloudEvent, with everything the record carries. JSON content
//! is passed on byte for byte, so that no digit of a number is lost; other content is base64.

use annals_core::event::{NewEvent, Origin, Purpose, RecordedEvent, Visibility};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// One event of a history.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventBody<'a> {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    pub id: String,
    /// Its type: `order.placed`.
    #[serde(rename = "type")]
    pub event_type: &'a str,
    /// The version of the type's shape.
    pub version: u16,
    /// Its tags; the first orders its message.
    #[schema(value_type = Vec<String>)]
    pub tags: &'a [Tag],
    /// Its place in the store.
    #[schema(value_type = u64)]
    pub position: Position,
    /// When the store took it.
    #[schema(value_type = String, format = "date-time")]
    pub recorded: Timestamp,
    /// When it happened in the world, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub occurred: Option<Timestamp>,
    /// The request it follows from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The event or command that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causation: Option<String>,
    /// W3C trace context of the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<&'a str>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<&'a str>,
    /// The service that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'a str>,
    /// The topic it travels on, if that is not its service's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<&'a str>,
    /// On copies: where the original is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub origin: Option<&'a Origin>,
    /// `public` or `private`.
    #[schema(value_type = String)]
    pub visibility: Visibility,
    /// `event` or `command`.
    #[schema(value_type = String)]
    pub purpose: Purpose,
    /// The content, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub data: Option<&'a RawValue>,
    /// The content, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}

impl<'a> EventBody<'a> {
    /// How a record is shown.
    pub fn of(record: &'a RecordedEvent) -> Self {
        let event: &NewEvent = &record.event;
        let metadata = &event.metadata;
        let data: Option<&RawValue> = serde_json::from_slice(&event.data).ok();
        Self {
            id: event.id.to_string(),
            event_type: event.event_type.as_str(),
            version: event.version,
            tags: &event.tags,
            position: record.position,
            recorded: record.recorded,
            occurred: event.occurred,
            correlation: metadata.correlation.map(|id| id.to_string()),
            causation: metadata.causation.map(|id| id.to_string()),
            traceparent: metadata.trace_parent.as_deref(),
            actor: metadata.actor.as_deref(),
            service: metadata.service.as_deref(),
            topic: metadata.topic.as_deref(),
            origin: metadata.origin.as_ref(),
            visibility: event.visibility,
            purpose: event.purpose,
            data,
            data_base64: data.is_none().then(|| base64(&event.data)),
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { letter as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests;
