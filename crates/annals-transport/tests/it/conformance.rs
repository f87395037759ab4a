//! What every transport keeps, with the embedded broker on each store.

use std::sync::Arc;
use std::time::Duration;

use annals_core::id::EventId;
use annals_core::port::store::BoxFuture;
use annals_core::port::transport::Transport;
use annals_store::{EmbeddedStore, MemoryStore, Options};
use annals_testkit::conformance::transport::{self, Parking, Rig};
use annals_transport::embedded::EmbeddedBroker;

use crate::bench::RuntimeClock;

/// The broker's own operator calls, as the suite words them.
struct Operator(EmbeddedBroker);

impl Parking for Operator {
    fn parked<'a>(&'a self, group: &'a str) -> BoxFuture<'a, Vec<(EventId, String, u32)>> {
        Box::pin(async move {
            let parked = self.0.parked(group).await.unwrap();
            let aside = parked.into_iter().filter(|parked| !parked.requeued);
            aside
                .map(|parked| (parked.id, parked.reason, parked.attempts))
                .collect()
        })
    }

    fn requeue<'a>(&'a self, group: &'a str, id: EventId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.0.requeue(group, id).await.unwrap();
        })
    }
}

/// The in-memory store outlives its brokers.
struct InMemory(Arc<MemoryStore>);

impl InMemory {
    fn new() -> Self {
        Self(Arc::new(MemoryStore::new()))
    }

    fn slack() -> Duration {
        Duration::ZERO
    }

    fn broker(&self) -> EmbeddedBroker {
        EmbeddedBroker::new(self.0.clone(), RuntimeClock::start())
    }
}

/// The embedded store is opened from its folder each time.
struct OnDisk(tempfile::TempDir);

impl OnDisk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn slack() -> Duration {
        Duration::from_secs(2)
    }

    fn broker(&self) -> EmbeddedBroker {
        let store = EmbeddedStore::open(self.0.path(), Options::new()).unwrap();
        EmbeddedBroker::new(Arc::new(store), RuntimeClock::start())
    }
}

impl Rig for OnDisk {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Transport>> {
        Box::pin(async move { Arc::new(self.broker()) as Arc<dyn Transport> })
    }
}

macro_rules! suite {
    ($name:ident, $rig:ty, $test:meta) => {
        mod $name {
            use super::*;

            suite!(@case $rig, $test, round_trip, refused, unsettled_come_back, groups_share, late_group);
            suite!(@case $rig, $test, order_while_consumers_change, order_through_retry, drop_without_close);
            suite!(@case $rig, $test, subscribing_again, broadcast);

            #[$test]
            async fn watermark() {
                transport::watermark(&<$rig>::new()).await;
            }

            #[$test]
            async fn retry_schedule() {
                transport::retry_schedule(&<$rig>::new(), <$rig>::slack()).await;
            }

            #[$test]
            async fn duplicate_ids() {
                transport::duplicate_ids(&<$rig>::new()).await;
            }

            #[$test]
            async fn back_pressure() {
                let rig = <$rig>::new();
                transport::back_pressure(&rig.broker(), 1_024).await;
            }

            #[$test]
            async fn parking() {
                let rig = <$rig>::new();
                let broker = rig.broker();
                transport::parking(&broker, &Operator(broker.clone())).await;
            }

            #[$test]
            async fn all_cases_on_one_broker() {
                let rig = <$rig>::new();
                let broker = rig.broker();
                transport::parking(&broker, &Operator(broker.clone())).await;
                transport::round_trip(&broker).await;
                transport::groups_share(&broker).await;
                transport::order_while_consumers_change(&broker).await;
            }
        }
    };
    (@case $rig:ty, $test:meta, $($case:ident),+) => {
        $(
            #[$test]
            async fn $case() {
                let rig = <$rig>::new();
                transport::$case(&rig.broker()).await;
            }
        )+
    };
}

impl Rig for InMemory {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Transport>> {
        Box::pin(async move { Arc::new(self.broker()) as Arc<dyn Transport> })
    }
}

suite!(in_memory, InMemory, tokio::test(start_paused = true));

suite!(on_disk, OnDisk, tokio::test);
