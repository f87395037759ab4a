//! What a client asked and what it was told.

use annals_core::condition::{Condition, Conflict};
use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::mark::Mark;
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;

/// An event of the log as it is in the end: what it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// One operation of one client.
#[derive(Debug, Clone)]
pub struct Operation {
    /// When it was begun, in nanoseconds on a clock that all clients share.
    pub called: u64,
    /// When its answer was there; [`u64::MAX`] if it never came.
    pub returned: u64,
    /// What it was.
    pub what: What,
}

/// What an operation was, and its outcome.
#[derive(Debug, Clone)]
pub enum What {
    /// An append that was acknowledged.
    Appended(Asked, Place),
    /// An append of events that were there already.
    Repeated(Asked, Place),
    /// An append that a condition refused.
    Refused(Asked, Conflict),
    /// An append whose outcome the client does not know.
    Unknown(Asked),
    /// A read that was answered.
    Read(Seen),
}

/// What an append wanted.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its events, in this order.
    pub ids: Vec<EventId>,
    /// What it depended on.
    pub conditions: Vec<Condition>,
    /// What it set besides.
    pub marks: Vec<Mark>,
}

/// What an acknowledgement said about the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first event is there.
    First(Position),
    /// All events are before it.
    Before(Position),
}

/// What a read wanted and saw, forward.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which events.
    pub query: Query,
    /// From here on.
    pub from: Position,
    /// Everything before it has been looked at.
    pub next: Position,
    /// Whether `next` was the end of the store, or only of the page.
    pub finished: bool,
    /// What came, in order.
    pub events: Vec<(Position, EventId)>,
}
