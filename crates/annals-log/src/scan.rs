//! Walking a segment, frame by frame, every one checked.
//!
//! In: a segment and a place. Out: frames, or where and why the walk ended, and whether a valid frame or anything else
//! lies beyond. Reads large pieces; never holds more than one piece or one frame. Frames lend the piece they were read
//! in: once all of them were let go, the next piece is read into the same memory. Does not decide what an end means:
//! that is recovery's part.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::frame::{
    ALIGNMENT, FRAME_HEADER_BYTES, Foreign, Frame, FrameHeader, Look, MAGIC, Spot, look, wanted_bytes,
};
use crate::segment::{FIRST_FRAME, Segment};

/// How much is read at once, in bytes: little enough to stay in a processor's cache until it was looked at.
const PIECE_BYTES: u64 = 256 << 10;
/// Memory of a piece that is not used again for smaller ones, in bytes.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// A piece that took longer came from the medium; then the kernel is told of what follows. Nothing but speed depends on
/// this.
const COLD: Duration = Duration::from_micros(150);
/// How much the kernel is told of ahead, in bytes.
const HINT_BYTES: u64 = 4 << 20;
/// How much is read at once where mostly zeros are expected, in bytes.
const SURVEY_BYTES: usize = 256 << 10;
/// Behind so many bytes of zeros a glance reads no longer everything.
const ZEROS_BELIEVED: u64 = 4 << 20;
/// From there on it reads the first block of every so many bytes.
const GLANCE_BYTES: usize = 256 << 10;
/// How much is read first to find the frame that holds a byte.
const BACKWARD_BYTES: u64 = 4 << 10;

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
    piece: Piece,
    /// The kernel was told of everything before this byte.
    hinted: u64,
    /// Bytes of the last frame: the next one is likely to be as long, and is read in one piece then.
    frame_bytes: u64,
}

/// Bytes of a file that were read together.
#[derive(Debug, Default)]
struct Piece {
    /// Where they begin in the file.
    at: u64,
    /// How many of the buffer there are.
    filled: usize,
    buffer: Bytes,
}

impl Piece {
    /// Where these bytes lie in the buffer, if all are there.
    fn place(&self, at: u64, bytes: u64) -> Option<Range<usize>> {
        let skip = at.checked_sub(self.at)?;
        let end = skip.checked_add(bytes)?;
        (end <= self.filled as u64).then_some(skip as usize..end as usize)
    }
}

impl Walk {
    pub(crate) fn new(segment: Arc<Segment>, salt: u64, place: u64, to: u64) -> Self {
        let to = to.min(segment.size);
        Self {
            segment,
            salt,
            place,
            to,
            piece: Piece::default(),
            hinted: 0,
            frame_bytes: 0,
        }
    }

