//! What every transport keeps on its real server: the same cases for all, in a namespace of their own.
//!
//! The server is named by a variable such as `ANNALS_KAFKA_URL`; killing it needs the project's own command, named by
//! `ANNALS_XTASK`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_core::event::{EventType, Metadata, NewEvent, Origin, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::port::store::limits;
use annals_core::port::transport::{
    Consumer, Delivery, Message, Published, Settlement, Start, Subscribe, Transport,
};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_testkit::conformance::transport as conformance;
use annals_transport::connect::connect;
use annals_transport::topology::Topology;
use smol_str::SmolStr;
use tokio::time::timeout;
use uuid::Uuid;

/// Longer than any broker may take for what is there; some notice a lost consumer only after a while.
const DEADLINE: Duration = Duration::from_secs(60);
/// Long enough to believe that nothing comes.
const QUIET: Duration = Duration::from_millis(1_500);
const TOPIC: &str = "things";

fn open(server: &str, case: &str) -> Arc<dyn Transport> {
    let variable = format!("ANNALS_{}_URL", server.to_uppercase());
    let url = std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} names no server"));
    let namespace = format!("{case}-{}", &Uuid::new_v4().simple().to_string()[..12]);
    let url = format!("{url}?namespace={namespace}").parse().unwrap();
    connect(&url).unwrap()
}

fn message(number: u64, key: u64, data: Vec<u8>) -> Message {
    Message {
        topic: TOPIC.into(),
        event: NewEvent {
            id: EventId::from_uuid(Uuid::new_v4()),
            event_type: EventType::from_static("thing.happened"),
            version: 2,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags: vec![Tag::of("key", key).unwrap(), Tag::of("number", number).unwrap()],
            occurred: None,
            metadata: Metadata::default(),
            data: data.into(),
        },
    }
}

fn numbered(numbers: std::ops::Range<u64>) -> Vec<Message> {
    numbers
        .map(|number| message(number, number % 16, number.to_string().into_bytes()))
        .collect()
}

fn number(delivery: &Delivery) -> u64 {
    number_of(&delivery.message)
}

fn number_of(message: &Message) -> u64 {
    message.event.tags[1].value().parse().unwrap()
}

