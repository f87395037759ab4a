//! Recovery: from files to a log that can be read and written.
//!
//! In: a directory after whatever happened to it. Out: the segments, the end, and a report; or damage, and then
//! nothing was changed. Every frame is checked and shown to the caller on the way, so that indexes are built in the
//! same pass.
//!
//! Torn or damaged? The log ends at the first place X without a valid frame. If a valid frame behind X says that
//! everything up to beyond X was durable when it was written, then what was at X was acknowledged: that is damage,
//! and the log refuses to open. Otherwise nobody was ever told of it: it is cut off and reported.
//!
//! Invariants:
//! 1. Nothing is changed before everything was judged.
//! 2. Nothing is served before it is durable *again*: the last frame has no later witness, and after a failed flush
//!    its bytes may be readable without being on the medium, so it is written anew and flushed, with the directory.
//!
//! What it cannot see: rot in the very last frame of a log that was not sealed looks like a torn one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::bug::{self, Bug};
use crate::damage::Damage;
use crate::disk::{Access, Disk, File, LockError};
use crate::frame::{ALIGNMENT, FORMAT, Frame, FrameHeader, FrameKind};
use crate::scan::{Step, Walk};
use crate::segment::{self, FIRST_FRAME, FileName, HeaderLook, Segment, SegmentHeader};

/// Why a log did not open. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Somebody writes to it. Only one may; stop the other one, or open to read only.
    #[error("{} is in use: {source}; a log has one writer", dir.display())]
    Locked {
        /// The log's directory.
        dir: PathBuf,
        /// Who has it.
        source: LockError,
    },
    /// Durable bytes are missing or changed. Verify, then restore from a copy.
    #[error("damage in {0}; nothing was changed")]
    Damaged(Damage),
    /// A newer build wrote it. Open it with that one.
    #[error("{} has format {found}; this build reads formats up to {supported}; nothing was changed", file.display())]
    NewerFormat {
        /// Which file.
        file: PathBuf,
        /// The format it has.
        found: u16,
        /// The newest format this build reads.
        supported: u16,
    },
    /// The disk refused something. Mend it and open again.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments with a header, the last one included.
    pub segments: u32,
    /// Valid frames, seals included.
    pub frames: u64,
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

/// Where the log goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tail {
    pub(crate) segment: u32,
    pub(crate) place: u64,
    pub(crate) frames: u64,
    pub(crate) first: u64,
    pub(crate) previous: u32,
    pub(crate) sealed: bool,
    /// Where the last frame begins, and its bytes; none if there is no frame.
    pub(crate) last: Option<(u64, u64)>,
}

/// Shows each valid frame to the caller; an `Err` tells what was found instead of sensible records.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&Frame) -> Result<(), String>;

/// What was found on disk, judged and not yet changed.
pub(crate) struct Found {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) salt: u64,
    pub(crate) tail: Tail,
    /// Files that hold no frame and may go.
    pub(crate) empty: Vec<PathBuf>,
    /// The end of what is not zero behind the tail.
    pub(crate) written_to: Option<u64>,
    pub(crate) report: RecoveryReport,
}

/// Wraps what the system said.
pub(crate) fn io_failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| OpenError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Reads and judges everything. With `only_witnessed`, a last frame that no later one vouches for is left out.
pub(crate) fn find(
    disk: &dyn Disk,
    dir: &Path,
    visit: Visit<'_>,
    only_witnessed: bool,
) -> Result<Found, OpenError> {
    let files = load(disk, dir)?;
    let mut scan = Scan::new(&files, visit, only_witnessed);
    for segment in &files.segments {
        scan.segment(segment)?;
    }
    scan.judge()?;
    let (tail, withheld) = scan.finish();
    let written_to = match files.segments.get(tail.segment as usize) {
        Some(last) => end_of_writing(last, files.salt, tail.place)?,
        None => None,
    };
    let kept = files.segments.len().min(tail.segment as usize + 1);
    let mut empty = files.unfinished;
    empty.extend(files.segments[kept..].iter().map(|segment| segment.path.clone()));
    let report = RecoveryReport {
        segments: kept as u32,
        frames: tail.frames,
        end: tail.first,
        sealed: tail.sealed,
        withheld_frames: withheld,
        ..RecoveryReport::default()
    };
    Ok(Found {
        segments: files.segments[..kept].to_vec(),
        salt: files.salt,
        tail,
        empty,
        written_to,
        report,
    })
}

fn end_of_writing(segment: &Arc<Segment>, salt: u64, place: u64) -> Result<Option<u64>, OpenError> {
    let mut walk = Walk::new(segment.clone(), salt, place, segment.size);
    walk.last_written().map_err(io_failed("read", &segment.path))
}

/// Makes what was found durable again and cuts off what is torn.
pub(crate) fn repair(disk: &dyn Disk, dir: &Path, found: &mut Found) -> Result<(), OpenError> {
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
        if let Some((place, bytes)) = found.tail.last {
            let mut frame = vec![0; bytes as usize];
            segment
                .file
                .read_at(&mut frame, place)
                .map_err(io_failed("read", path))?;
            file.write_at(&frame, place)
                .map_err(io_failed("write the last frame of", path))?;
        }
        file.flush().map_err(io_failed("flush", path))?;
    }
    disk.flush_dir(dir).map_err(io_failed("flush the directory", dir))
}

