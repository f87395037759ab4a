//! CRC-32/ISCSI, the one checksum of the house.
//!
//! In: bytes. Out: 32 bits that change when any single burst of up to 32 bits in them does. A checksum is never used
//! as a hash or as a proof against somebody who forges bytes.

use crc_fast::{CrcAlgorithm, Digest};

/// A checksum that is fed piece by piece.
#[derive(Debug)]
pub struct Checksum(Digest);

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

impl Checksum {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    /// Goes on with these bytes.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// The checksum of all bytes so far.
    pub fn finish(self) -> u32 {
        // The algorithm has 32 bits; the upper half is always zero.
        self.0.finalize() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_castagnoli_checksum() {
        assert_eq!(Checksum::new().with(b"123456789").finish(), 0xE306_9283);
        assert_eq!(
            Checksum::new().with(b"1234").with(b"").with(b"56789").finish(),
            0xE306_9283
        );
    }
}