/// Publishes as a relay does: what is unknown is sent again.
async fn publish(transport: &dyn Transport, mut messages: Vec<Message>) {
    let began = Instant::now();
    while !messages.is_empty() {
        assert!(began.elapsed() < DEADLINE, "not published within {DEADLINE:?}");
        let outcomes = transport.publish(messages.clone()).await;
        assert_eq!(outcomes.len(), messages.len());
        let mut again = Vec::new();
        for (message, outcome) in messages.into_iter().zip(outcomes) {
            match outcome {
                Published::Stored => {}
                Published::Unknown(_) => again.push(message),
                Published::Refused(reason) => panic!("refused: {reason}"),
            }
        }
        messages = again;
        if !messages.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn join(transport: &dyn Transport, group: &'static str) -> Box<dyn Consumer> {
    let began = Instant::now();
    loop {
        let subscribe = Subscribe {
            group: SmolStr::new_static(group),
            topics: vec![TOPIC.into()],
            start: Start::Group,
        };
        match timeout(DEADLINE, transport.subscribe(subscribe)).await.unwrap() {
            Ok(consumer) => return consumer,
            Err(error) => assert!(began.elapsed() < DEADLINE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn take(consumer: &mut dyn Consumer, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = timeout(DEADLINE, consumer.next(count - taken.len())).await;
        let next = next.unwrap_or_else(|_| panic!("{} of {count} came", taken.len()));
        taken.extend(next.expect("the subscription stands"));
    }
    taken
}

async fn done(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        timeout(DEADLINE, delivery.settle(Settlement::Done))
            .await
            .unwrap()
            .unwrap();
    }
}

/// Takes and settles as they come: a broker hands out only so much at once.
async fn take_and_settle(consumer: &mut dyn Consumer, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        for delivery in take(consumer, 1).await {
            messages.push(delivery.message.clone());
            done(vec![delivery]).await;
        }
    }
    messages
}

async fn declare(transport: &dyn Transport, group: &'static str) {
    timeout(DEADLINE, transport.declare(group.into(), vec![TOPIC.into()]))
        .await
        .unwrap()
        .unwrap();
}

fn assert_in_order(messages: &[Message]) {
    let mut last = BTreeMap::new();
    for message in messages {
        let key = message.event.partition_tag().unwrap().clone();
        let before = last.insert(key.clone(), number_of(message));
        let found = Some(number_of(message));
        assert!(before < found, "{key}: {before:?} before {found:?}");
    }
}

/// What is published is delivered: byte for byte, with everything it carries, in order per key.
async fn round_trip(transport: Arc<dyn Transport>) {
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

/// Each group gets every message, also one that was away.
async fn groups(transport: Arc<dyn Transport>) {
    declare(&*transport, "one").await;
    declare(&*transport, "two").await;
    declare(&*transport, "two").await;
    publish(&*transport, numbered(0..200)).await;
    for group in ["one", "two"] {
        let mut consumer = join(&*transport, group).await;
        let taken = take(&mut *consumer, 200).await;
        assert_eq!(
            taken.iter().map(number).collect::<BTreeSet<_>>(),
            (0..200).collect()
        );
        done(taken).await;
    }
}

/// A consumer goes with deliveries in hand: those come back, and none that it settled.
async fn unsettled(transport: Arc<dyn Transport>) {
    declare(&*transport, "one").await;
    publish(&*transport, numbered(0..100)).await;
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
async fn retry(transport: Arc<dyn Transport>) {
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
async fn nobody_there(transport: Arc<dyn Transport>) {
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
    done(take(&mut *consumer, 20).await).await;
}

/// What no broker takes is refused, it alone and in its place; the connection survives.
async fn refused(transport: Arc<dyn Transport>) {
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
async fn topology(transport: Arc<dyn Transport>) {
    let mut first = join(&*transport, "first").await;
    let groups = ["first", "second"].map(|group| (group.into(), vec![TOPIC.into()]));
    let known = Topology::new(Arc::clone(&transport), groups);
    assert!(!known.is_declared());
    publish(&known, numbered(0..20)).await;
    assert!(known.is_declared());
    done(take(&mut *first, 20).await).await;
    let mut second = join(&*transport, "second").await;
    done(take(&mut *second, 20).await).await;
}

/// What is said to everybody.
async fn broadcast(transport: Arc<dyn Transport>) {
    conformance::broadcast(&*transport).await;
}

fn services(verb: &str, server: &str) {
    let xtask = std::env::var("ANNALS_XTASK").expect("ANNALS_XTASK is the project's own command");
    let done = Command::new(xtask)
        .args(["services", verb, server])
        .status()
        .unwrap();
    assert!(done.success(), "services {verb} {server}");
}

/// The broker dies while it is published to and read from: every message arrives, what was settled before stays so.
async fn killed(transport: Arc<dyn Transport>, server: &'static str) {
    const COUNT: u64 = 3_000;
    declare(&*transport, "one").await;
    let publisher = Arc::clone(&transport);
    let publishing = tokio::spawn(async move {
        for begin in (0..COUNT).step_by(50) {
            publish(&*publisher, numbered(begin..begin + 50)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let killing = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_secs(4));
        services("kill", server);
        std::thread::sleep(Duration::from_millis(500));
        services("up", server);
    });
    let began = Instant::now();
    let mut seen = BTreeMap::<u64, u32>::new();
    let mut lost = 0;
    while seen.len() < usize::try_from(COUNT).unwrap() {
        let mut consumer = join(&*transport, "one").await;
        while let Ok(Ok(deliveries)) = timeout(Duration::from_secs(20), consumer.next(100)).await {
            for delivery in deliveries {
                *seen.entry(number(&delivery)).or_default() += 1;
                // What cannot be settled comes again.
                drop(timeout(DEADLINE, delivery.settle(Settlement::Done)).await);
            }
            if seen.len() == usize::try_from(COUNT).unwrap() {
                break;
            }
        }
        lost += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(began.elapsed() < DEADLINE * 2, "{} of {COUNT} came", seen.len());
    }
    publishing.await.unwrap();
    killing.await.unwrap();
    let again = seen.values().filter(|times| **times > 1).count();
    println!("{server}: {COUNT} arrived, {again} of them more than once, {lost} subscriptions");
}

macro_rules! on_server {
    ($server:ident, $feature:literal, $mark:literal) => {
        #[cfg(feature = $feature)]
        mod $server {
            const SERVER: &str = stringify!($server);

            on_server!(@cases $mark: round_trip groups unsettled retry nobody_there refused topology broadcast);

            #[tokio::test(flavor = "multi_thread")]
            #[ignore = $mark]
            async fn killed() {
                super::killed(super::open(SERVER, "killed"), SERVER).await;
            }
        }
    };
    (@cases $mark:literal: $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = $mark]
            async fn $case() {
                super::$case(super::open(SERVER, stringify!($case))).await;
            }
        )*
    };
}

on_server!(rabbitmq, "rabbitmq", "broker: rabbitmq: needs the server");
on_server!(kafka, "kafka", "broker: kafka: needs the server");
on_server!(activemq, "activemq", "broker: activemq: needs the server");
on_server!(artemis, "activemq", "broker: artemis: needs the server");
on_server!(nats, "nats", "broker: nats: needs the server");
