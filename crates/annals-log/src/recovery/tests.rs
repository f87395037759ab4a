//! Torn or damaged: every kind of broken log, judged.

use std::sync::Arc;

use super::*;
use crate::batch::Batch;
use crate::beginning::{Beginning, begin_at, remove_before};
use crate::checksum::Checksum;
use crate::damage::Damage;
use crate::disk::sim::{Fault, SimDisk, Survival};
use crate::format::FormatError;
use crate::frame::{FORMAT, FRAME_HEADER_BYTES, Frame, FrameHeader, FrameKind, seal_bytes};
use crate::group::Group;
use crate::open::{Log, open, open_read_only};
use crate::place::Place;
use crate::prepare::Prepare;
use crate::segment;
use crate::writer::LogOptions;

const OPTIONS: LogOptions = LogOptions {
    segment_bytes_first: 4_096,
    segment_bytes_max: 4_096,
    prepare: Prepare::Inline,
    open_files_max: 2,
};

fn dir() -> &'static Path {
    Path::new("log")
}

fn file(number: u32) -> PathBuf {
    segment::path_of(dir(), number)
}

fn try_open(disk: &SimDisk) -> Result<(Log, u64), OpenError> {
    let mut seen = 0;
    let visit = &mut |frame: &Frame| {
        seen += u64::from(frame.header.numbered);
        Ok(())
    };
    open(Arc::new(disk.clone()), dir(), OPTIONS, visit).map(|log| (log, seen))
}

/// A log of this many records of 300 bytes, and where each frame begins.
fn filled(disk: &SimDisk, records: u64) -> (Log, Vec<Place>) {
    let (mut log, _) = try_open(disk).unwrap();
    let commit = |_| {
        let mut batch = Batch::default();
        batch.push_numbered(|body| body.extend_from_slice(&[9; 300]));
        let mut group = Group::new();
        group.add(&batch);
        log.writer.commit(&mut group, 0).unwrap().frame
    };
    let places = (0..records).map(commit).collect();
    (log, places)
}

fn damage(opened: Result<(Log, u64), OpenError>) -> Damage {
    match opened {
        Err(OpenError::Damaged(damage)) => damage,
        other => panic!("expected damage, found {other:?}"),
    }
}

#[test]
fn rot_before_the_last_frame_refuses_and_changes_nothing() {
    let disk = SimDisk::new(1);
    let (log, places) = filled(&disk, 30);
    assert!(log.reader.segments() >= 3);
    drop(log);
    for place in &places[..29] {
        let broken = disk.crash(1, Survival::Nothing);
        assert!(broken.rot(&file(place.segment), place.at + 100, 0x10));
        let before = broken.operations();
        let found = damage(try_open(&broken));
        assert_eq!(
            (found.file, found.at),
            (file(place.segment), place.at),
            "of {places:?}"
        );
        assert!(found.expected.contains("frame"), "{}", found.expected);
        assert_eq!(broken.operations(), before);
    }
}

#[test]
fn zeros_in_place_of_a_durable_frame_are_damage_too() {
    let disk = SimDisk::new(1);
    let (log, places) = filled(&disk, 5);
    drop(log);
    let bytes = disk.content(&file(0)).unwrap();
    for at in places[3].at..places[4].at {
        assert!(disk.rot(&file(0), at, bytes[at as usize]));
    }
    let found = damage(try_open(&disk));
    assert_eq!((found.at, found.expected.as_str()), (places[3].at, "frame 3"));
    assert!(
        found.found.starts_with("zeros, and then frame 4"),
        "{}",
        found.found
    );
}

