//! The one writer: a group in, one frame, one flush, then the durable mark moves.
//!
//! In: groups of batches. Out: the place of the frame and the number of its first record, once everything is on the
//! medium. Knows nothing of what records mean; runs on its caller's thread.
//!
//! Invariants:
//! 1. The durable mark moves only after a flush answered well.
//! 2. After a failed flush nothing is written any more: the writer is stopped until the log is opened anew.
//! 3. A write that was cut short is overwritten with zeros and flushed before anything else, else the writer stops.
//! 4. A segment that cannot be made (no space) rejects the group; the next one tries again.
//! 5. A frame never spans segments.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::bug::{self, Bug};
use crate::disk::{File, Lock, WriteError};
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, PAYLOAD_BYTES_MAX, frame_bytes, seal_bytes};
use crate::group::Group;
use crate::handles::Handles;
use crate::judge::Tail;
use crate::place::{Milestone, Place};
use crate::prepare::{Prepare, Preparer};
use crate::reader::Shared;
use crate::segment::{CreateError, FIRST_FRAME, OpenSegment, SEGMENT_BYTES_LIMIT, Segment, SegmentHeader};

/// Segments are made in multiples of this, in bytes.
const SEGMENT_STEP_BYTES: u64 = 4_096;

/// How a log is laid out.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// Size of the first segment, in bytes; each next one has twice the size of the one before.
    pub segment_bytes_first: u64,
    /// Size at which segments stop growing, in bytes.
    pub segment_bytes_max: u64,
    /// Where segments are made ahead.
    pub prepare: Prepare,
    /// Segments whose files readers keep open; others are opened again when they are read.
    pub open_files_max: usize,
}

impl Default for LogOptions {
    /// 1 MiB growing to 64 MiB, made on a thread; 64 open files.
    fn default() -> Self {
        Self {
            segment_bytes_first: 1 << 20,
            segment_bytes_max: 64 << 20,
            prepare: Prepare::Thread,
            open_files_max: 64,
        }
    }
}

/// Why a group is not known to be durable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// There was no space or the disk refused; nothing of the group is on disk. Try again later.
    #[error("nothing was written: {0}")]
    NotWritten(#[source] io::Error),
    /// The flush failed; the group may come back after the log is opened anew. The writer has stopped.
    #[error("the flush failed, and it is not known whether the group is durable: {0}")]
    Unknown(#[source] io::Error),
    /// The writer had stopped before; nothing was written. Open the log anew.
    #[error("the writer stopped: {0}")]
    Stopped(String),
    /// The group is over the limit of one frame; nothing was written. Split it.
    #[error("expected at most {max} bytes in one group, found {found}", max = PAYLOAD_BYTES_MAX)]
    TooLarge {
        /// How many it had.
        found: usize,
    },
}

/// Where a group went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Its frame.
    pub milestone: Milestone,
    /// Where its frame begins.
    pub frame: Place,
    /// Where its frame ends.
    pub end: Place,
    /// The number of its first numbered record.
    pub first: u64,
}

/// What a writer did since it was opened.
#[derive(Debug, Default)]
pub struct LogCounters {
    /// Flushes that made a frame durable.
    pub flushes: AtomicU64,
    /// Bytes of frames written, headers and padding included.
    pub bytes: AtomicU64,
}

/// Writes to a log; there is only one. Dropping it seals the log.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    options: LogOptions,
    preparer: Preparer,
    segment: Arc<Segment>,
    file: Arc<dyn File>,
    place: u64,
    frames: u64,
    first: u64,
    previous: u32,
    sealed: bool,
    stopped: Option<String>,
    counters: Arc<LogCounters>,
    _lock: Box<dyn Lock>,
}

impl Writer {
    pub(crate) fn new(
        handles: Arc<Handles>,
        dir: PathBuf,
        options: LogOptions,
        (shared, last, tail): (Arc<Shared>, OpenSegment, Tail),
        lock: Box<dyn Lock>,
    ) -> Self {
        Self {
            shared,
            options,
            preparer: Preparer::new(handles, &dir, options.prepare),
            segment: last.segment,
            file: last.file,
            place: tail.place,
            frames: tail.frames,
            first: tail.first,
            previous: tail.previous,
            // A log without frames has nothing to vouch for.
            sealed: tail.sealed || tail.frames == 0,
            stopped: None,
            counters: Arc::default(),
            _lock: lock,
        }
    }

