//! How the provider misbehaves, on purpose.
//!
//! In comes a key, out goes its fate. The same seed and key have the same fate on every machine and in
//! every run. It does not know clocks or connections: whoever serves the request acts it out.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// Which share of charges is declined, slow, late or never answered. Shares go from 0 to 1; those of
/// slow, late and silent together are at most 1. Whether a charge is declined is rolled separately.
/// Refunds are always prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behaviour {
    /// Another seed gives other keys the same fates.
    pub seed: u64,
    /// The share that is declined.
    pub decline: f64,
    /// The share that is carried out only after `slow_by`, even if the asker has gone by then.
    pub slow: f64,
    /// How long a slow charge takes.
    pub slow_by: Duration,
    /// The share that is carried out at once but answered only after `late_by`.
    pub late: f64,
    /// How long a late answer takes.
    pub late_by: Duration,
    /// The share that is carried out at once and never answered: the connection is closed after `silent_for`.
    pub silent: f64,
    /// How long a silent connection is kept.
    pub silent_for: Duration,
}

/// Shares that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BehaviourError {
    /// A share below 0 or above 1, or no number.
    #[error("expected a share from 0 to 1 for {name}, found {found}; 0.05 is one in twenty")]
    Share {
        /// Which share.
        name: &'static str,
        /// Its value.
        found: f64,
    },
    /// Slow, late and silent are more than everything.
    #[error("expected slow, late and silent to be at most 1 together, found {found}; lower one of them")]
    Sum {
        /// Their sum.
        found: f64,
    },
}

/// How a charge is answered the first time its key is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Prompt,
    Slow,
    Late,
    Silent,
}

impl Default for Behaviour {
    /// A provider that captures everything at once.
    fn default() -> Self {
        Self {
            seed: 0,
            decline: 0.0,
            slow: 0.0,
            slow_by: Duration::from_millis(500),
            late: 0.0,
            late_by: Duration::from_secs(3),
            silent: 0.0,
            silent_for: Duration::from_secs(30),
        }
    }
}

impl Behaviour {
    /// Looks whether the shares can be.
    ///
    /// # Errors
    ///
    /// [`BehaviourError`] names the share to correct.
    pub fn validate(&self) -> Result<(), BehaviourError> {
        let shares = [
            ("decline", self.decline),
            ("slow", self.slow),
            ("late", self.late),
            ("silent", self.silent),
        ];
        if let Some((name, found)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err(BehaviourError::Share { name, found });
        }
        let sum = self.slow + self.late + self.silent;
        if sum > 1.0 {
            Err(BehaviourError::Sum { found: sum })
        } else {
            Ok(())
        }
    }

    /// Whether a charge under this key is declined.
    #[must_use]
    pub fn declines(&self, key: &str) -> bool {
        self.roll(b"decline", key) < self.decline
    }

    pub(super) fn manner(&self, key: &str) -> Manner {
        let roll = self.roll(b"manner", key);
        if roll < self.slow {
            Manner::Slow
        } else if roll < self.slow + self.late {
            Manner::Late
        } else if roll < self.slow + self.late + self.silent {
            Manner::Silent
        } else {
            Manner::Prompt
        }
    }

    /// A number from 0 (in) to 1 (out), the same for the same seed, purpose and key.
    fn roll(&self, purpose: &[u8], key: &str) -> f64 {
        let seed = self.seed.to_le_bytes();
        let bytes = seed.iter().chain(purpose).chain(b"\0").chain(key.as_bytes());
        let hash = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });
        // 53 bits are what the mantissa holds.
        (mixed(hash) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Spreads neighbouring hashes over all bits. Source: the finaliser of SplitMix64.
fn mixed(hash: u64) -> u64 {
    let once = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    twice ^ (twice >> 31)
}
