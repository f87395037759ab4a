//! A frame: everything one flush makes durable.
//!
//! In: a header's fields and a payload of records. Out: bytes, and from bytes back to a frame that has been checked
//! in every field.
//!
//! | byte | bytes | field, little endian |
//! |---|---|---|
//! | 0 | 4 | magic `aFrm` |
//! | 4 | 2 | format, 1 |
//! | 6 | 2 | kind: 0 records, 1 seal |
//! | 8 | 4 | CRC-32/ISCSI of the log's salt, bytes 0–7, bytes 12–79, payload and padding |
//! | 12 | 4 | bytes of the payload |
//! | 16 | 8 | segment |
//! | 24 | 8 | the frame's own place in its file |
//! | 32 | 8 | the frame's number in the log: 0, 1, 2, … |
//! | 40 | 8 | the number of its first numbered record; for others, of the next one |
//! | 48 | 4 | numbered records |
//! | 52 | 4 | unnumbered records |
//! | 56 | 8 | time, as the caller gave it, signed |
//! | 64 | 8 | durable up to: everything of this file before this byte was flushed when the frame was written |
//! | 72 | 4 | checksum of the frame before; 0 for the first of the log |
//! | 76 | 4 | flags; format 1 knows none, so they are zero |
//! | 80 | … | payload, then zeros up to a multiple of 8 |
//!
//! Invariants: the salt keeps content from posing as a frame; segment and own place keep stale and misplaced frames
//! out; every field is checked against its bounds after the checksum, because a checksum proves nothing about sense.
//! A frame of an unknown kind or with unknown flags is not torn: somebody meant it, so it is told apart and never cut off.

use std::fmt;

use bytes::Bytes;

use crate::batch::Batch;
use crate::bug::{self, Bug};
use crate::checksum::Checksum;

/// The newest format this build reads and the one it writes.
pub const FORMAT: u16 = 1;

/// Bytes of a frame before its payload.
pub const FRAME_HEADER_BYTES: usize = 80;

/// Frames begin at multiples of this, in bytes.
pub(crate) const ALIGNMENT: usize = 8;

/// The longest payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 48 << 20;

pub(crate) const MAGIC: [u8; 4] = *b"aFrm";

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// It carries records.
    Records,
    /// It carries nothing and bears witness that everything before it was durable.
    Seal,
}

/// A frame's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What it is for.
    pub kind: FrameKind,
    /// Bytes of the payload.
    pub payload_bytes: u32,
    /// The segment it lies in.
    pub segment: u32,
    /// Its place in the segment's file, in bytes.
    pub place: u64,
    /// Its number in the log, from 0.
    pub number: u64,
    /// The number of its first numbered record.
    pub first: u64,
    /// How many numbered records it has.
    pub numbered: u32,
    /// How many unnumbered records it has.
    pub unnumbered: u32,
    /// The caller's time.
    pub time: i64,
    /// Everything of this file before this byte was flushed when the frame was written.
    pub durable_to: u64,
    /// The checksum of the frame before.
    pub previous: u32,
}

/// A frame that was checked.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its fields.
    pub header: FrameHeader,
    /// Its checksum.
    pub checksum: u32,
    /// Its records.
    pub payload: Bytes,
}

/// What the bytes at one place turn out to be.
#[derive(Debug)]
pub(crate) enum Look {
    /// The fields of a frame whose checksum and bounds hold, and the checksum.
    Frame(FrameHeader, u32),
    /// A frame that a newer build wrote.
    Foreign(Foreign),
    /// No frame: what was expected and found.
    Bad(String, String),
}

/// What a newer build wrote, and this one does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Another format.
    Format(u16),
    /// Something in this format that it has no meaning for, in words.
    Feature(String),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => write!(f, "format {format}"),
            Self::Feature(feature) => f.write_str(feature),
        }
    }
}

