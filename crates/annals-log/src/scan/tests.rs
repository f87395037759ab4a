//! Walks through frames: one memory for all of them, from any byte on, over borders of pieces and segments.

use std::ops::Range;
use std::path::Path;
use std::slice;
use std::sync::Arc;

use super::{
    BLOCK, GLANCE_BYTES, HINT_BYTES, PIECE_BYTES, SURVEY_BYTES, Step, Survey, Walk, ZEROS_BELIEVED, room_for,
    untold,
};
use crate::batch::Batch;
use crate::disk::sim::SimDisk;
use crate::disk::{Access, Disk};
use crate::frame::Frame;
use crate::group::Group;
use crate::open::{Log, open};
use crate::place::Place;
use crate::prepare::Prepare;
use crate::reader::ReadError;
use crate::segment::FIRST_FRAME;
use crate::writer::LogOptions;

fn options(segment_bytes: u64) -> LogOptions {
    LogOptions {
        segment_bytes_first: segment_bytes,
        segment_bytes_max: segment_bytes,
        prepare: Prepare::Inline,
        open_files_max: 2,
    }
}

/// A log whose frames have records of these lengths, the body of each filled with its number.
fn filled(segment_bytes: u64, frames: &[&[usize]]) -> (SimDisk, Log, Vec<Place>) {
    let disk = SimDisk::new(3);
    let mut log = open(
        Arc::new(disk.clone()),
        Path::new("log"),
        options(segment_bytes),
        &mut |_| Ok(()),
    )
    .unwrap();
    let (mut places, mut number) = (Vec::new(), 0_u8);
    for records in frames {
        let mut batch = Batch::default();
        for bytes in *records {
            batch.push_numbered(|body| body.resize(body.len() + bytes, number));
            number = number.wrapping_add(1);
        }
        let mut group = Group::new();
        group.add(&batch);
        places.push(log.writer.commit(&mut group, 0).unwrap().frame);
    }
    (disk, log, places)
}

fn bodies(frame: &Frame) -> Vec<Vec<u8>> {
    let records = Batch::records(&frame.payload);
    records
        .map(|record| frame.payload[record.body..record.end].to_vec())
        .collect()
}

#[test]
fn frames_over_the_borders_of_pieces_and_segments_come_whole_and_in_order() {
    let piece = PIECE_BYTES as usize;
    let frames: [&[usize]; 7] = [
        &[piece / 2, 10],
        &[piece - 700],
        &[piece * 3, 1],
        &[0],
        &[100_000, 100_000, 100_000],
        &[piece - 88],
        &[7],
    ];
    for segment_bytes in [PIECE_BYTES * 4, PIECE_BYTES * 16] {
        let (_, log, places) = filled(segment_bytes, &frames);
        let read: Vec<Frame> = log.reader.frames().map(Result::unwrap).collect();
        let expected: Vec<Vec<u8>> = frames
            .iter()
            .flat_map(|records| records.iter())
            .enumerate()
            .map(|(number, bytes)| vec![number as u8; *bytes])
            .collect();
        assert_eq!(read.iter().flat_map(bodies).collect::<Vec<_>>(), expected);
        // Kept or not, what is read is the same.
        let lent = log.reader.frames().map(|frame| bodies(&frame.unwrap()));
        assert_eq!(lent.flatten().collect::<Vec<_>>(), expected);
        assert_eq!(read.len(), places.len());
        assert!(places.last().unwrap().segment >= u32::from(segment_bytes == PIECE_BYTES * 4));
    }
}

#[test]
fn the_memory_of_a_piece_is_used_again_unless_a_frame_of_it_is_kept() {
    let frames: Vec<&[usize]> = vec![&[PIECE_BYTES as usize / 3]; 12];
    let (_, log, _) = filled(PIECE_BYTES * 16, &frames);
    let memory = |kept: &mut Vec<Frame>, keep: bool| -> Vec<*const u8> {
        let frames = log.reader.frames().map(Result::unwrap);
        let mut begins: Vec<_> = frames
            .map(|frame| {
                let at = frame.payload.as_ptr();
                let page = at.wrapping_sub(at.addr() % PIECE_BYTES as usize);
                if keep {
                    kept.push(frame);
                }
                page
            })
            .collect();
        begins.dedup();
        begins.sort_unstable();
        begins.dedup();
        begins
    };
    let mut kept = Vec::new();
    // One buffer lies on two stretches of its own size at most.
    assert!(memory(&mut kept, false).len() <= 2);
    assert!(memory(&mut kept, true).len() > 4);
    assert!(
        kept.iter()
            .enumerate()
            .all(|(number, frame)| bodies(frame)[0][0] == number as u8)
    );
}

