//! A commit group: the batches one flush makes durable.
//!
//! In: batches, in order. Out: one buffer, laid out as a frame whose header is still empty. Reused from commit to
//! commit, so that committing allocates nothing.

use crate::batch::Batch;
use crate::frame::FRAME_HEADER_BYTES;

/// Batches gathered for one commit.
#[derive(Debug, Default)]
pub struct Group {
    pub(crate) buffer: Vec<u8>,
    numbered: u32,
    unnumbered: u32,
}

impl Group {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a batch and returns where its first record will lie, in bytes from the beginning of the frame.
    pub fn add(&mut self, batch: &Batch) -> u32 {
        if self.buffer.is_empty() {
            self.buffer.resize(FRAME_HEADER_BYTES, 0);
        }
        let place = self.buffer.len() as u32;
        self.buffer.extend_from_slice(batch.bytes());
        self.numbered += batch.numbered();
        self.unnumbered += batch.unnumbered();
        place
    }

    /// Bytes of all records so far.
    pub fn payload_bytes(&self) -> usize {
        self.buffer.len().saturating_sub(FRAME_HEADER_BYTES)
    }

    /// How many records take a number.
    pub fn numbered(&self) -> u32 {
        self.numbered
    }

    /// How many records take none.
    pub fn unnumbered(&self) -> u32 {
        self.unnumbered
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.payload_bytes() == 0
    }

    /// Empties it and keeps the room, unless a giant left too much of it.
    pub fn clear(&mut self) {
        const KEPT_BYTES_MAX: usize = 16 << 20;
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES_MAX);
        (self.numbered, self.unnumbered) = (0, 0);
    }
}
