//! The snapshots of one service: where loads begin, and the one who writes them behind everybody's back.
//!
//! In: a model, a tag and a position. Out: the state, folded from a snapshot where there is a right one, else from the first
//! event. A wrong one is counted, said once, and passed over. Whoever folded more than a number of events behind a snapshot has
//! another one asked for; it is folded again and written by a task of its own, so no decision waits for it, and nothing
//! but the cache suffers where it fails.
//!
//! Bounds: one snapshot for each model and tag, of at most the size of a mark; 256 that wait to be written.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_core::condition::Condition;
use annals_core::mark::Mark;
use annals_core::port::store::limits::MARK_VALUE_BYTES_MAX;
use annals_core::port::store::{Append, AppendError, EventStore, ReadError};
use annals_core::position::Position;
use annals_core::tag::Tag;
use smol_str::SmolStr;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::decide::cache::{Folded, Generations};
use crate::decide::fold::{FoldError, fold_to};
use crate::decide::snapshot::{self, Wrong};
use crate::decide::stale::KnownTypes;
use crate::define::boundary::{AnySnapshot, Fold, Wanted};
use crate::ground::hub::Stop;

/// Snapshots that may wait to be written.
const QUEUE_MAX: usize = 256;
/// States that are remembered as not to be kept.
const HOPELESS_MAX: usize = 1_024;

type Key = (&'static str, Tag);

/// The snapshots of one service.
pub struct Snapshots {
    service: SmolStr,
    store: Arc<dyn EventStore>,
    known: Arc<KnownTypes>,
    every: u64,
    queue: mpsc::Sender<Wanted>,
    /// What was said once.
    said: Mutex<HashSet<(&'static str, &'static str)>>,
    /// What cannot be kept, so that nobody tries again and again.
    hopeless: Mutex<Generations<Key, ()>>,
}

/// What makes a snapshot that is there good enough.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Enough {
    /// Fewer than so many events came after it.
    Fewer(u64),
    /// It stands for everything before this position.
    Covers(Position),
}

/// What became of the wish to keep a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is kept.
    Written,
    /// What is kept is as new, or new enough.
    Current,
}

/// Why a state was not kept.
#[derive(Debug, Error)]
pub(crate) enum KeepError {
    /// It could not be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The store did not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It holds an event that this build does not know.
    #[error("{0} is a type that this build does not know")]
    Unknown(annals_core::event::EventType),
    /// It is no JSON that can be read again.
    #[error("its state cannot be written down: {0}")]
    Json(#[from] serde_json::Error),
    /// It is too large for a mark.
    #[error("expected a state of at most {MARK_VALUE_BYTES_MAX} bytes, found {0}")]
    TooLarge(usize),
    /// The store did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl KeepError {
    fn word(&self) -> &'static str {
        match self {
            Self::Fold(_) => "fold",
            Self::Read(_) => "read",
            Self::Unknown(_) => "unknown_event",
            Self::Json(_) => "state",
            Self::TooLarge(_) => "too_large",
            Self::Append(_) => "append",
        }
    }
}

impl Snapshots {
    /// The snapshots of a service, one after so many events, and what waits to be written.
    pub(crate) fn new(
        service: SmolStr,
        store: Arc<dyn EventStore>,
        known: Arc<KnownTypes>,
        every: u64,
    ) -> (Arc<Self>, mpsc::Receiver<Wanted>) {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let snapshots = Self {
            service,
            store,
            known,
            every: every.max(1),
            queue,
            said: Mutex::default(),
            hopeless: Mutex::new(Generations::new(HOPELESS_MAX)),
        };
        (Arc::new(snapshots), waiting)
    }

    /// The state at a position, from the nearest place that is known.
    ///
    /// # Errors
    /// [`FoldError`]; nothing that is wrong with a snapshot is one.
    pub(crate) async fn fold_to(&self, fold: &Fold, tag: &Tag, to: Position) -> Result<Folded, FoldError> {
        let (start, why) = match snapshot::find(&*self.store, fold, tag, to).await {
            Ok(Some(found)) => (Some(found.folded), "what its snapshot stands for is not enough"),
            Ok(None) if fold.snapshot.is_none() => (None, "its model keeps no snapshots"),
            Ok(None) => (None, "there is no snapshot of it from before that moment"),
            Err(wrong) => {
                self.passed_over(fold, tag, wrong);
                (None, wrong.says())
            }
        };
        fold_to(&*self.store, fold, tag, start, to)
            .await
            .map_err(|error| match error {
                FoldError::Read(source @ ReadError::Gone { .. }) => FoldError::NoSnapshot {
                    model: fold.name,
                    tag: tag.clone(),
                    why,
                    source,
                },
                other => other,
            })
    }

    /// Has a snapshot written where many events were folded since the last. Waits for nothing.
    pub(crate) fn offer(&self, fold: &Fold, tag: &Tag, folded: &mut Folded) {
        let Some(snapshot) = &fold.snapshot else { return };
        if folded.newer < self.every || self.is_hopeless(snapshot, tag) {
            return;
        }
        // Also where the queue is full: after as many events it is asked for again.
        folded.newer = 0;
        let wanted = Wanted {
            fold: *fold,
            tag: tag.clone(),
        };
        if self.queue.try_send(wanted).is_err() {
            self.skipped(snapshot, "queue");
        }
    }