/// The files of a log, opened, with their headers checked.
struct Files {
    segments: Vec<Arc<Segment>>,
    salt: u64,
    unfinished: Vec<PathBuf>,
}

fn load(disk: &dyn Disk, dir: &Path) -> Result<Files, OpenError> {
    let mut files = Files {
        segments: Vec::new(),
        salt: 0,
        unfinished: Vec::new(),
    };
    let mut numbers = Vec::new();
    for name in disk.list(dir).map_err(io_failed("list", dir))? {
        match FileName::of(&name) {
            FileName::Segment(number) => numbers.push(number),
            FileName::Unfinished => files.unfinished.push(dir.join(name)),
            FileName::Other => {}
        }
    }
    numbers.sort_unstable();
    for (place, number) in numbers.iter().enumerate() {
        let expected = place as u32;
        if *number != expected {
            let file = segment::path_of(dir, expected);
            return Err(damaged(
                file,
                0,
                format!("segment {expected}"),
                format!("no such file, but segment {number}"),
            ));
        }
        let last = place + 1 == numbers.len();
        open_segment(disk, dir, *number, last, &mut files)?;
    }
    Ok(files)
}

/// What of a directory can be opened, and what cannot.
pub(crate) struct Salvage {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) salt: u64,
    pub(crate) damage: Vec<Damage>,
}

/// Opens what can be opened. Segments without a usable header are left out and told as damage.
pub(crate) fn salvage(disk: &dyn Disk, dir: &Path) -> Result<Salvage, OpenError> {
    let mut files = Files {
        segments: Vec::new(),
        salt: 0,
        unfinished: Vec::new(),
    };
    let mut damage = Vec::new();
    let mut numbers: Vec<u32> = Vec::new();
    for name in disk.list(dir).map_err(io_failed("list", dir))? {
        if let FileName::Segment(number) = FileName::of(&name) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    for number in &numbers {
        let last = numbers.last() == Some(number);
        match open_segment(disk, dir, *number, last, &mut files) {
            Err(OpenError::Damaged(found)) => damage.push(found),
            other => other?,
        }
    }
    Ok(Salvage {
        segments: files.segments,
        salt: files.salt,
        damage,
    })
}

fn open_segment(
    disk: &dyn Disk,
    dir: &Path,
    number: u32,
    last: bool,
    files: &mut Files,
) -> Result<(), OpenError> {
    let path = segment::path_of(dir, number);
    let file = disk.open(&path, Access::Read).map_err(io_failed("open", &path))?;
    let size = file.size().map_err(io_failed("measure", &path))?;
    let mut head = vec![0; FIRST_FRAME.min(size) as usize];
    file.read_at(&mut head, 0).map_err(io_failed("read", &path))?;
    let header = match SegmentHeader::look(&head) {
        HeaderLook::Header(header) => header,
        HeaderLook::Newer(found) => {
            return Err(OpenError::NewerFormat {
                file: path,
                found,
                supported: FORMAT,
            });
        }
        HeaderLook::Bad(expected, found) => return Err(damaged(path, 0, expected, found)),
        HeaderLook::Blank if last && is_blank(number, &path, &file, size)? => {
            files.unfinished.push(path);
            return Ok(());
        }
        HeaderLook::Blank => {
            let expected = "a header beginning with annalog";
            return Err(damaged(path, 0, expected, "zeros before other bytes or segments"));
        }
    };
    let expected = SegmentHeader {
        number,
        salt: if files.segments.is_empty() {
            header.salt
        } else {
            files.salt
        },
        size,
    };
    if header != expected {
        let found = format!(
            "segment {} of {} bytes, salt {:x}",
            header.number, header.size, header.salt
        );
        let expected = format!(
            "segment {number} of the file's {size} bytes, salt {:x}",
            expected.salt
        );
        return Err(damaged(path, 0, expected, found));
    }
    files.salt = header.salt;
    files.segments.push(Arc::new(Segment {
        number,
        path,
        file,
        size,
    }));
    Ok(())
}

/// Whether nothing was ever written to a file.
fn is_blank(number: u32, path: &Path, file: &Arc<dyn File>, size: u64) -> Result<bool, OpenError> {
    let segment = Segment {
        number,
        path: path.to_owned(),
        file: file.clone(),
        size,
    };
    Ok(end_of_writing(&Arc::new(segment), 0, 0)?.is_none())
}

fn damaged(file: PathBuf, at: u64, expected: impl Into<String>, found: impl Into<String>) -> OpenError {
    OpenError::Damaged(Damage {
        file,
        at,
        expected: expected.into(),
        found: found.into(),
    })
}

/// The walk over all segments.
struct Scan<'a> {
    files: &'a Files,
    visit: Visit<'a>,
    only_witnessed: bool,
    /// The newest frame, kept back until another one vouches for it; with the tail before it.
    kept_back: Option<(Frame, Tail)>,
    tail: Tail,
    /// Where the tail's next frame should be and is not.
    stopped: Option<Stop>,
}