#[test]
fn rot_in_the_very_last_frame_looks_torn_unless_it_was_sealed() {
    let disk = SimDisk::new(1);
    let (log, places) = filled(&disk, 3);
    let unsealed = disk.crash(1, Survival::Nothing);
    drop(log);
    assert!(unsealed.rot(&file(0), places[2].at + 100, 1));
    let (log, seen) = try_open(&unsealed).unwrap();
    assert_eq!((seen, log.report.cut_at), (2, Some((file(0), places[2].at))));
    assert!(log.report.cut_bytes > 300);

    assert!(disk.rot(&file(0), places[2].at + 100, 1));
    assert_eq!(damage(try_open(&disk)).at, places[2].at);
}

#[test]
fn a_missing_segment_is_damage() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, 30));
    let middle = disk.crash(1, Survival::Nothing);
    middle.remove(&file(1)).unwrap();
    assert_eq!(damage(try_open(&middle)).file, file(1));
    disk.remove(&file(0)).unwrap();
    assert_eq!(damage(try_open(&disk)).file, file(0));
}

#[test]
fn a_segment_without_its_last_frames_is_damage_if_another_follows() {
    let disk = SimDisk::new(1);
    let (log, places) = filled(&disk, 12);
    drop(log);
    let last_of_first = places.iter().rfind(|place| place.segment == 0).unwrap();
    let bytes = disk.content(&file(0)).unwrap();
    for at in last_of_first.at..4_096 {
        assert!(disk.rot(&file(0), at, bytes[at as usize]));
    }
    let found = damage(try_open(&disk));
    assert_eq!((found.file, found.at), (file(0), last_of_first.at));
}

#[test]
fn a_cut_or_longer_file_and_a_broken_header_are_damage() {
    for (bytes, at) in [(4_000, 0), (5_000, 0)] {
        let disk = SimDisk::new(1);
        drop(filled(&disk, 3));
        disk.open(&file(0), Access::Write)
            .unwrap()
            .truncate(bytes)
            .unwrap();
        assert_eq!(damage(try_open(&disk)).at, at);
    }
    let disk = SimDisk::new(1);
    drop(filled(&disk, 3));
    assert!(disk.rot(&file(0), 30, 1));
    assert!(damage(try_open(&disk)).expected.contains("checksum"));
    let header = disk.content(&file(0)).unwrap();
    for (at, byte) in header[..512].iter().enumerate() {
        assert!(disk.rot(&file(0), at as u64, *byte));
    }
    assert!(damage(try_open(&disk)).found.contains("zeros before other bytes"));
}

#[test]
fn a_newer_format_is_refused_untouched() {
    for (at, expected) in [(8, 2), (512 + 4, 4)] {
        let disk = SimDisk::new(1);
        drop(filled(&disk, 1));
        assert!(disk.rot(&file(0), at, expected));
        let before = disk.operations();
        match try_open(&disk) {
            Err(OpenError::Format(FormatError::Newer {
                file: named,
                found,
                supported,
            })) => {
                assert_eq!(
                    (named, found, supported),
                    (file(0), u16::from(expected) ^ FORMAT, FORMAT)
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(disk.operations(), before);
    }
}

/// Changes a byte behind a checksum and makes the checksum right again, as another build would have written it.
fn rewrite(disk: &SimDisk, (at, byte): (usize, u8), (from, to): (usize, usize), salted: bool) {
    let mut content = disk.content(&file(0)).unwrap();
    content[at] = byte;
    let (before, behind, checksum) = match salted {
        false => (from..from + 12, from + 16..to, from + 12),
        true => (from..from + 8, from + 12..to, from + 8),
    };
    let salt = content[24..32].to_vec();
    let sum = Checksum::new()
        .with(if salted { &salt } else { &[] })
        .with(&content[before])
        .with(&content[behind])
        .finish();
    content[checksum..checksum + 4].copy_from_slice(&sum.to_le_bytes());
    disk.place(&file(0), &content);
}

#[test]
fn what_this_build_does_not_know_is_refused_untouched() {
    let frame = (512, 512 + 80 + 308 + 4);
    let cases = [
        ((10, 1), (0, 64), false),
        ((50, 1), (0, 64), false),
        ((512 + 6, 2), frame, true),
        ((512 + 76, 1), frame, true),
    ];
    for (change, checked, salted) in cases {
        let disk = SimDisk::new(1);
        drop(filled(&disk, 1));
        rewrite(&disk, change, checked, salted);
        let before = disk.operations();
        match try_open(&disk) {
            Err(OpenError::Format(FormatError::Feature { file: named, .. })) => assert_eq!(named, file(0)),
            other => panic!("{change:?}: {other:?}"),
        }
        assert_eq!(disk.operations(), before);
    }
}

#[test]
fn format_0_is_refused_with_the_way_out() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, 1));
    rewrite(&disk, (8, 0), (0, 64), false);
    let before = disk.operations();
    let refused = try_open(&disk).unwrap_err();
    assert!(
        matches!(refused, OpenError::Format(FormatError::Unreleased { .. })),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("export its events"), "{refused}");
    assert_eq!(disk.operations(), before);
}

