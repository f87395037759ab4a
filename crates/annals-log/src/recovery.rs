//! Recovery: from files to a log that can be read and written.
//!
//! In: a directory after whatever happened to it, and possibly a frame up to which it is known. Out: the segments, the
//! end, and a report; or damage, and then nothing was changed. Every frame behind the known one is checked and shown to
//! the caller on the way, so that indexes are built in the same pass.
//!
//! Invariants:
//! 1. Nothing is changed before everything was judged.
//! 2. Nothing is served before it is durable *again*: the last frame has no later witness, and after a failed flush
//!    its bytes may be readable without being on the medium, so it is written anew and flushed, with the directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::beginning::Start;
use crate::bug::{self, Bug};
use crate::disk::{Access, Disk};
use crate::judge::{Scan, Tail, Visit};
use crate::load::{Files, OpenError, io_failed};
use crate::segment::Segment;

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments with a header, the last one included.
    pub segments: u32,
    /// Valid frames, seals included, also those that were known and not read again.
    pub frames: u64,
    /// How many of them were known and not read again.
    pub known_frames: u64,
    /// The number the next numbered record will get.
    pub end: u64,
    /// Whether the log ended in a seal, so that nothing was in flight.
    pub sealed: bool,
    /// Bytes of a torn frame that were cut off. They were never acknowledged.
    pub cut_bytes: u64,
    /// Where they began.
    pub cut_at: Option<(PathBuf, u64)>,
    /// Files without any frame that were taken away: segments made ahead or left half-made.
    pub removed_files: u32,
    /// Read-only opening: frames at the end that are left out because nothing proves that they are durable.
    pub withheld_frames: u64,
}

/// What was found on disk, judged and not yet changed.
pub(crate) struct Found {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) salt: u64,
    pub(crate) start: Start,
    pub(crate) tail: Tail,
    /// Files that hold no frame and may go.
    pub(crate) empty: Vec<PathBuf>,
    /// The end of what is not zero behind the tail.
    pub(crate) written_to: Option<u64>,
    pub(crate) report: RecoveryReport,
}

/// Reads and judges everything behind a known tail. With `only_witnessed`, a last frame that no later one vouches for
/// is left out.
pub(crate) fn find(
    files: Files,
    known: Tail,
    visit: Visit<'_>,
    only_witnessed: bool,
) -> Result<Found, OpenError> {
    let mut scan = Scan::new(&files, known, visit, only_witnessed);
    scan.run()?;
    let written_to = scan.written_to();
    let (tail, withheld) = scan.finish();
    let start = files.start();
    let behind = tail.segment - start.segment + 1;
    let kept = files.segments.len().min(behind as usize);
    let mut empty = files.unfinished;
    empty.extend(files.segments[kept..].iter().map(|segment| segment.path.clone()));
    let report = RecoveryReport {
        segments: kept as u32,
        frames: tail.frames,
        known_frames: known.frames,
        end: tail.first,
        sealed: tail.sealed,
        withheld_frames: withheld,
        ..RecoveryReport::default()
    };
    Ok(Found {
        segments: files.segments[..kept].to_vec(),
        salt: files.salt,
        start,
        tail,
        empty,
        written_to,
        report,
    })
}

/// Makes what was found durable again and cuts off what is torn.
pub(crate) fn repair(disk: &dyn Disk, dir: &Path, found: &mut Found) -> Result<(), OpenError> {
    leave_nothing_for_certain(found);
    for path in &found.empty {
        disk.remove(path).map_err(io_failed("remove", path))?;
        found.report.removed_files += 1;
    }
    if bug::is_planted(Bug::SkipRecoveryFlush) {
        return Ok(());
    }
    if let Some(segment) = found.segments.last() {
        let path = &segment.path;
        let file = disk.open(path, Access::Write).map_err(io_failed("open", path))?;
        if let Some(to) = found.written_to {
            let cut = to - found.tail.place;
            file.write_at(&vec![0; cut as usize], found.tail.place)
                .map_err(io_failed("cut the tail of", path))?;
            (found.report.cut_bytes, found.report.cut_at) = (cut, Some((path.clone(), found.tail.place)));
        }
        let trusts_cache = bug::is_planted(Bug::TrustCachedFrame);
        if let Some((place, bytes)) = found.tail.last.filter(|_| !trusts_cache) {
            let mut frame = vec![0; bytes as usize];
            segment
                .file()
                .and_then(|file| file.read_at(&mut frame, place))
                .map_err(io_failed("read", path))?;
            file.write_at(&frame, place)
                .map_err(io_failed("write the last frame of", path))?;
        }
        file.flush().map_err(io_failed("flush", path))?;
    }
    disk.flush_dir(dir).map_err(io_failed("flush the directory", dir))
}

/// A log without any frame is begun anew: the flush of the directory may have failed when its first segment was made, and
/// then the name can be read, and flushing it again proves nothing. Later segments get frames only once their names are
/// durable, and those without any are taken away as it is.
fn leave_nothing_for_certain(found: &mut Found) {
    if found.tail.frames > 0 {
        return;
    }
    if let (Some(first), Some(to)) = (found.segments.first(), found.written_to) {
        let cut = to - found.tail.place;
        (found.report.cut_bytes, found.report.cut_at) = (cut, Some((first.path.clone(), found.tail.place)));
    }
    let segments = found.segments.drain(..).map(|segment| segment.path.clone());
    found.empty.extend(segments);
}

#[cfg(test)]
mod tests;
