//! Which files of the index become one.
//!
//! In: the files as they follow each other, with their sizes. Out: those that are worth merging. While the store is busy
//! only many of one size are, so that no event is merged often. At leisure those are that together are as large as the one
//! before them: each file is larger then than all newer ones together, and they are few.
//!
//! Knows nothing of what is in them.

use std::ops::Range;

use crate::index::{Part, Parts};

/// So many files of one size become one while the store is busy.
const MERGED: usize = 8;
/// Files that were made of others so often are not merged again while it is.
const LEVEL_MAX: u8 = 3;
/// So few files are not worth merging at leisure.
const FEW: usize = 4;
/// No file becomes heavier: making it again must not take for ever, nor much memory.
const WEIGHT_MAX: u64 = 16 << 20;
/// With more files than these merging rests little: then questions wait for it.
pub(crate) const FILES_MANY: usize = 4 * MERGED;
/// With more files than these that can be merged it neither rests nor gives way: it would fall behind for ever.
const FILES_TOO_MANY: usize = 6 * MERGED;

/// Files to merge, and how often the new one will have been made of others while the store was busy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merging {
    pub(crate) places: Range<usize>,
    pub(crate) level: u8,
}

/// What counts of a file.
#[derive(Debug, Clone, Copy)]
struct Size {
    level: u8,
    /// Its events, or its keys of marks if these are more: a file may well hold marks alone.
    weight: u64,
}

/// The first files of one size, small sizes first, that are enough to become one.
pub(crate) fn while_busy(parts: &Parts) -> Option<Merging> {
    many_of_a_level(&sizes(parts))
}

/// The newest files, if they are many and together as large as the one before them. Not while a part waits for its file.
pub(crate) fn at_leisure(parts: &Parts) -> Option<Merging> {
    let files: Option<Vec<Size>> = sizes(parts).into_iter().collect();
    as_large_as_the_one_before(&files?)
}

/// Whether so many files wait to be merged that nothing else is more urgent. Those that are nearly as large as a file becomes
/// do not count: there are more of them the longer the history is.
pub(crate) fn is_far_behind(parts: &Parts) -> bool {
    are_too_many(&sizes(parts))
}

fn are_too_many(files: &[Option<Size>]) -> bool {
    let can_be_merged = |file: &&Size| file.weight <= WEIGHT_MAX / 2;
    files.iter().flatten().filter(can_be_merged).count() > FILES_TOO_MANY
}

/// Of each part, if it is in a file.
fn sizes(parts: &Parts) -> Vec<Option<Size>> {
    let size = |part: &Part| match part {
        Part::Sealed(part) => Some(Size {
            level: part.level(),
            weight: u64::from(part.stretch().events).max(part.mark_keys()),
        }),
        Part::Active(_) => None,
    };
    parts.all().iter().map(size).collect()
}

fn many_of_a_level(files: &[Option<Size>]) -> Option<Merging> {
    (0..LEVEL_MAX).find_map(|level| {
        let (mut from, mut weight) = (0, 0);
        for (place, file) in files.iter().enumerate() {
            match file {
                Some(file) if file.level == level => weight += file.weight,
                _ => (from, weight) = (place + 1, 0),
            }
            while weight > WEIGHT_MAX {
                weight -= files[from].map_or(0, |file| file.weight);
                from += 1;
            }
            if place + 1 - from == MERGED {
                return Some(Merging {
                    places: from..place + 1,
                    level: level + 1,
                });
            }
        }
        None
    })
}

fn as_large_as_the_one_before(files: &[Size]) -> Option<Merging> {
    let (mut newer, mut count, mut first) = (0, 0, None);
    for (place, file) in files.iter().enumerate().rev() {
        if newer + file.weight > WEIGHT_MAX {
            break;
        }
        count += 1;
        // One alone is not worth it, however little is in it.
        if count > 1 && newer >= file.weight {
            first = Some(place);
        }
        newer += file.weight;
    }
    let places = first.filter(|_| count > FEW)?..files.len();
    let levels = files[places.clone()].iter().map(|file| file.level);
    Some(Merging {
        level: levels.max().unwrap_or(0),
        places,
    })
}

#[cfg(test)]
mod tests;
