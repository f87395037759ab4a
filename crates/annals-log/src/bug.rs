//! Bugs that can be planted, so that the crash harness can show it finds them.
//!
//! Without the feature `bugs` nothing can be planted and every question here is answered `false` at compile time.
//! A planted bug is seen by the planting thread only.

/// A mistake somebody could make in this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A commit is acknowledged after its write, before any flush.
    AcknowledgeUnflushed,
    /// The directory is not flushed after a segment got its name.
    SkipDirectoryFlush,
    /// After a failed flush the flush is asked again and its answer believed.
    RetryFailedFlush,
    /// Recovery serves what it read without making it durable.
    SkipRecoveryFlush,
    /// A frame's checksum leaves its header out.
    ChecksumPayloadOnly,
    /// Readers may look at a frame before it is flushed.
    ShowUnflushed,
    /// A segment gets its name before its content is flushed.
    NameUnflushedSegment,
    /// What a write that was cut short left behind is not overwritten.
    KeepCutWrite,
    /// A bad frame ends the log, whatever lies behind it.
    CutAtFirstBadFrame,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::AcknowledgeUnflushed,
        Self::SkipDirectoryFlush,
        Self::RetryFailedFlush,
        Self::SkipRecoveryFlush,
        Self::ChecksumPayloadOnly,
        Self::ShowUnflushed,
        Self::NameUnflushedSegment,
        Self::KeepCutWrite,
        Self::CutAtFirstBadFrame,
    ];
}

#[cfg(feature = "bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants one bug for this thread, or none.
#[cfg(feature = "bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this thread has this bug planted.
#[cfg(feature = "bugs")]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this thread has this bug planted: never in this build.
#[cfg(not(feature = "bugs"))]
pub const fn is_planted(_bug: Bug) -> bool {
    false
}
