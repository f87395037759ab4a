//! The port of an event store: append under conditions, read by query, follow the end.
//!
//! Two implementations hold it today, the embedded store and the in-memory one, and one conformance suite holds both.
//! Whatever a method promises here, that suite tests.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::watch;

use crate::condition::{Condition, Conflict};
use crate::event::{EventType, NewEvent, RecordedEvent};
use crate::id::EventId;
use crate::kind::ErrorKind;
use crate::mark::{Mark, MarkKey};
use crate::position::{Position, Revision};
use crate::query::Query;
use crate::tag::Tag;
use crate::time::Timestamp;

/// A boxed future, as object-safe ports need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sizes a store takes; larger ones are refused before anything is queued.
pub mod limits {
    /// Events of one append.
    pub const APPEND_EVENTS_MAX: usize = 65_536;
    /// Encoded bytes of one append, events and marks together.
    pub const APPEND_BYTES_MAX: usize = 16 << 20;
    /// Bytes of one event's content.
    pub const EVENT_DATA_BYTES_MAX: usize = 4 << 20;
    /// Tags of one event.
    pub const EVENT_TAGS_MAX: usize = 4_096;
    /// Bytes of all tags of one event together.
    pub const EVENT_TAGS_BYTES_MAX: usize = 64 << 10;
    /// Bytes of one mark's value.
    pub const MARK_VALUE_BYTES_MAX: usize = 64 << 10;
}

/// Events and marks that become durable together, or not at all.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// In this order; may be empty when there are marks.
    pub events: Vec<NewEvent>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Set in the same commit.
    pub marks: Vec<Mark>,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The position of the first event; the end of the store if there were none.
    pub first: Position,
    /// How many events; they have consecutive positions.
    pub count: u64,
    /// When the store took them.
    pub recorded: Timestamp,
    /// These events were there already, all of them with the same content: nothing was written, marks included.
    pub duplicate: bool,
}

impl Appended {
    /// The position after the last event: read from here for what is newer.
    pub fn end(&self) -> Position {
        self.first.plus(self.count)
    }
}

/// Why an append did not happen.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A condition did not hold. Read again, decide again.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// An event of this id exists with other content or in other company. Use new ids for new events.
    #[error("event {id} is already at position {position} with other content")]
    IdTaken {
        /// The id.
        id: EventId,
        /// Where it is.
        position: Position,
    },
    /// Whether a condition holds depends on events that were archived; nothing was written. Read from the boundary on, or
    /// restore the archive.
    #[error(
        "condition {condition} reaches back before position {boundary}; what is before it was archived to {archive}"
    )]
    Gone {
        /// Which of the append's conditions, from 0.
        condition: usize,
        /// The first position that is still here.
        boundary: Position,
        /// Where the newest archived events are.
        archive: String,
    },
    /// Malformed or over a limit. Do not retry unchanged.
    #[error("this append cannot be taken: {0}")]
    Invalid(String),
    /// No space; nothing was written. Reads go on; appends resume when space returns.
    #[error("the disk is full, nothing was written: {0}")]
    Full(String),
    /// It may or may not be durable. Repeat it with the same event ids: it will have one effect.
    #[error("it is not known whether this append happened: {0}")]
    Unknown(String),
    /// The store stopped writing after a failed flush, or was closed. Nothing was written. Reopen it.
    #[error("the store takes no appends: {0}")]
    Closed(String),
}

impl AppendError {
    /// What this means in one word.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Gone { .. } => ErrorKind::Gone,
            Self::IdTaken { .. } | Self::Invalid(_) => ErrorKind::Invalid,
            Self::Full(_) => ErrorKind::Unavailable,
            Self::Unknown(_) => ErrorKind::Unknown,
            Self::Closed(_) => ErrorKind::Closed,
        }
    }
}

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From the lowest position up.
    #[default]
    Forward,
    /// From the highest position down.
    Backward,
}

/// One page to read.
#[derive(Debug, Clone)]
pub struct Read {
    /// Which events.
    pub query: Query,
    /// The lowest position that may be in the answer.
    pub from: Position,
    /// The first position that may not; cut to the durable end.
    pub to: Position,
    /// Which way.
    pub direction: Direction,
    /// At most this many events, at least 1.
    pub limit: usize,
    /// Stop once the events of the page hold this many bytes of content; a page never ends empty because of it.
    pub bytes: usize,
}

