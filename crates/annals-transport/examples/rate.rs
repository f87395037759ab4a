//! How fast the embedded broker is: publish, deliver, settle; first on a store that costs next to nothing, then on disk.
//!
//! `cargo run --release -p annals-transport --example rate [messages] [batch] [keys]`
//!
//! The first store is a `Vec` with a map of ids, so what is measured is the broker. The second is the embedded store in
//! a temporary folder; it adds a flush per published batch and per write of settlements, and gets a tenth of the
//! messages. The caller does one thing after the other, on one thread.

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
use annals_store::{EmbeddedStore, Options};
use annals_transport::embedded::EmbeddedBroker;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

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

fn subscription(group: &str, start: Start) -> Subscribe {
    Subscribe {
        group: group.into(),
        topics: vec!["orders".into()],
        start,
    }
}

fn report(what: &str, count: usize, begun: Instant) {
    let took = begun.elapsed();
    let rate = count as f64 / took.as_secs_f64();
    println!("{what:<44} {count:>8} messages in {took:>10.1?}: {rate:>9.0} a second");
}

/// What to measure.
#[derive(Clone, Copy)]
struct Load {
    count: usize,
    batch: usize,
    keys: u64,
}

async fn measure(store: Arc<dyn EventStore>, load: Load) {
    let broker = EmbeddedBroker::new(store, Arc::new(SystemClock));
    let messages: Vec<_> = (0..load.count as u64)
        .map(|number| message(number, load.keys))
        .collect();
    let begun = Instant::now();
    for batch in messages.chunks(load.batch) {
        let outcomes = broker.publish(batch.to_vec()).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Published::Stored));
    }
    report("publish", load.count, begun);

    let begun = Instant::now();
    let start = subscription("reader", Start::At(Position::ZERO));
    let mut consumer = broker.subscribe(start).await.expect("a subscription");
    let mut seen = 0;
    while seen < load.count {
        seen += consumer.next(load.batch).await.expect("deliveries").len();
    }
    report("deliver, the subscriber keeps the checkpoint", seen, begun);

    for together in [true, false] {
        let group = if together {
            "settled together"
        } else {
            "settled one by one"
        };
        let begun = Instant::now();
        let settled = drain(&broker, group, load, together).await;
        report(&format!("deliver to a group, {group}"), settled, begun);
    }
}

async fn drain(broker: &EmbeddedBroker, group: &str, load: Load, together: bool) -> usize {
    let subscription = subscription(group, Start::Group);
    let mut consumer = broker.subscribe(subscription).await.expect("a subscription");
    let mut settled = 0;
    while settled < load.count {
        let deliveries = consumer.next(load.batch).await.expect("deliveries");
        settled += deliveries.len();
        let mut settling = JoinSet::new();
        for delivery in deliveries {
            if together {
                settling.spawn(delivery.settle(Settlement::Done));
            } else {
                delivery.settle(Settlement::Done).await.expect("settled");
            }
        }
        while let Some(ended) = settling.join_next().await {
            ended.expect("the task ended").expect("settled");
        }
    }
    settled
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("a number"));
    let load = Load {
        count: arguments.next().unwrap_or(200_000),
        batch: arguments.next().unwrap_or(500),
        keys: arguments.next().unwrap_or(1_000) as u64,
    };
    println!(
        "messages of 200 bytes, batches of {}, {} keys",
        load.batch, load.keys
    );
    println!("on a store that costs next to nothing");
    measure(Arc::new(Shelf::new()), load).await;

    println!("on the embedded store, on disk");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = EmbeddedStore::open(dir.path(), Options::new()).expect("a new store");
    let count = (load.count / 10).max(1);
    measure(Arc::new(store), Load { count, ..load }).await;
}
