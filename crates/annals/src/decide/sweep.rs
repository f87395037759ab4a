//! Keeping the state of everything up to a position, which is what a store wants before it is truncated.
//!
//! In: the models of a service and a position. Out: a snapshot of every key that has events before it, as the key is now.
//! It reads the history once and folds each key from its last snapshot on. It may be ended anywhere and begun again.

use std::collections::HashSet;

use annals_core::event::EventType;
use annals_core::port::store::{EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use serde::Serialize;

use crate::decide::snapshots::{Kept, Snapshots};
use crate::define::boundary::{Fold, Wanted};

/// Keys that are remembered as done; one that is forgotten is asked about again, at the price of a look-up.
const SEEN_MAX: usize = 65_536;

/// What [`Service::keep_snapshots`](crate::Service::keep_snapshots) found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SnapshotsKept {
    /// Snapshots that were written.
    pub written: u64,
    /// States that were kept already, as they are now.
    pub current: u64,
    /// States that could not be kept.
    pub failed: u64,
    /// Why the first of them could not.
    pub trouble: Option<String>,
}

/// Keeps the state of every key that has events before a position.
pub(crate) async fn sweep(
    store: &dyn EventStore,
    snapshots: &Snapshots,
    folds: &[Fold],
    before: Position,
) -> Result<SnapshotsKept, ReadError> {
    let folds: Vec<&Fold> = folds.iter().filter(|fold| fold.snapshot.is_some()).collect();
    let types: Vec<EventType> = folds.iter().flat_map(|fold| fold.types.iter().cloned()).collect();
    let (mut done, mut seen) = (SnapshotsKept::default(), HashSet::new());
    if types.is_empty() {
        return Ok(done);
    }
    let mut read = Read::new(Query::types(types), Position::ZERO).to(before.min(store.end()));
    loop {
        let page = match store.read(read.clone()).await {
            // What has only archived events was kept before they were, or never will be.
            Err(ReadError::Gone { boundary, .. }) if read.from < boundary => {
                read.from = boundary;
                continue;
            }
            page => page?,
        };
        for event in &page.events {
            for fold in folds.iter().filter(|fold| fold.types.contains(&event.event_type)) {
                for tag in event.tags.iter().filter(|tag| tag.kind() == fold.kind) {
                    if seen.len() >= SEEN_MAX {
                        seen.clear();
                    }
                    if seen.insert((fold.model, tag.clone())) {
                        one(snapshots, fold, tag, &mut done).await;
                    }
                }
            }
        }
        if page.finished {
            return Ok(done);
        }
        read.from = page.next;
    }
}

async fn one(snapshots: &Snapshots, fold: &Fold, tag: &Tag, done: &mut SnapshotsKept) {
    let wanted = Wanted {
        fold: *fold,
        tag: tag.clone(),
    };
    match snapshots.keep(&wanted, 0).await {
        Ok(Kept::Written) => done.written += 1,
        Ok(Kept::Current) => done.current += 1,
        Err(error) => {
            done.failed += 1;
            done.trouble.get_or_insert_with(|| format!("{tag}: {error}"));
        }
    }
}
