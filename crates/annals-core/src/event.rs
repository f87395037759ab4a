//! Events and commands as the stores and brokers see them: a type, tags, metadata and bytes.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::id::{CorrelationId, EventId};
use crate::position::Position;
use crate::tag::Tag;
use crate::time::Timestamp;

/// The stable name of an event or command type, such as `order.placed`. Rust names may change, this one never.
///
/// At most [`EventType::BYTES_MAX`] bytes, no control characters; the store refuses others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(SmolStr);

impl EventType {
    /// The longest name, in bytes of UTF-8.
    pub const BYTES_MAX: usize = 255;

    /// A name known at compile time; costs nothing.
    pub const fn from_static(name: &'static str) -> Self {
        Self(SmolStr::new_static(name))
    }

    /// A name that comes from outside.
    pub fn new(name: impl Into<SmolStr>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a store takes this name: 1 to [`EventType::BYTES_MAX`] bytes without control characters.
    pub fn is_valid(&self) -> bool {
        !self.0.is_empty() && self.0.len() <= Self::BYTES_MAX && !self.0.chars().any(char::is_control)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for EventType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Whether a record says what happened or what somebody wants to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A fact.
    Event,
    /// A request to a service, recorded by its sender before it is sent.
    Command,
}

/// Who gets to see a record outside its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// The relay publishes it.
    Public,
    /// It stays in its service's store.
    Private,
}

/// Where a copied record was first written. Records with an origin are never relayed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The service whose store it was written to.
    pub service: SmolStr,
    /// Its position in that store.
    pub position: Position,
    /// When that store took it.
    pub recorded: Timestamp,
}

/// What every record carries besides its own content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// The request all of this follows from.
    pub correlation: Option<CorrelationId>,
    /// The event or command that made this one.
    pub causation: Option<EventId>,
    /// W3C trace context of the start.
    pub trace_parent: Option<SmolStr>,
    /// Who asked: from the HTTP principal, carried through every message.
    pub actor: Option<SmolStr>,
    /// The service that wrote it.
    pub service: Option<SmolStr>,
    /// The topic it travels on, if that is not the one of its service: the commands of another service.
    pub topic: Option<SmolStr>,
    /// Set on copies: where the original is.
    pub origin: Option<Origin>,
}

/// One record to append: an event, or a command recorded before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Its name; appending it twice has one effect.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// The version of that type's shape, from 1.
    pub version: u16,
    /// Fact or request.
    pub purpose: Purpose,
    /// Published or kept.
    pub visibility: Visibility,
    /// One or more tags without repetition; the first is the partition tag, by which messages keep their order.
    pub tags: Vec<Tag>,
    /// When it happened in the world, if that was said.
    pub occurred: Option<Timestamp>,
    /// Everything about where it came from.
    pub metadata: Metadata,
    /// The content: JSON unless the type says otherwise.
    pub data: Bytes,
}

impl NewEvent {
    /// The tag that orders this record's message, if it has any tag.
    pub fn partition_tag(&self) -> Option<&Tag> {
        self.tags.first()
    }
}

/// A record as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the store.
    pub position: Position,
    /// When the store took it; never decreases along positions.
    pub recorded: Timestamp,
    /// What was appended.
    pub event: NewEvent,
}

impl RecordedEvent {
    /// When it happened: as the event says, else when it was recorded.
    pub fn happened(&self) -> Timestamp {
        self.event.occurred.unwrap_or(self.recorded)
    }
}

impl Deref for RecordedEvent {
    type Target = NewEvent;

    fn deref(&self) -> &NewEvent {
        &self.event
    }
}
