//! How fast the embedded broker is when its store costs next to nothing: publish, deliver, settle.
//!
//! `cargo run --release -p annals-transport --example rate [messages] [batch] [keys]`
//!
//! The store is a `Vec` with a map of ids: what is measured is the broker. Everything runs on one thread, one thing
//! after the other. A store on disk adds a flush per published batch, and one per settlement that is not settled
//! together with others.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use annals_core::condition::Condition;
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, RecordedEvent, Visibility};
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::port::store::{
    Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError, TypeCount,
};
use annals_core::port::transport::{Message, Published, Settlement, Start, Subscribe, Transport};
use annals_core::position::{Position, Revision};
use annals_core::tag::Tag;
use annals_core::time::{Clock, SystemClock, Timestamp};
use annals_transport::embedded::EmbeddedBroker;
use bytes::Bytes;
use tokio::sync::watch;

/// A store that does the least a broker needs: no conditions but on marks, no revisions.
#[derive(Clone)]
struct Shelf {
    kept: Arc<Mutex<Kept>>,
    end: watch::Sender<Position>,
}

#[derive(Default)]
struct Kept {
    events: Vec<RecordedEvent>,
    ids: HashMap<EventId, Position>,
    marks: BTreeMap<MarkKey, Bytes>,
}

impl Shelf {
    fn new() -> Self {
        Self {
            kept: Arc::default(),
            end: watch::Sender::new(Position::ZERO),
        }
    }

    fn append_now(&self, append: Append) -> Result<Appended, AppendError> {
        let recorded = SystemClock.now();
        let mut kept = self.kept.lock().expect("one thread");
        for condition in &append.conditions {
            let Condition::MarkIs { key, expected } = condition else {
                return Err(AppendError::Invalid("only conditions on marks".into()));
            };
            if kept.marks.get(key) != expected.as_ref() {
                return Err(AppendError::Invalid(format!("mark {key} is not as expected")));
            }
        }
        if let Some(event) = append
            .events
            .iter()
            .find(|event| kept.ids.contains_key(&event.id))
        {
            return Err(AppendError::Invalid(format!("{} is there already", event.id)));
        }
        let (first, count) = (
            Position::new(kept.events.len() as u64),
            append.events.len() as u64,
        );
        for (position, event) in (first.get()..).map(Position::new).zip(append.events) {
            kept.ids.insert(event.id, position);
            kept.events.push(RecordedEvent {
                position,
                recorded,
                event,
            });
        }
        for mark in append.marks {
            match mark.value {
                Some(value) => kept.marks.insert(mark.key, value),
                None => kept.marks.remove(&mark.key),
            };
        }
        if count > 0 {
            self.end.send_replace(first.plus(count));
        }
        Ok(Appended {
            first,
            count,
            recorded,
            duplicate: false,
        })
    }
}

impl EventStore for Shelf {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let shelf = self.clone();
        Box::pin(async move { shelf.append_now(append) })
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            let kept = self.kept.lock().expect("one thread");
            let (from, to) = (
                read.from.get() as usize,
                read.to.get().min(kept.events.len() as u64) as usize,
            );
            let matching = kept.events[from.min(to)..to].iter();
            let matching = matching.filter(|event| read.query.matches(&event.event));
            let events: Vec<_> = matching.take(read.limit).cloned().collect();
            let finished = events.len() < read.limit;
            let last = events.last().map_or(read.from, |event| event.position.next());
            let next = if finished { Position::new(to as u64) } else { last };
            Ok(Page {
                events,
                next,
                finished,
            })
        })
    }

    fn end(&self) -> Position {
        *self.end.borrow()
    }

    fn watch_end(&self) -> watch::Receiver<Position> {
        self.end.subscribe()
    }

    fn revision(&self, _: Tag, _: Position) -> BoxFuture<'_, Result<Option<Revision>, ReadError>> {
        Box::pin(async { Ok(None) })
    }

    fn end_at(&self, _: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(async { Ok(self.end()) })
    }

    fn types(&self) -> BoxFuture<'_, Result<Vec<TypeCount>, ReadError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn type_count(&self) -> usize {
        0
    }

    fn mark(&self, key: MarkKey) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>> {
        Box::pin(async move { Ok(self.kept.lock().expect("one thread").marks.get(&key).cloned()) })
    }

    fn marks(&self, space: &str, prefix: &str) -> BoxFuture<'_, Result<Vec<(MarkKey, Bytes)>, ReadError>> {
        let first = MarkKey::new(space, prefix);
        Box::pin(async move {
            let kept = self.kept.lock().expect("one thread");
            let found = kept.marks.range(first.clone()..);
            let found =
                found.take_while(|(key, _)| key.space == first.space && key.name.starts_with(&*first.name));
            Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
        })
    }
}

fn message(number: u64, keys: u64) -> Message {
    Message {
        topic: "orders".into(),
        event: NewEvent {
            id: EventId::from_uuid(uuid::Uuid::from_u64_pair(1, number)),
            event_type: EventType::from_static("order.placed"),
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags: vec![
                Tag::of("order", number % keys).expect("a tag"),
                Tag::of("sku", number % 7).expect("a tag"),
            ],
            occurred: None,
            metadata: Metadata::default(),
            data: Bytes::from(vec![b'x'; 200]),
        },
    }
}

fn subscription(start: Start) -> Subscribe {
    Subscribe {
        group: "shipping".into(),
        topics: vec!["orders".into()],
        start,
    }
}

fn report(what: &str, count: usize, begun: Instant) {
    let took = begun.elapsed();
    let rate = count as f64 / took.as_secs_f64();
    println!("{what:<44} {count:>8} messages in {took:>10.1?}: {rate:>9.0} a second");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("a number"));
    let count = arguments.next().unwrap_or(200_000_usize);
    let batch = arguments.next().unwrap_or(500_usize);
    let keys = arguments.next().unwrap_or(1_000_usize) as u64;
    println!("{count} messages of 200 bytes, batches of {batch}, {keys} keys, one thread");

    let broker = EmbeddedBroker::new(Arc::new(Shelf::new()), Arc::new(SystemClock));
    let messages: Vec<_> = (0..count as u64).map(|number| message(number, keys)).collect();
    let begun = Instant::now();
    for batch in messages.chunks(batch) {
        let outcomes = broker.publish(batch.to_vec()).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Published::Stored));
    }
    report("publish", count, begun);

    let begun = Instant::now();
    let start = Start::At(Position::ZERO);
    let mut consumer = broker
        .subscribe(subscription(start))
        .await
        .expect("a subscription");
    let mut seen = 0;
    while seen < count {
        seen += consumer.next(batch).await.expect("deliveries").len();
    }
    report("deliver, the subscriber keeps the checkpoint", seen, begun);

    let begun = Instant::now();
    let mut consumer = broker
        .subscribe(subscription(Start::Group))
        .await
        .expect("a subscription");
    let mut settled = 0;
    while settled < count {
        for delivery in consumer.next(batch).await.expect("deliveries") {
            delivery.settle(Settlement::Done).await.expect("settled");
            settled += 1;
        }
    }
    report("deliver to a group and settle one by one", settled, begun);
}