    /// The number the next numbered record will get.
    pub fn end(&self) -> u64 {
        self.first
    }

    /// Why the writer takes nothing any more, if so.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// What this writer did.
    pub fn counters(&self) -> Arc<LogCounters> {
        self.counters.clone()
    }

    /// Makes a group durable. `time` is stored as given; the log does not look at it.
    ///
    /// # Errors
    /// [`CommitError::NotWritten`]: nothing happened, a later commit may succeed. [`CommitError::Unknown`] and
    /// [`CommitError::Stopped`]: open the log anew. [`CommitError::TooLarge`]: split the group.
    pub fn commit(&mut self, group: &mut Group, time: i64) -> Result<Committed, CommitError> {
        if group.payload_bytes() > PAYLOAD_BYTES_MAX {
            return Err(CommitError::TooLarge {
                found: group.payload_bytes(),
            });
        }
        self.check_running()?;
        if group.is_empty() {
            group.buffer.resize(FRAME_HEADER_BYTES, 0);
        }
        self.make_room(frame_bytes(group.payload_bytes()) as u64)?;
        let (numbered, unnumbered) = (group.numbered(), group.unnumbered());
        let (frame, number, first) = (self.here(), self.frames, self.first);
        let written = self.write(
            FrameKind::Records,
            (numbered, unnumbered),
            time,
            &mut group.buffer,
        );
        if written.is_err() && bug::is_planted(Bug::BurnNumbers) {
            self.first += u64::from(numbered);
        }
        written?;
        self.prepare_next();
        let milestone = Milestone {
            frame,
            number,
            checksum: self.previous,
        };
        Ok(Committed {
            milestone,
            frame,
            end: self.here(),
            first,
        })
    }

