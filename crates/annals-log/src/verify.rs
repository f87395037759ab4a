//! Verification: every byte is read and checked.
//!
//! In: a reader, or a directory that may be too damaged to open. Out: counts and every place of damage; the walk goes
//! on behind damage wherever it finds a valid frame again. Works beside a writer.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::damage::Damage;
use crate::disk::Disk;
use crate::frame::{Frame, FrameKind};
use crate::reader::{Place, ReadError, Reader, Shared};
use crate::recovery::{OpenError, Salvage, salvage};
use crate::scan::{Step, Walk};
use crate::segment::FIRST_FRAME;

/// What a verification saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Segments walked.
    pub segments: u32,
    /// Valid frames, seals included.
    pub frames: u64,
    /// Seals among them.
    pub seals: u64,
    /// Records in valid frames that take a number.
    pub numbered: u64,
    /// Records in valid frames that take none.
    pub unnumbered: u64,
    /// Bytes of valid frames.
    pub bytes: u64,
    /// Bytes behind the last frame that are none: what a write left that was never acknowledged.
    pub torn_bytes: u64,
    /// Everything that is not as it was written.
    pub damage: Vec<Damage>,
}

/// What the next frame must continue.
#[derive(Default)]
struct Expected {
    frames: u64,
    first: u64,
    previous: u32,
}

impl Reader {
    /// Checks every frame up to what is durable now and shows each valid one to `visit`, whose `Err` says what was
    /// found instead of sensible records.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the disk fails; damage is no error here but part of the report.
    pub fn verify(
        &self,
        visit: &mut dyn FnMut(&Frame) -> Result<(), String>,
    ) -> Result<VerifyReport, ReadError> {
        Check::new(self, VerifyReport::default(), false, visit).all(self.end())
    }
}

/// Checks the files of a directory as far as they can be read, without a lock and without changing anything. Where a
/// log ends is not known here: bytes behind the last frame count as torn, not as damage. Beside a writer, look twice
/// before believing in damage.
///
/// # Errors
/// [`OpenError::Io`] if the disk fails; [`OpenError::NewerFormat`] if a segment has a format this build cannot read.
pub fn inspect(
    disk: &dyn Disk,
    dir: &Path,
    visit: &mut dyn FnMut(&Frame) -> Result<(), String>,
) -> Result<VerifyReport, OpenError> {
    let Salvage {
        segments,
        salt,
        damage,
    } = salvage(disk, dir)?;
    let report = VerifyReport {
        damage,
        ..VerifyReport::default()
    };
    let Some(last) = segments.last() else {
        return Ok(report);
    };
    let end = Place {
        segment: segments.len() as u32 - 1,
        at: last.size,
    };
    let reader = Reader::new(Arc::new(Shared::new(salt, segments, end)));
    Check::new(&reader, report, true, visit)
        .all(end)
        .map_err(|error| match error {
            ReadError::Io { file, source, .. } => OpenError::Io {
                doing: "read",
                path: file,
                source,
            },
            other => OpenError::Io {
                doing: "read",
                path: dir.to_owned(),
                source: io::Error::other(other.to_string()),
            },
        })
}

struct Check<'a> {
    reader: &'a Reader,
    report: VerifyReport,
    expected: Expected,
    /// Whether the last segment may end anywhere.
    open_ended: bool,
    visit: &'a mut dyn FnMut(&Frame) -> Result<(), String>,
}

impl<'a> Check<'a> {
    fn new(
        reader: &'a Reader,
        report: VerifyReport,
        open_ended: bool,
        visit: &'a mut dyn FnMut(&Frame) -> Result<(), String>,
    ) -> Self {
        Self {
            reader,
            report,
            expected: Expected::default(),
            open_ended,
            visit,
        }
    }

    fn all(mut self, end: Place) -> Result<VerifyReport, ReadError> {
        let mut gap = None;
        for number in 0..=end.segment {
            gap = self.segment(number, end, gap)?;
        }
        Ok(self.report)
    }

