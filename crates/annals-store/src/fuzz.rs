//! Doors for fuzzers: every decoder of the store, and the opening of a whole folder that was damaged.
//!
//! In: bytes. Out: nothing, or a panic that is a finding. Of a folder the bytes are edits of the files of a good one, so
//! that what is opened is nearly right; the checksums of what was edited are repaired or not. Not repaired, nothing may be
//! read but what was written. In a build that is used none of this exists: it takes the feature `fuzz`.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use annals_core::event::{EventType, Metadata, NewEvent, Origin, Purpose, RecordedEvent, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::{Clock, Timestamp};
use annals_log::disk::Disk;
use annals_log::disk::sim::{SimDisk, Survival};
use bytes::Bytes;
use uuid::Uuid;

use crate::embedded::EmbeddedStore;
use crate::index::{self, Termed};
use crate::options::{IndexOptions, OpenError, Options, WriterThread};
use crate::record;
use crate::verify::verify_on;

/// Any bytes where an event should be. Answers whether they were taken for one; then it becomes the same bytes again, and
/// is found by what it says.
pub fn event(input: &[u8]) -> bool {
    let body = Bytes::copy_from_slice(input);
    let Ok(event) = record::read_event(&body) else {
        // What only looks for names is laxer, and must not stumble either.
        if let Ok(named) = record::read_named(&body) {
            named.tags().for_each(drop);
        }
        return false;
    };
    let mut again = Vec::new();
    record::write_event(&event, &mut again);
    assert_eq!(again, input, "an event becomes the same bytes again");
    assert_eq!(again.len(), record::event_bytes(&event));
    let named = record::read_named(&body).expect("an event has names");
    assert_eq!(named.id(), event.id);
    assert_eq!(named.type_name(), event.event_type.as_str());
    assert_eq!(named.correlation(), event.metadata.correlation);
    assert!(named.tags().eq(event.tags.iter().map(Tag::as_str)));
    true
}

/// Any bytes where a mark should be. Answers whether they were taken for one; then it becomes the same bytes again.
pub fn mark(input: &[u8]) -> bool {
    let Ok(mark) = record::read_mark(&Bytes::copy_from_slice(input)) else {
        return false;
    };
    let mut again = Vec::new();
    record::write_mark(&mark, &mut again);
    assert_eq!(again, input, "a mark becomes the same bytes again");
    assert_eq!(again.len(), record::mark_bytes(&mark));
    true
}

/// Bytes of a good event, to be mutated; of different numbers different ones.
pub fn good_event(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    record::write_event(&example(number), &mut bytes);
    bytes
}

/// Bytes of a good mark, to be mutated.
pub fn good_mark(number: u64) -> Vec<u8> {
    let key = MarkKey::new("checkpoint", format!("m{number}"));
    let mark = match number % 3 {
        0 => Mark::remove(key),
        _ => Mark::set(key, number.to_string()),
    };
    let mut bytes = Vec::new();
    record::write_mark(&mark, &mut bytes);
    bytes
}

fn example(number: u64) -> NewEvent {
    let has = |bit: u64| number >> bit & 1 == 1;
    let tags = (0..number % 3).map(|place| Tag::of("order", number % 7 + place * 10));
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(u128::from(number) + 1)),
        event_type: EventType::new(format!("thing.happened{}", number % 3)),
        version: number as u16,
        purpose: if has(0) { Purpose::Command } else { Purpose::Event },
        visibility: if has(1) {
            Visibility::Private
        } else {
            Visibility::Public
        },
        tags: tags
            .map(|tag| tag.expect("a word and a number are a tag"))
            .collect(),
        occurred: has(2).then(|| Timestamp::from_micros(number.cast_signed())),
        metadata: Metadata {
            correlation: has(3).then(|| CorrelationId::from_uuid(Uuid::from_u128(9))),
            causation: has(4).then(|| EventId::from_uuid(Uuid::from_u128(8))),
            trace_parent: has(5).then(|| "00-1-2-01".into()),
            actor: has(6).then(|| "ann".into()),
            service: None,
            topic: has(2).then(|| "elsewhere".into()),
            origin: has(4).then(|| Origin {
                service: "orders".into(),
                position: Position::new(number),
                recorded: Timestamp::EPOCH,
            }),
        },
        data: vec![b'a' + (number % 26) as u8; (number * 37 % 300) as usize].into(),
    }
}

/// Everything of the folders that are opened here.
struct Good {
    disk: SimDisk,
    files: Vec<PathBuf>,
    salt: u64,
    events: Vec<RecordedEvent>,
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_000)
    }
}

fn folder_path() -> &'static Path {
    Path::new("store")
}

fn open(disk: &SimDisk) -> Result<EmbeddedStore, OpenError> {
    let options = Options {
        clock: Arc::new(Still),
        segment_bytes_first: 4 << 10,
        segment_bytes_max: 8 << 10,
        index: IndexOptions {
            part_events_max: 12,
            part_bytes_max: 4 << 10,
            ..IndexOptions::default()
        },
        writer: WriterThread::Stepped,
        ..Options::default()
    };
    EmbeddedStore::open_on(Arc::new(disk.clone()), folder_path(), options)
}

/// The answer of a future that needs nobody else but a step of the store.
fn now<T>(store: &EmbeddedStore, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => drop(store.step()),
        }
    }
}

fn all_events(store: &EmbeddedStore) -> Result<Vec<RecordedEvent>, ReadError> {
    let read = Read {
        bytes: usize::MAX,
        ..Read::new(Query::all(), Position::ZERO).limit(usize::MAX)
    };
    now(store, store.read(read)).map(|page| page.events)
}

