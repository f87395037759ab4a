//! What may go wrong, and the dice that say when it does.
//!
//! In: a seed and how often each thing goes wrong. Out: decisions to wait, to fail, to lose, to repeat.

use std::time::Duration;

use crate::seed::Seed;

/// How often things go wrong, in a thousand. Everything 0 unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// An append became durable, or did not, and nobody is told which.
    pub unknown_appends: u64,
    /// An append takes up to two seconds, and everything behind it waits.
    pub slow_appends: u64,
    /// A store does not answer a read.
    pub failed_reads: u64,
    /// A message was stored by the broker, or was not, and nobody is told which, perhaps after up to two seconds.
    pub unknown_publishes: u64,
    /// A broker takes up to two seconds to say what became of a batch, and others leave meanwhile.
    pub slow_publishes: u64,
    /// A subscription is lost in the middle.
    pub lost_subscriptions: u64,
    /// A delivery is handed out a second time.
    pub repeated_deliveries: u64,
}

/// Rolls for one part of a chain.
#[derive(Debug)]
pub(super) struct Dice {
    seed: Seed,
    faults: Faults,
}

/// Somebody who waits lets others go first this often at most.
const YIELDS_MAX: u64 = 3;
/// What is slow takes less, in milliseconds.
const SLOW_MS_MAX: u64 = 2_000;

impl Dice {
    pub(super) fn new(seed: Seed, faults: Faults) -> Self {
        Self { seed, faults }
    }

    /// Lets others go first, by chance.
    pub(super) async fn dawdle(&self) {
        for _ in 0..self.seed.below(YIELDS_MAX + 1) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits, if this append is a slow one.
    pub(super) async fn stall(&self) {
        if self.happens(self.faults.slow_appends) {
            self.take_long().await;
        }
    }

    /// Waits, if the answer about this batch is a slow one. That there will be none is known late as often as not.
    pub(super) async fn stall_answer(&self, is_lost: bool) {
        let slow = if is_lost { 500 } else { self.faults.slow_publishes };
        if self.happens(slow) {
            self.take_long().await;
        }
    }

    async fn take_long(&self) {
        tokio::time::sleep(Duration::from_millis(self.seed.below(SLOW_MS_MAX))).await;
    }

    /// Whether this append's answer is lost, and if so whether it happened.
    pub(super) fn append_is_unknown(&self) -> Option<bool> {
        self.unknown(self.faults.unknown_appends)
    }

    /// Whether this message's answer is lost, and if so whether the broker has it.
    pub(super) fn publish_is_unknown(&self) -> Option<bool> {
        self.unknown(self.faults.unknown_publishes)
    }

    pub(super) fn read_fails(&self) -> bool {
        self.happens(self.faults.failed_reads)
    }

    pub(super) fn subscription_is_lost(&self) -> bool {
        self.happens(self.faults.lost_subscriptions)
    }

    pub(super) fn delivery_repeats(&self) -> bool {
        self.happens(self.faults.repeated_deliveries)
    }

    /// No number is drawn for what never happens.
    fn happens(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.seed.per_mille(per_mille)
    }

    fn unknown(&self, per_mille: u64) -> Option<bool> {
        self.happens(per_mille).then(|| self.seed.per_mille(500))
    }
}
