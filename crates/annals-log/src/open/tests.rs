//! Opening behind a known frame reads nothing before it, and never takes another frame for it.

use super::*;
use crate::batch::Batch;
use crate::disk::sim::SimDisk;
use crate::group::Group;
use crate::prepare::Prepare;
use crate::reader::ReadError;

const OPTIONS: LogOptions = LogOptions {
    segment_bytes_first: 4_096,
    segment_bytes_max: 4_096,
    prepare: Prepare::Inline,
    open_files_max: 2,
};

fn dir() -> &'static Path {
    Path::new("log")
}

/// A log of this many records of 300 bytes, and what names each frame.
fn filled(disk: &SimDisk, records: u8) -> Vec<Milestone> {
    let mut log = open(Arc::new(disk.clone()), dir(), OPTIONS, &mut |_| Ok(())).unwrap();
    let commit = |number| {
        let mut batch = Batch::default();
        batch.push_numbered(|body| body.extend_from_slice(&[number; 300]));
        let mut group = Group::new();
        group.add(&batch);
        let committed = log.writer.commit(&mut group, 0).unwrap();
        assert_eq!(
            log.reader.frame(committed.frame).unwrap().milestone(),
            committed.milestone
        );
        assert_eq!(log.reader.frame(committed.frame).unwrap().end(), committed.end);
        committed.milestone
    };
    (0..records).map(commit).collect()
}

fn opening(disk: &SimDisk) -> Opening {
    Opening::new(Arc::new(disk.clone()), dir(), OPTIONS).unwrap()
}

/// The numbers of the frames that are shown when the log is opened behind this one.
fn shown(disk: &SimDisk, milestone: &Milestone) -> (Vec<u64>, Log) {
    let lock = lock(disk, dir()).unwrap();
    let mut opening = opening(disk);
    assert!(opening.skip_to(milestone).unwrap());
    let mut numbers = Vec::new();
    let log = opening.write(lock, &mut |frame| {
        numbers.push(frame.header.number);
        Ok(())
    });
    (numbers, log.unwrap())
}

#[test]
fn only_what_is_behind_a_known_frame_is_shown_and_the_log_goes_on() {
    let disk = SimDisk::new(1);
    let milestones = filled(&disk, 30);
    for (number, milestone) in milestones.iter().enumerate() {
        // The last frame is a seal.
        let (numbers, log) = shown(&disk, milestone);
        assert_eq!(numbers, (number as u64 + 1..31).collect::<Vec<_>>());
        assert_eq!(
            (log.report.known_frames, log.report.frames),
            (number as u64 + 1, 31)
        );
        assert_eq!((log.report.end, log.report.sealed), (30, true));
        let after: Vec<_> = log
            .reader
            .frames_after(milestone)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(after.len(), 30 - number);
        assert!(
            after
                .iter()
                .zip(numbers)
                .all(|(frame, number)| frame.header.number == number)
        );
    }
    let report = opening(&disk).read(&mut |_| Ok(())).unwrap().1;
    assert_eq!((report.known_frames, report.frames), (0, 31));
    assert_eq!(filled(&disk, 1)[0].number, 31, "after the seal");
}

#[test]
fn a_log_that_ends_at_the_known_frame_opens_too() {
    let disk = SimDisk::new(1);
    let lost = {
        let log = open(Arc::new(disk.clone()), dir(), OPTIONS, &mut |_| Ok(())).unwrap();
        drop(log);
        filled(&disk, 3)
    };
    let unsealed = SimDisk::new(2);
    let mut bytes = disk.content(&crate::segment::path_of(dir(), 0)).unwrap();
    bytes[lost[2].frame.at as usize + 392..].fill(0);
    unsealed.place(&crate::segment::path_of(dir(), 0), &bytes);
    let mut read_only = opening(&unsealed);
    assert!(read_only.skip_to(&lost[2]).unwrap());
    let (_, report) = read_only.read(&mut |_| panic!("nothing is behind it")).unwrap();
    assert_eq!(
        (report.withheld_frames, report.end),
        (0, 3),
        "it was known, so it was durable"
    );
    let (numbers, log) = shown(&unsealed, &lost[2]);
    assert_eq!((numbers, log.report.end), (vec![], 3));
}

#[test]
fn another_frame_is_not_taken_for_it() {
    let disk = SimDisk::new(1);
    let milestones = filled(&disk, 12);
    let known = milestones[5];
    let place = |segment, at| Place { segment, at };
    let wrong = [
        Milestone {
            checksum: known.checksum ^ 1,
            ..known
        },
        Milestone { number: 6, ..known },
        Milestone {
            frame: place(known.frame.segment, known.frame.at + 8),
            ..known
        },
        Milestone {
            frame: place(known.frame.segment, 1 << 40),
            ..known
        },
        Milestone {
            frame: place(9, 512),
            ..known
        },
    ];
    for milestone in wrong {
        assert!(!opening(&disk).skip_to(&milestone).unwrap(), "{milestone:?}");
    }
    let other = SimDisk::new(2);
    filled(&other, 12);
    assert!(
        !opening(&other).skip_to(&known).unwrap(),
        "another log with the same records"
    );
    let (_, log) = shown(&disk, &known);
    let refused = log.reader.frames_after(&wrong[0]).map(drop);
    assert!(matches!(refused, Err(ReadError::Damaged(_))), "{refused:?}");
    drop(log);
    assert!(disk.rot(
        &crate::segment::path_of(dir(), known.frame.segment),
        known.frame.at + 100,
        1
    ));
    assert!(!opening(&disk).skip_to(&known).unwrap(), "a damaged one");
}

#[test]
fn damage_before_the_known_frame_is_left_to_later_reads() {
    let disk = SimDisk::new(1);
    let milestones = filled(&disk, 30);
    assert!(disk.rot(
        &crate::segment::path_of(dir(), 0),
        milestones[2].frame.at + 100,
        1
    ));
    let (_, log) = shown(&disk, &milestones[20]);
    assert!(matches!(
        log.reader.frame(milestones[2].frame),
        Err(ReadError::Damaged(_))
    ));
    assert_eq!(log.reader.verify(&mut |_| Ok(())).unwrap().damage.len(), 1);
    drop(log);
    let behind = milestones[25].frame;
    assert!(disk.rot(
        &crate::segment::path_of(dir(), behind.segment),
        behind.at + 100,
        1
    ));
    let mut opening = opening(&disk);
    assert!(opening.skip_to(&milestones[20]).unwrap());
    let refused = opening.read(&mut |_| Ok(())).map(drop);
    assert!(matches!(refused, Err(OpenError::Damaged(damage)) if damage.at == behind.at));
}
