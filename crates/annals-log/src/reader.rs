//! Readers: bytes of the log, never beyond what is durable.
//!
//! In: places the writer or recovery handed out. Out: bytes, checked frames, or an error that names file and byte.
//! Reads happen on the caller's thread with positional reads; a reader is cheap to clone and needs no lock but a
//! short one on the list of segments.
//!
//! Invariant: nothing at or after the durable mark is ever returned, whoever asks.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;

use crate::beginning::Start;
use crate::damage::Damage;
use crate::frame::Frame;
use crate::place::{Milestone, Place};
use crate::scan::{Step, Walk};
use crate::segment::{FIRST_FRAME, Segment};

/// Why bytes were not returned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What is stored is not what was written. Verify the log and restore it from a copy.
    #[error("damage in {0}")]
    Damaged(Damage),
    /// The bytes are not durable yet, or there are none of this place. Ask again after the next commit.
    #[error(
        "segment {segment} from byte {at} to {to}: expected bytes before the durable end, segment {end_segment} byte {end}"
    )]
    NotDurable {
        /// The segment asked for.
        segment: u32,
        /// The first byte asked for.
        at: u64,
        /// The byte after the last one asked for.
        to: u64,
        /// The segment of the durable end.
        end_segment: u32,
        /// The durable end inside it.
        end: u64,
    },
    /// The disk did not answer. Try again.
    #[error("{} cannot be read at byte {at}: {source}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// Which byte.
        at: u64,
        /// What the system said.
        source: io::Error,
    },
}

/// What writer and readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) salt: u64,
    start: Start,
    segments: RwLock<Vec<Arc<Segment>>>,
    /// Segment and byte of the durable end in one word: 32 bits each.
    durable: AtomicU64,
}

impl Shared {
    pub(crate) fn new(salt: u64, start: Start, segments: Vec<Arc<Segment>>, end: Place) -> Self {
        let shared = Self {
            salt,
            start,
            segments: RwLock::new(segments),
            durable: AtomicU64::new(0),
        };
        shared.move_durable(end);
        shared
    }

    pub(crate) fn add(&self, segment: Arc<Segment>) {
        self.segments
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(segment);
    }

    pub(crate) fn move_durable(&self, end: Place) {
        self.durable
            .store(u64::from(end.segment) << 32 | end.at, Ordering::Release);
    }

    fn durable(&self) -> Place {
        let word = self.durable.load(Ordering::Acquire);
        Place {
            segment: (word >> 32) as u32,
            at: word & u64::from(u32::MAX),
        }
    }

    fn segment(&self, number: u32) -> Option<Arc<Segment>> {
        let place = number.checked_sub(self.start.segment)?;
        self.segments
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(place as usize)
            .cloned()
    }
}