/// Some segments and some files of the index, closed in order.
fn good() -> &'static Good {
    static GOOD: OnceLock<Good> = OnceLock::new();
    GOOD.get_or_init(|| {
        let disk = SimDisk::new(1);
        let store = open(&disk).expect("an empty folder opens");
        for number in 0..60 {
            let append = Append {
                events: vec![example(number)],
                marks: vec![Mark::set(
                    MarkKey::new("checkpoint", format!("m{}", number % 4)),
                    "1",
                )],
                ..Append::default()
            };
            now(&store, store.append(append)).expect("nothing fails");
        }
        let events = all_events(&store).expect("nothing is damaged");
        drop(store);
        let index = folder_path().join("index");
        let names = |dir: &Path| {
            let names = disk.list(dir).unwrap_or_default();
            names.into_iter().map(|name| dir.join(name)).collect::<Vec<_>>()
        };
        let mut files = names(folder_path());
        files.extend(names(&index));
        files.retain(|file| disk.content(file).is_some_and(|bytes| !bytes.is_empty()));
        let salt = annals_log::salt_of(Arc::new(disk.clone()), folder_path());
        let salt = salt.expect("it can be read").expect("there are segments");
        Good {
            disk,
            files,
            salt,
            events,
        }
    })
}

/// What became of a damaged folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not opened.
    Refused,
    /// It was opened, and some answer was an error.
    Failed,
    /// It was opened and answered everything.
    Answered,
}

/// Edits the files of a good folder as the bytes say, opens it and asks everything. The first byte says whether checksums
/// are repaired (odd) or not; then come edits of eight bytes each.
///
/// # Panics
/// On a finding: without repair, when something was read that was never written.
pub fn folder(input: &[u8]) -> Outcome {
    let good = good();
    let disk = good.disk.crash(0, Survival::Everything);
    let (repaired, edits) = match input.split_first() {
        Some((first, rest)) => (first % 2 == 1, rest),
        None => (false, input),
    };
    for edit in edits.chunks_exact(8).take(8) {
        let file = &good.files[usize::from(edit[0]) % good.files.len()];
        let mut bytes = disk.content(file).unwrap_or_default();
        change(&mut bytes, edit);
        if repaired {
            repair(file, &mut bytes, good.salt);
        }
        disk.place(file, &bytes);
    }
    let before = disk.crash(0, Survival::Everything);
    let outcome = match open(&disk) {
        Ok(store) => ask(&store, (!repaired).then_some(&good.events)),
        Err(_) => Outcome::Refused,
    };
    // It must not stumble either; what it says of such a folder is judged by the rot sweep.
    let _told = verify_on(Arc::new(before), folder_path());
    outcome
}

fn change(bytes: &mut Vec<u8>, edit: &[u8]) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    let at = (usize::from(edit[2]) << 16 | usize::from(edit[3]) << 8 | usize::from(edit[4])) % length;
    let wide = |width: usize| at..(at + width).min(length);
    match edit[1] % 8 {
        0 | 1 => bytes[at] ^= 1 << (edit[5] % 8),
        2 => bytes[at] = edit[5],
        3 => bytes[wide(usize::from(edit[5] % 8) + 1)].fill(edit[6]),
        4 => bytes[wide(usize::from(edit[5]) * 16)].fill(0),
        5 => {
            let piece = bytes[wide(usize::from(edit[5]) * 2)].to_vec();
            let to = (usize::from(edit[6]) << 8 | usize::from(edit[7])) % (length - piece.len() + 1);
            bytes[to..to + piece.len()].copy_from_slice(&piece);
        }
        6 => bytes.truncate(at),
        _ => bytes.extend(std::iter::repeat_n(edit[5], usize::from(edit[6]))),
    }
}

fn repair(file: &Path, bytes: &mut [u8], salt: u64) {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if name.ends_with(".seg") {
        annals_log::fuzz::repair_segment(bytes, salt);
    } else {
        index::repair(name, salt, bytes);
    }
}

/// Asks everything there is to ask. Where only checksums that hold were left, what is read must have been written.
fn ask(store: &EmbeddedStore, written: Option<&Vec<RecordedEvent>>) -> Outcome {
    let mut failed = false;
    match all_events(store) {
        Ok(events) => {
            if let Some(written) = written {
                assert!(written.starts_with(&events), "events are those that were written");
            }
        }
        Err(_) => failed = true,
    }
    for number in 0..7 {
        let tag = Tag::of("order", number).expect("a word and a number are a tag");
        let kind = EventType::new(format!("thing.happened{}", number % 3));
        let queries = [
            Query::tag(tag.clone()),
            Query::any(vec![QueryItem::of(vec![kind], tag.clone())]),
        ];
        for query in queries {
            match now(store, store.read(Read::new(query.clone(), Position::ZERO))) {
                Ok(page) if written.is_some() => {
                    assert!(
                        page.events.iter().all(|event| query.matches(event)),
                        "an answer matches"
                    );
                }
                Ok(_) => {}
                Err(_) => failed = true,
            }
        }
        failed |= now(store, store.revision(tag, Position::MAX)).is_err();
    }
    failed |= now(store, store.types()).is_err();
    failed |= now(store, store.end_at(Timestamp::from_micros(500))).is_err();
    failed |= now(store, store.mark(MarkKey::new("checkpoint", "m1"))).is_err();
    failed |= now(store, store.marks("checkpoint", "")).is_err();
    // One that is there already, and a new one.
    for number in [3, 1_000_000] {
        let append = Append {
            events: vec![example(number)],
            ..Append::default()
        };
        failed |= now(store, store.append(append)).is_err();
    }
    if failed {
        Outcome::Failed
    } else {
        Outcome::Answered
    }
}

#[cfg(test)]
mod tests;
