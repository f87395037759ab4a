//! One snapshot: a state as it was folded up to a position, and everything by which it is known to be the right one.
//!
//! In: the value of a mark. Out: a state to fold on from, or what is wrong with it. A snapshot is a mark of the service's own
//! store, so it becomes durable behind the events it stands for, is lost with them, is in every backup, and stays when they
//! are archived. It is never trusted:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, 1 |
//! | 16 | checksum of the mark's name and of all that follows |
//! | 16 | fingerprint of model, version, kind of key, and types and versions of its events |
//! | 8 | position: everything before it is in the state |
//! | 8 | how many events of the tag were before it |
//! | … | the state as JSON |
//!
//! Numbers are big endian. Of two snapshots of one model and tag, the later is kept.

use annals_core::mark::MarkKey;
use annals_core::port::store::{EventStore, ReadError};
use annals_core::position::Position;
use annals_core::tag::Tag;
use bytes::{Buf, BufMut, Bytes};

use crate::decide::cache::Folded;
use crate::define::boundary::{AnySnapshot, Fold};
use crate::ground::hash::fnv;

/// The mark space of snapshots.
pub(crate) const SPACE: &str = "snapshot";
const FORMAT: u8 = 1;
const CHECKED_AT: usize = 17;
const HEADER_BYTES: usize = CHECKED_AT + 16 + 8 + 8;

/// Why a snapshot is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Its bytes are not those that were written.
    Damaged,
    /// The model was another one: of another version or set of events.
    Changed,
    /// It stands for another number of events than there were.
    Foreign,
    /// Events that came after it were archived.
    Outrun,
    /// The store did not tell.
    Unread,
}

impl Wrong {
    /// One word, for metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Changed => "changed",
            Self::Foreign => "foreign",
            Self::Outrun => "outrun",
            Self::Unread => "unread",
        }
    }

    /// The end of a sentence.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Damaged => "its snapshot is damaged",
            Self::Changed => "its snapshot was made with another version of the model or of its events",
            Self::Foreign => "its snapshot is of another history",
            Self::Outrun => "its snapshot is older than what was archived",
            Self::Unread => "its snapshot could not be read",
        }
    }
}

/// A snapshot that was found to be right.
pub(crate) struct Found {
    pub(crate) folded: Folded,
    /// How many events of the tag it stands for.
    pub(crate) events: u64,
}

/// Where the snapshot of a model and tag is kept.
pub(crate) fn key(snapshot: &AnySnapshot, tag: &Tag) -> MarkKey {
    MarkKey::new(SPACE, format!("{} {tag}", snapshot.name))
}

/// What tells a model from what it was before: a state of the one is none of the other.
fn fingerprint(fold: &Fold, snapshot: &AnySnapshot) -> u128 {
    let mut events: Vec<String> = fold
        .types
        .iter()
        .zip(fold.versions)
        .map(|(name, version)| format!("{name} {version}\n"))
        .collect();
    // The order in which a set is written down does not matter.
    events.sort_unstable();
    let model = format!("{} {} {}\n", snapshot.name, snapshot.version, fold.kind);
    fnv(&[model.as_bytes(), events.concat().as_bytes()])
}

/// A snapshot as its mark holds it.
pub(crate) fn encode(
    fold: &Fold,
    snapshot: &AnySnapshot,
    tag: &Tag,
    folded: (&[u8], Position),
    events: u64,
) -> Vec<u8> {
    let (json, end) = folded;
    let mut checked = Vec::with_capacity(HEADER_BYTES + json.len());
    checked.put_u128(fingerprint(fold, snapshot));
    checked.put_u64(end.get());
    checked.put_u64(events);
    checked.put_slice(json);
    let mut value = Vec::with_capacity(CHECKED_AT + checked.len());
    value.put_u8(FORMAT);
    value.put_u128(checksum(&key(snapshot, tag), &checked));
    value.append(&mut checked);
    value
}

fn checksum(key: &MarkKey, checked: &[u8]) -> u128 {
    fnv(&[key.name.as_bytes(), &[0], checked])
}

/// Reads a snapshot back. It is not yet known whether the store's history is the one it stands for.
fn decode(fold: &Fold, snapshot: &AnySnapshot, tag: &Tag, value: &[u8]) -> Result<Found, Wrong> {
    if value.len() < HEADER_BYTES || value[0] != FORMAT {
        return Err(Wrong::Damaged);
    }
    let (mut sum, mut checked) = (&value[1..CHECKED_AT], &value[CHECKED_AT..]);
    if sum.get_u128() != checksum(&key(snapshot, tag), checked) {
        return Err(Wrong::Damaged);
    }
    if checked.get_u128() != fingerprint(fold, snapshot) {
        return Err(Wrong::Changed);
    }
    let (end, events) = (Position::new(checked.get_u64()), checked.get_u64());
    // The bytes are those that were written: it is the type that reads them in another way.
    let state = (snapshot.read)(checked).map_err(|_| Wrong::Changed)?;
    let folded = Folded { state, end, newer: 0 };
    Ok(Found { folded, events })
}

/// The state that a snapshot holds, if it was made at or before a position, and is right.
pub(crate) async fn find(
    store: &dyn EventStore,
    fold: &Fold,
    tag: &Tag,
    to: Position,
) -> Result<Option<Found>, Wrong> {
    let Some(snapshot) = &fold.snapshot else {
        return Ok(None);
    };
    let value = store.mark(key(snapshot, tag)).await;
    match value.map_err(|_| Wrong::Unread)? {
        Some(value) => check(store, fold, tag, to, &value).await,
        None => Ok(None),
    }
}

/// As [`find`], of a value that was read.
pub(crate) async fn check(
    store: &dyn EventStore,
    fold: &Fold,
    tag: &Tag,
    to: Position,
    value: &Bytes,
) -> Result<Option<Found>, Wrong> {
    let Some(snapshot) = &fold.snapshot else {
        return Ok(None);
    };
    let mut found = decode(fold, snapshot, tag, value)?;
    let end = found.folded.end;
    if end > to {
        return Ok(None);
    }
    let (counted, wrong) = match store.revision(tag.clone(), end).await {
        Ok(revision) => (revision, Wrong::Foreign),
        // Nothing came between the snapshot and what is still here, or it cannot be folded on.
        Err(ReadError::Gone { boundary, .. }) => {
            found.folded.end = boundary.min(to);
            let revision = store.revision(tag.clone(), boundary).await;
            (revision.map_err(|_| Wrong::Unread)?, Wrong::Outrun)
        }
        Err(_) => return Err(Wrong::Unread),
    };
    match counted.map_or(0, |revision| revision.get() + 1) == found.events {
        true => Ok(Some(found)),
        false => Err(wrong),
    }
}

#[cfg(test)]
mod tests;
