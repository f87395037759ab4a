//! The durable inbox before a broker that misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Capabilities, Consumer, Delivery, Message, Published, ReceiveError, Start, Subscribe, SubscribeError,
    Topic, Transport,
};
use annals_core::position::Position;
use annals_store::MemoryStore;
use annals_transport::durable::DurableInbox;
use annals_transport::embedded::EmbeddedBroker;
use smol_str::SmolStr;
use tokio::time::{Instant, timeout};

use crate::bench::{RuntimeClock, message};

const TOPIC: &str = "things";

/// A broker whose first subscriptions hear nothing, and which says that so much waits.
struct Deaf {
    broker: EmbeddedBroker,
    deaf: AtomicU32,
    subscriptions: AtomicU32,
    waiting: Option<u64>,
}

struct Nothing;

impl Consumer for Nothing {
    fn next(&mut self, _: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(std::future::pending())
    }
}

impl Transport for Deaf {
    fn capabilities(&self) -> Capabilities {
        self.broker.capabilities()
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        self.broker.publish(batch)
    }

    fn backlog(&self, _: SmolStr, _: Vec<Topic>) -> BoxFuture<'_, Option<u64>> {
        Box::pin(std::future::ready(self.waiting))
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        self.subscriptions.fetch_add(1, Ordering::Relaxed);
        let is_deaf = self
            .deaf
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if is_deaf.is_ok() {
            return Box::pin(std::future::ready(Ok(Box::new(Nothing) as Box<dyn Consumer>)));
        }
        self.broker.subscribe(subscribe)
    }
}

fn broker() -> EmbeddedBroker {
    EmbeddedBroker::new(Arc::new(MemoryStore::new()), RuntimeClock::start())
}

async fn reader(deaf: &Arc<Deaf>) -> Box<dyn Consumer> {
    let inbox = DurableInbox::new(deaf.clone(), broker());
    let subscribe = Subscribe {
        group: "one".into(),
        topics: vec![TOPIC.into()],
        start: Start::At(Position::ZERO),
    };
    inbox.subscribe(subscribe).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_never_wakes_is_opened_anew_while_something_waits() {
    let deaf = Arc::new(Deaf {
        broker: broker(),
        deaf: AtomicU32::new(2),
        subscriptions: AtomicU32::new(0),
        waiting: Some(5),
    });
    let stored = deaf.publish((0..5).map(|n| message(TOPIC, n, n)).collect()).await;
    assert!(stored.iter().all(|one| *one == Published::Stored));
    let began = Instant::now();
    let mut reader = reader(&deaf).await;
    let taken = timeout(Duration::from_secs(300), reader.next(10))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.len(), 5);
    assert_eq!(deaf.subscriptions.load(Ordering::Relaxed), 3);
    // Two looks for each that was deaf, and a pause.
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_quiet_subscription_is_left_alone_while_nothing_waits() {
    let deaf = Arc::new(Deaf {
        broker: broker(),
        deaf: AtomicU32::new(0),
        subscriptions: AtomicU32::new(0),
        waiting: Some(0),
    });
    let mut reader = reader(&deaf).await;
    assert!(
        timeout(Duration::from_secs(3_600), reader.next(10))
            .await
            .is_err()
    );
    assert_eq!(deaf.subscriptions.load(Ordering::Relaxed), 1);
}