impl Read {
    /// Events that match, from a position to the end, forward, in pages of 1,024 events or 4 MiB.
    pub fn new(query: Query, from: Position) -> Self {
        Self {
            query,
            from,
            to: Position::MAX,
            direction: Direction::Forward,
            limit: 1_024,
            bytes: 4 << 20,
        }
    }

    /// Ends before this position.
    #[must_use]
    pub fn to(mut self, to: Position) -> Self {
        self.to = to;
        self
    }

    /// At most this many events in a page.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// From the highest position down.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.direction = Direction::Backward;
        self
    }
}

/// One page of an answer.
#[derive(Debug, Clone)]
pub struct Page {
    /// In the order of the direction.
    pub events: Vec<RecordedEvent>,
    /// Forward: everything that matches before this position (and from `from` on) has been seen; continue with
    /// `from = next`. Backward: everything that matches from this position on has been seen; continue with
    /// `to = next`. Moves on also where nothing matches.
    pub next: Position,
    /// Nothing that matches is left in the range that was asked for, as far as it was durable.
    pub finished: bool,
}

/// Why a read has no answer.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Stored bytes are damaged; they are not returned as data. Run verify, restore from a backup.
    #[error("stored bytes are damaged: {0}")]
    Corrupt(String),
    /// The answer needs events that were archived. Ask from the boundary on, or restore the archive and ask there.
    #[error("what is before position {boundary} was archived to {archive}")]
    Gone {
        /// The first position that is still here.
        boundary: Position,
        /// Where the newest archived events are.
        archive: String,
    },
    /// The disk did not answer; retry.
    #[error("the disk cannot be read: {0}")]
    Unavailable(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl ReadError {
    /// What this means in one word.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Gone { .. } => ErrorKind::Gone,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Closed => ErrorKind::Closed,
        }
    }
}

/// How many events of a type a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeCount {
    /// The type.
    pub event_type: EventType,
    /// How many.
    pub events: u64,
}

/// An event store. See `DESIGN` promises: durable, whole, ordered, conditional, idempotent.
///
/// Reads see exactly what is durable when they begin, and every append acknowledged before that.
///
/// The oldest events may have been archived and taken away, up to a position, the boundary. Positions and revisions keep their
/// numbers, marks and known ids stay. A question or a condition whose answer may need an archived event ends as `Gone`; one
/// that certainly needs none is answered, wherever it begins.
/// Dropping a future of [`EventStore::append`] does not undo the append: its outcome is then unknown.
pub trait EventStore: Send + Sync + 'static {
    /// Appends all or nothing. Resolves when the bytes are flushed.
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>>;

    /// As [`EventStore::append`], for who keeps what is appended. A store that only looks at it makes no copy.
    fn append_lent<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, AppendError>> {
        self.append(append.clone())
    }

    /// Reads one page.
    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>>;

    /// The position the next event will get; everything before it is durable.
    fn end(&self) -> Position;

    /// Follows the end. Marks do not move it.
    fn watch_end(&self) -> watch::Receiver<Position>;

    /// The revision of a tag's newest event before a position; `None` if it has none.
    fn revision(&self, tag: Tag, before: Position) -> BoxFuture<'_, Result<Option<Revision>, ReadError>>;

    /// The end of the store as it was at a moment: the first position recorded after it.
    fn end_at(&self, moment: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>>;

    /// Every event type of the store with its count, by name.
    fn types(&self) -> BoxFuture<'_, Result<Vec<TypeCount>, ReadError>>;

    /// How many different types the store holds; cheap, so that it can be asked before every decision.
    fn type_count(&self) -> usize;

    /// The value of a mark.
    fn mark(&self, key: MarkKey) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>>;

    /// All marks of one space whose name begins with a prefix, by name.
    fn marks(&self, space: &str, prefix: &str) -> BoxFuture<'_, Result<Vec<(MarkKey, Bytes)>, ReadError>>;
}