/// Where a frame is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    pub(crate) salt: u64,
    pub(crate) segment: u32,
    pub(crate) place: u64,
    /// Bytes from the place to the end of the file.
    pub(crate) room: u64,
}

impl FrameHeader {
    /// Bytes of the whole frame, padding included.
    pub fn frame_bytes(&self) -> u64 {
        frame_bytes(self.payload_bytes as usize) as u64
    }

    /// The number after its last numbered record.
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.numbered)
    }

    fn fill(&self, head: &mut [u8]) {
        let kind: u16 = match self.kind {
            FrameKind::Records => 0,
            FrameKind::Seal => 1,
        };
        head[0..4].copy_from_slice(&MAGIC);
        head[4..6].copy_from_slice(&FORMAT.to_le_bytes());
        head[6..8].copy_from_slice(&kind.to_le_bytes());
        head[12..16].copy_from_slice(&self.payload_bytes.to_le_bytes());
        head[16..24].copy_from_slice(&u64::from(self.segment).to_le_bytes());
        head[24..32].copy_from_slice(&self.place.to_le_bytes());
        head[32..40].copy_from_slice(&self.number.to_le_bytes());
        head[40..48].copy_from_slice(&self.first.to_le_bytes());
        head[48..52].copy_from_slice(&self.numbered.to_le_bytes());
        head[52..56].copy_from_slice(&self.unnumbered.to_le_bytes());
        head[56..64].copy_from_slice(&self.time.to_le_bytes());
        head[64..72].copy_from_slice(&self.durable_to.to_le_bytes());
        head[72..76].copy_from_slice(&self.previous.to_le_bytes());
        head[76..80].fill(0);
    }
}

/// Bytes of a whole frame with a payload of this many.
pub(crate) fn frame_bytes(payload: usize) -> usize {
    (FRAME_HEADER_BYTES + payload).next_multiple_of(ALIGNMENT)
}

pub(crate) fn checksum(salt: u64, frame: &[u8]) -> u32 {
    if bug::is_planted(Bug::ChecksumPayloadOnly) {
        return Checksum::new().with(&frame[FRAME_HEADER_BYTES..]).finish();
    }
    let checksum = Checksum::new().with(&salt.to_le_bytes()).with(&frame[..8]);
    if bug::is_planted(Bug::ChecksumWithoutTime) {
        return checksum.with(&frame[12..56]).with(&frame[64..]).finish();
    }
    checksum.with(&frame[12..]).finish()
}

/// Completes a frame in place: `buffer` holds room for the header and then the payload. Pads it and returns the
/// checksum.
pub(crate) fn seal_bytes(header: &FrameHeader, salt: u64, buffer: &mut Vec<u8>) -> u32 {
    buffer.resize(frame_bytes(header.payload_bytes as usize), 0);
    header.fill(buffer);
    let checksum = checksum(salt, buffer);
    buffer[8..12].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were sliced"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were sliced"))
}

fn bad(expected: impl Into<String>, found: impl Into<String>) -> Look {
    Look::Bad(expected.into(), found.into())
}

/// How many bytes the frame with this header wants in all, if the header may be one at all.
///
/// `head` has [`FRAME_HEADER_BYTES`]. Answers with the length, or with what is wrong before any checksum is needed.
pub(crate) fn wanted_bytes(head: &[u8], spot: &Spot) -> Result<usize, Look> {
    if head[0..4] != MAGIC {
        return Err(bad(
            "a frame beginning with aFrm",
            format!("bytes {:02x?}", &head[0..4]),
        ));
    }
    let format = u16_at(head, 4);
    if format > FORMAT {
        return Err(Look::Foreign(Foreign::Format(format)));
    }
    let payload = u32_at(head, 12) as usize;
    let room = (spot.room as usize).saturating_sub(FRAME_HEADER_BYTES);
    if payload > room.min(PAYLOAD_BYTES_MAX) {
        return Err(bad(
            format!("a payload of at most {} bytes", room.min(PAYLOAD_BYTES_MAX)),
            format!("{payload}"),
        ));
    }
    let wanted = frame_bytes(payload);
    let fits_exactly = wanted as u64 == spot.room;
    if wanted as u64 > spot.room || fits_exactly && bug::is_planted(Bug::LoseExactFit) {
        Err(bad("a frame that ends inside its file", "one that does not"))
    } else {
        Ok(wanted)
    }
}

