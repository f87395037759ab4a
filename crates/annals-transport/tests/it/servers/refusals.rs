//! A server that says no: because it has no room, or because it does not know who asks. RabbitMQ can be made to say both.

use std::time::{Duration, Instant};

use annals_core::port::transport::{Health, Published};
use annals_transport::connect::connect;

use super::killed::services;
use super::kit::{DEADLINE, TOPIC, declare, done, fresh, inside, join, numbered, publish, take, url};

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

/// A password that is wrong is said to be, and is never repeated.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "broker: rabbitmq: asks with a wrong password"]
async fn a_wrong_password_is_said_and_not_repeated() {
    let address = url("rabbitmq");
    let host = address.rsplit(['/', '@']).next().unwrap();
    let wrong = format!("amqp://guest:not-my-secret@{host}").parse().unwrap();
    let transport = connect(&wrong).unwrap();
    let began = Instant::now();
    let outcomes = transport.publish(numbered(0..2)).await;
    assert!(began.elapsed() < DEADLINE / 2, "{:?}", began.elapsed());
    let Health::Degraded(why) = transport.health() else {
        panic!("{:?}", transport.health());
    };
    let told = format!("{outcomes:?} {why} {wrong:?} {wrong}");
    assert!(
        why.to_lowercase().contains("access") || why.to_lowercase().contains("auth"),
        "{why}"
    );
    assert!(!told.contains("not-my-secret"), "{told}");
}