    /// Writes what is asked for until it is time to stop.
    pub(crate) async fn run(self: Arc<Self>, mut waiting: mpsc::Receiver<Wanted>, mut stop: Stop) {
        loop {
            let wanted = tokio::select! {
                biased;
                () = stop.wait() => return,
                wanted = waiting.recv() => wanted,
            };
            let Some(wanted) = wanted else { return };
            // What goes wrong was counted and said.
            drop(self.keep(&wanted, Enough::Fewer(self.every)).await);
            tokio::task::yield_now().await;
        }
    }

    /// Keeps a state as it is now, unless what is kept is enough.
    pub(crate) async fn keep(&self, wanted: &Wanted, enough: Enough) -> Result<Kept, KeepError> {
        let Some(snapshot) = &wanted.fold.snapshot else {
            return Ok(Kept::Current);
        };
        let kept = self.write(wanted, snapshot, enough).await;
        match &kept {
            Ok(Kept::Written) => {
                let (service, model) = (self.service.to_string(), snapshot.name);
                metrics::counter!("annals_snapshots_written_total", "service" => service, "model" => model)
                    .increment(1);
            }
            Ok(Kept::Current) => {}
            Err(error) => {
                self.skipped(snapshot, error.word());
                if self.is_news(snapshot, error.word()) {
                    tracing::warn!(service = %self.service, model = snapshot.name, tag = %wanted.tag,
                        "a snapshot was not kept: {error}; of this model it is not said again");
                }
                if let KeepError::TooLarge(_) | KeepError::Json(_) = error {
                    let key = (snapshot.name, wanted.tag.clone());
                    lock(&self.hopeless).put(key, ());
                }
            }
        }
        kept
    }

    async fn write(
        &self,
        wanted: &Wanted,
        snapshot: &AnySnapshot,
        enough: Enough,
    ) -> Result<Kept, KeepError> {
        let (fold, tag, store) = (&wanted.fold, &wanted.tag, &*self.store);
        let end = store.end();
        // A decision does not ask again about what a snapshot stands for.
        let boundary = std::slice::from_ref(wanted);
        if let Some(unknown) = self.known.unknown_within(store, boundary, end).await? {
            return Err(KeepError::Unknown(unknown));
        }
        let key = snapshot::key(snapshot, tag);
        let before = store.mark(key.clone()).await?;
        let found = match &before {
            Some(value) => snapshot::check(store, fold, tag, end, value).await,
            None => Ok(None),
        };
        let found = found.unwrap_or_else(|wrong| {
            self.passed_over(fold, tag, wrong);
            None
        });
        let revision = store.revision(tag.clone(), end).await?;
        let events = revision.map_or(0, |revision| revision.get() + 1);
        let covers = |end: Position| matches!(enough, Enough::Covers(before) if end >= before);
        if found
            .as_ref()
            .is_some_and(|found| found.events == events || covers(found.folded.end))
        {
            return Ok(Kept::Current);
        }
        let folded = fold_to(store, fold, tag, found.map(|found| found.folded), end).await?;
        if matches!(enough, Enough::Fewer(least) if folded.newer < least) {
            return Ok(Kept::Current);
        }
        let json = (snapshot.write)(&folded.state)?;
        let value = snapshot::encode(fold, snapshot, tag, (&json, end), events);
        if value.len() > MARK_VALUE_BYTES_MAX {
            return Err(KeepError::TooLarge(json.len()));
        }
        let append = Append {
            // Of two that are written at once, an older one must not take the place of a newer.
            conditions: vec![Condition::MarkIs {
                key: key.clone(),
                expected: before,
            }],
            marks: vec![Mark::set(key, value)],
            ..Append::default()
        };
        match store.append(append).await {
            Ok(_) => Ok(Kept::Written),
            Err(AppendError::Conflict(_)) => Ok(Kept::Current),
            Err(error) => Err(error.into()),
        }
    }

    fn passed_over(&self, fold: &Fold, tag: &Tag, wrong: Wrong) {
        let Some(snapshot) = &fold.snapshot else { return };
        let (service, model) = (self.service.to_string(), snapshot.name);
        metrics::counter!("annals_snapshots_wrong_total", "service" => service, "model" => model, "reason" => wrong.word())
            .increment(1);
        if self.is_news(snapshot, wrong.word()) {
            tracing::warn!(service = %self.service, model, %tag,
                "{}; the events are folded instead; of this model it is not said again", wrong.says());
        }
    }

    fn skipped(&self, snapshot: &AnySnapshot, reason: &'static str) {
        let (service, model) = (self.service.to_string(), snapshot.name);
        metrics::counter!("annals_snapshots_skipped_total", "service" => service, "model" => model, "reason" => reason)
            .increment(1);
    }

    fn is_news(&self, snapshot: &AnySnapshot, what: &'static str) -> bool {
        lock(&self.said).insert((snapshot.name, what))
    }

    fn is_hopeless(&self, snapshot: &AnySnapshot, tag: &Tag) -> bool {
        lock(&self.hopeless).holds(&(snapshot.name, tag.clone()))
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
