//! A store whose files of the index are small and many, and what it must answer.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use annals_core::condition::Condition;
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId, uuid_v7};
use annals_core::kind::ErrorKind;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, EventStore, Read};
use annals_core::position::{Position, Revision};
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_store::disk::Disk;
use annals_store::disk::sim::SimDisk;
use annals_store::{EmbeddedStore, IndexOptions, Options, WriterThread};
use bytes::Bytes;
use uuid::Uuid;

pub(super) fn dir() -> &'static Path {
    Path::new("store")
}

pub(super) fn folder() -> PathBuf {
    dir().join("index")
}

/// Parts of a few events; nothing is kept in memory, so that every question reads the files.
pub(super) fn options() -> Options {
    Options {
        writer: WriterThread::Stepped,
        segment_bytes_first: 8 << 10,
        segment_bytes_max: 16 << 10,
        open_files_max: 2,
        index: IndexOptions {
            part_events_max: 12,
            cache_bytes_max: 0,
            ..IndexOptions::default()
        },
        ..Options::default()
    }
}

pub(super) fn open(disk: &SimDisk) -> EmbeddedStore {
    EmbeddedStore::open_on(Arc::new(disk.clone()), dir(), options()).unwrap()
}

pub(super) fn read_only(disk: &SimDisk) -> EmbeddedStore {
    EmbeddedStore::open_read_only_on(Arc::new(disk.clone()), dir()).unwrap()
}

/// The answer of a future that needs nobody else.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a read waits for nobody"),
    }
}

pub(super) fn append(store: &EmbeddedStore, append: Append) -> Result<Appended, AppendError> {
    let mut append = store.append(append);
    if let Poll::Ready(answer) = append.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return answer;
    }
    store.step();
    now(append)
}

/// Most ids tell their time, as those of our own events do; some do not, as those of others.
pub(super) fn id(number: u64) -> EventId {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    EventId::from_uuid(match number % 5 {
        0 => Uuid::from_u128(u128::from(number + 1).wrapping_mul(0x1234_5678_9ABC_DEF1_1234_5678_9ABC_DEF1)),
        _ => uuid_v7(
            Timestamp::from_micros(1_700_000_000_000_000 + number as i64 * 700),
            random,
        ),
    })
}

pub(super) fn tag(kind: &str, value: u64) -> Tag {
    Tag::of(kind, value).unwrap()
}

pub(super) fn event(number: u64) -> NewEvent {
    let spread = number.wrapping_mul(7_919);
    NewEvent {
        id: id(number),
        event_type: EventType::new(format!("type.{}", spread % 3)),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![tag("order", spread % 37), tag("sku", spread % 5)],
        occurred: None,
        metadata: Metadata {
            correlation: Some(CorrelationId::from_uuid(Uuid::from_u128(u128::from(number / 4)))),
            ..Metadata::default()
        },
        data: Bytes::from(format!("event {number}")),
    }
}

pub(super) fn mark(number: u64) -> Mark {
    let key = MarkKey::new(
        ["timer", "handled"][number as usize % 2],
        format!("m{}", number % 41),
    );
    match number % 7 {
        0 => Mark::remove(key),
        1 => Mark::set(key, vec![number as u8; 3_000]),
        _ => Mark::set(key, number.to_string()),
    }
}

/// Groups of one to three events and a mark now and then.
pub(super) fn groups(events: u64) -> Vec<Append> {
    let (mut groups, mut number) = (Vec::new(), 0);
    while number < events {
        let count = (1 + number % 3).min(events - number);
        groups.push(Append {
            events: (number..number + count).map(event).collect(),
            marks: (0..number % 2).map(|_| mark(number)).collect(),
            ..Append::default()
        });
        number += count;
    }
    groups
}

/// What must be answered, in plain words.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) events: Vec<NewEvent>,
    pub(super) marks: BTreeMap<MarkKey, Bytes>,
}

impl Model {
    pub(super) fn of(groups: &[Append]) -> Self {
        let mut model = Self::default();
        groups.iter().for_each(|group| model.take(group));
        model
    }

    pub(super) fn take(&mut self, group: &Append) {
        self.events.extend(group.events.iter().cloned());
        for mark in &group.marks {
            match &mark.value {
                Some(value) => self.marks.insert(mark.key.clone(), value.clone()),
                None => self.marks.remove(&mark.key),
            };
        }
    }

    pub(super) fn matching(&self, query: &Query) -> Vec<NewEvent> {
        self.events
            .iter()
            .filter(|event| query.matches(event))
            .cloned()
            .collect()
    }
}