    /// Walks one segment. A gap is a place where the walk stopped before the end of the log; the frame that comes
    /// next tells whether anything is missing there.
    fn segment(
        &mut self,
        number: u32,
        end: Place,
        mut gap: Option<Damage>,
    ) -> Result<Option<Damage>, ReadError> {
        let Some(segment) = self.reader.segment(number) else {
            return Ok(gap);
        };
        self.report.segments += 1;
        let to = if number < end.segment {
            segment.size
        } else {
            end.at
        };
        let io = |at, source| ReadError::Io {
            file: segment.path.clone(),
            at,
            source,
        };
        let mut walk = Walk::new(segment.clone(), self.reader.salt(), FIRST_FRAME, to);
        while walk.place < to {
            let at = walk.place;
            let (expected, found) = match walk.step().map_err(|source| io(at, source))? {
                Step::Frame(frame) => {
                    self.frame(&frame, &segment.path, gap.take());
                    continue;
                }
                Step::End => ("a frame".to_owned(), "zeros".to_owned()),
                Step::Newer(format) => ("a frame of a known format".to_owned(), format!("format {format}")),
                Step::Bad(expected, found) => (expected, found),
            };
            let damage = Damage {
                file: segment.path.clone(),
                at,
                expected,
                found,
            };
            let next = walk.find_beyond().map_err(|source| io(at, source))?;
            match next {
                Some(header) => {
                    self.report.damage.push(damage);
                    walk.place = header.place;
                    // The gap is told; what follows it is taken as it comes.
                    (self.expected.frames, self.expected.first) = (header.number, header.first);
                    self.expected.previous = header.previous;
                }
                None if self.open_ended => {
                    let written = walk.last_written().map_err(|source| io(at, source))?;
                    let torn = written.map_or(0, |written| written - at);
                    return Ok(self.open_end(gap, damage, torn, number == end.segment));
                }
                None if number == end.segment => {
                    self.report.damage.push(damage);
                    return Ok(None);
                }
                None => return Ok(gap.or(Some(damage))),
            }
        }
        Ok(gap)
    }

    /// A walk that ended in a segment: whether something is missing is told by the next frame, if one comes.
    fn open_end(&mut self, gap: Option<Damage>, damage: Damage, torn: u64, last: bool) -> Option<Damage> {
        self.report.torn_bytes += torn;
        if last { None } else { gap.or(Some(damage)) }
    }

    fn frame(&mut self, frame: &Frame, file: &std::path::Path, gap: Option<Damage>) {
        let (header, report) = (&frame.header, &mut self.report);
        let follows = (header.number, header.first, header.previous)
            == (self.expected.frames, self.expected.first, self.expected.previous);
        if !follows {
            let expected = format!(
                "frame {} with record {}",
                self.expected.frames, self.expected.first
            );
            let found = format!("frame {} with record {}", header.number, header.first);
            report.damage.push(match gap {
                Some(gap) => Damage {
                    found: format!("{}, and then {found}", gap.found),
                    expected,
                    ..gap
                },
                None => Damage {
                    file: file.to_owned(),
                    at: header.place,
                    expected,
                    found,
                },
            });
        }
        self.expected = Expected {
            frames: header.number + 1,
            first: header.end(),
            previous: frame.checksum,
        };
        report.frames += 1;
        report.seals += u64::from(header.kind == FrameKind::Seal);
        report.numbered += u64::from(header.numbered);
        report.unnumbered += u64::from(header.unnumbered);
        report.bytes += header.frame_bytes();
        if let Err(found) = (self.visit)(frame) {
            let (at, expected) = (header.place, "records that can be read".to_owned());
            report.damage.push(Damage {
                file: file.to_owned(),
                at,
                expected,
                found,
            });
        }
    }
}

#[cfg(test)]
mod tests;
