//! Two small stores whose every byte is known beforehand: the example of docs/format.md, and the fixture.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use annals_core::event::{EventType, Metadata, NewEvent, Origin, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, EventStore};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::{Clock, Timestamp};
use annals_store::disk::sim::SimDisk;
use annals_store::{EmbeddedStore, FolderArchive, Options, WriterThread, truncate_on};
use uuid::Uuid;

/// A millisecond later each time it is asked.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

pub(crate) fn folder() -> &'static Path {
    Path::new("store")
}

/// Segments of 4 and 8 KiB, times from 2026-01-03T10:00:00Z on.
pub(crate) fn options() -> Options {
    Options {
        clock: Arc::new(Ticking(AtomicI64::new(1_767_434_400_000_000))),
        writer: WriterThread::Stepped,
        segment_bytes_first: 4 << 10,
        segment_bytes_max: 8 << 10,
        ..Options::default()
    }
}

/// What a future says that needs nobody but its caller.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("expected an answer at once"),
    }
}

/// Appends all of these in one commit group.
pub(crate) fn append(store: &EmbeddedStore, appends: Vec<Append>) {
    let mut waiting: Vec<_> = appends.into_iter().map(|append| store.append(append)).collect();
    for append in &mut waiting {
        assert!(
            append
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    store.step();
    for append in waiting {
        ready(append).unwrap();
    }
}

fn id(number: u64) -> Uuid {
    Uuid::from_u128(0x019b_8314_2800_7000_8000_0000_0000_0000 + u128::from(number))
}

fn plain(number: u64) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(id(number)),
        event_type: EventType::from_static("stock.counted"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: Vec::new(),
        occurred: None,
        metadata: Metadata::default(),
        data: "{}".into(),
    }
}

fn full(number: u64) -> NewEvent {
    NewEvent {
        event_type: EventType::from_static("payments.take"),
        version: 2,
        purpose: Purpose::Command,
        visibility: Visibility::Private,
        tags: vec![
            Tag::of("order", number).unwrap(),
            Tag::new("customer:Zoë").unwrap(),
        ],
        occurred: Some(Timestamp::from_micros(-1)),
        metadata: Metadata {
            correlation: Some(CorrelationId::from_uuid(id(900))),
            causation: Some(EventId::from_uuid(id(901))),
            trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            actor: Some("clerk".into()),
            service: Some("orders".into()),
            topic: Some("payments.commands".into()),
            origin: Some(Origin {
                service: "shop".into(),
                position: Position::new(7),
                recorded: Timestamp::from_micros(1_767_434_399_000_000),
            }),
        },
        data: r#"{"total":"12.50"}"#.into(),
        ..plain(number)
    }
}

fn set(space: &str, name: &str, value: &str) -> Mark {
    Mark::set(MarkKey::new(space, name), value.to_owned())
}

/// The example: a group of two appends, a removed mark, a seal.
pub(crate) fn example(disk: &SimDisk) {
    let store = EmbeddedStore::open_on(Arc::new(disk.clone()), folder(), options()).unwrap();
    let first = Append {
        events: vec![full(1)],
        marks: vec![set("idempotency", "pay-1", r#"{"ok":true}"#)],
        ..Append::default()
    };
    let second = Append {
        events: vec![plain(2)],
        ..Append::default()
    };
    append(&store, vec![first, second]);
    let third = Append {
        marks: vec![Mark::remove(MarkKey::new("timer", "late/1"))],
        ..Append::default()
    };
    append(&store, vec![third]);
    store.close();
}

/// Event number `number` of the fixture: every optional field is there in some and is not in others.
pub(crate) fn varied(number: u64) -> NewEvent {
    let (all, none) = (full(number), plain(number));
    let has = |bit: u64| number & (1 << bit) != 0;
    let meta = &all.metadata;
    NewEvent {
        event_type: if has(0) {
            all.event_type.clone()
        } else {
            none.event_type
        },
        version: number as u16,
        purpose: if has(1) { all.purpose } else { none.purpose },
        visibility: if has(2) { all.visibility } else { none.visibility },
        tags: all.tags.iter().take(number as usize % 3).cloned().collect(),
        occurred: all.occurred.filter(|_| has(3)),
        metadata: Metadata {
            correlation: meta.correlation.filter(|_| has(4)),
            causation: meta.causation.filter(|_| has(1)),
            trace_parent: meta.trace_parent.clone().filter(|_| has(2)),
            actor: meta.actor.clone().filter(|_| has(3)),
            service: meta.service.clone().filter(|_| has(0)),
            topic: meta.topic.clone().filter(|_| has(4)),
            origin: meta.origin.clone().filter(|_| has(5)),
        },
        data: vec![b'a' + (number % 26) as u8; (number * 37 % 600) as usize].into(),
        ..plain(number)
    }
}

/// The store of the fixture: 57 events and some marks in several segments, written in two sessions.
pub(crate) fn fixture(disk: &SimDisk) {
    for session in 0..2_u64 {
        let store = EmbeddedStore::open_on(Arc::new(disk.clone()), folder(), options()).unwrap();
        for group in 0..7_u64 {
            let first = session * 28 + group * 4;
            let two = |from: u64| Append {
                events: vec![varied(from), varied(from + 1)],
                marks: vec![set("checkpoint", "relay", &from.to_string())],
                ..Append::default()
            };
            append(&store, vec![two(first), two(first + 2)]);
            if group == 3 {
                store.step_idle();
                let marks = vec![
                    set("idempotency", &format!("key-{session}"), r#"{"ok":true}"#),
                    Mark::remove(MarkKey::new("idempotency", "key-0")),
                ];
                append(
                    &store,
                    vec![Append {
                        marks,
                        ..Append::default()
                    }],
                );
            }
        }
        if session == 1 {
            // It wants a segment of its own size.
            let large = NewEvent {
                data: vec![b'!'; 9_000].into(),
                ..plain(1_000)
            };
            append(
                &store,
                vec![Append {
                    events: vec![large],
                    ..Append::default()
                }],
            );
        }
        store.close();
    }
}

/// The store of the fixture after its oldest segments went to an archive.
pub(crate) fn truncated(disk: &SimDisk) {
    fixture(disk);
    let archive = FolderArchive::on(Arc::new(disk.clone()), "archive");
    truncate_on(Arc::new(disk.clone()), folder(), Position::new(50), &archive).unwrap();
}
