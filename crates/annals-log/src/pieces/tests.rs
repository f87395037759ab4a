//! Pieces read one after the other are those that lie there.

use std::path::Path;
use std::sync::Arc;

use crate::batch::Batch;
use crate::disk::sim::SimDisk;
use crate::group::Group;
use crate::open::open;
use crate::place::Place;
use crate::prepare::Prepare;
use crate::reader::ReadError;
use crate::writer::LogOptions;

#[test]
fn pieces_of_any_segment_are_what_single_reads_give_and_nothing_beyond_the_end() {
    let disk = SimDisk::new(1);
    let options = LogOptions {
        segment_bytes_first: 4_096,
        segment_bytes_max: 4_096,
        prepare: Prepare::Inline,
        open_files_max: 1,
    };
    let mut log = open(Arc::new(disk.clone()), Path::new("log"), options, &mut |_| Ok(())).unwrap();
    let mut places = Vec::new();
    let mut pieces = log.reader.pieces();
    for number in 0..40_u8 {
        let mut batch = Batch::default();
        batch.push_numbered(|body| body.resize(body.len() + 300 + usize::from(number), number));
        let mut group = Group::new();
        group.add(&batch);
        let committed = log.writer.commit(&mut group, 0).unwrap();
        let bytes = committed.end.at - committed.frame.at;
        // What became durable after the last read is read too.
        let lent = pieces.read(committed.frame, bytes).unwrap().to_vec();
        assert_eq!(log.reader.bytes(committed.frame, bytes).unwrap(), lent);
        places.push((committed.frame, bytes, lent));
    }
    assert!(places.last().unwrap().0.segment > 2);
    for (place, bytes, expected) in places.iter().rev().chain(&places) {
        assert_eq!(pieces.read(*place, *bytes).unwrap(), expected);
        assert_eq!(
            pieces.give(*place, *bytes - 100).unwrap(),
            expected[..expected.len() - 100]
        );
    }
    let end = log.reader.end();
    let last = Place {
        at: end.at - 8,
        ..end
    };
    assert!(pieces.read(last, 8).is_ok());
    assert!(matches!(pieces.read(last, 9), Err(ReadError::NotDurable { .. })));
    assert!(pieces.read(last, 8).is_ok(), "an error leaves it usable");
}

#[test]
fn the_memory_of_something_large_is_let_go_by_the_next_small_read() {
    let large = super::KEPT_BYTES_MAX + 1;
    let options = LogOptions {
        prepare: Prepare::Inline,
        ..LogOptions::default()
    };
    let disk = SimDisk::new(1);
    let mut log = open(Arc::new(disk), Path::new("log"), options, &mut |_| Ok(())).unwrap();
    let mut batch = Batch::default();
    batch.push_numbered(|body| body.resize(body.len() + large, 7));
    let mut group = Group::new();
    group.add(&batch);
    let committed = log.writer.commit(&mut group, 0).unwrap();
    let mut pieces = log.reader.pieces();
    let mut kept = |bytes: usize| {
        assert_eq!(pieces.read(committed.frame, bytes as u64).unwrap().len(), bytes);
        pieces.buffer.len()
    };
    assert_eq!([kept(large + 10), kept(large)], [large + 10; 2]);
    assert_eq!([kept(100), kept(50)], [100; 2]);
}
