//! A clock that follows the paused time of a runtime.
//!
//! In: the runtime's time. Out: moments. Inside the runtime it tells the runtime's virtual time; outside it stands still
//! at the last moment it told.

use std::sync::atomic::{AtomicI64, Ordering};

use annals_core::time::{Clock, Timestamp};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Virtual time as a service sees it.
#[derive(Debug)]
pub struct VirtualClock {
    began: Instant,
    epoch: Timestamp,
    told: AtomicI64,
}

impl VirtualClock {
    /// A clock that tells this moment now. Must be called inside the runtime whose time it follows.
    pub(super) fn starting_at(epoch: Timestamp) -> Self {
        Self {
            began: Instant::now(),
            epoch,
            told: AtomicI64::new(epoch.as_micros()),
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        if Handle::try_current().is_err() {
            return Timestamp::from_micros(self.told.load(Ordering::Relaxed));
        }
        let now = self.epoch.after(self.began.elapsed());
        self.told.store(now.as_micros(), Ordering::Relaxed);
        now
    }
}
