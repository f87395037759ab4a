//! The cases that every transport keeps on its real server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_core::event::{EventType, Metadata, Origin, Purpose};
use annals_core::id::{CorrelationId, EventId};
use annals_core::port::store::limits;
use annals_core::port::transport::{Message, Published, Settlement, Start, Subscribe, Topic, Transport};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::{SystemClock, Timestamp};
use annals_store::MemoryStore;
use annals_testkit::conformance::transport as conformance;
use annals_transport::connect::connect;
use annals_transport::durable::DurableInbox;
use annals_transport::embedded::EmbeddedBroker;
use annals_transport::topology::Topology;
use tokio::time::timeout;
use uuid::Uuid;

use super::kit::{
    DEADLINE, QUIET, TOPIC, apart, assert_in_order, declare, done, embedded, fresh, join, message,
    next_bundle, number, number_of, numbered, open, publish, settle_bundle, take, take_and_settle, url,
};

/// What is published is delivered: byte for byte, with everything it carries, in order per key.
pub(super) async fn round_trip(server: &str) {
    let transport = open(server, "round_trip");
    declare(&*transport, "one").await;
    let mut sent = numbered(0..1_000);
    let bodies = [vec![], vec![0], (0..=255).collect(), vec![0xA5; 1 << 20]];
    sent.extend((1_000..).zip(bodies).map(|(n, body)| message(n, n % 16, body)));
    let mut rich = message(2_000, 0, b"{\"a\":1}".to_vec());
    rich.event.purpose = Purpose::Command;
    rich.event.occurred = Some(Timestamp::from_micros(-1));
    rich.event.tags.push(Tag::new("sku:Ä:b c/\u{1F680}").unwrap());
    rich.event.metadata = Metadata {
        correlation: Some(CorrelationId::from_uuid(Uuid::from_u128(1))),
        causation: Some(EventId::from_uuid(Uuid::from_u128(2))),
        trace_parent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        actor: Some(" ann: \\ 100% \u{fc}".into()),
        service: Some("orders".into()),
        topic: Some("elsewhere".into()),
        origin: Some(Origin {
            service: "orders".into(),
            position: Position::new(9),
            recorded: Timestamp::from_micros(1_291_191_960_000_001),
        }),
    };
    sent.push(rich);
    publish(&*transport, sent.clone()).await;
    let mut consumer = join(&*transport, "one").await;
    let taken = take_and_settle(&mut *consumer, sent.len()).await;
    assert_in_order(&taken);
    let expected: BTreeMap<u64, &Message> =
        sent.iter().map(|message| (number_of(message), message)).collect();
    for message in &taken {
        assert_eq!(&message, &expected[&number_of(message)]);
    }
}

/// Bundles bring everything in order; what is settled in one does not come again, and what is not does.
pub(super) async fn bundles(server: &str) {
    let transport = open(server, "bundles");
    declare(&*transport, "one").await;
    publish(&*transport, numbered(0..300)).await;
    let mut consumer = join(&*transport, "one").await;
    let (mut came, mut missing) = (Vec::new(), (0..300).collect::<BTreeSet<u64>>());
    while missing.len() > 200 {
        let bundle = next_bundle(&mut *consumer).await;
        bundle.messages.iter().for_each(|message| {
            missing.remove(&number_of(message));
        });
        came.extend(bundle.messages);
        settle_bundle(bundle.settle).await;
    }
    let lost = next_bundle(&mut *consumer).await;
    came.extend(lost.messages);
    assert_in_order(&came);
    // What is settled is on its way before the consumer goes.
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop(lost.settle);
    drop(consumer);
    let mut consumer = join(&*transport, "one").await;
    while !missing.is_empty() {
        let bundle = next_bundle(&mut *consumer).await;
        for message in &bundle.messages {
            let number = number_of(message);
            assert!(missing.remove(&number), "{number} was settled and came again");
        }
        settle_bundle(bundle.settle).await;
    }
}

/// Batches handed over one behind the other, before the first has an outcome, are all stored and keep the order of keys.
pub(super) async fn several_on_their_way(server: &str) {
    let transport = open(server, "several_on_their_way");
    declare(&*transport, "one").await;
    let window = transport.capabilities().window as u64;
    let size = (window / 4).min(250);
    let mut way = Vec::new();
    for number in 0..8 {
        let batch = numbered(number * size..(number + 1) * size);
        let handing = timeout(DEADLINE, transport.hand_over(batch));
        way.push(handing.await.unwrap());
    }
    for outcomes in way {
        let outcomes = timeout(DEADLINE, outcomes).await.unwrap();
        assert_eq!(outcomes, vec![Published::Stored; size as usize]);
    }
    let mut consumer = join(&*transport, "one").await;
    let taken = take_and_settle(&mut *consumer, 8 * size as usize).await;
    assert_in_order(&taken);
    let numbers: BTreeSet<u64> = taken.iter().map(number_of).collect();
    assert!(numbers.into_iter().eq(0..8 * size));
}

