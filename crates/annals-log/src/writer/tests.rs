//! The writer against a disk that fails it.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::batch::Batch;
use crate::disk::sim::{Fault, SimDisk, Survival};
use crate::open::{Log, open};
use crate::reader::ReadError;
use crate::recovery::RecoveryReport;

const OPTIONS: LogOptions = LogOptions {
    segment_bytes_first: 4_096,
    segment_bytes_max: 8_192,
    prepare: Prepare::Inline,
    open_files_max: 2,
};

fn dir() -> &'static Path {
    Path::new("log")
}

/// Opens and returns the bodies of all records.
fn opened(disk: &SimDisk) -> (Log, Vec<Vec<u8>>) {
    let mut bodies = Vec::new();
    let log = open(Arc::new(disk.clone()), dir(), OPTIONS, &mut |frame| {
        let records = Batch::records(&frame.payload);
        bodies.extend(records.map(|record| frame.payload[record.body..record.end].to_vec()));
        Ok(())
    });
    (log.unwrap(), bodies)
}

fn group(body: &[u8]) -> Group {
    let mut batch = Batch::default();
    batch.push_numbered(|bytes| bytes.extend_from_slice(body));
    let mut group = Group::new();
    group.add(&batch);
    group
}

fn bodies(disk: &SimDisk) -> Vec<Vec<u8>> {
    opened(disk).1
}

#[test]
fn what_is_committed_comes_back_in_order_over_many_segments() {
    let disk = SimDisk::new(1);
    let (mut log, _) = opened(&disk);
    let expected: Vec<Vec<u8>> = (0..60_u8).map(|n| vec![n; 40 + usize::from(n) * 7]).collect();
    for (number, body) in expected.iter().enumerate() {
        let committed = log.writer.commit(&mut group(body), 5).unwrap();
        assert_eq!(committed.first, number as u64);
        let frame = log.reader.frame(committed.frame).unwrap();
        assert_eq!((frame.header.time, frame.header.first), (5, number as u64));
    }
    assert!(log.reader.segments() >= 3);
    let report = log.reader.verify(&mut |_| Ok(())).unwrap();
    assert_eq!((report.numbered, report.damage.len()), (60, 0));
    log.writer.close().unwrap();
    let (log, found) = opened(&disk.crash(3, Survival::Nothing));
    assert_eq!(found, expected);
    assert!(log.report.sealed);
    assert_eq!(
        (log.report.end, log.report.cut_bytes, log.report.removed_files),
        (60, 0, 0)
    );
}

#[test]
fn a_group_of_nothing_is_a_frame_that_changes_no_number() {
    let disk = SimDisk::new(1);
    let (mut log, _) = opened(&disk);
    log.writer.commit(&mut group(b"one"), 1).unwrap();
    let nothing = log.writer.commit(&mut Group::new(), 2).unwrap();
    assert_eq!(nothing.first, 1);
    let next = log.writer.commit(&mut group(b"two"), 3).unwrap();
    assert_eq!(next.first, 1);
    drop(log);
    assert_eq!(
        bodies(&disk.crash(1, Survival::Nothing)),
        [b"one".to_vec(), b"two".to_vec()]
    );
}

#[test]
fn a_reader_never_sees_beyond_the_durable_end() {
    let disk = SimDisk::new(1);
    let (mut log, _) = opened(&disk);
    let first = log.writer.commit(&mut group(b"one"), 0).unwrap();
    let end = log.reader.end();
    assert!(log.reader.bytes(first.frame, end.at - first.frame.at).is_ok());
    let beyond = log.reader.bytes(first.frame, end.at - first.frame.at + 1);
    assert!(matches!(beyond, Err(ReadError::NotDurable { .. })), "{beyond:?}");
    let next_segment = log.reader.bytes(Place { segment: 1, at: 512 }, 1);
    assert!(matches!(next_segment, Err(ReadError::NotDurable { .. })));
    let reader = log.reader.clone();
    disk.probe(Some(Box::new(move |_| assert_eq!(reader.end(), end))));
    log.writer.commit(&mut group(b"two"), 0).unwrap();
    disk.probe(None);
    assert!(log.reader.end() > end);
}

#[test]
fn a_failed_flush_stops_the_writer_until_reopened() {
    let disk = SimDisk::new(1);
    let (mut log, _) = opened(&disk);
    log.writer.commit(&mut group(b"kept"), 0).unwrap();
    let end = log.reader.end();
    disk.fail_at(disk.operations(), Fault::FailFlush);
    let failed = log.writer.commit(&mut group(b"unknown"), 0);
    assert!(matches!(failed, Err(CommitError::Unknown(_))), "{failed:?}");
    assert_eq!(log.reader.end(), end, "not shown to readers");
    let again = log.writer.commit(&mut group(b"later"), 0);
    assert!(matches!(again, Err(CommitError::Stopped(_))), "{again:?}");
    assert!(log.writer.seal().is_err());
    drop(log);
    let (mut log, found) = opened(&disk);
    assert_eq!(found, [&b"kept"[..], b"unknown"], "its bytes were still readable");
    log.writer.commit(&mut group(b"next"), 0).unwrap();
    assert_eq!(
        bodies(&disk.crash(1, Survival::Nothing)),
        [&b"kept"[..], b"unknown", b"next"]
    );
}

