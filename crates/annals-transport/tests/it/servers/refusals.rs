//! A server that says no: because it has no room, or because what is asked for is there and is something else.

use std::time::{Duration, Instant};

use annals_core::port::transport::{Health, Published, Start, Subscribe, Transport};
use tokio::time::timeout;

use super::killed::services;
use super::kit::{
    DEADLINE, TOPIC, declare, done, fresh, inside, join, message, numbered, publish, take, take_and_settle,
    url,
};

/// Gives the room back also when the case fails.
struct Full;

impl Full {
    async fn fill() -> Self {
        tokio::task::spawn_blocking(|| services("fill", "rabbitmq"))
            .await
            .unwrap();
        Self
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        services("free", "rabbitmq");
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a full broker does not take is not known to be stored, and its health says why; who reads goes on.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "broker: rabbitmq: fills its disk"]
async fn a_full_broker_is_blocked_and_readers_go_on() {
    let transport = inside("rabbitmq", &fresh("full"));
    declare(&*transport, "one").await;
    publish(&*transport, numbered(0..20)).await;
    let full = Full::fill().await;
    let outcomes = transport.publish(numbered(20..25)).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Published::Unknown(_))),
        "{outcomes:?}"
    );
    let health = transport.health();
    assert!(
        matches!(&health, Health::Blocked(why) if why.contains("disk")),
        "{health:?}"
    );
    let mut consumer = join(&*transport, "one").await;
    done(take(&mut *consumer, 20).await).await;
    tokio::task::spawn_blocking(move || drop(full)).await.unwrap();
    publish(&*transport, numbered(25..30)).await;
    until("it is well again", || transport.health() == Health::Up).await;
}

/// A queue that is there and is another kind of queue is named, with the difference.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "broker: rabbitmq: makes a queue that is in the way"]
async fn a_queue_that_is_in_the_way_is_named() {
    let namespace = fresh("conflict");
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(&url("rabbitmq"), properties)
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let classic = lapin::options::QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let name = format!("annals.{namespace}.one");
    channel
        .queue_declare(name.as_str().into(), classic, Default::default())
        .await
        .unwrap();
    let transport = inside("rabbitmq", &namespace);
    let error = transport
        .declare("one".into(), vec![TOPIC.into()])
        .await
        .unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains(&name) && told.contains("inequivalent arg"),
        "{told}"
    );
}

/// Publishes to a topic until the broker takes no more, and says what it said and how it was then.
async fn stuff(
    transport: &dyn Transport,
    topic: &'static str,
    bytes: usize,
) -> (u64, Vec<Published>, Health) {
    let began = Instant::now();
    let mut stored = 0;
    loop {
        assert!(began.elapsed() < DEADLINE, "{stored} messages and no end");
        let batch = (stored..stored + 100).map(|number| {
            let mut message = message(number, number, vec![b'x'; bytes]);
            message.topic = topic.into();
            message
        });
        let outcomes = transport.publish(batch.collect()).await;
        let taken = outcomes.iter().filter(|one| **one == Published::Stored).count();
        stored += taken as u64;
        if taken < outcomes.len() {
            return (stored, outcomes, transport.health());
        }
    }
}

/// Of a full broker: what is not stored is unknown, and all that follows it; its health says why.
fn assert_full(stored: u64, outcomes: &[Published], health: &Health, why: &str) {
    assert!(stored > 0);
    let first = outcomes.iter().position(|one| *one != Published::Stored).unwrap();
    let unknown = |one: &Published| matches!(one, Published::Unknown(_));
    assert!(outcomes[first..].iter().all(unknown), "{outcomes:?}");
    assert!(
        matches!(health, Health::Blocked(said) if said.contains(why)),
        "{health:?}"
    );
}

/// Takes what is there, and publishes again as soon as there is room.
async fn goes_on(transport: &dyn Transport, topic: &'static str, stored: u64) {
    let subscribe = Subscribe {
        group: "one".into(),
        topics: vec![topic.into()],
        start: Start::Group,
    };
    let mut consumer = transport.subscribe(subscribe).await.unwrap();
    take_and_settle(&mut *consumer, usize::try_from(stored).unwrap()).await;
    let mut more = message(stored, stored, b"more".to_vec());
    more.topic = topic.into();
    publish(transport, vec![more]).await;
    until("it is well again", || transport.health() == Health::Up).await;
}