#[test]
fn what_is_kept_of_a_buffer_stands_at_the_beginning_of_the_next_one() {
    for shared in [false, true] {
        for size in [10, 100, 1_000] {
            let old = bytes::Bytes::from((0..100_u8).collect::<Vec<_>>());
            let (memory, other) = (old.as_ptr(), shared.then(|| old.clone()));
            let buffer = room_for(old, size, 90..100);
            assert!(buffer.len() >= size);
            assert_eq!(buffer[..10], (90..100).collect::<Vec<u8>>());
            if size <= 100 {
                assert_eq!(
                    buffer.as_ptr() == memory,
                    !shared,
                    "{size} bytes, shared {shared}"
                );
            }
            let unchanged = other.is_none_or(|other| other.iter().copied().eq(0..100));
            assert!(unchanged);
        }
    }
}

#[test]
fn the_memory_of_something_large_is_let_go() {
    let large = super::KEPT_BYTES_MAX + 1;
    for (size, is_kept) in [(100, false), (large - 1, false), (large, true)] {
        let old = bytes::Bytes::from(vec![7; large]);
        let memory = old.as_ptr();
        let buffer = room_for(old, size, 5..15);
        assert_eq!(buffer[..10], [7; 10]);
        assert_eq!((buffer.len(), buffer.as_ptr() == memory), (size, is_kept));
    }
}

/// A walk through the first segment from its first frame, which may go as far as the segment does.
fn walk(log: &Log) -> Walk {
    let segment = log.reader.segment(0).unwrap();
    let to = segment.size;
    Walk::new(segment, log.reader.salt(), FIRST_FRAME, to)
}

#[test]
fn a_file_that_ends_inside_a_frame_or_its_header_is_told_wherever_it_ends() {
    let (disk, log, places) = filled(64 << 10, &[&[500], &[500], &[500]]);
    let end = log.reader.end();
    drop(log);
    let path = crate::segment::path_of(Path::new("log"), 0);
    // The last byte of a frame may be padding, which nobody misses.
    for size in (places[2].at..end.at).step_by(4) {
        let image = disk.crash(1, crate::disk::sim::Survival::Everything);
        let log = open(
            Arc::new(image.clone()),
            Path::new("log"),
            options(64 << 10),
            &mut |_| Ok(()),
        )
        .unwrap();
        let mut walk = walk(&log);
        image.open(&path, Access::Write).unwrap().truncate(size).unwrap();
        let mut steps = std::iter::from_fn(|| Some(walk.step().unwrap()));
        assert!(steps.by_ref().take(2).all(|step| matches!(step, Step::Frame(_))));
        let third = steps.next().unwrap();
        match size - places[2].at {
            0 => assert!(matches!(third, Step::End), "{third:?}"),
            cut => assert!(
                matches!(&third, Step::Bad(_, found) if found == "the end of the file"),
                "{cut} bytes: {third:?}"
            ),
        }
    }
}

#[test]
fn a_survey_tells_the_first_frame_and_the_last_byte_of_all_it_read() {
    let frames = 3 * SURVEY_BYTES / 1_000;
    let sizes: Vec<&[usize]> = vec![&[1_000]; frames];
    let (disk, log, places) = filled(4 << 20, &sizes);
    let survey = walk(&log).survey().unwrap();
    assert_eq!(
        survey.beyond.unwrap().number,
        1,
        "the first behind that where the walk stands"
    );
    let written = survey.written_to.unwrap();
    let last = places.last().unwrap().at;
    assert!(
        written > last + 1_000 && written <= log.reader.end().at,
        "{written}"
    );
    // A file that became shorter meanwhile ends there.
    let path = crate::segment::path_of(Path::new("log"), 0);
    let mut walk = walk(&log);
    disk.open(&path, Access::Write).unwrap().truncate(last).unwrap();
    let survey = walk.survey().unwrap();
    assert!(survey.written_to.unwrap() <= last);
}

/// A log of 6 MiB of short frames, of which these stretches alone did not become zeros.
fn hollow(kept: &[Range<u64>]) -> Log {
    let sizes: Vec<&[usize]> = vec![&[1_000]; 6_000];
    let (disk, log, _) = filled(16 << 20, &sizes);
    let path = crate::segment::path_of(Path::new("log"), 0);
    let file = disk.open(&path, Access::Write).unwrap();
    let ends = [FIRST_FRAME].into_iter().chain(kept.iter().map(|one| one.end));
    let starts = kept.iter().map(|one| one.start).chain([log.reader.end().at]);
    for (from, to) in ends.zip(starts) {
        file.write_at(&vec![0; (to - from) as usize], from).unwrap();
    }
    log
}

