//! The group itself: what it remembers, and taking the lead of it.
//!
//! In: a group's name and topics. Out: the group as its marks tell it, led by this broker from now on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_core::port::store::{AppendError, EventStore, ReadError, limits};
use annals_core::port::transport::{ReceiveError, Topic};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::time::Clock;
use smol_str::SmolStr;
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use crate::embedded::backlog::{Backlog, Counts};
use crate::embedded::lane::ConsumerId;
use crate::embedded::limits::Limits;
use crate::embedded::name::{NameError, topics_query};
use crate::embedded::record::{self, Checkpoint, Keys, Tried};
use crate::embedded::window::Window;

/// What a group works with.
#[derive(Clone)]
pub(in crate::embedded) struct Setting {
    pub(in crate::embedded) store: Arc<dyn EventStore>,
    pub(in crate::embedded) clock: Arc<dyn Clock>,
    pub(in crate::embedded) limits: Limits,
}

/// One consumer group, led by this broker.
pub(in crate::embedded) struct Group {
    pub(super) name: SmolStr,
    pub(super) keys: Keys,
    pub(super) setting: Setting,
    pub(super) generation: u64,
    pub(super) topics: BTreeSet<Topic>,
    pub(super) query: Query,
    /// Whoever reads messages from the store.
    pub(super) reading: tokio::sync::Mutex<()>,
    /// Whoever writes the group's marks.
    pub(super) flushing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

/// What changes while a group is at work.
pub(super) struct State {
    pub(super) window: Window,
    pub(super) backlog: Backlog,
    /// As it was last written.
    pub(super) checkpoint: Checkpoint,
    /// Tries that were remembered at the start, until their messages are read again.
    pub(super) tried: BTreeMap<Position, Tried>,
    /// Parked messages asked for again and not yet read; and whether all tries since then are known.
    pub(super) requeued: BTreeMap<Position, bool>,
    /// Messages from here on were never handed out before this broker took the lead.
    pub(super) exact_from: Position,
    /// Settled, but not yet written.
    pub(super) pending: VecDeque<Outcome>,
    /// It is not known whether the last write happened: the next one says everything again.
    pub(super) unsure: bool,
    /// Another broker took the lead; nothing may be done any more.
    pub(super) lost: Option<String>,
}

/// A settlement on its way to the store.
pub(super) struct Outcome {
    pub(super) position: Position,
    pub(super) verdict: Verdict,
    pub(super) answer: oneshot::Sender<Result<(), ReceiveError>>,
}

/// What is to become of a message.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Done,
    Retry {
        tried: Tried,
        until: tokio::time::Instant,
    },
    Park {
        reason: String,
    },
}

/// Why a group cannot be led.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub(in crate::embedded) enum LoadError {
    /// A topic has no possible name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Its checkpoint would not fit into a mark.
    #[error(
        "expected topics whose names fit into a checkpoint of {max} bytes, found {found}; name fewer, or none for all"
    )]
    TooManyTopics {
        /// The largest mark.
        max: usize,
        /// What would be needed.
        found: usize,
    },
    /// What is remembered of it cannot be read.
    #[error("its marks cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The lead could not be taken.
    #[error("its lead cannot be taken: {0}")]
    Append(#[from] AppendError),
}

impl Group {
    /// Reads what is remembered of a group, or begins a new one, and takes its lead: an earlier leader of the same group
    /// is refused from now on.
    pub(in crate::embedded) async fn load(
        setting: Setting,
        name: SmolStr,
        topics: BTreeSet<Topic>,
    ) -> Result<Self, LoadError> {
        let query = topics_query(&topics)?;
        let keys = Keys::new(name.clone());
        let store = &*setting.store;
        let found = record::remembered(store, &keys).await?;
        let checkpoint = begin(found.checkpoint, &topics)?;
        let generation = record::take_lead(store, &keys, found.generation, &checkpoint).await?;
        let exact_from = match found.generation {
            None => Position::ZERO,
            Some(_) => store.end(),
        };
        let parked = record::parked(store, &keys).await?;
        let requeued = parked.iter().filter(|parked| parked.requeued);
        let state = State {
            window: Window::new(checkpoint.start(), found.done),
            backlog: Backlog::new(),
            checkpoint,
            tried: found.tried,
            requeued: requeued.map(|parked| (parked.position, false)).collect(),
            exact_from,
            pending: VecDeque::new(),
            unsure: false,
            lost: None,
        };
        Ok(Self {
            name,
            keys,
            setting,
            generation,
            topics,
            query,
            reading: tokio::sync::Mutex::default(),
            flushing: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
        })
    }

    /// The state, for a moment.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is finished before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all consumers to look again.
    pub(super) fn announce(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Follows what is announced.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// One more consumer.
    pub(super) fn join(&self) -> ConsumerId {
        let id = self.state().backlog.join();
        self.announce();
        id
    }

    /// One consumer fewer.
    pub(super) fn leave(&self, consumer: ConsumerId) {
        self.state().backlog.leave(consumer);
        self.announce();
    }

    /// The topics its consumers subscribed to; empty: all.
    pub(in crate::embedded) fn topics(&self) -> &BTreeSet<Topic> {
        &self.topics
    }

    /// Whether another broker leads it now.
    pub(in crate::embedded) fn is_lost(&self) -> bool {
        self.state().lost.is_some()
    }

    /// Whether nobody consumes and nothing is in hand.
    pub(in crate::embedded) fn is_idle(&self) -> bool {
        let state = self.state();
        state.backlog.consumers() == 0 && state.backlog.counts().in_hand == 0
    }

    /// How many consumers there are, and what is held for them.
    pub(in crate::embedded) fn counts(&self) -> (usize, Counts) {
        let state = self.state();
        (state.backlog.consumers(), state.backlog.counts())
    }
}

/// The checkpoint with which a group of these topics begins.
fn begin(mut checkpoint: Checkpoint, topics: &BTreeSet<Topic>) -> Result<Checkpoint, LoadError> {
    checkpoint.topics = topics.clone();
    checkpoint.move_to(Position::ZERO);
    let (found, max) = (checkpoint.bytes_max(), limits::MARK_VALUE_BYTES_MAX);
    if found > max {
        return Err(LoadError::TooManyTopics { max, found });
    }
    Ok(checkpoint)
}