/// A stream that may not grow.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "broker: nats: limits its stream"]
async fn a_full_stream_is_blocked_and_readers_go_on() {
    let transport = inside("nats", &fresh("full"));
    declare(&*transport, "one").await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(url("nats")).await.unwrap());
    let mut stream = jetstream.get_stream("annals").await.unwrap();
    let info = stream.info().await.unwrap().clone();
    let limited = |most: i64| async_nats::jetstream::stream::Config {
        max_bytes: most,
        ..info.config.clone()
    };
    let room = i64::try_from(info.state.bytes).unwrap() + (256 << 10);
    jetstream.update_stream(limited(room)).await.unwrap();
    let stuffed = timeout(DEADLINE, stuff(&*transport, TOPIC, 4 << 10)).await;
    let read = async {
        let mut consumer = join(&*transport, "one").await;
        done(take(&mut *consumer, 5).await).await;
    };
    let read = timeout(DEADLINE, read).await;
    // Whatever was found, the next case finds the stream as it was.
    jetstream
        .update_stream(limited(info.config.max_bytes))
        .await
        .unwrap();
    let (stored, outcomes, health) = stuffed.unwrap();
    assert_full(stored, &outcomes, &health, "maximum bytes");
    read.unwrap();
    goes_on(&*transport, TOPIC, stored - 5).await;
}

/// An address that may not grow: its publishers are given no leave to send.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "broker: artemis: fills an address"]
async fn a_full_address_is_blocked_and_readers_go_on() {
    const STUFFED: &str = "stuffed";
    let transport = inside("artemis", &fresh("full"));
    transport
        .declare("one".into(), vec![STUFFED.into()])
        .await
        .unwrap();
    let (stored, outcomes, health) = stuff(&*transport, STUFFED, 2 << 10).await;
    assert_full(stored, &outcomes, &health, "no room");
    goes_on(&*transport, STUFFED, stored).await;
}

/// A consumer that is there and settles otherwise is named, with the difference.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "broker: nats: makes a consumer that is in the way"]
async fn a_consumer_that_is_in_the_way_is_named() {
    use async_nats::jetstream::consumer::{AckPolicy, pull};
    let namespace = fresh("conflict");
    // The stream is there once somebody declared something.
    declare(&*inside("nats", &fresh("other")), "one").await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(url("nats")).await.unwrap());
    let stream = jetstream.get_stream("annals").await.unwrap();
    let name = format!("annals-{namespace}_-one");
    let config = pull::Config {
        durable_name: Some(name.clone()),
        ack_policy: AckPolicy::None,
        ..pull::Config::default()
    };
    stream.create_consumer(config).await.unwrap();
    let declared = inside("nats", &namespace)
        .declare("one".into(), vec![TOPIC.into()])
        .await;
    let told = declared.unwrap_err().to_string();
    assert!(told.contains(&name) && told.contains("ack policy"), "{told}");
    stream.delete_consumer(&name).await.unwrap();
}

/// An address that is there for queues of another kind is named, with the difference.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "broker: artemis: makes a queue that is in the way"]
async fn an_address_that_is_in_the_way_is_named() {
    use fe2o3_amqp::types::messaging::Source;
    use fe2o3_amqp::types::primitives::Symbol;
    use fe2o3_amqp::{Connection, Receiver, Session};
    let namespace = fresh("conflict");
    let address = format!("annals.{namespace}.{TOPIC}");
    let queue = format!("{address}.{namespace}.one");
    let server = url("artemis");
    let (_, host) = server.split_once("://").unwrap();
    let mut connection = Connection::builder()
        .container_id(fresh("conflict"))
        .sasl_profile(fe2o3_amqp::sasl_profile::SaslProfile::Anonymous)
        .open(&format!("amqp://{host}")[..])
        .await
        .unwrap();
    let mut session = Session::begin(&mut connection).await.unwrap();
    let source = Source::builder()
        .address(format!("{address}::{queue}"))
        .capabilities(vec![Symbol::from("queue")]);
    let attaching = Receiver::builder()
        .name(fresh("conflict"))
        .source(source.build())
        .attach(&mut session);
    let receiver = attaching.await.unwrap();
    let declared = inside("artemis", &namespace)
        .declare("one".into(), vec![TOPIC.into()])
        .await;
    let told = declared.map_err(|error| error.to_string());
    println!("artemis: {told:?}");
    drop(receiver);
    session.end().await.unwrap();
    connection.close().await.unwrap();
    let told = told.unwrap_err();
    assert!(told.contains(&address), "{told}");
}