/// Each group gets every message, also one that was away.
pub(super) async fn groups(server: &str) {
    let transport = open(server, "groups");
    declare(&*transport, "one").await;
    declare(&*transport, "two").await;
    declare(&*transport, "two").await;
    publish(&*transport, numbered(0..200)).await;
    for group in ["one", "two"] {
        let mut consumer = join(&*transport, group).await;
        let taken = take_and_settle(&mut *consumer, 200).await;
        assert_eq!(
            taken.iter().map(number_of).collect::<BTreeSet<_>>(),
            (0..200).collect()
        );
    }
}

/// A consumer goes with deliveries in hand: those come back, and none that it settled.
pub(super) async fn unsettled(server: &str) {
    let transport = open(server, "unsettled");
    declare(&*transport, "one").await;
    publish(&*transport, apart(0..100)).await;
    let mut consumer = join(&*transport, "one").await;
    let mut taken = take(&mut *consumer, 100).await;
    taken.sort_by_key(number);
    let kept = taken.split_off(40);
    done(taken).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(consumer);
    drop(kept);
    let mut consumer = join(&*transport, "one").await;
    let mut missing: BTreeSet<u64> = (40..100).collect();
    while !missing.is_empty() {
        let again = take(&mut *consumer, 1).await;
        for delivery in &again {
            assert!(
                missing.remove(&number(delivery)),
                "{} was settled",
                number(delivery)
            );
        }
        done(again).await;
    }
    let more = timeout(QUIET, consumer.next(10)).await;
    assert!(more.is_err(), "expected nothing more, found {more:?}");
}

/// A consumer keeps what it could not handle, and gets it again.
pub(super) async fn retry(server: &str) {
    let transport = open(server, "retry");
    declare(&*transport, "one").await;
    publish(&*transport, numbered(0..3)).await;
    let mut consumer = join(&*transport, "one").await;
    let taken = take(&mut *consumer, 3).await;
    for delivery in taken {
        let settlement = match number(&delivery) {
            1 => Settlement::Retry {
                after: Duration::from_millis(300),
            },
            _ => Settlement::Done,
        };
        delivery.settle(settlement).await.unwrap();
    }
    let again = take(&mut *consumer, 1).await;
    assert_eq!(number(&again[0]), 1);
    done(again).await;
}

/// Published before anybody is there: kept for whoever comes, or said not to be stored; never stored and lost.
pub(super) async fn nobody_there(server: &str) {
    let transport = open(server, "nobody_there");
    let outcomes = transport.publish(numbered(0..20)).await;
    let stored = outcomes
        .iter()
        .filter(|outcome| **outcome == Published::Stored)
        .count();
    if transport.capabilities().late_groups {
        assert_eq!(stored, 20, "{outcomes:?}");
    } else {
        assert_eq!(stored, 0, "{outcomes:?}");
        declare(&*transport, "one").await;
        publish(&*transport, numbered(0..20)).await;
    }
    let mut consumer = join(&*transport, "one").await;
    take_and_settle(&mut *consumer, 20).await;
}

/// What no broker takes is refused, it alone and in its place; the connection survives.
pub(super) async fn refused(server: &str) {
    let transport = open(server, "refused");
    declare(&*transport, "one").await;
    let mut batch = numbered(0..8);
    batch[2].event.data = vec![b'x'; limits::EVENT_DATA_BYTES_MAX + 1].into();
    batch[5].topic = "two\nlines".into();
    batch[7].event.event_type = EventType::from_static("");
    let outcomes = transport.publish(batch).await;
    for (place, outcome) in outcomes.iter().enumerate() {
        let expected = [2, 5, 7].contains(&place);
        assert_eq!(
            matches!(outcome, Published::Refused(_)),
            expected,
            "{place}: {outcome:?}"
        );
        assert_eq!(*outcome == Published::Stored, !expected, "{place}: {outcome:?}");
    }
    publish(&*transport, numbered(8..9)).await;
    let mut consumer = join(&*transport, "one").await;
    let taken = take(&mut *consumer, 6).await;
    assert_eq!(
        taken.iter().map(number).collect::<BTreeSet<_>>(),
        [0, 1, 3, 4, 6, 8].into()
    );
}

