//! Bugs of the log that can be planted, so that the harnesses can show that they find them; see [`annals_bug`]. The store plants
//! its own by the same means.
//!
//! Where a mistake of the general sort cannot be made here, the nearest one that could be is taken, and its line says so.

pub use annals_bug::{Plantable, is_planted};
#[cfg(feature = "bugs")]
pub use annals_bug::{plant, weed};

/// A mistake somebody could make in this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A commit is acknowledged after its write, before any flush.
    AcknowledgeUnflushed = 1,
    /// The directory is not flushed after a segment got its name.
    SkipDirectoryFlush,
    /// A directory that could not be flushed is taken for flushed: a segment is used before its name is durable.
    IgnoreDirectoryFlushError,
    /// After a failed flush the flush is asked again and its answer believed.
    RetryFailedFlush,
    /// After a failed flush the writer goes on.
    GoOnAfterFailedFlush,
    /// A seal whose flush failed counts as written. A log has no close of its own that could fail: what its closing
    /// writes is the seal.
    SwallowSealError,
    /// Recovery serves what it read without making it durable.
    SkipRecoveryFlush,
    /// Recovery flushes the last frame without writing it anew, as if what can be read could still be flushed.
    TrustCachedFrame,
    /// Readers may look at a frame before it is flushed.
    ShowUnflushed,
    /// A segment gets its name before its content is flushed.
    NameUnflushedSegment,
    /// What a write that was cut short left behind is not overwritten.
    KeepCutWrite,
    /// A frame's checksum leaves its header out.
    ChecksumPayloadOnly,
    /// A frame's checksum leaves one field out. Not the length: a wrong one never passes here, because the records must
    /// fill the payload exactly. The time is what nothing else looks at.
    ChecksumWithoutTime,
    /// It is not checked that a frame lies where it says.
    AnyPlace,
    /// It is not checked that a frame lies in the segment it says.
    AnySegment,
    /// A bad frame ends the log, whatever lies behind it.
    CutAtFirstBadFrame,
    /// Zeros end the log, whatever lies behind them.
    ZerosEndTheLog,
    /// The handle of a file is kept when another file gets its name. Files are never used twice here, so no stale frame
    /// can lie in one; a stale handle is how an old file could still be read.
    KeepStaleHandle,
    /// The length of a record is used before it is checked. Nothing is allocated by it here, since buffers are as large as
    /// what was asked for; the record is cut out of its buffer by it.
    UncheckedRecordLength,
    /// Verification says nothing of the newest segment but one.
    SkipNewestSegmentButOne,
    /// A frame that ends exactly where its segment ends is not found again.
    LoseExactFit,
    /// A group that was not written uses up its numbers.
    BurnNumbers,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 22] = [
        Self::AcknowledgeUnflushed,
        Self::SkipDirectoryFlush,
        Self::IgnoreDirectoryFlushError,
        Self::RetryFailedFlush,
        Self::GoOnAfterFailedFlush,
        Self::SwallowSealError,
        Self::SkipRecoveryFlush,
        Self::TrustCachedFrame,
        Self::ShowUnflushed,
        Self::NameUnflushedSegment,
        Self::KeepCutWrite,
        Self::ChecksumPayloadOnly,
        Self::ChecksumWithoutTime,
        Self::AnyPlace,
        Self::AnySegment,
        Self::CutAtFirstBadFrame,
        Self::ZerosEndTheLog,
        Self::KeepStaleHandle,
        Self::UncheckedRecordLength,
        Self::SkipNewestSegmentButOne,
        Self::LoseExactFit,
        Self::BurnNumbers,
    ];
}

impl Plantable for Bug {
    fn number(self) -> u32 {
        self as u32
    }
}
