//! A segmented append-only log of checksummed frames: one writer, one flush per commit, readers behind a durable
//! mark.
//!
//! What comes in: batches of opaque records. What goes out: their places once they are durable, and the same bytes
//! again, checked. The log knows no events, no tags, no network and no async runtime; it starts at most one thread,
//! which prepares the next segment.
//!
//! Modules are listed lowest first, and each imports only from those above it.

pub mod disk;
pub mod bug;
mod background;
mod checksum;
mod damage;
mod batch;
mod frame;
mod format;
mod group;
mod handles;
mod segment;
mod scan;
mod place;
mod beginning;
mod reader;
mod pieces;
mod copy;
mod load;
mod judge;
mod recovery;
mod prepare;
mod writer;
mod verify;
mod open;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;

pub use background::give_way;
pub use batch::{Batch, RECORD_BODY_BYTES_MAX, RECORD_HEADER_BYTES, Record, bounds, record};
pub use beginning::{BEGINNING, Beginning, begin_at, remove_before};
pub use checksum::Checksum;
pub use copy::{Copied, copy};
pub use damage::Damage;
pub use format::FormatError;
pub use frame::{FORMAT, FRAME_HEADER_BYTES, Frame, FrameHeader, FrameKind, PAYLOAD_BYTES_MAX};
pub use group::Group;
pub use load::{OpenError, beginning};
pub use open::{Log, LogLock, Opening, lock, open, open_read_only};
pub use pieces::Pieces;
pub use place::{Milestone, Place};
pub use prepare::Prepare;
pub use reader::{Frames, ReadError, Reader};
pub use recovery::RecoveryReport;
pub use verify::{VerifyReport, inspect, salt_of};
pub use writer::{CommitError, Committed, LogCounters, LogOptions, Writer};