/// Whoever is to hear is made known before anything is published, also when somebody else was there first.
pub(super) async fn topology(server: &str) {
    let transport = open(server, "topology");
    let mut first = join(&*transport, "first").await;
    let groups = ["first", "second"].map(|group| (group.into(), vec![TOPIC.into()]));
    let known = Topology::new(Arc::clone(&transport), groups);
    assert!(!known.is_declared());
    publish(&known, numbered(0..20)).await;
    assert!(known.is_declared());
    take_and_settle(&mut *first, 20).await;
    let mut second = join(&*transport, "second").await;
    take_and_settle(&mut *second, 20).await;
}

/// What is said to everybody.
pub(super) async fn broadcast(server: &str) {
    let transport = open(server, "broadcast");
    conformance::broadcast(&*transport).await;
}

/// Two consumers of one group at once: each message goes to one of them, in order per key.
pub(super) async fn two_of_a_group(server: &str) {
    let transport = open(server, "two_of_a_group");
    const COUNT: usize = 600;
    declare(&*transport, "one").await;
    let mut consumers = vec![join(&*transport, "one").await, join(&*transport, "one").await];
    publish(&*transport, numbered(0..COUNT as u64)).await;
    let mut taken: Vec<Message> = Vec::new();
    while taken.len() < COUNT {
        for consumer in &mut consumers {
            let Ok(next) = timeout(Duration::from_millis(100), consumer.next(50)).await else {
                continue;
            };
            let deliveries = next.expect("the subscription stands");
            taken.extend(deliveries.iter().map(|delivery| delivery.message.clone()));
            done(deliveries).await;
        }
    }
    let numbers: BTreeSet<u64> = taken.iter().map(number_of).collect();
    assert_eq!((numbers.len(), taken.len()), (COUNT, COUNT));
    if transport.capabilities().partition_order {
        assert_in_order(&taken);
    }
}

/// What was not known to be stored is published again under the same id: behind a durable copy it is there once.
pub(super) async fn published_twice(server: &str) {
    let transport = open(server, "published_twice");
    declare(&*transport, "one").await;
    let messages = numbered(0..50);
    publish(&*transport, messages.clone()).await;
    publish(&*transport, messages.clone()).await;
    let copy = EmbeddedBroker::new(Arc::new(MemoryStore::new()), Arc::new(SystemClock));
    let inbox = DurableInbox::new(transport, copy);
    let subscribe = Subscribe {
        group: "one".into(),
        topics: vec![TOPIC.into()],
        start: Start::At(Position::ZERO),
    };
    let mut consumer = inbox.subscribe(subscribe).await.unwrap();
    let taken = take(&mut *consumer, 50).await;
    assert_eq!(
        taken.iter().map(number).collect::<BTreeSet<_>>(),
        (0..50).collect()
    );
    let more = timeout(QUIET, consumer.next(10)).await;
    assert!(more.is_err(), "expected nothing more, found {more:?}");
}

/// What is finished out of turn never makes a restart skip what is not.
pub(super) async fn out_of_turn(server: &str) {
    let transport = open(server, "out_of_turn");
    declare(&*transport, "one").await;
    publish(&*transport, apart(0..80)).await;
    let mut consumer = join(&*transport, "one").await;
    let mut missing: BTreeSet<u64> = (0..80).collect();
    let mut left = Vec::new();
    for delivery in take(&mut *consumer, 40).await {
        if number(&delivery).is_multiple_of(5) {
            left.push(delivery);
        } else {
            missing.remove(&number(&delivery));
            done(vec![delivery]).await;
        }
    }
    assert!(!left.is_empty());
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop((consumer, left));
    let mut consumer = join(&*transport, "one").await;
    while !missing.is_empty() {
        // Where the broker keeps only how far everything is finished, what was finished behind that comes again.
        for delivery in take(&mut *consumer, 1).await {
            missing.remove(&number(&delivery));
            done(vec![delivery]).await;
        }
    }
}

