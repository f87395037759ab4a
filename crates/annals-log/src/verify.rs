//! Verification: every byte is read and checked.
//!
//! In: a reader, or a directory that may be too damaged to open. Out: counts and every place of damage; the walk goes
//! on behind damage wherever it finds a valid frame again. Works beside a writer.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::bug::{self, Bug};
use crate::damage::Damage;
use crate::disk::Disk;
use crate::frame::{Frame, FrameHeader, FrameKind};
use crate::handles::Handles;
use crate::load::{OpenError, Salvage, check_header, salvage};
use crate::place::Place;
use crate::reader::{ReadError, Reader, Shared};
use crate::scan::{Step, Walk};
use crate::segment::{FIRST_FRAME, HEADER_BYTES};
use crate::writer::LogOptions;

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

/// The number that tells the log in a directory from others, if one of its segments has a header that can be read.
///
/// # Errors
/// As [`inspect`].
pub fn salt_of(disk: Arc<dyn Disk>, dir: &Path) -> Result<Option<u64>, OpenError> {
    let found = salvage(&Handles::new(disk, LogOptions::default().open_files_max), dir)?;
    Ok((!found.segments.is_empty()).then_some(found.salt))
}

/// Checks the files of a directory as far as they can be read, without a lock and without changing anything. Where a
/// log ends is not known here: bytes behind the last frame count as torn, not as damage. Works beside a writer.
///
/// # Errors
/// [`OpenError::Io`] if the disk fails; [`OpenError::Format`] if a segment has a format this build cannot read.
pub fn inspect(
    disk: Arc<dyn Disk>,
    dir: &Path,
    visit: &mut dyn FnMut(&Frame) -> Result<(), String>,
) -> Result<VerifyReport, OpenError> {
    let Salvage {
        segments,
        salt,
        start,
        damage,
    } = salvage(&Handles::new(disk, LogOptions::default().open_files_max), dir)?;
    let report = VerifyReport {
        damage,
        ..VerifyReport::default()
    };
    let Some(last) = segments.last() else {
        return Ok(report);
    };
    let end = Place {
        segment: start.segment + segments.len() as u32 - 1,
        at: last.size,
    };
    let reader = Reader::new(Arc::new(Shared::new(salt, start, segments, end)));
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

/// A place where the walk found no frame and none behind it in its segment. Whether something is missing there is told
/// by the next frame, if one comes.
struct Gap {
    place: Place,
    damage: Damage,
    torn_bytes: u64,
}

struct Check<'a> {
    reader: &'a Reader,
    report: VerifyReport,
    expected: Expected,
    gap: Option<Gap>,
    /// Whether the log may end anywhere.
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
            expected: Expected {
                frames: reader.start().frames,
                first: reader.start().first,
                previous: reader.start().previous,
            },
            gap: None,
            open_ended,
            visit,
        }
    }

    fn all(mut self, end: Place) -> Result<VerifyReport, ReadError> {
        let first = self.reader.start().segment;
        let mut from = Place {
            segment: first,
            at: FIRST_FRAME,
        };
        while from.segment <= end.segment {
            if from.at == FIRST_FRAME {
                self.head(from.segment)?;
            }
            let known = self.report.damage.len();
            let newest_but_one = from.segment + 1 == end.segment;
            from = self.segment(from, end)?;
            if newest_but_one && bug::is_planted(Bug::SkipNewestSegmentButOne) {
                self.report.damage.truncate(known);
            }
        }
        self.report.segments = end.segment + 1 - first;
        match self.gap {
            Some(gap) if self.open_ended => self.report.torn_bytes = gap.torn_bytes,
            Some(gap) => self.report.damage.push(gap.damage),
            None => {}
        }
        Ok(self.report)
    }

    /// What is before the first frame of a segment: its header, then zeros.
    fn head(&mut self, number: u32) -> Result<(), ReadError> {
        let Some(segment) = self.reader.segment(number) else {
            return Ok(());
        };
        match check_header(&segment, self.reader.salt()) {
            Ok(()) => {}
            Err(OpenError::Damaged(damage)) => self.report.damage.push(damage),
            Err(OpenError::Io { path, source, .. }) => {
                let (file, at) = (path, 0);
                return Err(ReadError::Io { file, at, source });
            }
            Err(other) => self.report.damage.push(Damage {
                file: segment.path.clone(),
                at: 0,
                expected: "the header of a segment of this build".into(),
                found: other.to_string(),
            }),
        }
        let mut bytes = [0; (FIRST_FRAME - HEADER_BYTES as u64) as usize];
        let read = segment
            .file()
            .and_then(|file| file.read_at(&mut bytes, HEADER_BYTES as u64));
        read.map_err(|source| ReadError::Io {
            file: segment.path.clone(),
            at: HEADER_BYTES as u64,
            source,
        })?;
        if let Some(place) = bytes.iter().position(|byte| *byte != 0) {
            self.report.damage.push(Damage {
                file: segment.path.clone(),
                at: (HEADER_BYTES + place) as u64,
                expected: "zeros up to the first frame".into(),
                found: format!("{:02x}", bytes[place]),
            });
        }
        Ok(())
    }

    /// Walks one segment and says where to go on.
    fn segment(&mut self, from: Place, end: Place) -> Result<Place, ReadError> {
        let next_segment = Place {
            segment: from.segment + 1,
            at: FIRST_FRAME,
        };
        let Some(segment) = self.reader.segment(from.segment) else {
            return Ok(next_segment);
        };
        let to = if from.segment < end.segment {
            segment.size
        } else {
            end.at
        };
        let io = |at, source| ReadError::Io {
            file: segment.path.clone(),
            at,
            source,
        };
        let mut walk = Walk::new(segment.clone(), self.reader.salt(), from.at, to);
        while walk.place < to {
            let place = Place {
                segment: from.segment,
                at: walk.place,
            };
            let (expected, found) = match walk.step().map_err(|source| io(place.at, source))? {
                Step::Frame(frame) => {
                    if let Some(earlier) = self.written_meanwhile(&frame)? {
                        return Ok(earlier);
                    }
                    self.frame(&frame, &segment.path);
                    continue;
                }
                Step::End => ("a frame".to_owned(), "zeros".to_owned()),
                Step::Foreign(foreign) => ("a frame this build knows".to_owned(), foreign.to_string()),
                Step::Bad(expected, found) => (expected, found),
            };
            let damage = Damage {
                file: segment.path.clone(),
                at: place.at,
                expected,
                found,
            };
            let survey = walk.survey().map_err(|source| io(place.at, source))?;
            let Some(header) = survey.beyond else {
                let torn_bytes = survey.written_to.map_or(0, |written| written - place.at);
                self.gap.get_or_insert(Gap {
                    place,
                    damage,
                    torn_bytes,
                });
                return Ok(next_segment);
            };
            if self.is_frame(place)? {
                // It was written after it was looked at, and before the one behind it.
                return Ok(place);
            }
            self.report.damage.push(damage);
            walk.place = header.place;
            // This gap is told; what follows it is taken as it comes.
            (self.expected.frames, self.expected.first) = (header.number, header.first);
            self.expected.previous = header.previous;
        }
        Ok(next_segment)
    }

    fn follows(&self, header: &FrameHeader) -> bool {
        let Expected {
            frames,
            first,
            previous,
        } = self.expected;
        (header.number, header.first, header.previous) == (frames, first, previous)
    }

    /// Whether a valid frame is at this place, looked at afresh.
    fn is_frame(&self, place: Place) -> Result<bool, ReadError> {
        match self.reader.frame(place) {
            Ok(_) => Ok(true),
            Err(error @ ReadError::Io { .. }) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// If this frame does not follow on because others were written since their place was looked at: that place.
    fn written_meanwhile(&mut self, frame: &Frame) -> Result<Option<Place>, ReadError> {
        let Some(place) = self.gap.as_ref().map(|gap| gap.place) else {
            return Ok(None);
        };
        if self.follows(&frame.header) || !self.is_frame(place)? {
            return Ok(None);
        }
        self.gap = None;
        Ok(Some(place))
    }

    fn frame(&mut self, frame: &Frame, file: &Path) {
        let (header, gap) = (&frame.header, self.gap.take());
        if !self.follows(header) {
            let expected = format!(
                "frame {} with record {}",
                self.expected.frames, self.expected.first
            );
            let found = format!("frame {} with record {}", header.number, header.first);
            self.report.damage.push(match gap.map(|gap| gap.damage) {
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
        let report = &mut self.report;
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