/// Checks a whole frame; `bytes` has as many as [`wanted_bytes`] said.
pub(crate) fn look(bytes: &[u8], spot: &Spot) -> Look {
    let (stored, actual) = (u32_at(bytes, 8), checksum(spot.salt, bytes));
    if stored != actual {
        return bad(
            format!("a frame with checksum {stored:08x}"),
            format!("bytes with checksum {actual:08x}"),
        );
    }
    let format = u16_at(bytes, 4);
    if format != FORMAT {
        return bad(format!("a frame of format {FORMAT}"), format!("format {format}"));
    }
    let foreign = |feature| Look::Foreign(Foreign::Feature(feature));
    let kind = match u16_at(bytes, 6) {
        0 => FrameKind::Records,
        1 => FrameKind::Seal,
        other => return foreign(format!("a frame of kind {other}")),
    };
    let flags = u32_at(bytes, 76);
    if flags != 0 {
        return foreign(format!("a frame with flags {flags:#x}"));
    }
    let (segment, place) = (u64_at(bytes, 16), u64_at(bytes, 24));
    let is_segment = segment == u64::from(spot.segment) || bug::is_planted(Bug::AnySegment);
    let is_place = place == spot.place || bug::is_planted(Bug::AnyPlace);
    if !is_segment || !is_place {
        let expected = format!("the frame of segment {} at byte {}", spot.segment, spot.place);
        return bad(expected, format!("one of segment {segment} at byte {place}"));
    }
    let header = FrameHeader {
        kind,
        payload_bytes: u32_at(bytes, 12),
        segment: spot.segment,
        place,
        number: u64_at(bytes, 32),
        first: u64_at(bytes, 40),
        numbered: u32_at(bytes, 48),
        unnumbered: u32_at(bytes, 52),
        time: u64_at(bytes, 56).cast_signed(),
        durable_to: u64_at(bytes, 64),
        previous: u32_at(bytes, 72),
    };
    match check_sense(
        &header,
        &bytes[FRAME_HEADER_BYTES..][..header.payload_bytes as usize],
    ) {
        Ok(()) => Look::Frame(header, stored),
        Err((expected, found)) => Look::Bad(expected, found),
    }
}

/// Checks what a checksum cannot: that the fields agree with each other and with the records.
fn check_sense(header: &FrameHeader, payload: &[u8]) -> Result<(), (String, String)> {
    if header.durable_to > header.place {
        return Err((
            "a durable mark not beyond the frame itself".into(),
            format!("byte {}", header.durable_to),
        ));
    }
    if header.first.checked_add(u64::from(header.numbered)).is_none() {
        return Err((
            "numbers that fit 64 bits".into(),
            format!("{} and {} more", header.first, header.numbered),
        ));
    }
    let (mut numbered, mut unnumbered, mut end) = (0_u32, 0_u32, 0);
    for record in Batch::records(payload) {
        if record.is_numbered {
            numbered += 1
        } else {
            unnumbered += 1
        }
        end = record.end;
    }
    let (said, found) = ((header.numbered, header.unnumbered), (numbered, unnumbered));
    if said == found && end == payload.len() {
        return Ok(());
    }
    let expected = format!(
        "{} numbered and {} other records in {} bytes",
        said.0,
        said.1,
        payload.len()
    );
    Err((expected, format!("{} and {} in {end} bytes", found.0, found.1)))
}

#[cfg(test)]
mod tests;
