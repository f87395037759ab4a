//! Records, laid out as they will lie on disk.
//!
//! In: record bodies. Out: a [`Batch`] that the writer only copies, so that encoding and checksums cost the caller's
//! thread, not the writer's; and [`record`], the way back.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the body, little endian; the highest bit is set if the record takes no number |
//! | 4 | CRC-32/ISCSI of the four bytes before and the body |
//! | … | the body |
//!
//! Invariants: a record is read back whole and checked or not at all. The log does not know what is in a body.

use crate::bug::{self, Bug};
use crate::checksum::Checksum;

/// Bytes before each body.
pub const RECORD_HEADER_BYTES: usize = 8;

/// The longest body, in bytes.
pub const RECORD_BODY_BYTES_MAX: usize = 32 << 20;

const UNNUMBERED: u32 = 1 << 31;

/// Records that become durable together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    numbered: u32,
    unnumbered: u32,
}

/// One record as it lies in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Whether it takes a number of the log's count.
    pub is_numbered: bool,
    /// Where its body begins in the buffer.
    pub body: usize,
    /// Where its body ends, and the next record begins.
    pub end: usize,
}

impl Batch {
    /// An empty batch with room for this many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Adds a record that takes the next number. `write` appends the body to the buffer and touches nothing before.
    pub fn push_numbered(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.push(0, write);
        self.numbered += 1;
    }

    /// Adds a record that takes no number. `write` appends the body to the buffer and touches nothing before.
    pub fn push_unnumbered(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.push(UNNUMBERED, write);
        self.unnumbered += 1;
    }

    fn push(&mut self, flag: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
        write(&mut self.bytes);
        let body = self.bytes.len() - start - RECORD_HEADER_BYTES;
        assert!(
            body <= RECORD_BODY_BYTES_MAX,
            "a record has at most {RECORD_BODY_BYTES_MAX} bytes, found {body}"
        );
        let length = (body as u32 | flag).to_le_bytes();
        let checksum = Checksum::new()
            .with(&length)
            .with(&self.bytes[start + RECORD_HEADER_BYTES..])
            .finish();
        self.bytes[start..start + 4].copy_from_slice(&length);
        self.bytes[start + 4..start + RECORD_HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    }

    /// The bytes so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many records take a number.
    pub fn numbered(&self) -> u32 {
        self.numbered
    }

    /// How many records take none.
    pub fn unnumbered(&self) -> u32 {
        self.unnumbered
    }

    /// Every record, in order. Only for bytes that were just laid out or checked by their frame: nothing is checked
    /// here but bounds, and the walk ends where they are broken.
    pub fn records(bytes: &[u8]) -> impl Iterator<Item = Record> + Clone {
        let mut at = 0;
        std::iter::from_fn(move || {
            let record = bounds(bytes, at)?;
            at = record.end;
            Some(record)
        })
    }
}

/// The record that begins at this byte of a buffer, checked.
///
/// # Errors
/// What was expected and found, as the two halves of a sentence.
pub fn record(buffer: &[u8], at: usize) -> Result<Record, (String, String)> {
    let record = bounds(buffer, at).ok_or_else(|| too_short(buffer, at))?;
    let head = &buffer[at..at + RECORD_HEADER_BYTES];
    let stored = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let actual = Checksum::new()
        .with(&head[..4])
        .with(&buffer[record.body..record.end])
        .finish();
    if stored == actual {
        Ok(record)
    } else {
        Err((
            format!("a record with checksum {stored:08x}"),
            format!("bytes with checksum {actual:08x}"),
        ))
    }
}

/// The record that begins at this byte, if it ends inside the buffer; not checked beyond that.
#[inline]
pub fn bounds(buffer: &[u8], at: usize) -> Option<Record> {
    let rest = buffer.get(at..)?;
    let head = rest.first_chunk::<RECORD_HEADER_BYTES>()?;
    let word = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let body = at + RECORD_HEADER_BYTES;
    let end = body + (word & !UNNUMBERED) as usize;
    (end <= buffer.len() || bug::is_planted(Bug::UncheckedRecordLength)).then_some(Record {
        is_numbered: word & UNNUMBERED == 0,
        body,
        end,
    })
}

/// Why there is no whole record at this byte, as the two halves of a sentence.
fn too_short(buffer: &[u8], at: usize) -> (String, String) {
    let rest = buffer.get(at..).unwrap_or_default();
    match rest.first_chunk::<RECORD_HEADER_BYTES>() {
        None => (
            format!("a record header of {RECORD_HEADER_BYTES} bytes"),
            format!("{} bytes", rest.len()),
        ),
        Some(head) => {
            let word = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
            let room = rest.len() - RECORD_HEADER_BYTES;
            (
                format!("a record of at most {room} bytes"),
                format!("a length of {}", word & !UNNUMBERED),
            )
        }
    }
}

#[cfg(test)]
mod tests;
