//! Bugs of this crate that can be planted, by the means of [`annals_core::bug`]: compiled out of every build but those of tests.

use annals_core::bug::Plantable;

/// A mistake somebody could make in this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A consumer that has as much in hand as it may is not waited for: what the group has not read by then is passed over.
    SkipSlowReader = 3_001,
    /// What comes back does not hold up its key: everything that waits of the key goes out beside it.
    LoseOrderOnReturn,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::SkipSlowReader, Self::LoseOrderOnReturn];
}

impl Plantable for Bug {
    fn number(self) -> u32 {
        self as u32
    }
}
