//! Content that is kept beyond the bytes it was read in.
//!
//! In: the content of one event after the other. Out: the same in memory that several share, so that an event costs no
//! allocation; one that is kept alone keeps at most 64 KiB, or itself if it is longer.

use bytes::{Bytes, BytesMut};

/// Bytes of the first piece of memory; each next one is twice as large.
const FIRST_BYTES: usize = 1 << 10;
/// Bytes of a piece at most.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// Memory for the content of events that are given away.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    piece: BytesMut,
    /// Bytes of the last piece.
    bytes: usize,
}

impl Kept {
    /// A copy that nobody else changes.
    pub(crate) fn keep(&mut self, content: &[u8]) -> Bytes {
        if content.len() > PIECE_BYTES_MAX / 4 {
            return Bytes::copy_from_slice(content);
        }
        if self.piece.capacity() < content.len() {
            let doubled = (2 * self.bytes).clamp(FIRST_BYTES, PIECE_BYTES_MAX);
            self.bytes = doubled.max(content.len());
            self.piece = BytesMut::with_capacity(self.bytes);
        }
        self.piece.extend_from_slice(content);
        self.piece.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_content_stays_as_it_was() {
        let mut kept = Kept::default();
        let contents: Vec<Vec<u8>> = (0..3_000_usize)
            .map(|number| vec![number as u8; number * 37 % 1_500 + number / 990 * 20_000])
            .collect();
        let copies: Vec<Bytes> = contents.iter().map(|content| kept.keep(content)).collect();
        assert_eq!(copies, contents);
        assert_eq!(kept.bytes, PIECE_BYTES_MAX);
    }
}
