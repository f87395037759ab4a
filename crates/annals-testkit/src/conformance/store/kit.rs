//! What the cases are written with.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use annals_core::condition::{Condition, Conflict};
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, RecordedEvent, Visibility};
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, EventStore, Page, Read};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::{Clock, Timestamp};
use bytes::Bytes;
use uuid::Uuid;

/// A clock that shows what it was set to; at first, the year 1970.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Sets it, in microseconds since 1970; it may go back.
    pub fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::Release);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Acquire))
    }
}

/// A store that nobody used before, and its clock.
pub struct Rig {
    /// The store.
    pub store: Arc<dyn EventStore>,
    /// Where it takes its times from.
    pub clock: Arc<ManualClock>,
}

pub(super) fn tag(text: &str) -> Tag {
    Tag::new(text).expect("cases use valid tags")
}

pub(super) fn id(number: u64) -> EventId {
    EventId::from_uuid(Uuid::from_u128(u128::from(number) + 1))
}

/// An event of this number: its id follows from it.
pub(super) fn event(number: u64, event_type: &str, tags: &[&str]) -> NewEvent {
    NewEvent {
        id: id(number),
        event_type: EventType::new(event_type),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: tags.iter().map(|text| tag(text)).collect(),
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::from(format!("{{\"number\":{number}}}")),
    }
}

/// An append of these events and nothing else.
pub(super) fn of(events: Vec<NewEvent>) -> Append {
    Append {
        events,
        ..Append::default()
    }
}

/// Events of one type and one tag, numbered from `first`.
pub(super) fn some(first: u64, count: u64, tags: &[&str]) -> Vec<NewEvent> {
    (first..first + count)
        .map(|number| event(number, "thing.happened", tags))
        .collect()
}

/// A query for these types with these tags.
pub(super) fn item(types: &[&str], tags: &[&str]) -> annals_core::query::QueryItem {
    annals_core::query::QueryItem {
        types: types.iter().map(|name| EventType::new(*name)).collect(),
        tags: tags.iter().map(|text| tag(text)).collect(),
        correlation: None,
    }
}

pub(super) fn no_match(query: Query, from: u64) -> Condition {
    Condition::NoMatch {
        query,
        from: Position::new(from),
    }
}

pub(super) fn tag_at(text: &str, expected: Option<u64>) -> Condition {
    Condition::TagAt {
        tag: tag(text),
        expected: expected.map(Revision::new),
    }
}

pub(super) fn mark_is(key: &MarkKey, expected: Option<&str>) -> Condition {
    Condition::MarkIs {
        key: key.clone(),
        expected: expected.map(|value| Bytes::from(value.to_owned())),
    }
}

pub(super) fn set(key: &MarkKey, value: &str) -> Mark {
    Mark::set(key.clone(), value.to_owned())
}

impl Rig {
    /// Appends what must be taken.
    pub(super) async fn append(&self, append: Append) -> Appended {
        self.store
            .append(append)
            .await
            .expect("this append holds to every limit and condition")
    }

    /// Appends what must lose, and tells to what.
    pub(super) async fn conflict(&self, events: Vec<NewEvent>, conditions: Vec<Condition>) -> Conflict {
        match self
            .store
            .append(Append {
                events,
                conditions,
                ..Append::default()
            })
            .await
        {
            Err(AppendError::Conflict(conflict)) => conflict,
            other => panic!("expected a conflict, found {other:?}"),
        }
    }

    pub(super) async fn page(&self, read: Read) -> Page {
        self.store.read(read).await.expect("a healthy store can be read")
    }

    /// Everything the store holds, read in one page or more.
    pub(super) async fn all(&self) -> Vec<RecordedEvent> {
        self.matching(Query::all()).await
    }

    /// Everything that matches.
    pub(super) async fn matching(&self, query: Query) -> Vec<RecordedEvent> {
        let (mut events, mut from) = (Vec::new(), Position::ZERO);
        loop {
            let page = self.page(Read::new(query.clone(), from)).await;
            events.extend(page.events);
            if page.finished {
                return events;
            }
            assert!(
                page.next > from,
                "a page moves on: from {from}, next {}",
                page.next
            );
            from = page.next;
        }
    }

    pub(super) async fn mark(&self, key: &MarkKey) -> Option<Bytes> {
        self.store
            .mark(key.clone())
            .await
            .expect("a healthy store can be read")
    }

    pub(super) async fn revision(&self, text: &str, before: Position) -> Option<u64> {
        self.store
            .revision(tag(text), before)
            .await
            .expect("a healthy store can be read")
            .map(Revision::get)
    }
}

/// Positions of events, as numbers.
pub(super) fn positions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.position.get()).collect()
}

/// Seeded numbers: every run of a case is the same.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
