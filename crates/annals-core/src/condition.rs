//! Conditions: what must hold at the moment an append takes its place in the order.

use bytes::Bytes;
use thiserror::Error;

use crate::event::EventType;
use crate::id::EventId;
use crate::mark::MarkKey;
use crate::position::{Position, Revision};
use crate::query::Query;
use crate::tag::Tag;

/// One thing an append depends on. All conditions of an append must hold, else nothing of it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// No event at or after position `from` matches the query. `from` is usually the end of the store when its
    /// state was read; [`Position::ZERO`] means "no such event ever".
    NoMatch {
        /// Which events would be in the way.
        query: Query,
        /// Events before this one are known and accepted.
        from: Position,
    },
    /// The newest event of this tag has this revision; `None`: there is no event of this tag.
    TagAt {
        /// Which tag.
        tag: Tag,
        /// The revision the caller saw.
        expected: Option<Revision>,
    },
    /// This mark has this value; `None`: the mark is not set.
    MarkIs {
        /// Which mark.
        key: MarkKey,
        /// The value the caller expects.
        expected: Option<Bytes>,
    },
}

/// A condition that did not hold, with both sides.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Conflict {
    /// An event was in the way.
    #[error(
        "condition {condition}: expected no matching event from position {from} on, found {event_type} {id} at position {position}"
    )]
    Match {
        /// Which of the append's conditions, from 0.
        condition: usize,
        /// Where the condition began to look.
        from: Position,
        /// The first event in the way.
        position: Position,
        /// Its id.
        id: EventId,
        /// Its type.
        event_type: EventType,
    },
    /// A tag had moved on.
    #[error(
        "condition {condition}: expected {tag} at {}, found it at {}",
        revision(expected),
        revision(found)
    )]
    Tag {
        /// Which of the append's conditions, from 0.
        condition: usize,
        /// The tag.
        tag: Tag,
        /// What the caller expected.
        expected: Option<Revision>,
        /// What the store holds.
        found: Option<Revision>,
    },
    /// A mark had another value: for an idempotency key, the request was already answered.
    #[error("condition {condition}: mark {key} is not as expected")]
    Mark {
        /// Which of the append's conditions, from 0.
        condition: usize,
        /// The mark.
        key: MarkKey,
        /// The value it has; `None`: it is not set.
        found: Option<Bytes>,
    },
}

fn revision(at: &Option<Revision>) -> String {
    at.map_or_else(
        || "no revision (no event yet)".to_owned(),
        |at| format!("revision {at}"),
    )
}
