//! However often what was gathered is set aside, and however often a log was truncated before, the same comes out.

use std::sync::Arc;

use annals_core::event::NewEvent;
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_log::disk::sim::SimDisk;
use annals_log::{Beginning, Group, LogOptions, Milestone, Place, Prepare};
use uuid::Uuid;

use super::*;
use crate::record::tests::plain;

const SALT: u64 = 3;

fn event(number: u64) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(u128::from(number) * 977 + 1)),
        tags: vec![
            Tag::of("one", number % 2).unwrap(),
            Tag::of("many", number).unwrap(),
        ],
        ..plain()
    }
}

/// A frame for each of these numbers: an event, a mark that changes, one that is set and removed in turn.
fn frames(numbers: std::ops::Range<u64>) -> Vec<Frame> {
    let disk = SimDisk::new(1);
    let options = LogOptions {
        prepare: Prepare::Inline,
        ..LogOptions::default()
    };
    let port: Arc<dyn Disk> = Arc::new(disk);
    let mut log = annals_log::open(port, Path::new("log"), options, &mut |_| Ok(())).unwrap();
    for number in 0..numbers.end {
        let mut batch = Batch::default();
        batch.push_numbered(|body| record::write_event(&event(number), body));
        let removed = Mark::remove(MarkKey::new("s", "flag"));
        let flag = if number % 2 == 0 {
            Mark::set(removed.key, "up")
        } else {
            removed
        };
        let last = Mark::set(MarkKey::new("s", "last"), number.to_string());
        for mark in [flag, last, Mark::set(MarkKey::new("t", number.to_string()), "x")] {
            batch.push_unnumbered(|body| record::write_mark(&mark, body));
        }
        let mut group = Group::new();
        group.add(&batch);
        log.writer.commit(&mut group, number as i64).unwrap();
    }
    let all = log.reader.frames().map(Result::unwrap);
    all.skip(numbers.start as usize).collect()
}

fn carried(disk: &SimDisk, dir: &Path, segment: u32, first: u64) -> Carried {
    let frame = Place {
        segment: segment - 1,
        at: 512,
    };
    let before = Milestone {
        frame,
        number: first,
        checksum: 1,
    };
    let beginning = Beginning {
        salt: SALT,
        segment,
        before,
        first,
        note: super::super::carried::note(&["there".to_owned()]),
    };
    Carried::open(disk, dir, &beginning).unwrap()
}

/// Gathers 60 frames in steps, and answers with the bytes of the file and what it says.
fn gathered(bytes_max: usize, steps: &[u64]) -> (Vec<u8>, Carried) {
    let (disk, dir) = (SimDisk::new(1), Path::new("store"));
    let (mut before, mut from) = (None, 0);
    for (number, to) in steps.iter().enumerate() {
        let mut gather = Gather::new(&disk, dir, SALT, before.as_ref());
        gather.bytes_max = bytes_max;
        for frame in frames(from..*to) {
            gather.frame(&frame).unwrap();
        }
        let segment = number as u32 + 1;
        gather.finish(before.as_ref(), segment).unwrap();
        before = Some(carried(&disk, dir, segment, *to));
        from = *to;
        assert_eq!(disk.list(dir).unwrap().len(), number + 1, "nothing else is left");
    }
    let name = file_name(steps.len() as u32);
    (disk.content(&dir.join(name)).unwrap(), before.unwrap())
}

#[test]
fn however_it_is_gathered_the_same_comes_out() {
    let (whole, carried) = gathered(usize::MAX, &[60]);
    carried.check().unwrap();
    let tag = |text: &str| Tag::new(text).unwrap();
    assert_eq!(carried.tagged(&tag("one:1")).unwrap(), 30);
    assert_eq!(carried.tagged(&tag("many:7")).unwrap(), 1);
    assert_eq!(carried.tagged(&tag("many:60")).unwrap(), 0);
    assert_eq!(carried.types().unwrap(), [(plain().event_type, 60)]);
    assert_eq!(
        (carried.first(), carried.newest().as_micros(), carried.marks_set()),
        (60, 59, 61)
    );
    for number in 0..60 {
        let known = carried.known(event(number).id).unwrap().unwrap();
        assert_eq!(
            (known.position, known.recorded.as_micros()),
            (number, number as i64)
        );
    }
    assert_eq!(carried.known(event(60).id).unwrap(), None);
    assert_eq!(carried.mark(&MarkKey::new("s", "last")).unwrap().unwrap(), "59");
    assert_eq!(carried.mark(&MarkKey::new("s", "flag")).unwrap(), None, "removed");
    let names: Vec<_> = carried
        .marks("t", "5")
        .unwrap()
        .into_iter()
        .map(|(key, _)| key.name)
        .collect();
    assert_eq!(
        names,
        ["5", "50", "51", "52", "53", "54", "55", "56", "57", "58", "59"]
    );
    assert!(carried.may_match(&Query::all()).unwrap());
    assert!(!carried.may_match(&Query::tag(tag("many:60"))).unwrap());
    for bytes_max in [0, 500, 4_000] {
        for steps in [&[60][..], &[1, 60], &[20, 33, 60]] {
            assert_eq!(gathered(bytes_max, steps).0, whole, "{bytes_max} {steps:?}");
        }
    }
}