/// What waits at the broker is what nobody has settled, where the broker can be asked.
pub(super) async fn backlog(server: &str) {
    let transport = open(server, "backlog");
    declare(&*transport, "one").await;
    publish(&*transport, numbered(0..100)).await;
    let mut consumer = join(&*transport, "one").await;
    take_and_settle(&mut *consumer, 40).await;
    drop(consumer);
    let began = Instant::now();
    loop {
        match transport.backlog("one".into(), vec![TOPIC.into()]).await {
            // Classic and Artemis have no question for it in their protocol.
            None => return,
            Some(60) => return,
            Some(other) => assert!(began.elapsed() < DEADLINE, "expected 60 to wait, found {other}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A reader that keeps its own checkpoint reads from any position, again and again, where that is claimed.
pub(super) async fn replay(server: &str) {
    let transport = open(server, "replay");
    if !transport.capabilities().replay {
        return;
    }
    publish(&*transport, numbered(0..30)).await;
    let read = async |from: Position, count: usize| {
        let subscribe = Subscribe {
            group: "reader".into(),
            topics: vec![TOPIC.into()],
            start: Start::At(from),
        };
        let mut consumer = transport.subscribe(subscribe).await.unwrap();
        take(&mut *consumer, count).await
    };
    let all = read(Position::ZERO, 30).await;
    assert!(all.iter().map(number).eq(0..30));
    let tenth = all[10].position.unwrap();
    assert!(read(tenth, 20).await.iter().map(number).eq(10..30));
    assert!(read(Position::ZERO, 30).await.iter().map(number).eq(0..30));
}

/// An id that is published twice is delivered once, where that is claimed.
pub(super) async fn exact_dedupe(server: &str) {
    let transport = open(server, "exact_dedupe");
    if !transport.capabilities().exact_dedupe {
        return;
    }
    declare(&*transport, "one").await;
    let messages = numbered(0..20);
    publish(&*transport, messages.clone()).await;
    publish(&*transport, messages[5..].to_vec()).await;
    let mut consumer = join(&*transport, "one").await;
    take_and_settle(&mut *consumer, 20).await;
    let more = timeout(QUIET, consumer.next(10)).await;
    assert!(more.is_err(), "expected nothing more, found {more:?}");
}

/// What a consumer settles as parked is put aside by the broker and its key goes on, or that is refused and it comes again.
pub(super) async fn parking(server: &str) {
    let transport = open(server, "parking");
    declare(&*transport, "one").await;
    publish(&*transport, vec![message(0, 0, b"0".to_vec())]).await;
    let mut consumer = join(&*transport, "one").await;
    let taken = take(&mut *consumer, 1).await.remove(0);
    let reason = Settlement::Park {
        reason: "nobody wants it".into(),
    };
    let settled = taken.settle(reason).await;
    if transport.capabilities().parks {
        settled.unwrap();
        publish(&*transport, vec![message(1, 0, b"1".to_vec())]).await;
        let next = take(&mut *consumer, 1).await;
        assert_eq!(number(&next[0]), 1);
        return done(next).await;
    }
    assert!(settled.is_err(), "it claims not to put anything aside");
    drop(consumer);
    let mut consumer = join(&*transport, "one").await;
    let again = take(&mut *consumer, 1).await;
    assert_eq!(number(&again[0]), 0);
    done(again).await;
}

/// A group without topics hears every topic, also one that did not exist when it came.
pub(super) async fn every_topic(server: &str) {
    // Outside of any namespace, so others are heard too; their topics have other names.
    let transport = match server {
        "embedded" => embedded(),
        server => connect(&url(server).parse().unwrap()).unwrap(),
    };
    if !transport.capabilities().every_topic {
        return;
    }
    let (group, name) = (fresh("every"), fresh("topic"));
    let subscribe = Subscribe {
        group: group.as_str().into(),
        topics: Vec::new(),
        start: Start::Group,
    };
    let mut consumer = transport.subscribe(subscribe).await.unwrap();
    let topics: Vec<Topic> = (0..3).map(|n| format!("{name}-{n}").into()).collect();
    let mut messages = numbered(0..30);
    for (place, message) in messages.iter_mut().enumerate() {
        message.topic = topics[place % 3].clone();
    }
    publish(&*transport, messages).await;
    let mut heard = BTreeSet::new();
    while heard.len() < 30 {
        let deliveries = take(&mut *consumer, 1).await;
        for delivery in deliveries
            .iter()
            .filter(|one| topics.contains(&one.message.topic))
        {
            heard.insert((delivery.message.topic.clone(), number(delivery)));
        }
        done(deliveries).await;
    }
    drop(consumer);
    if server == "rabbitmq" {
        forget(&group).await;
    }
}

/// Takes the queue of a group away: while it hears every topic, everything has somewhere to go.
async fn forget(group: &str) {
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(&url("rabbitmq"), properties)
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let name = format!("annals.{group}");
    channel
        .queue_delete(name.as_str().into(), Default::default())
        .await
        .unwrap();
}
