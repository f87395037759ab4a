//! Opening a log.
//!
//! In: a disk, a directory, frames that are known already, and somebody who wants to see every other one. Out: the
//! writer, a reader and a report. The lock is taken first and kept by the writer; recovery judges before it changes;
//! the durable mark is set last.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::beginning::Beginning;
use crate::disk::{Access, Disk, Lock};
use crate::frame::Frame;
use crate::handles::Handles;
use crate::judge::Tail;
use crate::load::{Files, OpenError, io_failed, load};
use crate::place::{Milestone, Place};
use crate::reader::{Reader, Shared};
use crate::recovery::{Found, RecoveryReport, find, repair};
use crate::scan::{Step, Walk};
use crate::segment::{CreateError, OpenSegment, create};
use crate::writer::{LogOptions, Writer, header_of};

/// The file whose lock tells that somebody writes.
const LOCK: &str = "LOCK";

/// A log open for writing.
#[derive(Debug)]
pub struct Log {
    /// The one writer.
    pub writer: Writer,
    /// A reader; clone it freely.
    pub reader: Reader,
    /// What was found and done.
    pub report: RecoveryReport,
}

/// The right to write a log; lets go of it when it is dropped.
#[derive(Debug)]
pub struct LogLock(Box<dyn Lock>);

/// A log whose files are there and whose frames were not looked at yet.
#[derive(Debug)]
pub struct Opening {
    dir: PathBuf,
    options: LogOptions,
    files: Files,
    known: Tail,
}

/// Takes the lock of the one who writes. The log's directory is made if there is none.
///
/// # Errors
/// [`OpenError::Locked`] if somebody has it, [`OpenError::Io`] if the disk fails.
pub fn lock(disk: &dyn Disk, dir: &Path) -> Result<LogLock, OpenError> {
    disk.create_dir(dir)
        .map_err(io_failed("make the directory", dir))?;
    let lock = disk.lock(&dir.join(LOCK)).map_err(|source| OpenError::Locked {
        dir: dir.to_owned(),
        source,
    })?;
    Ok(LogLock(lock))
}

/// Opens a log to write, making it if there is none. `visit` sees every valid frame in order, before anything is
/// served; its `Err` says what was found instead of sensible records and counts as damage.
///
/// # Errors
/// [`OpenError`]; nothing was changed unless the disk failed during the repair, and then opening again repeats it.
pub fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: LogOptions,
    visit: &mut dyn FnMut(&Frame) -> Result<(), String>,
) -> Result<Log, OpenError> {
    let lock = lock(&*disk, dir)?;
    Opening::new(disk, dir, options)?.write(lock, visit)
}

/// Opens a log to read what is proven durable, without a lock and without changing anything, also beside its writer.
/// The reader stays where the log was; open again to see more.
///
/// # Errors
/// [`OpenError`], never [`OpenError::Locked`].
pub fn open_read_only(
    disk: Arc<dyn Disk>,
    dir: &Path,
    visit: &mut dyn FnMut(&Frame) -> Result<(), String>,
) -> Result<(Reader, RecoveryReport), OpenError> {
    Opening::new(disk, dir, LogOptions::default())?.read(visit)
}

