//! Opening a log.
//!
//! In: a disk, a directory, and somebody who wants to see every frame. Out: the writer, a reader and a report. The
//! lock is taken first and kept by the writer; recovery judges before it changes; the durable mark is set last.

use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::frame::Frame;
use crate::load::{OpenError, io_failed};
use crate::reader::{Place, Reader, Shared};
use crate::recovery::{Found, RecoveryReport, find, repair};
use crate::segment::{CreateError, FIRST_FRAME, create};
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
    disk.create_dir(dir)
        .map_err(io_failed("make the directory", dir))?;
    let lock = disk.lock(&dir.join(LOCK)).map_err(|source| OpenError::Locked {
        dir: dir.to_owned(),
        source,
    })?;
    let mut found = find(&*disk, dir, visit, false)?;
    repair(&*disk, dir, &mut found)?;
    if found.segments.is_empty() {
        begin(&*disk, dir, &options, &mut found)?;
    }
    report(dir, &found.report);
    let Found {
        mut segments,
        salt,
        tail,
        report,
        ..
    } = found;
    let last = segments
        .pop()
        .expect("a log has at least one segment once it has begun");
    let last = Arc::new(reopened(&*disk, &last)?);
    segments.push(last.clone());
    let end = Place {
        segment: last.number,
        at: tail.place,
    };
    let shared = Arc::new(Shared::new(salt, segments, end));
    let writer = Writer::new(disk, dir.to_owned(), options, (shared.clone(), last, tail), lock);
    Ok(Log {
        writer,
        reader: Reader::new(shared),
        report,
    })
}

/// Opens a log to read what is proven durable, without a lock and without changing anything, also beside its writer.
/// The reader stays where the log was; open again to see more.
///
/// # Errors
/// [`OpenError`], never [`OpenError::Locked`].
pub fn open_read_only(
    disk: &dyn Disk,
    dir: &Path,
    visit: &mut dyn FnMut(&Frame) -> Result<(), String>,
) -> Result<(Reader, RecoveryReport), OpenError> {
    let found = find(disk, dir, visit, true)?;
    let end = Place {
        segment: found.tail.segment,
        at: found.tail.place,
    };
    let shared = Arc::new(Shared::new(found.salt, found.segments, end));
    Ok((Reader::new(shared), found.report))
}

fn begin(disk: &dyn Disk, dir: &Path, options: &LogOptions, found: &mut Found) -> Result<(), OpenError> {
    found.salt = disk.entropy();
    let segment =
        create(disk, dir, &header_of(options, found.salt, 0, 0)).map_err(|failed| match failed {
            CreateError::Allocate(source) => io_failed("make the first segment in", dir)(source),
            CreateError::FlushDir(source) => io_failed("flush the directory", dir)(source),
        })?;
    found.segments.push(Arc::new(segment));
    found.tail.place = FIRST_FRAME;
    found.report.segments = 1;
    Ok(())
}

fn reopened(
    disk: &dyn Disk,
    segment: &crate::segment::Segment,
) -> Result<crate::segment::Segment, OpenError> {
    let path = segment.path.clone();
    let file = disk
        .open(&path, crate::disk::Access::Write)
        .map_err(io_failed("open", &path))?;
    Ok(crate::segment::Segment {
        number: segment.number,
        path,
        file,
        size: segment.size,
    })
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
        end,
        sealed,
        ..
    } = report;
    tracing::debug!(%dir, segments, frames, end, sealed, "opened the log");
}
