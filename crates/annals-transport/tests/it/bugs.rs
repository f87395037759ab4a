//! The conformance suite must be able to fail: mistakes in what brokers promise are planted in the embedded broker one at a
//! time, and each must be found by the cases named here.

use std::cell::Cell;
use std::sync::Arc;

use annals_bug::{plant, weed};
use annals_core::bug::Bug as Core;
use annals_store::MemoryStore;
use annals_testkit::conformance::transport;
use annals_testkit::hunt::Bank;
use annals_transport::bug::Bug;
use annals_transport::embedded::EmbeddedBroker;

use crate::bench::RuntimeClock;

/// Cases of the suite, by their names there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Pressure,
    Retry,
    Changing,
    Late,
}

impl Case {
    /// On a broker of its own, on virtual time and this thread.
    fn run(self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let broker = EmbeddedBroker::new(Arc::new(MemoryStore::new()), RuntimeClock::start());
            match self {
                Self::Pressure => transport::back_pressure(&broker, 1_024).await,
                Self::Retry => transport::order_through_retry(&broker).await,
                Self::Changing => transport::order_while_consumers_change(&broker).await,
                Self::Late => transport::late_group(&broker).await,
            }
        });
    }
}

fn search(case: Case, tries: &Cell<u64>) -> Result<(), String> {
    tries.set(1);
    case.run();
    Ok(())
}

/// With each bug, the cases that must find it.
#[test]
fn every_planted_bug_is_found() {
    use Case::{Changing, Late, Pressure, Retry};
    for case in [Pressure, Retry, Changing, Late] {
        case.run();
    }
    let mut bank = Bank::open();
    for bug in Bug::ALL {
        let cases: &[Case] = match bug {
            Bug::SkipSlowReader => &[Pressure],
            Bug::LoseOrderOnReturn => &[Retry, Changing],
        };
        bank.hunt(bug, cases, (|| plant(bug), weed), search);
    }
    let seam = Core::RepeatAtSeam;
    bank.hunt(seam, &[Late], (|| plant(seam), weed), search);
    bank.close();
}