pub(super) fn queries() -> Vec<Query> {
    let item = |types: &[u64], tags: Vec<Tag>| QueryItem {
        types: types
            .iter()
            .map(|number| EventType::new(format!("type.{number}")))
            .collect(),
        tags,
        correlation: None,
    };
    let mut queries: Vec<_> = (0..38).map(|value| Query::tag(tag("order", value))).collect();
    queries.push(Query::all());
    queries.push(Query::any(vec![
        item(&[0], vec![]),
        item(&[2], vec![tag("sku", 1)]),
    ]));
    queries.push(Query::any(vec![item(
        &[1, 2],
        vec![tag("sku", 2), tag("order", 3)],
    )]));
    queries.push(Query::any(vec![item(&[1], vec![tag("sku", 9)])]));
    queries.push(Query::correlation(CorrelationId::from_uuid(Uuid::from_u128(7))));
    queries
}

pub(super) fn answer(store: &EmbeddedStore, read: Read) -> Vec<NewEvent> {
    let read = Read {
        bytes: usize::MAX,
        ..read.limit(usize::MAX)
    };
    now(store.read(read))
        .unwrap()
        .events
        .into_iter()
        .map(|found| found.event)
        .collect()
}

/// Everything that can be asked.
pub(super) fn check(store: &EmbeddedStore, model: &Model, what: &str) {
    for query in queries() {
        let expected = model.matching(&query);
        let read = || Read::new(query.clone(), Position::ZERO);
        assert_eq!(answer(store, read()), expected, "{what}: {query:?}");
        let mut backward = answer(store, read().backward());
        backward.reverse();
        assert_eq!(backward, expected, "{what}: {query:?} backward");
    }
    for value in 0..6 {
        let tag = tag("sku", value);
        let count = model
            .events
            .iter()
            .filter(|event| event.tags.contains(&tag))
            .count() as u64;
        let revision = now(store.revision(tag, Position::MAX)).unwrap();
        assert_eq!(revision, count.checked_sub(1).map(Revision::new), "{what}");
    }
    let mut marks = BTreeMap::new();
    for space in ["timer", "handled"] {
        marks.extend(now(store.marks(space, "")).unwrap());
    }
    assert_eq!(marks, model.marks, "{what}");
    assert_eq!(store.stats().marks, model.marks.len() as u64, "{what}");
    let names: BTreeSet<_> = model
        .events
        .iter()
        .map(|event| event.event_type.clone())
        .collect();
    let types = now(store.types()).unwrap();
    assert_eq!(
        (types.len(), store.type_count()),
        (names.len(), names.len()),
        "{what}"
    );
    assert_eq!(
        types.iter().map(|of| of.events).sum::<u64>(),
        model.events.len() as u64,
        "{what}"
    );
}

/// Repeats and lost races are told from what is in files.
pub(super) fn check_appends(store: &EmbeddedStore, model: &Model, what: &str) {
    let end = model.events.len() as u64;
    for number in (0..end).step_by(23) {
        let again = Append {
            events: vec![model.events[number as usize].clone()],
            ..Append::default()
        };
        let repeated = append(store, again.clone()).unwrap();
        assert_eq!(
            (repeated.first, repeated.duplicate),
            (Position::new(number), true),
            "{what}"
        );
        let mut other = again;
        other.events[0].data = Bytes::from_static(b"other");
        let taken = append(store, other).unwrap_err();
        assert!(
            matches!(taken, AppendError::IdTaken { position, .. } if position.get() == number),
            "{what}"
        );
    }
    let condition = Condition::NoMatch {
        query: Query::tag(tag("order", 3)),
        from: Position::ZERO,
    };
    let racing = Append {
        events: vec![event(1_000_000)],
        conditions: vec![condition],
        ..Append::default()
    };
    let first = model
        .events
        .iter()
        .find(|event| event.tags.contains(&tag("order", 3)))
        .unwrap();
    let lost = append(store, racing).unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Conflict, "{what}");
    assert!(
        lost.to_string()
            .contains(&format!("{} {}", first.event_type, first.id)),
        "{what}: {lost}"
    );
}

/// A store of so many events, closed.
pub(super) fn filled(events: u64) -> (SimDisk, Vec<Append>) {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    let groups = groups(events);
    for group in &groups {
        append(&store, group.clone()).unwrap();
    }
    drop(store);
    (disk, groups)
}

pub(super) fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let names = disk.list(&folder()).unwrap();
    names.into_iter().map(|name| folder().join(name)).collect()
}
