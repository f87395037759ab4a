//! Places in the log, and frames by which somebody knows a log up to them.
//!
//! In: a frame that is durable. Out: its place, number and checksum. The checksum holds the one of the frame before,
//! and so on to the first of the log: where the same frame stands, the same frames are before it.

use crate::frame::Frame;

/// A place in the log, as the writer sees it: a segment and a byte of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which segment.
    pub segment: u32,
    /// Which byte of its file.
    pub at: u64,
}

/// One frame of a log, named so that no other frame of any log can be taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Milestone {
    /// Where it begins.
    pub frame: Place,
    /// Its number in the log.
    pub number: u64,
    /// Its checksum.
    pub checksum: u32,
}

impl Frame {
    /// What tells this frame from all others.
    pub fn milestone(&self) -> Milestone {
        Milestone {
            frame: Place {
                segment: self.header.segment,
                at: self.header.place,
            },
            number: self.header.number,
            checksum: self.checksum,
        }
    }

    /// The byte behind it.
    pub fn end(&self) -> Place {
        Place {
            segment: self.header.segment,
            at: self.header.place + self.header.frame_bytes(),
        }
    }
}
