//! The server dies or is stopped while it is at work, and comes back: nothing that it confirmed is missing.
//!
//! `ANNALS_ROUNDS` says how often, three times unless said: killed, stopped in order, killed, and so on.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use annals_core::port::transport::{Settlement, Transport};
use tokio::time::timeout;

use super::kit::{
    DEADLINE, apart, asked, declare, embedded_in, join, number, number_of, numbered, open, publish,
    take_and_settle,
};

/// Between two misfortunes, and before the first.
const PEACE: Duration = Duration::from_secs(2);
/// From when the server answers until messages are stored and delivered again.
const RESUMED_WITHIN: Duration = Duration::from_secs(60);
/// A subscription that gives nothing for so long is opened anew.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn services(verb: &str, server: &str) {
    let xtask = std::env::var("ANNALS_XTASK").expect("ANNALS_XTASK is the project's own command");
    let done = Command::new(xtask)
        .args(["services", verb, server])
        .status()
        .unwrap();
    assert!(done.success(), "services {verb} {server}");
}

/// Ends the server in one of two ways, and starts it again.
fn turn(verb: &str, server: &str) {
    services(verb, server);
    std::thread::sleep(Duration::from_millis(300));
    services("up", server);
}

/// What the publisher and the consumer have done so far.
#[derive(Default)]
struct Work {
    closed: AtomicBool,
    /// Numbers below this one are confirmed.
    confirmed: AtomicU64,
    /// How often each number came.
    seen: Mutex<BTreeMap<u64, u32>>,
    subscriptions: AtomicU64,
}

impl Work {
    fn seen(&self) -> u64 {
        self.seen.lock().unwrap().len() as u64
    }

    fn missing(&self) -> Vec<u64> {
        let seen = self.seen.lock().unwrap();
        let confirmed = self.confirmed.load(Ordering::SeqCst);
        (0..confirmed)
            .filter(|number| !seen.contains_key(number))
            .collect()
    }

    async fn publish(&self, transport: &dyn Transport) {
        let mut next = 0;
        while !self.closed.load(Ordering::SeqCst) {
            publish(transport, numbered(next..next + 20)).await;
            next += 20;
            self.confirmed.store(next, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn consume(&self, transport: &dyn Transport) {
        loop {
            let mut consumer = join(transport, "one").await;
            self.subscriptions.fetch_add(1, Ordering::Relaxed);
            while let Ok(Ok(deliveries)) = timeout(PATIENCE, consumer.next(100)).await {
                for delivery in deliveries {
                    *self.seen.lock().unwrap().entry(number(&delivery)).or_default() += 1;
                    // What cannot be settled comes again.
                    drop(timeout(DEADLINE, delivery.settle(Settlement::Done)).await);
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// How long it takes from now until something more is confirmed and something more has come.
    async fn resumed(&self) -> Duration {
        let (began, confirmed, seen) = (Instant::now(), self.confirmed.load(Ordering::SeqCst), self.seen());
        while self.confirmed.load(Ordering::SeqCst) <= confirmed || self.seen() <= seen {
            assert!(
                began.elapsed() < RESUMED_WITHIN,
                "not at work again within {RESUMED_WITHIN:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }
}

/// The broker dies, or is stopped and started, while it is published to and read from: every message that it confirmed
/// arrives.
pub(super) async fn killed(server: &'static str) {
    if server == "embedded" {
        return reopened().await;
    }
    let rounds = asked("ANNALS_ROUNDS", 3);
    let transport = open(server, "killed");
    declare(&*transport, "one").await;
    let work = Arc::new(Work::default());
    let publishing = tokio::spawn({
        let (work, transport) = (Arc::clone(&work), Arc::clone(&transport));
        async move { work.publish(&*transport).await }
    });
    let consuming = tokio::spawn({
        let work = Arc::clone(&work);
        async move { work.consume(&*transport).await }
    });
    let mut resumed = Vec::new();
    for round in 0..rounds {
        tokio::time::sleep(PEACE).await;
        let verb = if round % 2 == 0 { "kill" } else { "down" };
        tokio::task::spawn_blocking(move || turn(verb, server))
            .await
            .unwrap();
        resumed.push(work.resumed().await);
    }
    work.closed.store(true, Ordering::SeqCst);
    publishing.await.unwrap();
    let began = Instant::now();
    while !work.missing().is_empty() {
        let missing = work.missing();
        assert!(began.elapsed() < DEADLINE, "confirmed and missing: {missing:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    consuming.abort();
    let confirmed = work.confirmed.load(Ordering::SeqCst);
    let again = work
        .seen
        .lock()
        .unwrap()
        .values()
        .filter(|times| **times > 1)
        .count();
    let resumed: Vec<String> = resumed
        .iter()
        .map(|time| format!("{:.1} s", time.as_secs_f64()))
        .collect();
    println!(
        "{server}: {rounds} rounds, {confirmed} confirmed and none missing, {again} came more than once, {} subscriptions; at \
         work again after {}",
        work.subscriptions.load(Ordering::Relaxed),
        resumed.join(", ")
    );
}

/// The broker dies before a group that was declared had anything to take: what is published next waits for that group all
/// the same, also if it joins later.
pub(super) async fn killed_while_empty(server: &'static str) {
    if server == "embedded" {
        return reopened_while_empty().await;
    }
    let transport = open(server, "killed_while_empty");
    declare(&*transport, "one").await;
    if server == "rabbitmq" {
        // A queue that is younger than a second has no leader afterwards; docs/brokers.md says so.
        tokio::time::sleep(PEACE).await;
    }
    tokio::task::spawn_blocking(move || turn("kill", server))
        .await
        .unwrap();
    is_heard(&*transport).await;
}

/// What is published before a group joins comes to it.
async fn is_heard(transport: &dyn Transport) {
    publish(transport, numbered(0..20)).await;
    let mut consumer = join(transport, "one").await;
    let taken = take_and_settle(&mut *consumer, 20).await;
    let numbers: BTreeSet<u64> = taken.iter().map(number_of).collect();
    assert!(numbers.into_iter().eq(0..20));
}

async fn reopened_while_empty() {
    let folder = tempfile::tempdir().unwrap();
    let first = embedded_in(folder.path());
    declare(&*first, "one").await;
    drop(first);
    is_heard(&*embedded_in(folder.path())).await;
}

/// Nothing is closed in order: the store is left as it is, and opened by another broker.
async fn reopened() {
    let folder = tempfile::tempdir().unwrap();
    let first = embedded_in(folder.path());
    publish(&*first, apart(0..50)).await;
    let mut consumer = join(&*first, "one").await;
    let before = take_and_settle(&mut *consumer, 20).await;
    drop((consumer, first));
    let second = embedded_in(folder.path());
    let mut consumer = join(&*second, "one").await;
    let after = take_and_settle(&mut *consumer, 30).await;
    let numbers: BTreeSet<u64> = before.iter().chain(&after).map(number_of).collect();
    assert!(numbers.into_iter().eq(0..50));
}
