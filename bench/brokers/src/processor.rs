//! Processor time: what all threads of this process took, those that have ended included.
//!
//! In: what is to be measured. Out: nanoseconds a message. Other work on the machine changes rates much and this little.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time of this process so far.
pub(crate) fn spent() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec.unsigned_abs() as u32)
}

/// Nanoseconds for each of so many messages.
pub(crate) fn each(count: usize, spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e9 / count as f64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{each, spent};

    #[test]
    fn work_of_a_thread_that_has_ended_counts() {
        let before = spent();
        let work = || {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(50) {}
        };
        std::thread::spawn(work).join().unwrap();
        let took = spent() - before;
        assert!(took > Duration::from_millis(5), "{took:?}");
        assert_eq!(each(1_000, Duration::from_millis(2)), 2_000.0);
    }
}
