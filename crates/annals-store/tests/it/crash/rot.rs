//! Rot: in a small store that was closed in order every byte of every file is turned over, one at a time. What is then
//! read is what was written, or an error: never anything else, and never less without a word.
//!
//! `ANNALS_ROT_STRIDE` says how far from one byte to the next; 1 is all of them (101 unless said).

use std::sync::Arc;

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, EventStore};
use annals_core::tag::Tag;
use annals_store::OpenError;
use annals_store::disk::Disk;
use annals_store::disk::sim::{SimDisk, Survival};
use uuid::Uuid;

use super::number_from;
use super::oracle::Model;
use super::workload::{StepClock, contents, dir, open};

const EVENTS: u64 = 60;

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
        let append = store.append(Append {
            events: vec![event(number)],
            marks: vec![Mark::set(MarkKey::new("checkpoint", "m0"), number.to_string())],
            ..Append::default()
        });
        let mut append = Box::pin(append);
        loop {
            let waker = std::task::Waker::noop();
            let mut context = std::task::Context::from_waker(waker);
            match append.as_mut().poll(&mut context) {
                std::task::Poll::Ready(appended) => {
                    appended.unwrap();
                    break;
                }
                std::task::Poll::Pending => drop(store.step()),
            }
        }
    }
    let expected = contents(&store).unwrap();
    drop(store);
    (disk, expected)
}

/// What became of one byte.
#[derive(Debug, Default)]
struct Seen {
    refused: u64,
    failed_reads: u64,
    harmless: u64,
    /// Read as it was written, and told by nobody, `verify` neither: bytes that no reader looks at. Of the log such are
    /// the last few of a full segment, where no frame fits; where each of them lies is not checked here.
    unnoticed: u64,
}

#[test]
fn every_byte_that_rots_is_told_or_does_no_harm() {
    let stride = number_from("ANNALS_ROT_STRIDE", 101);
    let (disk, expected) = small_store();
    // Of the log, and of the files of the index, which are hints.
    let (mut log, mut hints) = (Seen::default(), Seen::default());
    let mut files: Vec<_> = disk
        .list(dir())
        .unwrap()
        .into_iter()
        .map(|name| dir().join(name))
        .collect();
    let index = dir().join("index");
    files.extend(
        disk.list(&index)
            .unwrap_or_default()
            .into_iter()
            .map(|name| index.join(name)),
    );
    let mut images: u64 = 0;
    for file in files {
        let Some(bytes) = disk.content(&file) else {
            continue;
        };
        let seen = if file.starts_with(&index) {
            &mut hints
        } else {
            &mut log
        };
        for at in (images % stride..bytes.len() as u64).step_by(stride as usize) {
            images += 1;
            let image = disk.crash(0, Survival::Everything);
            assert!(
                image.rot(&file, at, 1 << (at % 8)),
                "{} has no byte {at}",
                file.display()
            );
            let what = format!("byte {at} of {}", file.display());
            judge(&image, &expected, seen).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        }
    }
    println!("{images} bytes turned; of the log: {log:?}; of the index: {hints:?}");
    assert!(
        log.refused > 0 && log.failed_reads > 0 && hints.harmless > 0,
        "{log:?} {hints:?}"
    );
    let of_log = log.refused + log.failed_reads + log.harmless;
    assert!(
        log.unnoticed * 10 < of_log,
        "of {of_log} bytes of the log: {log:?}"
    );
}

/// Counts what became of it, or says what was wrong.
fn judge(image: &SimDisk, expected: &Model, seen: &mut Seen) -> Result<(), String> {
    let untouched = image.crash(0, Survival::Everything);
    let store = match open(image, Arc::new(StepClock::default())) {
        Ok(store) => store,
        Err(OpenError::Corrupt(_) | OpenError::NewerFormat { .. }) => {
            seen.refused += 1;
            return Ok(());
        }
        Err(other) => return Err(format!("expected a refusal as corrupt, found {other}")),
    };
    match contents(&store) {
        Err(_told) => {
            seen.failed_reads += 1;
            Ok(())
        }
        Ok(found) if found.events == expected.events && found.marks == expected.marks => {
            seen.harmless += 1;
            let report =
                annals_store::verify_on(Arc::new(untouched), dir()).map_err(|error| error.to_string())?;
            let noticed = !report.findings.is_empty() || report.torn_bytes > 0;
            seen.unnoticed += u64::from(!noticed);
            Ok(())
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