#[test]
fn a_glance_sees_what_a_survey_sees_but_for_a_short_stretch_behind_many_zeros() {
    let found = |kept: &[Range<u64>]| {
        let log = hollow(kept);
        let told = |one: Survey| (one.beyond.map(|frame| frame.number), one.written_to);
        let survey = told(walk(&log).survey().unwrap());
        assert!(survey.0.is_some() && survey.1.is_some(), "{survey:?}");
        (told(walk(&log).glance().unwrap()), survey)
    };
    let (block, every) = (BLOCK as u64, GLANCE_BYTES as u64);
    let looked_at = FIRST_FRAME + ZEROS_BELIEVED + every;
    let long = looked_at + block..looked_at + block + every;
    let few_zeros = looked_at - every - 4 * block..looked_at - every;
    let near = FIRST_FRAME + 10_000..FIRST_FRAME + 20_000;
    for kept in [long.clone(), few_zeros, near] {
        let (glance, survey) = found(slice::from_ref(&kept));
        assert_eq!(glance, survey, "{kept:?}");
    }
    let short = long.start..long.end - 2 * block;
    assert_eq!(found(slice::from_ref(&short)).0, (None, None));
    // Zeros are counted from the last byte that is none.
    let middle = FIRST_FRAME + ZEROS_BELIEVED / 2;
    let (glance, survey) = found(&[middle..middle + block, short]);
    assert_eq!(glance, survey);
    // Also where that one ends what is read at once.
    let end = FIRST_FRAME + 4 * SURVEY_BYTES as u64;
    let behind = end + ZEROS_BELIEVED - every - every / 2;
    let (glance, survey) = found(&[end - block..end, behind..behind + 4 * block]);
    assert_eq!(glance, survey);
}

#[test]
fn where_no_segment_is_nothing_is_read_and_a_hint_does_nothing() {
    let (_, log, _) = filled(64 << 10, &[&[500]]);
    let nowhere = Place {
        segment: 7,
        at: FIRST_FRAME,
    };
    log.reader.hint(nowhere, 100);
    assert!(log.reader.first_frame(7).unwrap().is_none());
    assert_eq!(log.reader.first_frame(0).unwrap().unwrap().header.number, 0);
    let read = log.reader.bytes(nowhere, 1);
    assert!(
        matches!(read, Err(ReadError::NotDurable { segment: 7, .. })),
        "{read:?}"
    );
}

#[test]
fn a_blank_header_before_other_segments_is_damage_and_not_an_unfinished_segment() {
    let (disk, log, _) = filled(4 << 10, &[&[2_000], &[2_000], &[2_000], &[2_000]]);
    assert!(log.reader.segments() > 2);
    drop(log);
    let path = crate::segment::path_of(Path::new("log"), 0);
    let file = disk.open(&path, Access::Write).unwrap();
    file.write_at(&[0; FIRST_FRAME as usize], 0).unwrap();
    let refused = open(
        Arc::new(disk),
        Path::new("log"),
        options(4 << 10),
        &mut |_| Ok(()),
    )
    .unwrap_err();
    assert!(refused.to_string().contains("zeros before other"), "{refused}");
}

#[test]
fn a_walk_from_any_byte_begins_with_the_frame_that_holds_it() {
    const BIG: usize = 600 << 10;
    let frames: Vec<&[usize]> = [&[300][..], &[BIG, 20], &[1; 50], &[BIG], &[5]].repeat(3);
    let (_, log, places) = filled(1 << 20, &frames);
    assert!(places.last().unwrap().segment >= 3);
    for (number, place) in places.iter().enumerate() {
        let frame = log.reader.frame(*place).unwrap();
        let last = frame.end().at - 1;
        for at in [
            place.at,
            place.at + 1,
            place.at + 80,
            place.at.midpoint(last),
            last,
        ] {
            let from = Place { at, ..*place };
            let numbers: Vec<u64> = log
                .reader
                .frames_from(from)
                .unwrap()
                .map(|frame| frame.unwrap().header.number)
                .collect();
            assert_eq!(
                numbers,
                (number as u64..places.len() as u64).collect::<Vec<_>>(),
                "{from:?}"
            );
        }
    }
    for at in [100, FIRST_FRAME - 1] {
        let header = log.reader.frames_from(Place { segment: 0, at });
        assert!(matches!(header, Err(ReadError::Damaged(_))));
    }
    let end = log.reader.frames_from(log.reader.end());
    assert!(matches!(end, Err(ReadError::NotDurable { .. })));
}

