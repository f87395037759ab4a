//! The journal: a small store of what did not become history, refusals and lost races.
//!
//! Entries are written behind the back of whoever caused them and never hold them up. When entries come faster than
//! the disk takes them, or the journal has reached its limit, they are dropped and counted
//! (`annals_journal_dropped_total`).

use std::sync::Arc;

use annals_core::event::{EventType, NewEvent, Visibility};
use annals_core::port::store::{Append, EventStore};
use annals_core::tag::Tag;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::define::context::Request;
use crate::define::event::Draft;
use crate::ground::record::Recording;

/// A command was refused: by the domain, as malformed, or by a stale build.
pub const REFUSED: EventType = EventType::from_static("journal.refused");
/// A command lost a race and was decided again.
pub const LOST_RACE: EventType = EventType::from_static("journal.lost_race");

const QUEUE_MAX: usize = 4_096;
const BATCH_MAX: usize = 512;

/// One entry, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The command's name.
    pub command: String,
    /// A stable word for what happened: the refusal's code, or `lost_race`.
    pub code: String,
    /// The same in words.
    pub detail: String,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// The command as JSON.
    pub data: serde_json::Value,
}

/// Takes entries.
#[derive(Clone)]
pub struct Journal {
    queue: mpsc::Sender<(EventType, Vec<Tag>, Entry, Request)>,
}

impl Journal {
    /// Writes entries to a store until every clone of the journal is dropped; at most `entries_max` of them.
    ///
    /// Must be called within a tokio runtime.
    pub fn start(store: Arc<dyn EventStore>, recording: Recording, entries_max: u64) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(write(store, recording, entries_max, entries));
        Self { queue }
    }

    /// Notes a refusal.
    pub fn refused(&self, tags: Vec<Tag>, entry: Entry, request: &Request) {
        self.note(REFUSED, tags, entry, request);
    }

    /// Notes a lost race.
    pub fn lost_race(&self, tags: Vec<Tag>, entry: Entry, request: &Request) {
        self.note(LOST_RACE, tags, entry, request);
    }

    fn note(&self, event_type: EventType, tags: Vec<Tag>, entry: Entry, request: &Request) {
        if self
            .queue
            .try_send((event_type, tags, entry, request.clone()))
            .is_err()
        {
            dropped(1);
        }
    }
}

fn dropped(count: usize) {
    metrics::counter!("annals_journal_dropped_total").increment(count as u64);
}

async fn write(
    store: Arc<dyn EventStore>,
    recording: Recording,
    entries_max: u64,
    mut entries: mpsc::Receiver<(EventType, Vec<Tag>, Entry, Request)>,
) {
    let mut batch = Vec::new();
    while entries.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let count = batch.len();
        let events = batch
            .drain(..)
            .filter_map(|(event_type, tags, entry, request)| {
                record(&recording, event_type, tags, &entry, &request)
            })
            .collect();
        let full = store.end().get() >= entries_max;
        if full
            || store
                .append(Append {
                    events,
                    ..Append::default()
                })
                .await
                .is_err()
        {
            dropped(count);
        }
    }
}

fn record(
    recording: &Recording,
    event_type: EventType,
    tags: Vec<Tag>,
    entry: &Entry,
    request: &Request,
) -> Option<NewEvent> {
    let data = Bytes::from(serde_json::to_vec(entry).ok()?);
    let draft = Draft {
        event_type,
        version: 1,
        visibility: Visibility::Private,
        tags,
        data,
    };
    Some(recording.event(draft, request, None))
}