    /// The next frame, or why there is none; the place then stays where it is.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let step = self.look_at(self.place)?;
        if let Step::Frame(frame) = &step {
            self.frame_bytes = frame.header.frame_bytes();
            self.place += self.frame_bytes;
        }
        Ok(step)
    }

    /// Looks for a frame at any place.
    fn look_at(&mut self, place: u64) -> io::Result<Step> {
        let room = self.to.saturating_sub(place);
        if room < FRAME_HEADER_BYTES as u64 {
            let rest = self.load(place, room)?;
            return Ok(if self.piece.buffer[rest].iter().all(|byte| *byte == 0) {
                Step::End
            } else {
                too_short()
            });
        }
        let head = self.load(place, FRAME_HEADER_BYTES as u64)?;
        let head = &self.piece.buffer[head];
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
        let wanted = match wanted_bytes(head, &spot) {
            Ok(wanted) => wanted,
            Err(look) => return Ok(step_of(look, &self.piece.buffer, 0)),
        };
        let found = self.load(place, wanted as u64)?;
        if found.len() < wanted {
            return Ok(too_short());
        }
        let begin = found.start;
        Ok(step_of(
            look(&self.piece.buffer[found], &spot),
            &self.piece.buffer,
            begin,
        ))
    }

    /// Makes the piece hold bytes of the file, and says where; fewer only where it ends.
    fn load(&mut self, at: u64, bytes: u64) -> io::Result<Range<usize>> {
        if let Some(place) = self.piece.place(at, bytes) {
            return Ok(place);
        }
        let old = std::mem::take(&mut self.piece);
        let kept = at
            .checked_sub(old.at)
            .filter(|skip| *skip < old.filled as u64)
            .map_or(0..0, |skip| skip as usize..old.filled);
        let ahead = self.frame_bytes.clamp(PIECE_BYTES, KEPT_BYTES_MAX as u64);
        let size = bytes.max(ahead).min(self.to.saturating_sub(at)) as usize;
        let mut buffer = room_for(old.buffer, size, kept.clone());
        let file = self.segment.file()?;
        let began = Instant::now();
        let read = file.read_at(&mut buffer[kept.len()..size], at + kept.len() as u64)?;
        if began.elapsed() > COLD
            && let Some(next) = untold(at + size as u64, self.hinted, self.to)
        {
            self.hinted = next.end;
            file.hint(next.start, next.end - next.start);
        }
        self.piece = Piece {
            at,
            filled: kept.len() + read,
            buffer: buffer.freeze(),
        };
        Ok(0..(bytes as usize).min(self.piece.filled))
    }

    /// The frame that holds a byte, looked for backward from there; the walk then stands at it.
    pub(crate) fn back_to_frame_of(&mut self, place: u64) -> io::Result<Option<FrameHeader>> {
        let file = self.segment.file()?;
        let mut buffer = Vec::new();
        let mut end = place.saturating_add(1).min(self.to);
        while end > FIRST_FRAME {
            // Nearby frames are small ones mostly; further away more is read at once.
            let size = (place.saturating_sub(end) * 2).clamp(BACKWARD_BYTES, SURVEY_BYTES as u64);
            let at = end
                .saturating_sub(size)
                .next_multiple_of(ALIGNMENT as u64)
                .max(FIRST_FRAME);
            // A magic that begins in this piece may end in the next one.
            let to = (end + MAGIC.len() as u64).min(self.to);
            buffer.resize((to - at) as usize, 0);
            let read = file.read_at(&mut buffer, at)?;
            let places: Vec<u64> = candidates(&buffer[..read]).map(|skip| at + skip as u64).collect();
            for candidate in places.into_iter().rev().filter(|candidate| *candidate < end) {
                if let Step::Frame(frame) = self.look_at(candidate)? {
                    self.place = candidate;
                    let holds = candidate + frame.header.frame_bytes() > place;
                    return Ok(holds.then_some(frame.header));
                }
            }
            end = at;
        }
        Ok(None)
    }

    /// What lies from the place where the walk stands to its end: most of it zeros, which are passed over fast.
    pub(crate) fn survey(&mut self) -> io::Result<Survey> {
        let mut survey = Survey::default();
        self.look_through(self.place, u64::MAX, &mut survey)?;
        Ok(survey)
    }

    /// As [`Walk::survey`], at the price of a few reads however long the rest of the segment is. Behind 4 MiB of zeros only
    /// a block of every 256 KiB is read; where one is not zero, so is everything. Frames lie back to back, so what can be
    /// passed over there is a stretch of them of less than 256 KiB behind zeros of 4 MiB or more.
    pub(crate) fn glance(&mut self) -> io::Result<Survey> {
        let mut survey = Survey::default();
        let reached = self.look_through(self.place, ZEROS_BELIEVED, &mut survey)?;
        if self.is_written_behind(reached)? {
            self.look_through(reached, u64::MAX, &mut survey)?;
        }
        Ok(survey)
    }

    /// Looks at everything from a place on, until so many bytes of zeros came one after the other; says how far it came.
    fn look_through(&mut self, mut at: u64, zeros_max: u64, survey: &mut Survey) -> io::Result<u64> {
        let file = self.segment.file()?;
        let mut buffer = vec![0; SURVEY_BYTES.min(self.to.saturating_sub(at) as usize)];
        let mut zeros = 0;
        while at < self.to && zeros < zeros_max {
            let size = (SURVEY_BYTES as u64).min(self.to - at) as usize;
            let read = file.read_at(&mut buffer[..size], at)?;
            let piece = &buffer[..read];
            if piece.is_empty() {
                break;
            }
            zeros += read as u64;
            if let Some(end) = written_end(piece) {
                zeros = (read - end) as u64;
                survey.written_to = Some(at + end as u64);
                if survey.beyond.is_none() {
                    survey.beyond = self.first_frame(piece, at)?;
                }
            }
            at += read as u64;
        }
        Ok(at)
    }

    /// Whether any of the blocks is not zero that a glance reads behind a place.
    fn is_written_behind(&self, place: u64) -> io::Result<bool> {
        let file = self.segment.file()?;
        let places = || (place..self.to).step_by(GLANCE_BYTES);
        places().for_each(|at| file.hint(at, BLOCK as u64));
        let mut block = [0; BLOCK];
        for at in places() {
            // The last one may reach beyond the end: then everything is looked at for nothing.
            let read = file.read_at(&mut block, at)?;
            if !is_blank(&block[..read]) {
                return Ok(true);
            }
        }
        Ok(false)
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

/// What the kernel should be told of next: what follows a piece, unless it was told of it or nothing follows.
fn untold(piece_end: u64, told_to: u64, to: u64) -> Option<Range<u64>> {
    (piece_end >= told_to && piece_end < to).then(|| piece_end..(piece_end + HINT_BYTES).min(to))
}

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

fn step_of(look: Look, buffer: &Bytes, begin: usize) -> Step {
    match look {
        Look::Frame(header, checksum) => {
            let payload = begin + FRAME_HEADER_BYTES;
            Step::Frame(Frame {
                header,
                checksum,
                payload: buffer.slice(payload..payload + header.payload_bytes as usize),
            })
        }
        Look::Foreign(foreign) => Step::Foreign(foreign),
        Look::Bad(expected, found) => Step::Bad(expected, found),
    }
}

/// A buffer of at least so many bytes that begins with some of an old one, in the same memory if nobody else has it.
fn room_for(old: Bytes, size: usize, kept: Range<usize>) -> BytesMut {
    let is_fit = old.len() <= KEPT_BYTES_MAX || size > KEPT_BYTES_MAX;
    let old = match old.try_into_mut() {
        Ok(mut buffer) if is_fit => {
            if kept.start > 0 {
                buffer.copy_within(kept, 0);
            }
            if buffer.len() < size {
                buffer.resize(size, 0);
            }
            return buffer;
        }
        Ok(buffer) => buffer.freeze(),
        Err(shared) => shared,
    };
    let mut buffer = BytesMut::zeroed(size);
    buffer[..kept.len()].copy_from_slice(&old[kept]);
    buffer
}

#[cfg(test)]
mod tests;
