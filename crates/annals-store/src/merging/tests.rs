//! Which files are merged, told by their sizes alone.

use super::*;

const PART: u64 = 16 << 10;

fn of(files: &[(u8, u64)]) -> Vec<Size> {
    let size = |(level, parts): &(u8, u64)| Size {
        level: *level,
        weight: parts * PART,
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
    assert_eq!(busy(&[(2, 200); 20]), None);
    assert_eq!(
        busy(&[(2, 128); 8]),
        Some((0..8, 3)),
        "exactly as many as it may have"
    );
    assert_eq!(
        leisure(&[(0, 512), (0, 256), (0, 128), (0, 64), (0, 64)]),
        Some((0..5, 0)),
        "here too"
    );
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
    assert_eq!(leisure(&[(0, 16), (0, 8), (0, 4), (0, 2), (0, 0)]), None);
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
