//! Where a record lies, and when it was recorded.

use annals_core::time::Timestamp;
use annals_log::Place;

/// One record in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where it begins.
    pub(crate) place: Place,
    /// Its bytes, header included.
    pub(crate) bytes: u32,
    /// The checksum it was written with: another record is not taken for it.
    pub(crate) checksum: u32,
    pub(crate) recorded: Timestamp,
}

impl Span {
    /// The byte behind it.
    pub(crate) fn end(&self) -> u64 {
        self.place.at + u64::from(self.bytes)
    }
}