/// Reads what is durable. Clones are handles to the same log.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The byte after the last durable one.
    pub fn end(&self) -> Place {
        self.shared.durable()
    }

    /// How many segments hold durable bytes.
    pub fn segments(&self) -> u32 {
        self.end().segment - self.shared.start.segment + 1
    }

    /// Bytes of all files up to the segment of the durable end, what is made ahead inside it included.
    pub fn file_bytes(&self) -> u64 {
        let segments = self
            .shared
            .segments
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        segments.iter().map(|segment| segment.size).sum()
    }

    /// Says that these bytes will be read soon.
    pub fn hint(&self, place: Place, bytes: u64) {
        if let Some(Ok(file)) = self.shared.segment(place.segment).map(|segment| segment.file()) {
            file.hint(place.at, bytes);
        }
    }

    /// The frame that begins at this place, checked.
    ///
    /// # Errors
    /// As [`Reader::bytes`]; [`ReadError::Damaged`] also if there is no valid frame.
    pub fn frame(&self, place: Place) -> Result<Frame, ReadError> {
        let segment = self.check(place, 1)?;
        let mut walk = Walk::new(segment.clone(), self.shared.salt, place.at, self.end_in(&segment));
        match walk
            .step()
            .map_err(|source| io_error(&segment, place.at, source))?
        {
            Step::Frame(frame) => Ok(frame),
            other => Err(self.damaged_step(place, other)),
        }
    }

    /// The numbers of the segments that hold durable bytes, or may soon.
    pub fn segment_numbers(&self) -> std::ops::RangeInclusive<u32> {
        self.shared.start.segment..=self.end().segment
    }

    /// The first durable frame of a segment, checked; none if it has none.
    ///
    /// # Errors
    /// As [`Reader::frame`].
    pub fn first_frame(&self, segment: u32) -> Result<Option<Frame>, ReadError> {
        let place = Place {
            segment,
            at: FIRST_FRAME,
        };
        let Some(found) = self.segment(segment).filter(|_| place < self.end()) else {
            return Ok(None);
        };
        let mut walk = Walk::new(found.clone(), self.shared.salt, place.at, self.end_in(&found));
        match walk.step().map_err(|source| io_error(&found, place.at, source))? {
            Step::Frame(frame) => Ok(Some(frame)),
            Step::End => Ok(None),
            other => Err(self.damaged_step(place, other)),
        }
    }

    /// Every frame from where the log begins to what is durable now, each checked. After an error the walk ends.
    pub fn frames(&self) -> Frames {
        Frames::new(self.clone())
    }

    /// Every frame behind this one to what is durable now, each checked.
    ///
    /// # Errors
    /// As [`Reader::frame`]; [`ReadError::Damaged`] also if another frame stands there.
    pub fn frames_after(&self, milestone: &Milestone) -> Result<Frames, ReadError> {
        let start = self.start();
        if start.frames > 0 && (milestone.number + 1, milestone.checksum) == (start.frames, start.previous) {
            // It was archived with everything before it.
            return Ok(self.frames());
        }
        let frame = self.frame(milestone.frame)?;
        let found = frame.milestone();
        if found != *milestone {
            let named =
                |frame: &Milestone| format!("frame {} with checksum {:08x}", frame.number, frame.checksum);
            return Err(self.damaged(milestone.frame, named(milestone), named(&found)));
        }
        let mut frames = self.frames();
        let segment = self.check(milestone.frame, 1)?;
        let (place, to) = (frame.end().at, self.end_in(&segment));
        frames.number = milestone.number + 1;
        frames.next_segment = segment.number + 1;
        frames.walk = Some(Walk::new(segment, self.shared.salt, place, to));
        Ok(frames)
    }

    /// Every frame from the one that holds this byte on to what is durable now, each checked. The frame is looked for
    /// backward from there, so this costs about one frame more than reading on.
    ///
    /// # Errors
    /// As [`Reader::frame`]; [`ReadError::Damaged`] also if no frame holds this byte.
    pub fn frames_from(&self, place: Place) -> Result<Frames, ReadError> {
        let segment = self.check(place, 1)?;
        let mut frames = self.frames();
        let mut walk = Walk::new(segment.clone(), self.shared.salt, place.at, self.end_in(&segment));
        let found = walk
            .back_to_frame_of(place.at)
            .map_err(|source| io_error(&segment, place.at, source))?;
        let Some(header) = found else {
            return Err(self.damaged(place, "a byte inside a frame", "no frame that holds it"));
        };
        frames.number = header.number;
        frames.next_segment = segment.number + 1;
        frames.walk = Some(walk);
        Ok(frames)
    }

    /// An error that names a place of this log where bytes make no sense.
    pub fn damaged(&self, place: Place, expected: impl Into<String>, found: impl Into<String>) -> ReadError {
        let file = self
            .shared
            .segment(place.segment)
            .map(|segment| segment.path.clone())
            .unwrap_or_default();
        ReadError::Damaged(Damage {
            file,
            at: place.at,
            expected: expected.into(),
            found: found.into(),
        })
    }

    fn damaged_step(&self, place: Place, step: Step) -> ReadError {
        match step {
            Step::Bad(expected, found) => self.damaged(place, expected, found),
            Step::Foreign(foreign) => self.damaged(place, "a frame this build knows", foreign.to_string()),
            Step::End | Step::Frame(_) => self.damaged(place, "a frame", "zeros"),
        }
    }

    /// The number that tells this log from others.
    pub fn salt(&self) -> u64 {
        self.shared.salt
    }

    /// What the first frame continues.
    pub(crate) fn start(&self) -> Start {
        self.shared.start
    }

    pub(crate) fn segment(&self, number: u32) -> Option<Arc<Segment>> {
        self.shared.segment(number)
    }

    /// The byte before which everything of this segment is durable.
    pub(crate) fn end_in(&self, segment: &Segment) -> u64 {
        let end = self.end();
        if segment.number < end.segment {
            segment.size
        } else {
            end.at
        }
    }

    pub(crate) fn check(&self, place: Place, bytes: u64) -> Result<Arc<Segment>, ReadError> {
        let end = self.end();
        let to = place.at.saturating_add(bytes);
        let segment = self
            .shared
            .segment(place.segment)
            .filter(|segment| to <= self.end_in(segment));
        match segment {
            Some(segment) if place.segment <= end.segment => Ok(segment),
            _ => Err(ReadError::NotDurable {
                segment: place.segment,
                at: place.at,
                to,
                end_segment: end.segment,
                end: end.at,
            }),
        }
    }
}

