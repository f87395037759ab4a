//! Who is not let in: a wrong password is said to be one, is not tried over and over, and is never repeated.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_core::port::transport::{Health, Published, Start, Subscribe, SubscribeError};
use annals_core::position::Position;
use annals_core::time::SystemClock;
use annals_store::MemoryStore;
use annals_transport::connect::connect;
use annals_transport::durable::DurableInbox;
use annals_transport::embedded::EmbeddedBroker;
use tokio::time::timeout;

use super::kit::{DEADLINE, Road, TOPIC, by_way_of, declare, fresh, numbered, publish, url};

const SECRET: &str = "not-my-secret";

/// The address with a user and a password, at the door where such are asked for.
fn address(server: &str, password: &str) -> String {
    let url = url(server);
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.rsplit('@').next().unwrap().trim_end_matches('/');
    let (name, port) = host.rsplit_once(':').unwrap();
    let port: u16 = port.parse().unwrap();
    match server {
        "rabbitmq" => format!("{scheme}://guest:{password}@{host}"),
        // Its last door; the others ask nobody.
        "kafka" => format!("{scheme}://annals:{password}@{name}:{}", port + 4),
        _ => format!("{scheme}://annals:{password}@{host}"),
    }
}

/// Every call says in time that we are not let in, and none says our password.
pub(super) async fn wrong_password(server: &'static str) {
    let namespace = fresh("stranger");
    let right = if server == "rabbitmq" { "guest" } else { "annals" };
    let known = by_way_of(&address(server, right), &namespace);
    declare(&*known, "one").await;
    publish(&*known, numbered(0..3)).await;

    let wrong = format!("{}?namespace={namespace}", address(server, SECRET))
        .parse()
        .unwrap();
    let stranger = connect(&wrong).unwrap();
    let began = Instant::now();
    let subscribe = Subscribe {
        group: "one".into(),
        topics: vec![TOPIC.into()],
        start: Start::Group,
    };
    let subscribed = timeout(DEADLINE, stranger.subscribe(subscribe.clone()))
        .await
        .unwrap();
    let Err(error) = subscribed else {
        panic!("{server} let a stranger in");
    };
    assert!(matches!(error, SubscribeError::Denied(_)), "{error:?}");
    let declared = timeout(DEADLINE, stranger.declare("one".into(), vec![TOPIC.into()])).await;
    let declared = declared.unwrap().unwrap_err();
    assert!(matches!(declared, SubscribeError::Denied(_)), "{declared:?}");
    let outcomes = timeout(DEADLINE, stranger.publish(numbered(3..5))).await.unwrap();
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Published::Unknown(_))),
        "{outcomes:?}"
    );
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let health = stranger.health();
    assert!(matches!(health, Health::Degraded(_)), "{health:?}");
    let told = format!("{error} {error:?} {declared} {outcomes:?} {health:?} {wrong} {wrong:?}");
    assert!(!told.contains(SECRET), "{told}");
    println!("{server}: {error}; three calls took {took:?}");
}

/// An inbox that is not let in asks once and then leaves the broker in peace.
pub(super) async fn not_tried_over_and_over(server: &'static str) {
    if server == "kafka" {
        // The door that a proxy may stand before asks nobody; who is not let in is known before a client is made that tries on.
        return;
    }
    let road = Road::to(server).await;
    let there = road.proxy().await;
    let address = address(server, SECRET);
    let (before, _) = address.rsplit_once('@').unwrap();
    let stranger = by_way_of(&format!("{before}@{}", there.address()), &fresh("stranger"));
    let copy = EmbeddedBroker::new(Arc::new(MemoryStore::new()), Arc::new(SystemClock));
    let inbox = DurableInbox::new(stranger, copy);
    let subscribe = Subscribe {
        group: "one".into(),
        topics: vec![TOPIC.into()],
        start: Start::At(Position::ZERO),
    };
    use annals_core::port::transport::Transport;
    let reader = inbox.subscribe(subscribe).await.unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let came = there.accepted();
    assert!((1..=2).contains(&came), "{came} connections in 8 s");
    assert!(
        matches!(inbox.health(), Health::Degraded(_)),
        "{:?}",
        inbox.health()
    );
    drop(reader);
}
