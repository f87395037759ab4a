//! Messages, a broker on an in-memory store, and short ways to take and settle.

use std::sync::Arc;
use std::time::Duration;

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::port::store::EventStore;
use annals_core::port::transport::{
    Attempt, Consumer, Delivery, Message, Published, ReceiveError, Settlement, Start, Subscribe,
    SubscribeError, Transport,
};
use annals_core::tag::Tag;
use annals_core::time::{Clock, Timestamp};
use annals_store::MemoryStore;
use annals_transport::embedded::EmbeddedBroker;
use tokio::time::timeout;
use uuid::Uuid;

/// The clock of the test runtime: virtual where time is paused.
pub(crate) struct RuntimeClock(tokio::time::Instant);

impl RuntimeClock {
    pub(crate) fn start() -> Arc<dyn Clock> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).after(self.0.elapsed())
    }
}

/// A store and a broker on it.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) broker: EmbeddedBroker,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new()))
    }

    pub(crate) fn on(store: Arc<dyn EventStore>) -> Self {
        let clock = RuntimeClock::start();
        let broker = EmbeddedBroker::new(Arc::clone(&store), Arc::clone(&clock));
        Self { store, clock, broker }
    }

    /// A new broker on the same store, as after a restart; the old one is dropped.
    pub(crate) fn restart(&mut self) {
        self.broker = EmbeddedBroker::new(Arc::clone(&self.store), Arc::clone(&self.clock));
    }

    /// Publishes `count` messages to a topic, numbered on from `from`, over so many keys in turn.
    pub(crate) async fn publish(&self, topic: &str, from: u64, count: u64, keys: u64) {
        let batch: Vec<_> = (from..from + count)
            .map(|n| message(topic, n, n % keys))
            .collect();
        let outcomes = self.broker.publish(batch).await;
        assert_eq!(outcomes, vec![Published::Stored; count as usize]);
    }

    pub(crate) async fn join(&self, group: &str, topics: &[&str]) -> Box<dyn Consumer> {
        self.try_join(group, topics).await.unwrap()
    }

    pub(crate) async fn try_join(
        &self,
        group: &str,
        topics: &[&str],
    ) -> Result<Box<dyn Consumer>, SubscribeError> {
        let subscribe = Subscribe {
            group: group.into(),
            topics: topics.iter().map(|topic| (*topic).into()).collect(),
            start: Start::Group,
        };
        self.broker.subscribe(subscribe).await
    }
}

/// A message whose content and id tell its number; ids are of the number and the topic.
pub(crate) fn message(topic: &str, number: u64, key: u64) -> Message {
    Message {
        topic: topic.into(),
        event: NewEvent {
            id: id(topic, number),
            event_type: EventType::from_static("test.happened"),
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags: vec![Tag::of("key", key).unwrap()],
            occurred: None,
            metadata: Metadata::default(),
            data: number.to_string().into(),
        },
    }
}

pub(crate) fn id(topic: &str, number: u64) -> EventId {
    let topic = topic
        .bytes()
        .fold(0_u64, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte));
    EventId::from_uuid(Uuid::from_u64_pair(topic, number))
}

pub(crate) fn number(delivery: &Delivery) -> u64 {
    std::str::from_utf8(&delivery.message.event.data)
        .unwrap()
        .parse()
        .unwrap()
}

pub(crate) fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(number).collect()
}

/// What there is now, at most `max`.
pub(crate) async fn next(consumer: &mut Box<dyn Consumer>, max: usize) -> Vec<Delivery> {
    let received = timeout(Duration::from_secs(20), consumer.next(max)).await;
    received.expect("something comes in time").unwrap()
}

pub(crate) async fn next_one(consumer: &mut Box<dyn Consumer>) -> Delivery {
    next(consumer, 1).await.remove(0)
}

/// Nothing comes for a while.
pub(crate) async fn quiet(consumer: &mut Box<dyn Consumer>) {
    let received = timeout(Duration::from_millis(50), consumer.next(1)).await;
    assert!(received.is_err(), "expected nothing, found {received:?}");
}

pub(crate) async fn done(delivery: Delivery) {
    delivery.settle(Settlement::Done).await.unwrap();
}

pub(crate) async fn all_done(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        done(delivery).await;
    }
}

pub(crate) fn park(reason: &str) -> Settlement {
    Settlement::Park {
        reason: reason.into(),
    }
}

pub(crate) fn retry(millis: u64) -> Settlement {
    Settlement::Retry {
        after: Duration::from_millis(millis),
    }
}

pub(crate) fn is_lost(result: &Result<(), ReceiveError>, says: &str) -> bool {
    matches!(result, Err(ReceiveError::Lost(reason)) if reason.contains(says))
}

pub(crate) fn exact(tries: u32) -> Attempt {
    Attempt::Exact(tries)
}
