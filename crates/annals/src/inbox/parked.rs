//! Parked messages: put aside with a reason, kept whole, and taken up again when somebody says so.
//!
//! The message itself is a private event (`message.parked`) of the service's own store; that it is parked just now is a
//! mark. Both appear in one commit with the note that the message is dealt with.

use annals_core::event::NewEvent;
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ground::record::{MESSAGE_PARKED, Recording, request_of};

/// The mark space of what is parked just now.
const PARKED: &str = "parked";

/// A parked message, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The message id.
    pub id: EventId,
    /// Its type.
    pub message: SmolStr,
    /// Where it came from.
    pub topic: SmolStr,
    /// Its partition tag.
    pub key: Option<Tag>,
    /// Why it was put aside.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was put aside.
    pub at: Timestamp,
    /// Where it was in the transport's log: the order among those of its key.
    pub position: Option<Position>,
}

/// The whole message inside the event that keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    parked: Parked,
    version: u16,
    purpose: annals_core::event::Purpose,
    tags: Vec<Tag>,
    occurred: Option<Timestamp>,
    metadata: annals_core::event::Metadata,
    /// UTF-8 if it is, else one number per byte: nothing of a message is ever lost here.
    data: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl Parked {
    pub(crate) fn mark(&self) -> Mark {
        let value = serde_json::to_vec(self).expect("a parked message's description is made of strings");
        Mark::set(mark_key(self.id), value)
    }
}

pub(crate) fn mark_key(id: EventId) -> MarkKey {
    MarkKey::new(PARKED, id.to_string())
}

fn parked_tag(id: EventId) -> Tag {
    Tag::of("parked", id).expect("an id makes a tag")
}

/// The event that keeps a message while it is parked.
pub(crate) fn keep(recording: &Recording, message: &NewEvent, parked: Parked) -> NewEvent {
    let data = match String::from_utf8(message.data.to_vec()) {
        Ok(text) => Content::Text(text),
        Err(not_text) => Content::Bytes(not_text.into_bytes()),
    };
    let tag = parked_tag(parked.id);
    let kept = Kept {
        parked,
        version: message.version,
        purpose: message.purpose,
        tags: message.tags.clone(),
        occurred: message.occurred,
        metadata: message.metadata.clone(),
        data,
    };
    let data = Bytes::from(serde_json::to_vec(&kept).expect("a kept message is made of strings and numbers"));
    recording.own(MESSAGE_PARKED, vec![tag], data, &request_of(message))
}

/// What is parked just now, by id; ids begin with their time, so the oldest message comes first.
///
/// # Errors
/// The store did not answer.
pub async fn list(store: &dyn EventStore) -> Result<Vec<Parked>, ReadError> {
    let marks = store.marks(PARKED, "").await?;
    Ok(marks
        .into_iter()
        .filter_map(|(_, value)| serde_json::from_slice(&value).ok())
        .collect())
}

/// The newest parked copy of a message, if it is parked just now.
pub(crate) async fn find(
    store: &dyn EventStore,
    id: EventId,
) -> Result<Option<(Parked, NewEvent)>, ReadError> {
    if store.mark(mark_key(id)).await?.is_none() {
        return Ok(None);
    }
    let item = QueryItem::of(vec![MESSAGE_PARKED], parked_tag(id));
    let page = store
        .read(
            Read::new(Query::any(vec![item]), Position::ZERO)
                .backward()
                .limit(1),
        )
        .await?;
    let kept = page
        .events
        .first()
        .and_then(|event| serde_json::from_slice::<Kept>(&event.data).ok());
    Ok(kept.map(|kept| restore(id, kept)))
}

fn restore(id: EventId, kept: Kept) -> (Parked, NewEvent) {
    let data = match kept.data {
        Content::Text(text) => Bytes::from(text.into_bytes()),
        Content::Bytes(bytes) => Bytes::from(bytes),
    };
    let message = NewEvent {
        id,
        event_type: annals_core::event::EventType::new(kept.parked.message.clone()),
        version: kept.version,
        purpose: kept.purpose,
        visibility: annals_core::event::Visibility::Public,
        tags: kept.tags,
        occurred: kept.occurred,
        metadata: kept.metadata,
        data,
    };
    (kept.parked, message)
}

#[cfg(test)]
mod tests;