impl Opening {
    /// Begins to open a log: looks at its directory and the headers of its first segment and its last one.
    ///
    /// # Errors
    /// [`OpenError`], never [`OpenError::Locked`]; nothing was changed.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, options: LogOptions) -> Result<Self, OpenError> {
        let handles = Handles::new(disk, options.open_files_max);
        let files = load(&handles, dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            options,
            known: Tail::at(files.start()),
            files,
        })
    }

    /// The number that tells this log from others; none if it is about to be made.
    pub fn salt(&self) -> Option<u64> {
        (!self.files.segments.is_empty()).then_some(self.files.salt)
    }

    /// Where the log begins, if older segments were archived and taken away.
    pub fn beginning(&self) -> Option<&Beginning> {
        self.files.beginning.as_ref()
    }

    /// Leaves out everything up to this frame, if this log has exactly this one; says whether it has. The frame is
    /// checked; what is before it will be checked when it is read.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the disk fails.
    pub fn skip_to(&mut self, milestone: &Milestone) -> Result<bool, OpenError> {
        let Milestone {
            frame,
            number,
            checksum,
        } = *milestone;
        let Some(segment) = self.files.segment(frame.segment) else {
            return Ok(false);
        };
        let mut walk = Walk::new(segment.clone(), self.files.salt, frame.at, segment.size);
        let step = walk.step().map_err(io_failed("read", &segment.path))?;
        let Step::Frame(found) = step else {
            return Ok(false);
        };
        let same = (found.header.number, found.checksum) == (number, checksum);
        if same {
            self.known = Tail::behind(&found);
        }
        Ok(same)
    }

    /// Leaves out nothing, whatever was to be left out before.
    pub fn skip_nothing(&mut self) {
        self.known = Tail::at(self.files.start());
    }

    /// Judges the rest of the log, repairs its tail and opens it to write. `visit` sees every valid frame that was not
    /// left out, in order, before anything is served; its `Err` says what was found instead of sensible records and
    /// counts as damage.
    ///
    /// # Errors
    /// As [`open`].
    pub fn write(
        self,
        LogLock(lock): LogLock,
        visit: &mut dyn FnMut(&Frame) -> Result<(), String>,
    ) -> Result<Log, OpenError> {
        let Self {
            dir,
            options,
            files,
            known,
        } = self;
        let handles = files.handles.clone();
        let mut found = find(files, known, visit, false)?;
        repair(&*handles.disk, &dir, &mut found)?;
        let last = last_segment(&handles, &dir, &options, &mut found)?;
        report(&dir, &found.report);
        let Found {
            segments,
            salt,
            start,
            tail,
            report,
            ..
        } = found;
        let end = Place {
            segment: tail.segment,
            at: tail.place,
        };
        let shared = Arc::new(Shared::new(salt, start, segments, end));
        let writer = Writer::new(handles, dir, options, (shared.clone(), last, tail), lock);
        Ok(Log {
            writer,
            reader: Reader::new(shared),
            report,
        })
    }

    /// Judges the rest of the log and opens it to read what is proven durable. `visit` sees every frame of that which
    /// was not left out.
    ///
    /// # Errors
    /// As [`open_read_only`].
    pub fn read(
        self,
        visit: &mut dyn FnMut(&Frame) -> Result<(), String>,
    ) -> Result<(Reader, RecoveryReport), OpenError> {
        let found = find(self.files, self.known, visit, true)?;
        let end = Place {
            segment: found.tail.segment,
            at: found.tail.place,
        };
        let shared = Arc::new(Shared::new(found.salt, found.start, found.segments, end));
        Ok((Reader::new(shared), found.report))
    }
}

/// The last segment, open to be written; the first one is made if there is none.
fn last_segment(
    handles: &Arc<Handles>,
    dir: &Path,
    options: &LogOptions,
    found: &mut Found,
) -> Result<OpenSegment, OpenError> {
    if let Some(segment) = found.segments.last() {
        let opened = handles.disk.open(&segment.path, Access::Write);
        return Ok(OpenSegment {
            segment: segment.clone(),
            file: opened.map_err(io_failed("open", &segment.path))?,
        });
    }
    found.salt = handles.disk.entropy();
    let made =
        create(handles, dir, &header_of(options, found.salt, 0, 0)).map_err(|failed| match failed {
            CreateError::Allocate(source) => io_failed("make the first segment in", dir)(source),
            CreateError::FlushDir(source) => io_failed("flush the directory", dir)(source),
        })?;
    found.segments.push(made.segment.clone());
    found.report.segments = 1;
    Ok(made)
}

fn report(dir: &Path, report: &RecoveryReport) {
    let dir = dir.display();
    if let Some((file, at)) = &report.cut_at {
        let (file, bytes) = (file.display(), report.cut_bytes);
        tracing::warn!(%dir, %file, at, bytes, "cut off a torn frame; it was never acknowledged");
    }
    let RecoveryReport {
        segments,
        frames,
        known_frames,
        end,
        sealed,
        ..
    } = report;
    tracing::debug!(%dir, segments, frames, known_frames, end, sealed, "opened the log");
}

#[cfg(test)]
mod tests;