/// A place without a valid frame.
struct Stop {
    segment: u32,
    place: u64,
    found: String,
    /// Whether there are only zeros.
    blank: bool,
}

impl<'a> Scan<'a> {
    fn new(files: &'a Files, visit: Visit<'a>, only_witnessed: bool) -> Self {
        let tail = Tail {
            place: FIRST_FRAME,
            ..Tail::default()
        };
        Self {
            files,
            visit,
            only_witnessed,
            kept_back: None,
            tail,
            stopped: None,
        }
    }

    fn segment(&mut self, segment: &Arc<Segment>) -> Result<(), OpenError> {
        let mut walk = Walk::new(segment.clone(), self.files.salt, FIRST_FRAME, segment.size);
        loop {
            let place = walk.place;
            let stopped = match walk.step().map_err(io_failed("read", &segment.path))? {
                Step::Frame(frame) => {
                    self.frame(frame, place)?;
                    continue;
                }
                Step::Newer(found) => {
                    let file = segment.path.clone();
                    return Err(OpenError::NewerFormat {
                        file,
                        found,
                        supported: FORMAT,
                    });
                }
                Step::End => Stop {
                    segment: segment.number,
                    place,
                    found: "zeros".to_owned(),
                    blank: true,
                },
                Step::Bad(expected, found) => {
                    let found = format!("{found} instead of {expected}");
                    Stop {
                        segment: segment.number,
                        place,
                        found,
                        blank: false,
                    }
                }
            };
            // The frame may have gone on to the next segment: then bytes there tell more than zeros here.
            if self
                .stopped
                .as_ref()
                .is_none_or(|first| first.blank && !stopped.blank)
            {
                self.stopped = Some(stopped);
            }
            return Ok(());
        }
    }

    fn frame(&mut self, frame: Frame, place: u64) -> Result<(), OpenError> {
        let (header, tail) = (&frame.header, self.tail);
        if (header.number, header.first, header.previous) != (tail.frames, tail.first, tail.previous) {
            let expected = format!(
                "frame {} with record {} after checksum {:08x}",
                tail.frames, tail.first, tail.previous
            );
            let found = format!(
                "frame {} with record {} after checksum {:08x} in segment {} at byte {place}",
                header.number, header.first, header.previous, header.segment
            );
            return Err(self.damage_at_tail(expected, found));
        }
        let before = self.tail;
        self.tail = Tail {
            segment: header.segment,
            place: place + header.frame_bytes(),
            frames: header.number + 1,
            first: header.end(),
            previous: frame.checksum,
            sealed: header.kind == FrameKind::Seal,
            last: Some((place, header.frame_bytes())),
        };
        self.stopped = None;
        if !self.only_witnessed {
            return self.show(&frame);
        }
        match self.kept_back.replace((frame, before)) {
            Some((witnessed, _)) => self.show(&witnessed),
            None => Ok(()),
        }
    }

    fn show(&mut self, frame: &Frame) -> Result<(), OpenError> {
        let FrameHeader { segment, place, .. } = frame.header;
        (self.visit)(frame)
            .map_err(|found| damaged(self.path(segment), place, "records that can be read", found))
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.files.segments[segment as usize].path.clone()
    }

    fn damage_at_tail(&self, expected: String, found: String) -> OpenError {
        match &self.stopped {
            Some(stop) => damaged(
                self.path(stop.segment),
                stop.place,
                expected,
                format!("{}, and then {found}", stop.found),
            ),
            None => damaged(self.path(self.tail.segment), self.tail.place, expected, found),
        }
    }

    /// Looks behind the tail for a frame that proves it is not the end.
    fn judge(&self) -> Result<(), OpenError> {
        if bug::is_planted(Bug::CutAtFirstBadFrame) {
            return Ok(());
        }
        for segment in self.files.segments.iter().skip(self.tail.segment as usize) {
            let own = segment.number == self.tail.segment;
            let from = if own {
                self.tail.place
            } else {
                FIRST_FRAME - ALIGNMENT as u64
            };
            let mut walk = Walk::new(segment.clone(), self.files.salt, from, segment.size);
            let witness = walk.find_beyond().map_err(io_failed("read", &segment.path))?;
            if let Some(witness) = witness.filter(|witness| !own || witness.durable_to > self.tail.place) {
                let expected = format!("frame {}", self.tail.frames);
                let found = format!(
                    "frame {} in segment {} at byte {}, written when this was durable",
                    witness.number, witness.segment, witness.place
                );
                return Err(self.damage_at_tail(expected, found));
            }
        }
        Ok(())
    }

    /// The tail, and how many frames it leaves out.
    fn finish(self) -> (Tail, u64) {
        match self.kept_back {
            Some((frame, before)) if frame.header.kind == FrameKind::Records => (before, 1),
            _ => (self.tail, 0),
        }
    }
}

#[cfg(test)]
mod tests;
