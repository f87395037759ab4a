//! One flipped byte anywhere must be told, and nothing else.

use super::*;
use crate::batch::Batch;
use crate::disk::sim::{SimDisk, Survival};
use crate::group::Group;
use crate::open::open;
use crate::prepare::Prepare;
use crate::segment;
use crate::writer::LogOptions;

const OPTIONS: LogOptions = LogOptions {
    segment_bytes_first: 4_096,
    segment_bytes_max: 4_096,
    prepare: Prepare::Inline,
    open_files_max: 2,
};

/// Sealed, three segments, 21 records; with a reader that was opened while all was well.
fn filled() -> (SimDisk, Reader, Vec<Place>) {
    let disk = SimDisk::new(1);
    let mut log = open(Arc::new(disk.clone()), Path::new("log"), OPTIONS, &mut |_| Ok(())).unwrap();
    let mut places = Vec::new();
    for _ in 0..21 {
        let mut batch = Batch::default();
        batch.push_numbered(|body| body.extend_from_slice(&[9; 301]));
        let mut group = Group::new();
        group.add(&batch);
        places.push(log.writer.commit(&mut group, 0).unwrap().frame);
    }
    log.writer.close().unwrap();
    (disk, log.reader, places)
}

fn look(disk: &SimDisk) -> VerifyReport {
    inspect(Arc::new(disk.clone()), Path::new("log"), &mut |_| Ok(())).unwrap()
}

#[test]
fn a_healthy_log_is_counted_and_nothing_is_told() {
    let (disk, reader, places) = filled();
    assert_eq!(places[20].segment, 2);
    let report = reader.verify(&mut |_| Ok(())).unwrap();
    assert_eq!(
        report,
        VerifyReport {
            segments: 3,
            frames: 22,
            seals: 1,
            numbered: 21,
            bytes: 21 * 392 + 80,
            ..VerifyReport::default()
        }
    );
    assert_eq!(look(&disk), report);
}

#[test]
fn every_flipped_byte_of_every_frame_is_told_where_it_is() {
    let (disk, reader, places) = filled();
    for (number, place) in places.iter().enumerate() {
        let file = Path::new("log").join(format!("{:010}.seg", place.segment));
        for byte in [0, 9, 12, 30, 77, 85, 100, 389, 391] {
            assert!(disk.rot(&file, place.at + byte, 0x40));
            for report in [reader.verify(&mut |_| Ok(())).unwrap(), look(&disk)] {
                let told: Vec<_> = report
                    .damage
                    .iter()
                    .map(|damage| (&damage.file, damage.at))
                    .collect();
                assert_eq!(told, [(&file, place.at)], "frame {number}, byte {byte}");
                assert_eq!(report.numbered, 20);
            }
            let frames: Result<Vec<_>, _> = reader.frames().collect();
            assert!(
                matches!(&frames, Err(ReadError::Damaged(damage)) if damage.at == place.at),
                "{frames:?}"
            );
            assert!(disk.rot(&file, place.at + byte, 0x40));
        }
    }
    assert_eq!(reader.frames().map(Result::unwrap).count(), 22);
}

#[test]
fn what_is_before_the_first_frame_is_looked_at_also_in_a_log_that_is_open() {
    let (disk, reader, places) = filled();
    for number in 0..=places.last().unwrap().segment {
        let file = segment::path_of(Path::new("log"), number);
        for (byte, told_at) in [(3, 0), (20, 0), (FIRST_FRAME - 1, FIRST_FRAME - 1)] {
            assert!(disk.rot(&file, byte, 0x40));
            let damage = reader.verify(&mut |_| Ok(())).unwrap().damage;
            let told: Vec<_> = damage.iter().map(|damage| (&damage.file, damage.at)).collect();
            assert_eq!(told, [(&file, told_at)], "segment {number}, byte {byte}");
            assert!(disk.rot(&file, byte, 0x40));
        }
    }
}

#[test]
fn missing_files_and_broken_headers_are_told() {
    let (disk, _, _) = filled();
    let middle = disk.crash(1, Survival::Nothing);
    middle.remove(Path::new("log/0000000001.seg")).unwrap();
    assert!(
        look(&middle).damage[0].found.contains("frame 18"),
        "{:?}",
        look(&middle).damage
    );
    assert!(disk.rot(Path::new("log/0000000001.seg"), 3, 1));
    let damage = look(&disk).damage;
    assert_eq!((damage[0].at, damage.len()), (0, 2), "{damage:?}");
    assert_eq!(look(&SimDisk::new(1)), VerifyReport::default());
}

#[test]
fn a_torn_tail_is_no_damage() {
    let (disk, _, places) = filled();
    let file = disk
        .open(Path::new("log/0000000002.seg"), crate::disk::Access::Write)
        .unwrap();
    let after = places[20].at + 392 + 80;
    file.write_at(&[1; 30], after).unwrap();
    let report = look(&disk);
    assert_eq!((report.torn_bytes, report.damage.len()), (30, 0));
}

#[test]
fn records_the_caller_cannot_read_are_told() {
    let (_, reader, places) = filled();
    let refuse = &mut |frame: &Frame| {
        if frame.header.number == 4 {
            Err("nonsense".to_owned())
        } else {
            Ok(())
        }
    };
    let report = reader.verify(refuse).unwrap();
    assert_eq!((report.damage.len(), report.damage[0].at), (1, places[4].at));
}

#[test]
fn a_last_segment_without_anything_in_it_is_no_damage_and_any_other_is() {
    let (disk, reader, _) = filled();
    let last = segment::path_of(Path::new("log"), 3);
    disk.place(&last, &[0; 4_096]);
    assert_eq!(look(&disk).damage, []);
    drop(reader);
    let middle = segment::path_of(Path::new("log"), 1);
    disk.place(&middle, &[0; 4_096]);
    let report = look(&disk);
    assert_eq!(report.damage[0].file, middle);
    assert!(report.damage[0].found.contains("zeros"), "{report:?}");
}
