//! Bugs of the store that can be planted, by the means of [`annals_log::bug`]: compiled out of every build without that
//! crate's feature `bugs`.

use annals_log::bug::Plantable;

/// A mistake somebody could make in this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// An append is acknowledged because it was queued, whatever its commit comes to.
    AcknowledgeQueued = 1_001,
    /// An append that was decided on the strength of another one of its group is answered although the group failed.
    /// Groups follow each other here, so no later one can be acknowledged past a failed one; only an answer inside it can.
    AnswerPastFailedGroup,
    /// An id is taken for known because something lies where its hash leads.
    UncomparedId,
    /// The marks of an append go into a frame of their own, behind that of its events. A group is written as one frame or
    /// not at all here, so only something beside the group can be split from it.
    SplitMarks,
    /// What a failed append entered into the lists of its tags stays there.
    KeepWithdrawnTerms,
    /// A condition is decided against what is durable, without the appends before it in the same group.
    MissInFlight,
    /// A condition looks only at what is behind its position, without the event at it.
    SkipEventAtBoundary,
    /// Where one of several wanted tags occurs just once, any of them is enough.
    AnyTagForAll,
    /// The file of a part of the index, made while appends go on, does not know the part's last event.
    ForgetLastOfPart,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::AcknowledgeQueued,
        Self::AnswerPastFailedGroup,
        Self::UncomparedId,
        Self::SplitMarks,
        Self::KeepWithdrawnTerms,
        Self::MissInFlight,
        Self::SkipEventAtBoundary,
        Self::AnyTagForAll,
        Self::ForgetLastOfPart,
    ];
}

impl Plantable for Bug {
    fn number(self) -> u32 {
        self as u32
    }
}
