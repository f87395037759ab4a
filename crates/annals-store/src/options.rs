//! How an embedded store is opened, and why it may not open.
//!
//! In: sizes, a clock. Out: the same with sensible defaults; and the log's refusals in the words of the store. This
//! is the only place where errors of the log's opening are translated.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use annals_core::kind::ErrorKind;
use annals_core::time::{Clock, SystemClock};
use annals_log::disk::LockError;
use annals_log::{FormatError, LogOptions, Prepare};
use thiserror::Error;

use crate::carried::CarriedError;
use crate::index::Active;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriterThread {
    /// A thread of the store's own.
    #[default]
    Own,
    /// Nobody until [`crate::EmbeddedStore::step`] is called: for simulations that must repeat exactly. No other
    /// thread is started either, and the log is never sealed by itself while it is open.
    Stepped,
}

/// How the index is kept. Every size is a bound.
///
/// The newest part of the index is in memory; once it is large enough it becomes a file in the folder `index` of the
/// store. What is behind the last file is read again at opening. All of this is a hint: with any sizes, and without any
/// file, the answers are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexOptions {
    /// A part becomes a file once it has this many events.
    pub part_events_max: u32,
    /// A part becomes a file once it has this many different types, tags, correlations and keys of marks.
    pub part_entries_max: usize,
    /// A part becomes a file once it is of this many bytes of the log.
    pub part_bytes_max: u64,
    /// Bytes of index files that are kept in memory for the next question.
    pub cache_bytes_max: usize,
}

impl Default for IndexOptions {
    /// 16,384 events, 65,536 entries or 8 MiB of the log in a part; 16 MiB of files in memory.
    fn default() -> Self {
        Self {
            part_events_max: 16 << 10,
            part_entries_max: 64 << 10,
            part_bytes_max: 8 << 20,
            cache_bytes_max: 16 << 20,
        }
    }
}

impl IndexOptions {
    /// Whether a part of the index is large enough to become a file.
    pub(crate) fn is_full(&self, part: &Active) -> bool {
        part.durable() >= self.part_events_max
            || part.entries() >= self.part_entries_max
            || part.log_bytes() >= self.part_bytes_max
    }
}

/// How a store is opened. Every size is a bound.
#[derive(Clone)]
pub struct Options {
    /// Where recorded times come from.
    pub clock: Arc<dyn Clock>,
    /// Size of the first log segment, in bytes; each next one doubles.
    pub segment_bytes_first: u64,
    /// Size at which log segments stop growing, in bytes.
    pub segment_bytes_max: u64,
    /// Log segments whose files are kept open for readers; others are opened again when they are read.
    pub open_files_max: usize,
    /// How the index is kept.
    pub index: IndexOptions,
    /// A commit group takes no further append once it holds this many bytes.
    pub group_bytes_max: usize,
    /// Bytes of appends that may wait for the writer; further ones wait before they are queued.
    pub queue_bytes_max: usize,
    /// After how long without appends the log is sealed, so that damage to its last group is told from a torn write.
    pub seal_after: Duration,
    /// Who writes.
    pub writer: WriterThread,
}

impl Default for Options {
    /// The system clock, segments of 1 to 64 MiB, 64 of them open, groups up to 8 MiB, a queue of 64 MiB, a seal after 100 ms.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            segment_bytes_first: 1 << 20,
            segment_bytes_max: 64 << 20,
            open_files_max: 64,
            index: IndexOptions::default(),
            group_bytes_max: 8 << 20,
            queue_bytes_max: 64 << 20,
            seal_after: Duration::from_millis(100),
            writer: WriterThread::Own,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes_first", &self.segment_bytes_first)
            .field("segment_bytes_max", &self.segment_bytes_max)
            .field("open_files_max", &self.open_files_max)
            .field("index", &self.index)
            .field("group_bytes_max", &self.group_bytes_max)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("seal_after", &self.seal_after)
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The system clock and all defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes times from this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Of a store that is opened to be sealed and closed again: no thread, and a small segment if one is needed.
    pub(crate) fn passing() -> Self {
        const SEGMENT_BYTES: u64 = 64 << 10;
        Self {
            writer: WriterThread::Stepped,
            segment_bytes_first: SEGMENT_BYTES,
            segment_bytes_max: SEGMENT_BYTES,
            ..Self::default()
        }
    }

    pub(crate) fn log(&self) -> LogOptions {
        let prepare = match self.writer {
            WriterThread::Own => Prepare::Thread,
            WriterThread::Stepped => Prepare::Inline,
        };
        LogOptions {
            segment_bytes_first: self.segment_bytes_first,
            segment_bytes_max: self.segment_bytes_max,
            prepare,
            open_files_max: self.open_files_max,
        }
    }
}

/// Why a store did not open. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another store, in this process or another one, has it open. Its history has one writer: stop the other one,
    /// or open to read only.
    #[error("the store in {} is in use by {}: a history has one writer; stop it, or open to read only", dir.display(), holder(*pid))]
    InUse {
        /// The store's folder.
        dir: PathBuf,
        /// The process that has it, if it can be told.
        pid: Option<u32>,
    },
    /// Durable bytes are missing or changed. Verify the store, then restore it from a backup.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// Another build wrote it.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The disk refused something. Mend it and open again.
    #[error("the disk refused: {0}")]
    Disk(String),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl OpenError {
    /// What this means in one word.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse { .. } | Self::Disk(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Format(_) => ErrorKind::Invalid,
        }
    }
}

impl From<CarriedError> for OpenError {
    fn from(error: CarriedError) -> Self {
        match error {
            CarriedError::Damaged { .. } => Self::Corrupt(error.to_string()),
            CarriedError::Newer { file, found } => FormatError::newer(file, found).into(),
            CarriedError::Io { .. } => Self::Disk(error.to_string()),
        }
    }
}

impl From<annals_log::OpenError> for OpenError {
    fn from(error: annals_log::OpenError) -> Self {
        match error {
            annals_log::OpenError::Locked {
                dir,
                source: LockError::Held { holder },
            } => Self::InUse { dir, pid: holder },
            annals_log::OpenError::Damaged(damage) => Self::Corrupt(damage.to_string()),
            annals_log::OpenError::Format(error) => Self::Format(error),
            other => Self::Disk(other.to_string()),
        }
    }
}
