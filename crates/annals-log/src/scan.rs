//! Walking a segment, frame by frame, every one checked.
//!
//! In: a segment and a place. Out: frames, or where and why the walk ended, and whether a valid frame lies anywhere
//! beyond. Reads large pieces; never holds more than one piece or one frame. Does not decide what an end means: that
//! is recovery's part.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::{
    ALIGNMENT, FRAME_HEADER_BYTES, Frame, FrameHeader, Look, MAGIC, Spot, look, wanted_bytes,
};
use crate::segment::Segment;

/// How much is read at once, in bytes.
const PIECE_BYTES: u64 = 1 << 20;

/// One step of a walk.
#[derive(Debug)]
pub(crate) enum Step {
    Frame(Frame),
    /// Zeros, or the end of the file.
    End,
    Newer(u16),
    Bad(String, String),
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
        let read = self.segment.file.read_at(&mut piece, at)?;
        piece.truncate(read);
        (self.piece, self.piece_at) = (Bytes::from(piece), at);
        Ok(self.piece.slice(..(bytes as usize).min(read)))
    }

    /// The first valid frame that begins anywhere after the place where the walk stands.
    pub(crate) fn find_beyond(&mut self) -> io::Result<Option<FrameHeader>> {
        let mut place = self.place + ALIGNMENT as u64;
        while place + FRAME_HEADER_BYTES as u64 <= self.to {
            let piece = self.bytes(place, PIECE_BYTES.min(self.to - place))?;
            let Some(skip) = candidate(&piece) else {
                // The last bytes may be the beginning of a magic only if they are aligned, so none is cut in two.
                place += (piece.len() as u64)
                    .next_multiple_of(ALIGNMENT as u64)
                    .max(ALIGNMENT as u64);
                continue;
            };
            place += skip as u64;
            if let Step::Frame(frame) = self.look_at(place)? {
                return Ok(Some(frame.header));
            }
            place += ALIGNMENT as u64;
        }
        Ok(None)
    }

    /// The place after the last byte that is not zero, if one lies at or after the place where the walk stands.
    pub(crate) fn last_written(&mut self) -> io::Result<Option<u64>> {
        let (mut at, mut last) = (self.place, None);
        while at < self.to {
            let piece = self.bytes(at, PIECE_BYTES.min(self.to - at))?;
            if piece.is_empty() {
                break;
            }
            last = written_end(&piece).map(|end| at + end as u64).or(last);
            at += piece.len() as u64;
        }
        Ok(last)
    }
}

/// Zeros are skipped in blocks of this, in bytes; most of a young segment is zeros.
const BLOCK: usize = 4_096;
const ZEROS: [u8; BLOCK] = [0; BLOCK];

fn is_blank(block: &[u8]) -> bool {
    block == &ZEROS[..block.len()]
}

/// The first aligned place in a piece where a frame may begin.
fn candidate(piece: &[u8]) -> Option<usize> {
    let blocks = piece
        .chunks(BLOCK)
        .enumerate()
        .filter(|(_, block)| !is_blank(block));
    for (number, block) in blocks {
        if let Some(chunk) = block
            .chunks(ALIGNMENT)
            .position(|chunk| chunk.starts_with(&MAGIC))
        {
            return Some(number * BLOCK + chunk * ALIGNMENT);
        }
    }
    None
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
        Look::Newer(format) => Step::Newer(format),
        Look::Bad(expected, found) => Step::Bad(expected, found),
    }
}
