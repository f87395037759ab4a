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
/// No file becomes larger, in events: making it again must not take for ever, nor much memory.
const EVENTS_MAX: u64 = 16 << 20;
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
    events: u64,
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
    let can_be_merged = |file: &&Size| file.events <= EVENTS_MAX / 2;
    files.iter().flatten().filter(can_be_merged).count() > FILES_TOO_MANY
}

/// Of each part, if it is in a file.
fn sizes(parts: &Parts) -> Vec<Option<Size>> {
    let size = |part: &Part| match part {
        Part::Sealed(part) => Some(Size {
            level: part.level(),
            events: u64::from(part.stretch().events),
        }),
        Part::Active(_) => None,
    };
    parts.all().iter().map(size).collect()
}

fn many_of_a_level(files: &[Option<Size>]) -> Option<Merging> {
    (0..LEVEL_MAX).find_map(|level| {
        let (mut from, mut events) = (0, 0);
        for (place, file) in files.iter().enumerate() {
            match file {
                Some(file) if file.level == level => events += file.events,
                _ => (from, events) = (place + 1, 0),
            }
            while events > EVENTS_MAX {
                events -= files[from].map_or(0, |file| file.events);
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
        if newer + file.events > EVENTS_MAX {
            break;
        }
        count += 1;
        if newer >= file.events {
            first = Some(place);
        }
        newer += file.events;
    }
    let places = first.filter(|_| count > FEW)?..files.len();
    let levels = files[places.clone()].iter().map(|file| file.level);
    Some(Merging {
        level: levels.max().unwrap_or(0),
        places,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: u64 = 16 << 10;

    fn of(files: &[(u8, u64)]) -> Vec<Size> {
        let size = |(level, parts): &(u8, u64)| Size {
            level: *level,
            events: parts * PART,
        };
        files.iter().map(size).collect()
    }

    fn busy(files: &[(u8, u64)]) -> Option<(Range<usize>, u8)> {
        let files: Vec<_> = of(files).into_iter().map(Some).collect();
        many_of_a_level(&files).map(|found| (found.places, found.level))
    }

    fn leisure(files: &[(u8, u64)]) -> Option<(Range<usize>, u8)> {
        as_large_as_the_one_before(&of(files)).map(|found| (found.places, found.level))
    }

    #[test]
    fn while_busy_eight_of_a_level_become_one_and_small_ones_come_first() {
        assert_eq!(busy(&[(0, 1); 7]), None);
        assert_eq!(busy(&[(0, 1); 9]), Some((0..8, 1)));
        let mut files = vec![(1, 8); 8];
        assert_eq!(busy(&files), Some((0..8, 2)));
        files.extend([(0, 1); 8]);
        assert_eq!(busy(&files), Some((8..16, 1)));
        assert_eq!(busy(&[(3, 512); 20]), None);
        let mut waiting: Vec<_> = of(&[(0, 1); 9]).into_iter().map(Some).collect();
        waiting[4] = None;
        assert_eq!(many_of_a_level(&waiting), None);
    }

    #[test]
    fn it_is_far_behind_with_many_files_that_can_be_merged_and_not_with_large_ones() {
        let too_many = |files: &[(u8, u64)]| {
            let files: Vec<_> = of(files).into_iter().map(Some).collect();
            are_too_many(&files)
        };
        let mut files = vec![(3, 1_000); 200];
        files.extend([(0, 1); FILES_TOO_MANY]);
        assert!(!too_many(&files));
        files.push((0, 1));
        assert!(too_many(&files));
    }

    #[test]
    fn nothing_becomes_too_large() {
        let mut files = vec![(2, 600), (2, 600)];
        files.extend([(2, 8); 7]);
        assert_eq!(
            busy(&files),
            Some((1..9, 3)),
            "all nine are more than a file may have"
        );
        assert_eq!(busy(&[(2, 200); 8]), None);
        assert_eq!(leisure(&[(0, 600); 8]), None);
        assert_eq!(leisure(&[(3, 1_000), (0, 8), (0, 2), (0, 4), (0, 12)]), None);
        assert_eq!(
            leisure(&[(3, 1_000), (0, 18), (0, 18), (0, 2), (0, 2), (0, 2)]),
            Some((1..6, 0))
        );
    }

    #[test]
    fn at_leisure_files_stay_few_and_no_event_is_merged_often() {
        assert_eq!(leisure(&[(0, 1); 4]), None);
        assert_eq!(
            leisure(&[(1, 8), (1, 8), (1, 8), (0, 1), (0, 1)]),
            Some((0..5, 1))
        );
        assert_eq!(
            leisure(&[(1, 64), (0, 8), (0, 1), (0, 1), (0, 1)]),
            Some((2..5, 0))
        );
        let (mut files, mut merged, mut most) = (Vec::new(), 0, 0);
        for _ in 0..512 {
            files.push((0, 1));
            if let Some((places, level)) = leisure(&files) {
                let events: u64 = files[places.clone()].iter().map(|(_, parts)| parts).sum();
                merged += events;
                files.splice(places, [(level, events)]);
            }
            most = most.max(files.len());
        }
        assert!(
            most <= 7 && merged < 9 * 512,
            "{most} files, {merged} parts merged"
        );
    }
}
