//! Projections: read models in a database, rows and checkpoint in one commit.

use std::future::Future;
use std::ops::Deref;

use annals_core::event::{Metadata, RecordedEvent};
use annals_core::id::EventId;
use annals_core::port::sink::{Sink, SinkError, Tx};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;

use crate::define::event::EventSet;

/// An event with where and when it was recorded. Derefs to the event.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a, T> {
    /// The event.
    pub event: T,
    record: &'a RecordedEvent,
}

impl<'a, T> Recorded<'a, T> {
    /// An event and the record it was read from.
    pub fn new(event: T, record: &'a RecordedEvent) -> Self {
        Self { event, record }
    }

    /// Its place in the store.
    pub fn position(&self) -> Position {
        self.record.position
    }

    /// Its id.
    pub fn id(&self) -> EventId {
        self.record.id
    }

    /// When the store took it.
    pub fn recorded(&self) -> Timestamp {
        self.record.recorded
    }

    /// When it happened: as it says, else when it was recorded.
    pub fn happened(&self) -> Timestamp {
        self.record.happened()
    }

    /// Its tags.
    pub fn tags(&self) -> &'a [Tag] {
        &self.record.event.tags
    }

    /// Where it came from.
    pub fn metadata(&self) -> &'a Metadata {
        &self.record.event.metadata
    }
}

impl<T> Deref for Recorded<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.event
    }
}

/// A read model kept in a database.
///
/// Events come in order of position, each once per committed batch; rows and checkpoint are one commit, so a crash
/// repeats nothing. The rows can be deleted at any time and are rebuilt from the events.
pub trait Projection: Send + 'static {
    /// Its stable name; letters, digits, `_` and `-`.
    const NAME: &'static str;
    /// Raise it when the rows change meaning: the new version is built beside the old one, which readers keep until
    /// the new one has caught up.
    const VERSION: u32;
    /// The events it takes in.
    type Event: EventSet;
    /// The database it is kept in.
    type Sink: Sink;

    /// Creates the tables, in the first transaction of an empty view.
    ///
    /// # Errors
    /// Any: the view stays empty and is tried again with back-off.
    fn create(&mut self, tx: &mut Tx<Self::Sink>) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Takes one event into the rows. Must depend on nothing but the event and the rows.
    ///
    /// # Errors
    /// Any: the batch is rolled back and tried again with back-off; the projection does not move on.
    fn project(
        &mut self,
        event: Recorded<'_, &Self::Event>,
        tx: &mut Tx<Self::Sink>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}
