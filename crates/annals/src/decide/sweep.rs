//! Keeping the state of everything up to a position, which is what a store wants before it is truncated.
//!
//! In: the models of a service and a position. Out: a snapshot of every key that has events before it, as the key is now.
//! It reads the history in pages and folds each key from its last snapshot on. It may be ended anywhere and begun again.

use std::collections::HashSet;

use annals_core::event::EventType;
use annals_core::port::store::{EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use serde::Serialize;

use crate::decide::snapshots::{Enough, Kept, Snapshots};
use crate::define::boundary::{Fold, Wanted};

/// What [`Service::keep_snapshots`](crate::Service::keep_snapshots) found. A key may be counted once for each page of 1,024 events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SnapshotsKept {
    /// Snapshots that were written.
    pub written: u64,
    /// States whose snapshot was new enough.
    pub current: u64,
    /// States that could not be kept.
    pub failed: u64,
    /// Why the first of them could not.
    pub trouble: Option<String>,
}

impl SnapshotsKept {
    /// Both together.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        Self {
            written: self.written + later.written,
            current: self.current + later.current,
            failed: self.failed + later.failed,
            trouble: self.trouble.or(later.trouble),
        }
    }
}

/// Keeps the state of every key that has events in one page from a position on, before another one. Says where to go on, if
/// there is more.
pub(crate) async fn sweep(
    store: &dyn EventStore,
    snapshots: &Snapshots,
    folds: &[Fold],
    (from, before): (Position, Position),
) -> Result<(SnapshotsKept, Option<Position>), ReadError> {
    let folds: Vec<&Fold> = folds.iter().filter(|fold| fold.snapshot.is_some()).collect();
    let types: Vec<EventType> = folds.iter().flat_map(|fold| fold.types.iter().cloned()).collect();
    let mut done = SnapshotsKept::default();
    if types.is_empty() {
        return Ok((done, None));
    }
    let before = before.min(store.end());
    let read = Read::new(Query::types(types), from).to(before);
    let page = match store.read(read).await {
        // What has only archived events was kept before they were, or never will be.
        Err(ReadError::Gone { boundary, .. }) if from < boundary => return Ok((done, Some(boundary))),
        page => page?,
    };
    let mut seen = HashSet::new();
    for event in &page.events {
        for fold in folds.iter().filter(|fold| fold.types.contains(&event.event_type)) {
            for tag in event.tags.iter().filter(|tag| tag.kind() == fold.kind) {
                if seen.insert((fold.model, tag)) {
                    one(snapshots, fold, tag, before, &mut done).await;
                }
            }
        }
    }
    Ok((done, (!page.finished).then_some(page.next)))
}

async fn one(snapshots: &Snapshots, fold: &Fold, tag: &Tag, before: Position, done: &mut SnapshotsKept) {
    let wanted = Wanted {
        fold: *fold,
        tag: tag.clone(),
    };
    match snapshots.keep(&wanted, Enough::Covers(before)).await {
        Ok(Kept::Written) => done.written += 1,
        Ok(Kept::Current) => done.current += 1,
        Err(error) => {
            done.failed += 1;
            done.trouble.get_or_insert_with(|| format!("{tag}: {error}"));
        }
    }
}