    /// Writes a seal, which proves from now on that everything before it was durable. Does nothing if the log is
    /// sealed already.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn seal(&mut self) -> Result<(), CommitError> {
        if self.sealed {
            return Ok(());
        }
        self.check_running()?;
        let mut buffer = vec![0; FRAME_HEADER_BYTES];
        self.make_room(buffer.len() as u64)?;
        self.write(FrameKind::Seal, (0, 0), 0, &mut buffer)
    }

    /// Seals the log and lets it go.
    ///
    /// # Errors
    /// As [`Writer::seal`]; the log is let go all the same.
    pub fn close(mut self) -> Result<(), CommitError> {
        self.seal()
    }

    fn here(&self) -> Place {
        Place {
            segment: self.segment.number,
            at: self.place,
        }
    }

    fn room(&self) -> u64 {
        self.segment.size.saturating_sub(self.place)
    }

    fn check_running(&self) -> Result<(), CommitError> {
        match &self.stopped {
            Some(reason) => Err(CommitError::Stopped(reason.clone())),
            None => Ok(()),
        }
    }

    fn stop(&mut self, reason: String) {
        tracing::error!(reason, "the log takes no more commits until it is opened anew");
        self.stopped = Some(reason);
    }

    fn write(
        &mut self,
        kind: FrameKind,
        (numbered, unnumbered): (u32, u32),
        time: i64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), CommitError> {
        let header = FrameHeader {
            kind,
            payload_bytes: (buffer.len() - FRAME_HEADER_BYTES) as u32,
            segment: self.segment.number,
            place: self.place,
            number: self.frames,
            first: self.first,
            numbered,
            unnumbered,
            time,
            durable_to: self.place,
            previous: self.previous,
        };
        let checksum = seal_bytes(&header, self.shared.salt, buffer);
        if bug::is_planted(Bug::ShowUnflushed) {
            self.shared.move_durable(Place {
                segment: header.segment,
                at: header.place + header.frame_bytes(),
            });
        }
        let written = self.write_flushed(buffer);
        if kind == FrameKind::Seal && bug::is_planted(Bug::SwallowSealError) {
            self.stopped = None;
        } else {
            written?;
        }
        self.counters.flushes.fetch_add(1, Ordering::Relaxed);
        self.counters
            .bytes
            .fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.place += buffer.len() as u64;
        self.frames += 1;
        self.first += u64::from(numbered);
        self.previous = checksum;
        self.sealed = kind == FrameKind::Seal;
        self.shared.move_durable(self.here());
        Ok(())
    }

    fn write_flushed(&mut self, bytes: &[u8]) -> Result<(), CommitError> {
        let file = &self.file;
        let written = if bug::is_planted(Bug::AcknowledgeUnflushed) {
            file.write_at(bytes, self.place).map_err(WriteError::Write)
        } else {
            file.write_at_flushed(bytes, self.place)
        };
        match written {
            Ok(()) => Ok(()),
            Err(WriteError::Flush(_)) if bug::is_planted(Bug::RetryFailedFlush) => {
                file.flush().map_err(CommitError::Unknown)
            }
            Err(WriteError::Flush(source)) if bug::is_planted(Bug::GoOnAfterFailedFlush) => {
                Err(CommitError::Unknown(source))
            }
            Err(WriteError::Flush(source)) => {
                self.stop(format!(
                    "the flush of {} failed: {source}",
                    self.segment.path.display()
                ));
                Err(CommitError::Unknown(source))
            }
            Err(WriteError::Write(source)) => self.overwrite_cut(bytes.len(), source),
        }
    }

    /// Takes back a write that was cut short: only then is it sure that nothing of it comes back.
    fn overwrite_cut(&mut self, bytes: usize, source: io::Error) -> Result<(), CommitError> {
        if bug::is_planted(Bug::KeepCutWrite) {
            return Err(CommitError::NotWritten(source));
        }
        match self.file.write_at_flushed(&vec![0; bytes], self.place) {
            Ok(()) => Err(CommitError::NotWritten(source)),
            Err(again) => {
                self.stop(format!(
                    "a write to {} was cut short and not taken back: {again}",
                    self.segment.path.display()
                ));
                Err(CommitError::Unknown(source))
            }
        }
    }

    /// Goes on to the next segment if this one has no room for a frame.
    fn make_room(&mut self, frame: u64) -> Result<(), CommitError> {
        if frame <= self.room() {
            return Ok(());
        }
        let header = self.next_header(frame);
        match self.preparer.take(header) {
            Ok(OpenSegment { segment, file }) => {
                (self.segment, self.file) = (segment, file);
                self.place = FIRST_FRAME;
                self.shared.add(self.segment.clone());
                Ok(())
            }
            Err(CreateError::Allocate(source)) => Err(CommitError::NotWritten(source)),
            Err(CreateError::FlushDir(source)) => {
                self.stop(format!(
                    "the directory of segment {} could not be flushed: {source}",
                    header.number
                ));
                Err(CommitError::Stopped(source.to_string()))
            }
        }
    }

    fn prepare_next(&mut self) {
        if self.place > self.segment.size / 2 {
            self.preparer.order(self.next_header(0));
        }
    }

    fn next_header(&self, frame: u64) -> SegmentHeader {
        let number = self.segment.number + 1;
        header_of(&self.options, self.shared.salt, number, frame)
    }
}

/// The header of a new segment that has room for at least one frame of this size.
pub(crate) fn header_of(options: &LogOptions, salt: u64, number: u32, frame: u64) -> SegmentHeader {
    let doubled = options
        .segment_bytes_first
        .max(SEGMENT_STEP_BYTES)
        .saturating_mul(1 << number.min(32));
    let size = doubled.min(options.segment_bytes_max).max(FIRST_FRAME + frame);
    let size = size.next_multiple_of(SEGMENT_STEP_BYTES).min(SEGMENT_BYTES_LIMIT);
    SegmentHeader { number, salt, size }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.stopped.is_none()
            && let Err(error) = self.seal()
        {
            tracing::warn!(%error, "the log was let go without a seal");
        }
    }
}

#[cfg(test)]
mod tests;
