//! Lists of every length, walked in both directions, against filters.

use std::path::Path;

use annals_core::time::Timestamp;
use annals_log::Place;
use annals_log::disk::Disk;
use annals_log::disk::sim::SimDisk;
use annals_log::disk::sim::chance::Chance;

use super::super::cache::Cache;
use super::*;

/// Where the event of a position lies, in a log of two segments.
fn span(position: u32) -> Span {
    Span {
        place: Place {
            segment: position / 12_000,
            at: 512 + u64::from(position % 12_000) * 300,
        },
        bytes: 40 + position % 200,
        checksum: position.wrapping_mul(0x9E37_79B9),
        recorded: Timestamp::from_micros(1_700_000_000_000_000 + i64::from(position / 7)),
    }
}

/// Every second list says where its events lie.
fn is_placed(number: usize) -> bool {
    number % 2 == 1
}

fn base() -> Base {
    Base::default()
}

/// Writes lists one after the other; their values, and the file.
fn written(lists: &[Vec<u32>]) -> (Arc<PageFile>, Vec<Vec<u8>>) {
    let (disk, path) = (SimDisk::new(1), Path::new("lists"));
    let (file, mut pause) = (disk.create(path).unwrap(), || Ok(()));
    let mut pages = PageWriter::new(file.clone(), 5, &mut pause);
    let mut writer = ListWriter::new(base());
    let mut values = Vec::new();
    for (number, list) in lists.iter().enumerate() {
        for position in list {
            let span = is_placed(number).then(|| span(*position));
            writer.push(&mut pages, *position, span.as_ref()).unwrap();
        }
        let mut value = Vec::new();
        writer.finish(&mut pages, &mut value).unwrap();
        values.push(value);
    }
    let count = pages.next();
    pages.finish(|_| Vec::new()).unwrap();
    let cache = Arc::new(Cache::new(1 << 20));
    (
        Arc::new(PageFile::new(path.to_owned(), file, 5, count, cache)),
        values,
    )
}

fn random_list(chance: &mut Chance, positions: u64) -> Vec<u32> {
    let share = [1, 2, 10, 300, 5_000][chance.below(5) as usize];
    (0..positions as u32).filter(|_| chance.one_in(share)).collect()
}

#[test]
fn every_list_answers_as_a_filter() {
    let mut chance = Chance::new(1);
    let lists: Vec<_> = (0..30).map(|_| random_list(&mut chance, 20_000)).collect();
    let (file, values) = written(&lists);
    let long = values
        .iter()
        .filter(|value| matches!(Stored::read(value, base()), Some(Stored::Long(_))))
        .count();
    assert!((5..25).contains(&long), "{long} long lists");
    for (number, (list, value)) in lists.iter().zip(&values).enumerate() {
        let known = |position: u32| is_placed(number).then(|| span(position));
        let stored = || Stored::read(value, base()).unwrap();
        assert_eq!(stored().count(), list.len());
        let mut all = All::new(stored());
        let mut found = Vec::new();
        loop {
            let more = all.next(&file).unwrap();
            if more.positions.is_empty() {
                break;
            }
            found.extend(more.each());
        }
        let expected: Vec<_> = list
            .iter()
            .map(|position| (*position, known(*position)))
            .collect();
        assert_eq!(found, expected);
        for _ in 0..60 {
            let (from, to) = (chance.below(20_500) as u32, chance.below(20_500) as u32);
            let before = list.partition_point(|at| *at < to);
            assert_eq!(stored().count_before(&file, to).unwrap(), before);
            for direction in [Direction::Forward, Direction::Backward] {
                let range = Local { from, to, direction };
                let inside: Vec<u32> = list
                    .iter()
                    .copied()
                    .filter(|at| (from..to).contains(at))
                    .collect();
                let Some(mut walk) = SealedList::new(&file, stored(), range, 20_000) else {
                    assert_eq!(inside, [] as [u32; 0]);
                    continue;
                };
                let mut bound = range.start().unwrap_or(0);
                for _ in 0..25 {
                    let expected = match direction {
                        Direction::Forward => inside.iter().copied().find(|at| *at >= bound),
                        Direction::Backward => inside.iter().copied().rfind(|at| *at <= bound),
                    };
                    let found = walk.seek(bound).unwrap();
                    assert_eq!(found, expected, "{range:?} at {bound}");
                    if let Some(found) = found {
                        assert_eq!(walk.span(found), known(found), "{range:?} at {bound}");
                    }
                    let step = [1, 3, 700, 9_000][chance.below(4) as usize];
                    bound = match direction {
                        Direction::Forward => bound + step,
                        Direction::Backward => bound.saturating_sub(step),
                    };
                }
            }
        }
    }
}

#[test]
fn values_that_make_no_sense_are_told() {
    let mut chance = Chance::new(4);
    let (file, _) = written(&[(0..9_000).collect()]);
    for _ in 0..3_000 {
        let value: Vec<u8> = (0..chance.below(9)).map(|_| chance.below(20) as u8).collect();
        if let Some(stored) = Stored::read(&value, base()) {
            let range = Local {
                from: 0,
                to: u32::MAX,
                direction: [Direction::Forward, Direction::Backward][chance.below(2) as usize],
            };
            let answered = stored.count_before(&file, 5).is_ok();
            if let Some(mut walk) = SealedList::new(&file, stored, range, 100) {
                let walked = walk.seek(chance.below(100) as u32).is_ok();
                assert!(walked || !answered || !value.is_empty());
            }
        }
    }
    assert!(Stored::read(&[], base()).is_none());
}