#[test]
fn unfinished_and_empty_segments_are_taken_away() {
    let disk = SimDisk::new(1);
    let (log, _) = filled(&disk, 3);
    drop(log);
    disk.place(&file(1), &[]);
    disk.place(&dir().join("0000000002.seg.tmp"), &[1, 2, 3]);
    disk.place(&dir().join("notes.txt"), b"kept");
    let (log, seen) = try_open(&disk).unwrap();
    assert_eq!((seen, log.report.removed_files), (3, 2));
    let mut names = disk.list(dir()).unwrap();
    names.sort();
    assert_eq!(names, ["0000000000.seg", "notes.txt"]);
    for blank in [vec![0; 100], vec![0; 4_096]] {
        let image = disk.crash(1, Survival::Nothing);
        image.place(&file(1), &blank);
        assert_eq!(try_open(&image).unwrap().0.report.removed_files, 1);
    }
    disk.place(&file(1), &[0, 0, 1]);
    drop(log);
    assert!(matches!(try_open(&disk), Err(OpenError::Damaged(_))));
}

#[test]
fn the_last_frame_is_made_durable_again_before_it_is_served() {
    let disk = SimDisk::new(1);
    let (mut log, _) = filled(&disk, 2);
    disk.fail_at(disk.operations(), Fault::FailFlush);
    let mut batch = Batch::default();
    batch.push_numbered(|body| body.extend_from_slice(b"dropped by the kernel"));
    let mut group = Group::new();
    group.add(&batch);
    assert!(log.writer.commit(&mut group, 0).is_err());
    drop(log);
    let (log, seen) = try_open(&disk).unwrap();
    assert_eq!(seen, 3);
    let (_, after) = try_open(&disk.crash(1, Survival::Nothing)).unwrap();
    assert_eq!(after, 3, "once served, it stays");
    drop(log);
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let disk = SimDisk::new(1);
    let (mut log, places) = filled(&disk, 3);
    match try_open(&disk) {
        Err(error @ OpenError::Locked { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains(&format!("process {}", std::process::id())),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    let read = |disk: &SimDisk| {
        let mut seen = 0;
        let visit = &mut |frame: &Frame| {
            seen += u64::from(frame.header.numbered);
            Ok(())
        };
        let before = disk.operations();
        let (reader, report) = open_read_only(Arc::new(disk.clone()), dir(), visit).unwrap();
        assert_eq!(disk.operations(), before, "nothing was changed");
        (reader.end(), report.withheld_frames, seen)
    };
    assert_eq!(
        read(&disk),
        (places[2], 1, 2),
        "the last frame has no witness yet"
    );
    log.writer.seal().unwrap();
    assert_eq!(read(&disk), (log.reader.end(), 0, 3));
}

#[test]
fn records_the_caller_cannot_read_are_damage() {
    let disk = SimDisk::new(1);
    let (log, places) = filled(&disk, 2);
    drop(log);
    let refused = open(
        Arc::new(disk),
        dir(),
        OPTIONS,
        &mut |frame| match frame.header.number {
            1 => Err("nonsense".to_owned()),
            _ => Ok(()),
        },
    );
    match refused {
        Err(OpenError::Damaged(found)) => {
            assert_eq!((found.at, found.found.as_str()), (places[1].at, "nonsense"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn content_that_looks_like_a_frame_is_none() {
    let disk = SimDisk::new(1);
    let (mut log, places) = filled(&disk, 1);
    let copied = log.reader.bytes(places[0], 392).unwrap();
    let mut batch = Batch::default();
    batch.push_numbered(|body| body.extend_from_slice(&copied));
    let mut group = Group::new();
    group.add(&batch);
    let frame = log.writer.commit(&mut group, 0).unwrap().frame;
    let torn = disk.crash(1, Survival::Nothing);
    assert!(torn.rot(&file(0), frame.at + 60, 1));
    assert_eq!(
        try_open(&torn).unwrap().0.report.cut_at,
        Some((file(0), frame.at))
    );
}

#[test]
fn a_disk_that_fails_during_recovery_can_be_opened_again() {
    let disk = SimDisk::new(1);
    let (log, _) = filled(&disk, 3);
    let image = disk.crash(1, Survival::Nothing);
    drop(log);
    for operation in 0..3 {
        let again = image.crash(1, Survival::Nothing);
        again.fail_at(operation, Fault::FailFlush);
        assert!(
            matches!(try_open(&again), Err(OpenError::Io { .. })),
            "operation {operation}"
        );
        assert_eq!(try_open(&again).unwrap().1, 3);
    }
}

#[test]
fn no_bytes_make_it_panic_or_show_what_nobody_wrote() {
    let mut chance = crate::disk::sim::chance::Chance::new(8);
    let disk = SimDisk::new(1);
    let (log, places) = filled(&disk, 14);
    drop(log);
    let whole = disk.crash(1, Survival::Nothing);
    let (mut refused, rounds) = (0, 1_500);
    for round in 0..rounds {
        let image = whole.crash(1, Survival::Nothing);
        for _ in 0..=chance.below(3) {
            let (from, bytes) = (chance.below(4_096), 1 + chance.below(700));
            let segment = chance.below(2) as u32;
            let mask = chance.number() as u8;
            for at in from..(from + bytes).min(4_096) {
                image.rot(
                    &file(segment),
                    at,
                    if chance.one_in(3) {
                        chance.number() as u8
                    } else {
                        mask
                    },
                );
            }
        }
        let mut seen = 0;
        let opened = open(Arc::new(image), dir(), OPTIONS, &mut |frame| {
            let place = Place {
                segment: frame.header.segment,
                at: frame.header.place,
            };
            assert!(
                frame.header.numbered == 0 || places[seen] == place,
                "round {round}: {place:?}"
            );
            assert!(
                frame.payload.len() < 9 || frame.payload[8..] == [9; 300],
                "round {round}"
            );
            seen += frame.header.numbered as usize;
            Ok(())
        });
        refused += u32::from(opened.is_err());
    }
    assert!(refused > rounds / 2, "{refused} of {rounds} refused");
}

#[test]
fn a_first_segment_whose_name_may_not_be_durable_is_made_again() {
    // The flush of the directory fails after the first segment got its name: it stays readable and is lost at a cut.
    for operation in 0..20 {
        let disk = SimDisk::new(1);
        disk.fail_at(operation, Fault::FailFlush);
        let Ok((mut log, _)) = try_open(&disk).or_else(|_| try_open(&disk)) else {
            panic!("operation {operation}: it does not open a second time")
        };
        let mut batch = Batch::default();
        batch.push_numbered(|body| body.extend_from_slice(b"kept"));
        let mut group = Group::new();
        group.add(&batch);
        if log.writer.commit(&mut group, 0).is_ok() {
            let (_, seen) = try_open(&disk.crash(1, Survival::Nothing)).unwrap();
            assert_eq!(seen, 1, "operation {operation}");
        }
    }
}

/// Where a log of three or more segments begins if the first two are taken away.
fn third_segment(log: &Log) -> (Beginning, u64) {
    let frames: Vec<Frame> = log.reader.frames().map(Result::unwrap).collect();
    let first = frames.iter().position(|frame| frame.header.segment == 2).unwrap();
    let beginning = Beginning {
        salt: log.reader.salt(),
        segment: 2,
        before: frames[first - 1].milestone(),
        first: frames[first].header.first,
        note: "kept".into(),
    };
    (beginning, frames.len() as u64)
}

#[test]
fn a_log_goes_on_from_where_its_older_segments_were_taken_away() {
    let disk = SimDisk::new(1);
    let (log, _) = filled(&disk, 40);
    let (beginning, frames) = third_segment(&log);
    drop(log);
    let before = disk.operations();
    disk.cut_at(before..before + 100);
    begin_at(&disk, dir(), &beginning).unwrap();
    assert_eq!(remove_before(&disk, dir(), &beginning).unwrap(), 2);
    let cuts = disk.take_cuts();
    assert!(cuts.len() > 6);
    let (mut whole, mut shortened) = (0, 0);
    for (operation, cut) in cuts {
        for mode in Survival::ALL {
            let image = cut.crash(operation, mode);
            let (log, seen) = try_open(&image).unwrap();
            match seen {
                40 => whole += 1,
                seen => {
                    assert_eq!(seen, 40 - beginning.first, "operation {operation}, {mode:?}");
                    shortened += 1;
                    let names = image.list(dir()).unwrap();
                    assert!(!names.contains(&"0000000000.seg".to_owned()), "taken away again");
                }
            }
            assert_eq!(log.writer.end(), 40);
        }
    }
    assert!(whole > 0 && shortened > 0, "{whole} {shortened}");
    let (mut log, seen) = try_open(&disk).unwrap();
    assert_eq!((seen, log.writer.end()), (40 - beginning.first, 40));
    assert_eq!(log.report.frames, frames + 1, "numbers go on, the seal included");
    let mut batch = Batch::default();
    batch.push_numbered(|body| body.extend_from_slice(b"more"));
    let mut group = Group::new();
    group.add(&batch);
    assert_eq!(log.writer.commit(&mut group, 0).unwrap().first, 40);
    let all = log.reader.frames_after(&beginning.before).unwrap();
    assert_eq!(
        all.map(Result::unwrap).next().unwrap().header.first,
        beginning.first
    );
    let verified = log.reader.verify(&mut |_| Ok(())).unwrap();
    assert_eq!(
        (verified.damage, verified.numbered),
        (vec![], 41 - beginning.first)
    );
    drop(log);
    let inspected = crate::verify::inspect(Arc::new(disk.clone()), dir(), &mut |_| Ok(())).unwrap();
    assert_eq!(
        (inspected.damage, inspected.numbered),
        (vec![], 41 - beginning.first)
    );
}

#[test]
fn without_the_word_where_it_begins_missing_segments_are_damage() {
    let disk = SimDisk::new(1);
    let (log, _) = filled(&disk, 40);
    let (beginning, _) = third_segment(&log);
    drop(log);
    begin_at(&disk, dir(), &beginning).unwrap();
    remove_before(&disk, dir(), &beginning).unwrap();
    let lost = disk.crash(1, Survival::Nothing);
    lost.remove(&dir().join("BEGINNING")).unwrap();
    assert_eq!(damage(try_open(&lost)).file, file(0));
    let lost = disk.crash(1, Survival::Nothing);
    lost.remove(&file(2)).unwrap();
    assert_eq!(damage(try_open(&lost)).file, file(2));
    let spoiled = disk.crash(1, Survival::Nothing);
    assert!(spoiled.rot(&dir().join("BEGINNING"), 30, 1));
    assert_eq!(damage(try_open(&spoiled)).file, dir().join("BEGINNING"));
    let newer = disk.crash(1, Survival::Nothing);
    assert!(newer.rot(&dir().join("BEGINNING"), 17, b'1' ^ b'2'));
    let refused = try_open(&newer).unwrap_err();
    assert!(
        matches!(refused, OpenError::Format(FormatError::Newer { found: 2, .. })),
        "{refused:?}"
    );
    let another = Beginning {
        salt: beginning.salt + 1,
        ..beginning.clone()
    };
    begin_at(&disk, dir(), &another).unwrap();
    assert_eq!(damage(try_open(&disk)).file, file(2), "of another log");
    let shifted = Beginning {
        first: beginning.first + 1,
        ..beginning
    };
    begin_at(&disk, dir(), &shifted).unwrap();
    assert!(matches!(try_open(&disk), Err(OpenError::Damaged(_))));
}

#[test]
fn a_reader_beside_a_writer_looks_twice_before_it_speaks_of_damage() {
    let disk = SimDisk::new(1);
    let (mut log, _) = filled(&disk, 3);
    let mut commit = || {
        let mut batch = Batch::default();
        batch.push_numbered(|body| body.extend_from_slice(b"beside"));
        let mut group = Group::new();
        group.add(&batch);
        log.writer.commit(&mut group, 0).unwrap();
    };
    let mut seen = 0;
    let mut visit = |frame: &Frame| {
        seen += u64::from(frame.header.numbered);
        // The walk has read what follows before this, and finds zeros there; the survey behind them finds the fifth frame.
        if frame.header.number == 1 {
            commit();
            commit();
        }
        Ok(())
    };
    let (_, report) = open_read_only(Arc::new(disk.clone()), dir(), &mut visit).unwrap();
    assert_eq!((seen, report.withheld_frames), (4, 1));
}

#[test]
fn a_frame_that_vouches_only_for_what_is_before_the_tail_proves_nothing() {
    let disk = SimDisk::new(1);
    let (log, _) = filled(&disk, 2);
    let (tail, salt) = (log.reader.end(), log.reader.salt());
    let image = disk.crash(1, Survival::Nothing);
    drop(log);
    for (durable_to, is_cut) in [(tail.at, true), (tail.at + 8, false)] {
        let image = image.crash(1, Survival::Nothing);
        let header = FrameHeader {
            kind: FrameKind::Seal,
            payload_bytes: 0,
            segment: 0,
            place: tail.at + 400,
            number: 3,
            first: 3,
            numbered: 0,
            unnumbered: 0,
            time: 0,
            durable_to,
            previous: 0,
        };
        let mut bytes = vec![0; FRAME_HEADER_BYTES];
        seal_bytes(&header, salt, &mut bytes);
        assert!(image.misplace(&file(0), header.place, &bytes));
        match try_open(&image) {
            Ok((log, seen)) if is_cut => assert_eq!((seen, log.report.cut_at), (2, Some((file(0), tail.at)))),
            Err(OpenError::Damaged(found)) if !is_cut => assert_eq!(found.at, tail.at),
            other => panic!("{durable_to}: {other:?}"),
        }
    }
}

#[test]
fn what_is_cut_of_a_log_without_any_frame_is_told() {
    let disk = SimDisk::new(1);
    drop(try_open(&disk).unwrap().0.reader);
    let torn = disk.crash(1, Survival::Everything);
    assert!(torn.misplace(&file(0), segment::FIRST_FRAME, &[7; 88]));
    let (log, seen) = try_open(&torn).unwrap();
    assert_eq!(seen, 0);
    assert_eq!(
        (log.report.cut_bytes, log.report.cut_at),
        (88, Some((file(0), 512)))
    );
}