pub(crate) fn io_error(segment: &Segment, at: u64, source: io::Error) -> ReadError {
    ReadError::Io {
        file: segment.path.clone(),
        at,
        source,
    }
}

/// A walk over all frames, see [`Reader::frames`].
///
/// Pieces of the log are read into one buffer, and frames share it. As long as none is kept, it is used again for the
/// next piece; a frame that is kept keeps a whole piece in memory, 256 KiB or the frame if that is longer.
#[derive(Debug)]
pub struct Frames {
    reader: Reader,
    walk: Option<Walk>,
    next_segment: u32,
    end: Place,
    /// The number the next frame must have.
    number: u64,
    /// Where the segment before ended, and what was found there.
    stopped: Option<(Place, Step)>,
    failed: bool,
}

impl Iterator for Frames {
    type Item = Result<Frame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Frames {
    fn new(reader: Reader) -> Self {
        let (start, end) = (reader.start(), reader.end());
        Self {
            reader,
            walk: None,
            next_segment: start.segment,
            end,
            number: start.frames,
            stopped: None,
            failed: false,
        }
    }

    fn advance(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            if self.walk.is_none() {
                self.open_next()?;
            }
            let Some(walk) = &mut self.walk else {
                return Ok(None);
            };
            let place = Place {
                segment: walk.segment.number,
                at: walk.place,
            };
            if place == self.end {
                return Ok(None);
            }
            let step = walk
                .step()
                .map_err(|source| io_error(&walk.segment, place.at, source))?;
            match step {
                Step::Frame(frame) if frame.header.number == self.number => {
                    self.number += 1;
                    return Ok(Some(frame));
                }
                Step::Frame(frame) => return Err(self.missing(place, frame.header.number)),
                // Whether frames are missing here is told by the number of the next one.
                Step::End | Step::Bad(..) if place.segment < self.end.segment => {
                    self.stopped = Some((place, step));
                    self.walk = None;
                }
                other => return Err(self.reader.damaged_step(place, other)),
            }
        }
    }

    /// Begins with the next segment; there may be none.
    fn open_next(&mut self) -> Result<(), ReadError> {
        if self.next_segment > self.end.segment {
            return Ok(());
        }
        let place = Place {
            segment: self.next_segment,
            at: FIRST_FRAME,
        };
        if place == self.end {
            return Ok(());
        }
        let segment = self.reader.segment(place.segment);
        let segment = segment.ok_or_else(|| self.reader.damaged(place, "a segment", "none"))?;
        let to = if place.segment < self.end.segment {
            segment.size
        } else {
            self.end.at
        };
        self.walk = Some(Walk::new(segment, self.reader.salt(), place.at, to));
        self.next_segment += 1;
        Ok(())
    }

    fn missing(&mut self, place: Place, found: u64) -> ReadError {
        match self.stopped.take() {
            Some((stopped, step @ Step::Bad(..))) => self.reader.damaged_step(stopped, step),
            stopped => {
                let at = stopped.map_or(place, |(stopped, _)| stopped);
                self.reader.damaged(
                    at,
                    format!("frame {}", self.number),
                    format!("frame {found} as the next one"),
                )
            }
        }
    }
}
