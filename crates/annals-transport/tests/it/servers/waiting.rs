//! Many messages that wait for somebody who was away: all come, in order per key, through a durable copy, and memory does
//! not grow with them. `ANNALS_WAITING` says how many, 20,000 unless said; a million takes minutes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_core::port::transport::{Start, Subscribe, Transport};
use annals_core::position::Position;
use annals_core::time::SystemClock;
use annals_store::{EmbeddedStore, Options};
use annals_transport::durable::DurableInbox;
use annals_transport::embedded::EmbeddedBroker;
use tokio::time::timeout;

use super::kit::{DEADLINE, TOPIC, declare, message, number, open, publish};

const KEYS: u64 = 64;
const BODY_BYTES: usize = 1_024;
/// Kept in memory at most besides what the copy's index takes for each message, in KiB.
const MEMORY_KIB: u64 = 160 << 10;
/// What the index of the copy may take for one message, in bytes.
const INDEX_BYTES: u64 = 256;

/// The memory of this process, where the system tells.
fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap_or(0)
}

pub(super) async fn waiting(server: &str) {
    let transport = open(server, "waiting");
    let count = std::env::var("ANNALS_WAITING").map_or(20_000, |text| text.parse().unwrap());
    declare(&*transport, "one").await;
    let before = resident_kib();
    for begin in (0..count).step_by(1_000) {
        let body = |number: u64| vec![b'a' + (number % 26) as u8; BODY_BYTES];
        let batch =
            (begin..count.min(begin + 1_000)).map(|number| message(number, number % KEYS, body(number)));
        publish(&*transport, batch.collect()).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), Options::new()).unwrap();
    let copy = EmbeddedBroker::new(Arc::new(store), Arc::new(SystemClock));
    let inbox = DurableInbox::new(transport, copy);
    let subscribe = Subscribe {
        group: "one".into(),
        topics: vec![TOPIC.into()],
        start: Start::At(Position::ZERO),
    };
    let began = Instant::now();
    let mut consumer = inbox.subscribe(subscribe).await.unwrap();
    // Whoever handles them is slow to begin; what comes meanwhile has to go to the disk.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut taken, mut last, mut peak) = (0, BTreeMap::new(), 0);
    while taken < count {
        let next = timeout(DEADLINE, consumer.next(500)).await;
        let deliveries = next
            .unwrap_or_else(|_| panic!("{taken} of {count} came"))
            .unwrap();
        for delivery in &deliveries {
            let found = number(delivery);
            let before = last.insert(found % KEYS, found);
            assert!(before < Some(found), "{found} after {before:?}");
        }
        taken += deliveries.len() as u64;
        peak = peak.max(resident_kib());
    }
    assert_eq!(taken, count);
    assert_eq!(last.len() as u64, KEYS.min(count));
    let grown = peak.saturating_sub(before);
    println!(
        "{count} taken in {:.1} s, memory grew by {grown} KiB",
        began.elapsed().as_secs_f64()
    );
    let allowed = MEMORY_KIB + count * INDEX_BYTES / 1_024;
    assert!(
        grown < allowed,
        "memory grew by {grown} KiB, expected less than {allowed}"
    );
}
