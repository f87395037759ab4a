//! A clock that is wrong by what a file says, so that tests can see it jump.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use annals::core::time::{Clock, SystemClock, Timestamp};

/// Between two looks at the file.
const LOOK: Duration = Duration::from_millis(50);

/// The machine's clock and an error.
pub(crate) struct WrongClock {
    /// In microseconds.
    error: Arc<AtomicI64>,
}

impl WrongClock {
    /// Looks at a file with a number of seconds, for as long as the clock is there. What is no number is no error.
    pub(crate) fn follow(file: PathBuf) -> Self {
        let error = Arc::new(AtomicI64::new(said(&file)));
        let followed = Arc::downgrade(&error);
        std::thread::spawn(move || {
            while let Some(error) = followed.upgrade() {
                error.store(said(&file), Ordering::Relaxed);
                drop(error);
                std::thread::sleep(LOOK);
            }
        });
        Self { error }
    }
}

fn said(file: &PathBuf) -> i64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let seconds: i64 = text.trim().parse().unwrap_or(0);
    seconds.saturating_mul(1_000_000)
}

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now().as_micros();
        Timestamp::from_micros(now.saturating_add(self.error.load(Ordering::Relaxed)))
    }
}
