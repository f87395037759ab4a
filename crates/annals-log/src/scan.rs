//! Walking a segment, frame by frame, every one checked.
//!
//! In: a segment and a place. Out: frames, or where and why the walk ended, and whether a valid frame or anything else
//! lies beyond. Reads large pieces; never holds more than one piece or one frame. Does not decide what an end means: that
//! is recovery's part.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::{
    ALIGNMENT, FRAME_HEADER_BYTES, Foreign, Frame, FrameHeader, Look, MAGIC, Spot, look, wanted_bytes,
};
use crate::segment::Segment;

/// How much is read at once, in bytes.
const PIECE_BYTES: u64 = 1 << 20;
/// How much is read at once where mostly zeros are expected, in bytes.
const SURVEY_BYTES: usize = 256 << 10;

/// One step of a walk.
#[derive(Debug)]
pub(crate) enum Step {
    Frame(Frame),
    /// Zeros, or the end of the file.
    End,
    /// What a newer build wrote.
    Foreign(Foreign),
    Bad(String, String),
}

/// What a survey found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The first valid frame that begins anywhere after the place where the walk stands.
    pub(crate) beyond: Option<FrameHeader>,
    /// The place after the last byte that is not zero, if any is not.
    pub(crate) written_to: Option<u64>,
}

/// A walk through one segment.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) segment: Arc<Segment>,
    salt: u64,
    /// Where the next frame is looked for.
    pub(crate) place: u64,
    /// Nothing at or after this byte is looked at.
    to: u64,
    piece: Bytes,
    piece_at: u64,
}

impl Walk {
    pub(crate) fn new(segment: Arc<Segment>, salt: u64, place: u64, to: u64) -> Self {
        let to = to.min(segment.size);
        Self {
            segment,
            salt,
            place,
            to,
            piece: Bytes::new(),
            piece_at: 0,
        }
    }

    /// The next frame, or why there is none; the place then stays where it is.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let step = self.look_at(self.place)?;
        if let Step::Frame(frame) = &step {
            self.place += frame.header.frame_bytes();
        }
        Ok(step)
    }

    /// Looks for a frame at any place.
    fn look_at(&mut self, place: u64) -> io::Result<Step> {
        let room = self.to.saturating_sub(place);
        if room < FRAME_HEADER_BYTES as u64 {
            return Ok(if self.bytes(place, room)?.iter().all(|byte| *byte == 0) {
                Step::End
            } else {
                too_short()
            });
        }
        let head = self.bytes(place, FRAME_HEADER_BYTES as u64)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(Step::End);
        }
        let spot = Spot {
            salt: self.salt,
            segment: self.segment.number,
            place,
            room,
        };
        if head.len() < FRAME_HEADER_BYTES {
            return Ok(too_short());
        }
        let wanted = match wanted_bytes(&head, &spot) {
            Ok(wanted) => wanted,
            Err(look) => return Ok(step_of(look, Bytes::new())),
        };
        let bytes = self.bytes(place, wanted as u64)?;
        if bytes.len() < wanted {
            return Ok(too_short());
        }
        Ok(step_of(look(&bytes, &spot), bytes))
    }

    /// Bytes of the file; fewer only where it ends.
    fn bytes(&mut self, at: u64, bytes: u64) -> io::Result<Bytes> {
        let inside = at
            .checked_sub(self.piece_at)
            .filter(|skip| skip + bytes <= self.piece.len() as u64);
        if let Some(skip) = inside {
            return Ok(self.piece.slice(skip as usize..(skip + bytes) as usize));
        }
        let size = bytes.max(PIECE_BYTES).min(self.to.saturating_sub(at));
        let mut piece = vec![0; size as usize];
        let read = self.segment.file()?.read_at(&mut piece, at)?;
        piece.truncate(read);
        (self.piece, self.piece_at) = (Bytes::from(piece), at);
        Ok(self.piece.slice(..(bytes as usize).min(read)))
    }

    /// What lies from the place where the walk stands to its end: most of it zeros, which are passed over fast.
    pub(crate) fn survey(&mut self) -> io::Result<Survey> {
        let mut survey = Survey::default();
        let file = self.segment.file()?;
        let mut buffer = vec![0; SURVEY_BYTES];
        let mut at = self.place;
        while at < self.to {
            let size = (SURVEY_BYTES as u64).min(self.to - at) as usize;
            let read = file.read_at(&mut buffer[..size], at)?;
            let piece = &buffer[..read];
            if piece.is_empty() {
                break;
            }
            if let Some(end) = written_end(piece) {
                survey.written_to = Some(at + end as u64);
                if survey.beyond.is_none() {
                    survey.beyond = self.first_frame(piece, at)?;
                }
            }
            at += read as u64;
        }
        Ok(survey)
    }

    /// The first valid frame that begins in a piece, and after the place where the walk stands.
    fn first_frame(&mut self, piece: &[u8], at: u64) -> io::Result<Option<FrameHeader>> {
        for skip in candidates(piece) {
            let place = at + skip as u64;
            if place > self.place
                && let Step::Frame(frame) = self.look_at(place)?
            {
                return Ok(Some(frame.header));
            }
        }
        Ok(None)
    }
}

/// Zeros are skipped in blocks of this, in bytes; most of a young segment is zeros.
const BLOCK: usize = 4_096;
const ZEROS: [u8; BLOCK] = [0; BLOCK];

fn is_blank(block: &[u8]) -> bool {
    block == &ZEROS[..block.len()]
}

/// The aligned places in a piece where a frame may begin.
fn candidates(piece: &[u8]) -> impl Iterator<Item = usize> {
    let blocks = piece.chunks(BLOCK).enumerate();
    blocks
        .filter(|(_, block)| !is_blank(block))
        .flat_map(|(number, block)| {
            let chunks = block.chunks(ALIGNMENT).enumerate();
            chunks
                .filter(|(_, chunk)| chunk.starts_with(&MAGIC))
                .map(move |(chunk, _)| number * BLOCK + chunk * ALIGNMENT)
        })
}

/// The end of what is not zero in a piece.
fn written_end(piece: &[u8]) -> Option<usize> {
    let (number, block) = piece
        .chunks(BLOCK)
        .enumerate()
        .rfind(|(_, block)| !is_blank(block))?;
    block
        .iter()
        .rposition(|byte| *byte != 0)
        .map(|byte| number * BLOCK + byte + 1)
}

fn too_short() -> Step {
    Step::Bad(
        format!("a frame of at least {FRAME_HEADER_BYTES} bytes"),
        "the end of the file".into(),
    )
}

fn step_of(look: Look, bytes: Bytes) -> Step {
    match look {
        Look::Frame(header, checksum) => {
            let payload = bytes.slice(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + header.payload_bytes as usize);
            Step::Frame(Frame {
                header,
                checksum,
                payload,
            })
        }
        Look::Foreign(foreign) => Step::Foreign(foreign),
        Look::Bad(expected, found) => Step::Bad(expected, found),
    }
}
