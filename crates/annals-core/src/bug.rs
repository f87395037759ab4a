//! Bugs of this crate that can be planted, so that the harnesses can show that they find them; see [`annals_bug`]. The crates
//! above plant theirs by the same means.

pub use annals_bug::{Plantable, is_planted};

/// A mistake somebody could make in this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// Who has caught up goes on from where the store ends by then: what was appended while the last page was on its way is
    /// passed over.
    LoseAtSeam = 2_001,
    /// Who has caught up and is woken gets the last event before it once more.
    RepeatAtSeam,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::LoseAtSeam, Self::RepeatAtSeam];
}

impl Plantable for Bug {
    fn number(self) -> u32 {
        self as u32
    }
}
