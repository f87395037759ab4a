//! The index: which events carry which terms, where they are, which ids are taken, and which marks are set.
//!
//! In: events in order of position, and the frames they were committed in. Out: positions that match a query, places in
//! the log, revisions, times, marks. It is made of parts, each of a stretch of the log: the newest is in memory and
//! grows, the others are in files. A part that is large enough becomes a file; files of one size become one; both
//! happen away from those who read and write.
//!
//! Invariants:
//! 1. Parts follow each other without a gap, from the beginning of the log to its end.
//! 2. An answer equals a full scan of the log. A file is a hint: it is used only where it is of exactly these frames, and
//!    it can be made again.

mod term;
mod trouble;
mod span;
mod list;
mod stretch;
mod select;
mod active;
mod sealed;
mod part;
mod cold;
mod parts;

pub(crate) use active::{Active, Settled, Spot, Termed, TypeCounts};
pub(crate) use part::{Marks, MarksWanted, Part, Picked, Range, Selection};
pub(crate) use parts::{Parts, select_newest};
pub(crate) use sealed::{Cache, Census, MergeError, Pause, SealedPart, Workshop, joined, merge, write};
pub(crate) use span::Span;
pub(crate) use stretch::{Frames, Stretch, UNFINISHED_ENDING};
pub(crate) use trouble::Trouble;

/// Lets the pages of an index file of this name pass their checksums, whatever they hold.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn repair(name: &str, salt: u64, bytes: &mut [u8]) {
    if let Some(frames) = Frames::of(name) {
        sealed::repair(bytes, frames.identity(salt));
    }
}

#[cfg(test)]
mod tests;
