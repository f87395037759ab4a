//! Back-off: how long to wait before the next try.

use std::time::Duration;

use crate::ground::world::World;

/// Doubling waits with jitter of a fifth either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the second try.
    pub first: Duration,
    /// Never longer than this, jitter aside.
    pub longest: Duration,
}

impl Default for Backoff {
    /// 100 ms, doubling up to 30 s.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// How long to wait after this many failures, from 1.
    pub fn after(&self, failures: u32, world: &World) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(20)));
        let jitter = f64::from(world.ids.next(world.now()).as_bytes()[15]) / 255.0;
        doubled.min(self.longest).mul_f64(0.8 + 0.4 * jitter)
    }
}

#[cfg(test)]
mod tests;
