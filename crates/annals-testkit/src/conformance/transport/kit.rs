//! What the cases share: messages, short ways to take and settle, and what is believed when nothing comes.

use std::collections::BTreeSet;
use std::time::Duration;

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::port::transport::{
    Attempt, Consumer, Delivery, Message, Published, Settlement, Start, Subscribe, Transport,
};
use annals_core::tag::Tag;
use bytes::Bytes;
use tokio::time::timeout;
use uuid::Uuid;

/// Longer than any transport may take for what is there.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// Long enough to believe that nothing comes.
pub(super) const QUIET: Duration = Duration::from_millis(80);

/// A message of a case: its id tells the case and the number, its tag is the key.
pub(super) fn message(case: &str, number: u64, key: &str, data: impl Into<Bytes>) -> Message {
    let salt = case.bytes().fold(7_u64, |salt, byte| {
        salt.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    Message {
        topic: case.into(),
        event: NewEvent {
            id: EventId::from_uuid(Uuid::from_u64_pair(salt, number)),
            event_type: EventType::from_static("conformance.happened"),
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags: vec![Tag::of("key", key).expect("a key of a case is a tag")],
            occurred: None,
            metadata: Metadata::default(),
            data: data.into(),
        },
    }
}

/// `count` messages, numbered from 0 in their content, over so many keys in turn.
pub(super) fn numbered(case: &str, count: u64, keys: u64) -> Vec<Message> {
    let one = |number: u64| message(case, number, &(number % keys).to_string(), number.to_string());
    (0..count).map(one).collect()
}

pub(super) fn number(delivery: &Delivery) -> u64 {
    let text = std::str::from_utf8(&delivery.message.event.data).expect("the content is a number");
    text.parse().expect("the content is a number")
}

pub(super) fn key(delivery: &Delivery) -> String {
    let tag = delivery.message.event.partition_tag();
    tag.expect("a message of a case has a key").value().to_owned()
}

pub(super) fn tries(delivery: &Delivery) -> Option<u32> {
    match delivery.attempt {
        Attempt::Exact(tries) | Attempt::AtLeast(tries) => Some(tries),
        Attempt::Unknown => None,
    }
}

pub(super) async fn publish_all(transport: &dyn Transport, messages: Vec<Message>) {
    let count = messages.len();
    let outcomes = transport.publish(messages).await;
    assert_eq!(
        outcomes,
        vec![Published::Stored; count],
        "expected every message of the batch to be stored"
    );
}

pub(super) async fn subscribe(
    transport: &dyn Transport,
    case: &str,
    group: &str,
    start: Start,
) -> Box<dyn Consumer> {
    let subscribe = Subscribe {
        group: group.into(),
        topics: vec![case.into()],
        start,
    };
    let opened = timeout(DEADLINE, transport.subscribe(subscribe)).await;
    opened
        .expect("a subscription opens in time")
        .expect("a subscription opens")
}

pub(super) async fn join(transport: &dyn Transport, case: &str) -> Box<dyn Consumer> {
    subscribe(transport, case, case, Start::Group).await
}

pub(super) async fn next(consumer: &mut dyn Consumer, max: usize) -> Vec<Delivery> {
    let received = timeout(DEADLINE, consumer.next(max)).await;
    let deliveries = received
        .expect("a delivery comes in time")
        .expect("the subscription stands");
    assert!(
        !deliveries.is_empty() && deliveries.len() <= max,
        "next gives at least one and at most {max}"
    );
    deliveries
}

pub(super) async fn next_one(consumer: &mut dyn Consumer) -> Delivery {
    next(consumer, 1).await.remove(0)
}

pub(super) async fn take(consumer: &mut dyn Consumer, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(next(consumer, count - taken.len()).await);
    }
    taken
}

pub(super) async fn settle(delivery: Delivery, settlement: Settlement) {
    let settled = timeout(DEADLINE, delivery.settle(settlement)).await;
    settled
        .expect("settling ends in time")
        .expect("a delivery in hand can be settled");
}

pub(super) async fn done(delivery: Delivery) {
    settle(delivery, Settlement::Done).await;
}

pub(super) async fn retry(delivery: Delivery, after: Duration) {
    settle(delivery, Settlement::Retry { after }).await;
}

pub(super) async fn assert_quiet(consumer: &mut dyn Consumer, why: &str) {
    if let Ok(received) = timeout(QUIET, consumer.next(1)).await {
        let deliveries = received.expect("the subscription stands");
        panic!("expected nothing, because {why}; found {deliveries:?}");
    }
}

/// Takes and settles until every one of these numbers came, and nothing else.
pub(super) async fn drain(consumer: &mut dyn Consumer, numbers: impl IntoIterator<Item = u64>) {
    let mut missing: BTreeSet<u64> = numbers.into_iter().collect();
    while !missing.is_empty() {
        for delivery in next(consumer, 64).await {
            let found = number(&delivery);
            assert!(
                missing.remove(&found),
                "expected one of {missing:?}, found {found}"
            );
            done(delivery).await;
        }
    }
}

pub(super) fn park(reason: &str) -> Settlement {
    Settlement::Park {
        reason: reason.into(),
    }
}
