//! Following a store in small pages: nothing is asked for twice, and pages are cut where they are to be.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::port::follow::Follow;
use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_store::MemoryStore;
use bytes::Bytes;
use uuid::Uuid;

/// Counts how often it is asked.
#[derive(Default, Clone)]
struct Asked {
    inner: MemoryStore,
    reads: Arc<AtomicUsize>,
}

impl Asked {
    async fn append(&self, numbers: Range<u128>) {
        let append = Append {
            events: numbers.map(event).collect(),
            ..Append::default()
        };
        self.inner.append(append).await.unwrap();
    }
}

impl EventStore for Asked {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        self.inner.append(append)
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.read(read)
    }

    annals_testkit::pass_on!(inner);
}

fn event(number: u128) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(number)),
        event_type: EventType::from_static("thing_happened"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: Vec::new(),
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::from_static(b"{}"),
    }
}

#[tokio::test]
async fn small_pages_are_cut_from_one_answer_of_the_store() {
    let store = Asked::default();
    store.append(0..1_000).await;
    let mut follow = Follow::new(Arc::new(store.clone()), Query::all(), Position::new(10), 128);
    let mut seen = Vec::new();
    while !follow.is_caught_up() {
        let page = follow.next().await.unwrap();
        assert!((1..=128).contains(&page.events.len()), "{}", page.events.len());
        seen.extend(page.events.iter().map(|event| event.position.get()));
        assert_eq!(page.next, follow.position());
        assert_eq!(page.next.get(), 10 + seen.len() as u64);
        assert_eq!(page.finished, follow.is_caught_up());
    }
    assert_eq!(seen, (10..1_000).collect::<Vec<_>>());
    assert_eq!(store.reads.load(Ordering::Relaxed), 1);
    // What came meanwhile is behind what was read ahead.
    store.append(1_000..2_000).await;
    let first = follow.next().await.unwrap();
    store.append(2_000..2_001).await;
    assert_eq!((first.events.len(), first.next), (128, Position::new(1_128)));
    let mut last = first;
    while !follow.is_caught_up() {
        last = follow.next().await.unwrap();
    }
    assert_eq!((last.events.len(), last.next), (1, Position::new(2_001)));
    assert_eq!(store.reads.load(Ordering::Relaxed), 3);
}
