//! The server dies while it is at work.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_core::port::transport::{Settlement, Transport};
use tokio::time::timeout;

use super::kit::{DEADLINE, declare, join, number, numbered, publish};

pub(super) fn services(verb: &str, server: &str) {
    let xtask = std::env::var("ANNALS_XTASK").expect("ANNALS_XTASK is the project's own command");
    let done = Command::new(xtask)
        .args(["services", verb, server])
        .status()
        .unwrap();
    assert!(done.success(), "services {verb} {server}");
}

/// The broker dies while it is published to and read from: every message arrives, what was settled before stays so.
pub(super) async fn killed(transport: Arc<dyn Transport>, server: &'static str) {
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