#[test]
fn a_write_that_is_cut_short_is_taken_back() {
    let disk = SimDisk::new(9);
    let (mut log, _) = opened(&disk);
    log.writer.commit(&mut group(b"kept"), 0).unwrap();
    disk.fail_at(disk.operations(), Fault::CutShort);
    let cut = log.writer.commit(&mut group(&[7; 2_000]), 0);
    assert!(matches!(cut, Err(CommitError::NotWritten(_))), "{cut:?}");
    let (place, end) = (
        log.reader.end(),
        disk.content(Path::new("log/0000000000.seg")).unwrap(),
    );
    assert!(end[place.at as usize..].iter().all(|byte| *byte == 0));
    log.writer.commit(&mut group(b"next"), 0).unwrap();
    assert_eq!(
        bodies(&disk.crash(1, Survival::Everything)),
        [&b"kept"[..], b"next"]
    );

    disk.fail_at(disk.operations(), Fault::CutShort);
    disk.fail_at(disk.operations() + 1, Fault::Refuse);
    let lost = log.writer.commit(&mut group(&[7; 500]), 0);
    assert!(matches!(lost, Err(CommitError::Unknown(_))), "{lost:?}");
    assert!(log.writer.stopped().is_some());
}

#[test]
fn a_full_disk_rejects_and_then_goes_on() {
    let disk = SimDisk::new(1);
    let (mut log, _) = opened(&disk);
    disk.limit(Some(disk.used()));
    let mut taken = 0_u64;
    let full = loop {
        match log.writer.commit(&mut group(&[1; 500]), 0) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&full, CommitError::NotWritten(source) if source.kind() == io::ErrorKind::StorageFull));
    assert!(taken >= 5);
    assert_eq!(
        log.reader.verify(&mut |_| Ok(())).unwrap().numbered,
        taken,
        "reads go on"
    );
    assert!(matches!(
        log.writer.commit(&mut group(&[1; 500]), 0),
        Err(CommitError::NotWritten(_))
    ));
    disk.limit(None);
    assert_eq!(log.writer.commit(&mut group(&[1; 500]), 0).unwrap().first, taken);
    assert_eq!(log.reader.segments(), 2);
}

#[test]
fn a_directory_that_cannot_be_flushed_stops_the_writer() {
    let disk = SimDisk::new(1);
    let (mut log, _) = opened(&disk);
    let failed = loop {
        let before = disk.operations();
        // The flush of the directory is the last of a segment's operations, whatever their number.
        for operation in before + 1..before + 12 {
            disk.fail_at(operation, Fault::FailFlush);
        }
        if let Err(error) = log.writer.commit(&mut group(&[1; 900]), 0) {
            break error;
        }
    };
    assert!(matches!(
        failed,
        CommitError::Stopped(_) | CommitError::NotWritten(_) | CommitError::Unknown(_)
    ));
}

#[test]
fn a_group_larger_than_a_segment_gets_a_larger_segment() {
    let disk = SimDisk::new(1);
    let (mut log, _) = opened(&disk);
    log.writer.commit(&mut group(&[1; 3_000]), 0).unwrap();
    let giant = vec![2; 100_000];
    log.writer.commit(&mut group(&giant), 0).unwrap();
    log.writer.commit(&mut group(b"small"), 0).unwrap();
    let (log, found) = opened(&disk.crash(1, Survival::Nothing));
    assert_eq!(found, [vec![1; 3_000], giant, b"small".to_vec()]);
    assert_eq!(log.report.segments, 2);
    let mut over = Group::new();
    over.buffer.resize(FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX + 1, 0);
    let refused = SimDisk::new(2);
    let refused = opened(&refused).0.writer.commit(&mut over, 0);
    assert!(matches!(refused, Err(CommitError::TooLarge { .. })));
}

#[test]
fn a_seal_is_written_once_and_only_after_something() {
    let disk = SimDisk::new(1);
    let (mut log, _) = opened(&disk);
    let before = disk.operations();
    log.writer.seal().unwrap();
    assert_eq!(disk.operations(), before, "nothing to vouch for");
    log.writer.commit(&mut group(b"one"), 0).unwrap();
    log.writer.seal().unwrap();
    let sealed = disk.operations();
    log.writer.seal().unwrap();
    assert_eq!(disk.operations(), sealed);
    assert_eq!(log.reader.verify(&mut |_| Ok(())).unwrap().seals, 1);
    drop(log);
    assert_eq!(disk.operations(), sealed);
    assert_eq!(
        opened(&disk).0.report,
        RecoveryReport {
            segments: 1,
            frames: 2,
            end: 1,
            sealed: true,
            ..Default::default()
        }
    );
}

#[test]
fn segments_double_up_to_the_largest() {
    let options = LogOptions::default();
    let sizes: Vec<u64> = (0..9)
        .map(|number| header_of(&options, 0, number, 0).size >> 20)
        .collect();
    assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    assert_eq!(
        header_of(&options, 0, 0, 5 << 20).size,
        (5 << 20) + SEGMENT_STEP_BYTES
    );
}

#[test]
fn a_seal_finds_room_in_the_next_segment() {
    let disk = SimDisk::new(1);
    let (mut log, _) = opened(&disk);
    // Fills the segment to its last byte: header, frame header, record header, body.
    let body = 4_096 - 512 - FRAME_HEADER_BYTES - crate::batch::RECORD_HEADER_BYTES;
    log.writer.commit(&mut group(&vec![1; body]), 0).unwrap();
    assert_eq!(
        log.reader.end(),
        Place {
            segment: 0,
            at: 4_096
        }
    );
    log.writer.seal().unwrap();
    assert_eq!(log.reader.segments(), 2);
    drop(log);
    let (log, found) = opened(&disk.crash(1, Survival::Nothing));
    assert_eq!(
        (found.len(), log.report.sealed, log.report.segments),
        (1, true, 2)
    );
}
