//! Judging: from segments to the end of the log, or to damage.
//!
//! In: loaded segments, and somebody who wants to see every frame. Out: where the log goes on. Changes nothing.
//!
//! Torn or damaged? The log ends at the first place X without a valid frame. If a valid frame behind X says that
//! everything up to beyond X was durable when it was written, then what was at X was acknowledged: that is damage.
//! Otherwise nobody was ever told of it.
//!
//! Beside a running writer X may have been looked at before its frame was written, and the witness behind it after
//! that. So before anything is called damage, X is looked at once more: a witness is written only after what it
//! vouches for.
//!
//! What it cannot see: rot in the very last frame of a log that was not sealed looks like a torn one; and what a glance
//! passes over, less than 256 KiB of frames behind at least 4 MiB that became zeros.

use std::path::PathBuf;
use std::sync::Arc;

use crate::beginning::Start;
use crate::bug::{self, Bug};
use crate::format::FormatError;
use crate::frame::{ALIGNMENT, Frame, FrameHeader, FrameKind};
use crate::load::{Files, OpenError, check_header, damaged, io_failed};
use crate::scan::{Step, Walk};
use crate::segment::{FIRST_FRAME, Segment};

/// Where the log goes on.
#[derive(Debug, Clone, Copy)]
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

impl Tail {
    /// Before anything that is there.
    pub(crate) fn at(start: Start) -> Self {
        Self {
            segment: start.segment,
            place: FIRST_FRAME,
            frames: start.frames,
            first: start.first,
            previous: start.previous,
            sealed: false,
            last: None,
        }
    }

    /// Behind a frame.
    pub(crate) fn behind(frame: &Frame) -> Self {
        let header = &frame.header;
        Self {
            segment: header.segment,
            place: header.place + header.frame_bytes(),
            frames: header.number + 1,
            first: header.end(),
            previous: frame.checksum,
            sealed: header.kind == FrameKind::Seal,
            last: Some((header.place, header.frame_bytes())),
        }
    }
}

/// Shows each valid frame to the caller; an `Err` tells what was found instead of sensible records.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&Frame) -> Result<(), String>;

/// The walk over all segments.
pub(crate) struct Scan<'a> {
    files: &'a Files,
    visit: Visit<'a>,
    only_witnessed: bool,
    /// The newest frame, kept back until another one vouches for it; with the tail before it.
    kept_back: Option<(Frame, Tail)>,
    tail: Tail,
    /// Where the tail's next frame should be and is not.
    stopped: Option<Stop>,
    /// The end of what is not zero behind the tail.
    written_to: Option<u64>,
}

/// Why a pass over the segments ended early.
enum Refusal {
    /// It will not change by looking again.
    Certain(OpenError),
    /// Bytes are missing at the tail; they may have been written since it was looked at.
    Suspected(OpenError),
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        Self::Certain(error)
    }
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
    /// A walk that begins at this tail; everything before it is known already.
    pub(crate) fn new(files: &'a Files, tail: Tail, visit: Visit<'a>, only_witnessed: bool) -> Self {
        Self {
            files,
            visit,
            only_witnessed,
            kept_back: None,
            tail,
            stopped: None,
            written_to: None,
        }
    }

    /// Walks over everything and judges what is behind the end.
    pub(crate) fn run(&mut self) -> Result<(), OpenError> {
        let mut suspected = None;
        loop {
            match self.pass() {
                Ok(()) => return Ok(()),
                // The tail was looked at before the witness was; only a second look is sure.
                Err(Refusal::Suspected(_)) if suspected != Some(self.tail.frames) => {
                    suspected = Some(self.tail.frames);
                }
                Err(Refusal::Certain(error) | Refusal::Suspected(error)) => return Err(error),
            }
        }
    }

    /// From the tail as it is known to the end.
    fn pass(&mut self) -> Result<(), Refusal> {
        self.stopped = None;
        let (from, place) = (self.tail.segment, self.tail.place);
        let files = self.files;
        for segment in files.segments.iter().filter(|segment| segment.number >= from) {
            let own = segment.number == from;
            self.segment(segment, if own { place } else { FIRST_FRAME })?;
        }
        self.judge()
    }

    fn segment(&mut self, segment: &Arc<Segment>, from: u64) -> Result<(), Refusal> {
        check_header(segment, self.files.salt)?;
        let mut walk = Walk::new(segment.clone(), self.files.salt, from, segment.size);
        loop {
            let place = walk.place;
            let stopped = match walk.step().map_err(io_failed("read", &segment.path))? {
                Step::Frame(frame) => {
                    self.frame(frame, place)?;
                    continue;
                }
                Step::Foreign(foreign) => {
                    return Err(OpenError::from(FormatError::foreign(segment.path.clone(), foreign)).into());
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

    fn frame(&mut self, frame: Frame, place: u64) -> Result<(), Refusal> {
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
            return Err(Refusal::Suspected(self.damage_at_tail(expected, found)));
        }
        let before = self.tail;
        self.tail = Tail::behind(&frame);
        self.stopped = None;
        if !self.only_witnessed {
            return Ok(self.show(&frame)?);
        }
        if let Some((witnessed, _)) = self.kept_back.replace((frame, before)) {
            self.show(&witnessed)?;
        }
        Ok(())
    }

    fn show(&mut self, frame: &Frame) -> Result<(), OpenError> {
        let FrameHeader { segment, place, .. } = frame.header;
        (self.visit)(frame)
            .map_err(|found| damaged(self.path(segment), place, "records that can be read", found))
    }

    fn path(&self, segment: u32) -> PathBuf {
        let segment = self.files.segment(segment);
        segment.map(|segment| segment.path.clone()).unwrap_or_default()
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
    fn judge(&mut self) -> Result<(), Refusal> {
        self.written_to = None;
        let zeros = self.stopped.as_ref().is_none_or(|stopped| stopped.blank);
        let believed =
            !(bug::is_planted(Bug::CutAtFirstBadFrame) || zeros && bug::is_planted(Bug::ZerosEndTheLog));
        let from = self.tail.segment;
        for segment in self
            .files
            .segments
            .iter()
            .filter(|segment| segment.number >= from)
        {
            let own = segment.number == self.tail.segment;
            let from = if own {
                self.tail.place
            } else {
                FIRST_FRAME - ALIGNMENT as u64
            };
            let mut walk = Walk::new(segment.clone(), self.files.salt, from, segment.size);
            let survey = walk.glance().map_err(io_failed("read", &segment.path))?;
            if own {
                self.written_to = survey.written_to;
            }
            let witness = survey.beyond.filter(|_| believed);
            if let Some(witness) = witness.filter(|witness| !own || witness.durable_to > self.tail.place) {
                let expected = format!("frame {}", self.tail.frames);
                let found = format!(
                    "frame {} in segment {} at byte {}, written when this was durable",
                    witness.number, witness.segment, witness.place
                );
                return Err(Refusal::Suspected(self.damage_at_tail(expected, found)));
            }
        }
        Ok(())
    }

    /// The end of what is not zero behind the tail.
    pub(crate) fn written_to(&self) -> Option<u64> {
        self.written_to
    }

    /// The tail, and how many frames it leaves out.
    pub(crate) fn finish(self) -> (Tail, u64) {
        match self.kept_back {
            Some((frame, before)) if frame.header.kind == FrameKind::Records => (before, 1),
            _ => (self.tail, 0),
        }
    }
}
