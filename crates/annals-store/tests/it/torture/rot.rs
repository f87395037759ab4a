//! Rot: in a small store that was closed in order every byte of every file is turned over, one at a time. What is then
//! read is what was written, or an error: never anything else, and never less without a word. And every byte that anybody
//! could ever read is noticed by somebody.
//!
//! `ANNALS_ROT_STRIDE` says how far from one byte to the next; 1 is all of them (101 unless said).

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::mark::{Mark as StoredMark, MarkKey};
use annals_core::port::store::Append;
use annals_core::tag::Tag;
use annals_store::OpenError;
use annals_store::disk::Disk;
use annals_store::disk::sim::{SimDisk, Survival};
use uuid::Uuid;

use super::marks::{self, Harness, Mark, reached};
use super::oracle::Model;
use super::workload::{StepClock, ask, contents, dir, open};
use super::{number_from, tried};

const EVENTS: u64 = 60;
/// Where the frames of a segment begin, in bytes.
const FIRST_FRAME: u64 = 512;

fn event(number: u64) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(u128::from(number) + 1)),
        event_type: EventType::from_static("thing.happened"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![Tag::of("order", number % 3).unwrap()],
        occurred: None,
        metadata: Metadata::default(),
        data: vec![b'a' + (number % 26) as u8; 40 + (number % 90) as usize].into(),
    }
}

/// A store with several segments and index files, closed in order.
fn small_store() -> (SimDisk, Model) {
    let disk = SimDisk::new(1);
    let store = open(&disk, Arc::new(StepClock::default())).unwrap();
    for number in 0..EVENTS {
        let append = Append {
            events: vec![event(number)],
            marks: vec![StoredMark::set(
                MarkKey::new("checkpoint", "m0"),
                number.to_string(),
            )],
            ..Append::default()
        };
        ask(&store, &[append]).pop().unwrap().unwrap();
    }
    let expected = contents(&store).unwrap();
    drop(store);
    (disk, expected)
}

/// The names of all files, those of the log first.
fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let names = disk.list(folder).unwrap_or_default();
        names.into_iter().map(|name| folder.join(name)).collect()
    };
    [inside(dir()), inside(&dir().join("index"))].concat()
}

/// The bytes of a file of the log that mean something.
fn meaning(disk: &SimDisk, file: &Path) -> Range<u64> {
    let mut end = FIRST_FRAME;
    let looked = annals_log::inspect(Arc::new(disk.clone()), dir(), &mut |frame| {
        let header = &frame.header;
        if file == dir().join(format!("{:010}.seg", header.segment)) {
            end = header.place + header.frame_bytes();
        }
        Ok(())
    });
    looked.unwrap();
    0..end
}

/// What became of one byte.
#[derive(Debug, Default)]
struct Seen {
    refused: u64,
    failed_reads: u64,
    harmless: u64,
    /// Among the harmless ones: read as it was written, and told by nobody, `verify` neither.
    unnoticed: u64,
}

/// Turns bytes over; what became of those of the log and of those of the index, or the first one that did harm.
fn search(stride: u64) -> Result<(Seen, Seen), String> {
    let (disk, expected) = small_store();
    let (mut log, mut hints, mut turned) = (Seen::default(), Seen::default(), 0);
    for file in files(&disk) {
        let of_index = file.starts_with(dir().join("index"));
        let bytes = disk.content(&file).unwrap_or_default();
        let meaning = if of_index {
            0..bytes.len() as u64
        } else {
            meaning(&disk, &file)
        };
        let seen = if of_index { &mut hints } else { &mut log };
        for at in (turned % stride..bytes.len() as u64).step_by(stride as usize) {
            turned += 1;
            let image = disk.crash(0, Survival::Everything);
            let mask = 1 << (at % 8);
            image.rot(&file, at, mask);
            let what = |wrong| {
                format!(
                    "byte {at} of {}: {wrong}\nrepeat: cargo xtask torture rot --stride {stride}",
                    file.display()
                )
            };
            let noticed = judge(&image, &expected, seen).map_err(what)?;
            tried();
            if !noticed && meaning.contains(&at) {
                return Err(what("it means something, and nobody noticed".to_owned()));
            }
            reached(match (of_index, noticed) {
                (true, _) => Mark::ByteOfIndexMended,
                (false, true) => Mark::ByteToldByVerifyAlone,
                (false, false) => Mark::ByteNobodyReads,
            });
        }
    }
    Ok((log, hints))
}

/// What was wrong with the first byte that did harm.
pub(super) fn first_harm(stride: u64) -> Result<(), String> {
    search(stride).map(drop)
}

#[test]
fn every_byte_that_rots_is_told_or_does_no_harm() {
    let stride = number_from("ANNALS_ROT_STRIDE", 101).max(1);
    let began = Instant::now();
    let (log, hints) = search(stride).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!(
        "{} bytes turned in {:.1} s; of the log: {log:?}; of the index: {hints:?}",
        super::tried_so_far(),
        began.elapsed().as_secs_f64()
    );
    assert!(
        log.refused > 0 && log.failed_reads > 0 && hints.harmless > 0,
        "{log:?} {hints:?}"
    );
    let unreached = marks::take().report(Harness::Rot);
    if stride == 1 {
        assert!(unreached.is_empty(), "never reached: {unreached:?}");
    }
}

/// Counts what became of it and says whether anybody noticed, or what was wrong.
fn judge(image: &SimDisk, expected: &Model, seen: &mut Seen) -> Result<bool, String> {
    let untouched = image.crash(0, Survival::Everything);
    let store = match open(image, Arc::new(StepClock::default())) {
        Ok(store) => store,
        Err(OpenError::Corrupt(_) | OpenError::Format(_)) => {
            reached(Mark::ByteRefused);
            seen.refused += 1;
            return Ok(true);
        }
        Err(other) => return Err(format!("expected a refusal as corrupt, found {other}")),
    };
    match contents(&store) {
        Err(_told) => {
            reached(Mark::ByteToldByRead);
            seen.failed_reads += 1;
            Ok(true)
        }
        Ok(found) if found.events == expected.events && found.marks == expected.marks => {
            seen.harmless += 1;
            let report =
                annals_store::verify_on(Arc::new(untouched), dir()).map_err(|error| error.to_string())?;
            let noticed = !report.findings.is_empty() || report.torn_bytes > 0;
            seen.unnoticed += u64::from(!noticed);
            Ok(noticed)
        }
        Ok(found) => Err(format!(
            "expected {} events and {} marks, found {} and {} without an error",
            expected.events.len(),
            expected.marks.len(),
            found.events.len(),
            found.marks.len()
        )),
    }
}
