//! Everything random comes from a seed: the same seed gives the same numbers and the same ids.
//!
//! In: a number. Out: a stream of numbers (splitmix64) and UUIDs made from it. Knows no clock and no thread.

use std::sync::atomic::{AtomicU64, Ordering};

use annals_core::id::{IdSource, uuid_v7};
use annals_core::time::Timestamp;
use uuid::Uuid;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers that its seed determines. Shared between threads, each draw is another number.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
#[derive(Debug)]
pub struct Seed {
    state: AtomicU64,
}

impl Seed {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }

    /// The next number.
    pub fn draw(&self) -> u64 {
        let mut z = self
            .state
            .fetch_add(GOLDEN, Ordering::Relaxed)
            .wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number below a limit; 0 if the limit is 0. Not quite even for limits near 2^64, which no test needs.
    pub fn below(&self, limit: u64) -> u64 {
        self.draw().checked_rem(limit).unwrap_or(0)
    }

    /// Whether something happens that happens `times` in a thousand.
    pub fn per_mille(&self, times: u64) -> bool {
        self.below(1_000) < times
    }

    /// A stream of its own for one part of a test, so that what other parts draw does not change it.
    pub fn split(&self) -> Self {
        Self::new(self.draw())
    }
}

/// Ids from a seed: UUIDv7 of the moment asked for.
#[derive(Debug)]
pub struct SeededIds {
    seed: Seed,
}

impl SeededIds {
    /// The ids of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed: Seed::new(seed),
        }
    }
}

impl IdSource for SeededIds {
    fn next(&self, at: Timestamp) -> Uuid {
        let mut randomness = [0; 10];
        randomness[..8].copy_from_slice(&self.seed.draw().to_be_bytes());
        randomness[8..].copy_from_slice(&self.seed.draw().to_be_bytes()[..2]);
        uuid_v7(at, randomness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_paper() {
        let seed = Seed::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| seed.draw()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_ids_and_another_seed_others() {
        let ids = |seed| {
            let source = SeededIds::new(seed);
            [source.next(Timestamp::EPOCH), source.next(Timestamp::EPOCH)]
        };
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1), ids(2));
        assert_ne!(ids(1)[0], ids(1)[1]);
    }
}