#[test]
fn content_that_looks_like_a_frame_is_not_taken_for_one() {
    let (_, log, places) = filled(1 << 20, &[&[40], &[4_000]]);
    let forged = log.reader.bytes(places[0], 128).unwrap();
    let (mut log, mut batch) = (log, Batch::default());
    // At every alignment, so that one of them is that of frames.
    batch.push_numbered(|body| {
        (0..8).for_each(|pad| {
            body.extend_from_slice(&forged);
            body.resize(body.len() + pad, 0);
        })
    });
    let mut group = Group::new();
    group.add(&batch);
    let committed = log.writer.commit(&mut group, 0).unwrap();
    let from = Place {
        at: committed.end.at - 1,
        ..committed.frame
    };
    let frames: Vec<_> = log
        .reader
        .frames_from(from)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!((frames.len(), frames[0].milestone()), (1, committed.milestone));
}

#[test]
fn a_damaged_frame_inside_is_told_with_file_and_byte_and_ends_the_walk() {
    let frames: Vec<&[usize]> = vec![&[2_000, 300]; 12];
    for place in [3_usize, 7] {
        let (disk, log, places) = filled(16 << 10, &frames);
        let file = Path::new("log").join(format!("{:010}.seg", places[place].segment));
        for flipped in [0, 9, 40, 100, 2_300] {
            let at = places[place].at + flipped;
            disk.rot(&file, at, 0x10);
            let mut walk = log.reader.frames_from(places[1]).unwrap();
            let seen: Vec<_> = walk.by_ref().take_while(Result::is_ok).collect();
            assert_eq!(seen.len(), place - 1, "byte {flipped}");
            assert!(walk.next().is_none());
            let mut walk = log.reader.frames_from(places[1]).unwrap();
            let error = walk.find_map(Result::err).unwrap().to_string();
            let named = format!("{} at byte {}", file.display(), places[place].at);
            assert!(error.contains(&named), "{error}");
            let inside = log.reader.frames_from(Place {
                at: places[place].at + 1_000,
                ..places[place]
            });
            let error = inside.map(drop).unwrap_err().to_string();
            assert!(
                error.contains(&format!("at byte {}", places[place].at + 1_000)),
                "{error}"
            );
            disk.rot(&file, at, 0x10);
        }
    }
}

#[test]
fn no_frame_holds_the_byte_behind_it() {
    let (_, log, places) = filled(64 << 10, &[&[500], &[500]]);
    let end = log.reader.end().at;
    let held = walk(&log).back_to_frame_of(end - 1).unwrap();
    assert_eq!(held.map(|header| header.place), Some(places[1].at));
    assert_eq!(walk(&log).back_to_frame_of(end).unwrap(), None);
}

#[test]
fn what_a_walk_has_read_is_not_read_again() {
    let third = PIECE_BYTES as usize * 2 / 5;
    let (disk, log, places) = filled(PIECE_BYTES * 4, &[&[third], &[third], &[third]]);
    let mut kept = walk(&log);
    assert!(matches!(kept.step().unwrap(), Step::Frame(_)));
    // The first piece ends inside the third frame; all that was read of it is taken over into the next piece.
    assert!(places[2].at < FIRST_FRAME + PIECE_BYTES);
    let path = crate::segment::path_of(Path::new("log"), 0);
    for at in [places[1].at, places[2].at, FIRST_FRAME + PIECE_BYTES - 1] {
        assert!(disk.rot(&path, at, 1));
    }
    let reads = disk.reads();
    for number in 1..3 {
        match kept.step().unwrap() {
            Step::Frame(frame) => assert_eq!(frame.header.number, number),
            other => panic!("frame {number}: {other:?}"),
        }
    }
    assert_eq!(disk.reads() - reads, 1);
    let mut anew = walk(&log);
    assert!(matches!(anew.step().unwrap(), Step::Frame(_)));
    assert!(matches!(anew.step().unwrap(), Step::Bad(..)));
}

#[test]
fn the_further_back_a_frame_begins_the_more_is_read_at_once() {
    let (disk, log, places) = filled(1 << 20, &[&[40 << 10], &[200 << 10]]);
    let last = log.reader.end().at - 1;
    let reads = disk.reads();
    let header = walk(&log).back_to_frame_of(last).unwrap().unwrap();
    assert_eq!(header.place, places[1].at);
    // 4, 8, 24, 72 and 132 KiB back, far more than to the frame's beginning, and then the frame.
    assert_eq!(disk.reads() - reads, 6);
}

#[test]
fn the_kernel_is_told_once_of_what_lies_behind_a_piece_and_never_beyond_the_end() {
    let to = 3 * HINT_BYTES;
    assert_eq!(untold(100, 0, to), Some(100..100 + HINT_BYTES));
    assert_eq!(untold(100, 100, to), Some(100..100 + HINT_BYTES));
    assert_eq!(untold(99, 100, to), None, "it knows");
    assert_eq!(untold(to - 9, 0, to), Some(to - 9..to));
    assert_eq!(untold(to, 0, to), None, "nothing is behind it");
}
