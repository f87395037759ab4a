//! Bugs of this crate that can be planted, by the means of [`annals_core::bug`]: compiled out of every build but those of tests.

use annals_core::bug::Plantable;

/// A mistake somebody could make in this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A projection commits its checkpoint before the rows it stands for.
    CheckpointBeforeRows = 4_001,
    /// The note that a message is dealt with is not in the commit of its effect, but in the next.
    NoteOutsideCommit,
    /// The note of a message goes as soon as others are written, though the broker may hand it out again.
    ForgetNotesEarly,
    /// A message is settled with the broker when it is taken in hand, not when its effect is durable.
    SettleBeforeCommit,
    /// A message that failed before a restart is counted from the beginning.
    ForgetAttempts,
    /// The relay notes as published what has left and is not confirmed.
    CheckpointBeforeConfirm,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::CheckpointBeforeRows,
        Self::NoteOutsideCommit,
        Self::ForgetNotesEarly,
        Self::SettleBeforeCommit,
        Self::ForgetAttempts,
        Self::CheckpointBeforeConfirm,
    ];
}

impl Plantable for Bug {
    fn number(self) -> u32 {
        self as u32
    }
}
