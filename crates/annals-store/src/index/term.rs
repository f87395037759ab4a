//! Terms: what an event is found by.
//!
//! A term is a kind and bytes. Kinds are part of files, so their numbers stay. The hash is the same on every machine
//! and in every build; it finds candidates and never decides.

use std::hash::{BuildHasher, Hasher, RandomState};

/// What a term is. Part of its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum TermKind {
    Type = 1,
    Tag = 2,
    Correlation = 3,
    /// Only in filters: an event's id.
    Id = 4,
    /// Only in filters: the key of a mark.
    Mark = 5,
}

const MULTIPLIER: u64 = 0x9FB2_1C65_1E98_DF25;

/// A hash of a term, salted so that nobody can choose terms that collide.
pub(super) fn hash(salt: u64, kind: TermKind, bytes: &[u8]) -> u64 {
    let mut hash = fold(salt ^ (kind as u64), MULTIPLIER ^ (bytes.len() as u64));
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("a chunk has eight bytes"));
        hash = fold(hash ^ word, MULTIPLIER);
    }
    let mut rest = [0; 8];
    rest[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    let last = fold(hash ^ u64::from_le_bytes(rest), MULTIPLIER.rotate_left(29));
    last ^ (last >> 32)
}

/// A salt that nobody can foresee, for what is only in memory.
#[derive(Debug)]
pub(super) struct Salt(u64);

impl Default for Salt {
    fn default() -> Self {
        // The standard library seeds its hashers from the operating system.
        Self(RandomState::new().build_hasher().finish())
    }
}

impl Salt {
    pub(super) fn hash(&self, kind: TermKind, bytes: &[u8]) -> u64 {
        hash(self.0, kind, bytes)
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b | 1);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_spread_over_all_bits_and_never_change() {
        assert_eq!(
            hash(7, TermKind::Tag, b"order:42"),
            hash(7, TermKind::Tag, b"order:42")
        );
        let mut ones = [0_u32; 64];
        let mut seen = std::collections::HashSet::new();
        for number in 0..20_000 {
            let hash = hash(7, TermKind::Tag, format!("order:{number}").as_bytes());
            assert!(seen.insert(hash));
            (0..64).for_each(|bit| ones[bit] += (hash >> bit & 1) as u32);
        }
        assert!(ones.iter().all(|ones| (9_500..10_500).contains(ones)), "{ones:?}");
        let kinds = [TermKind::Type, TermKind::Tag, TermKind::Correlation, TermKind::Id];
        let apart: std::collections::HashSet<_> = kinds.map(|kind| hash(7, kind, b"x")).into();
        assert_eq!(apart.len(), 4);
        assert_ne!(hash(7, TermKind::Tag, b"x"), hash(8, TermKind::Tag, b"x"));
        assert_ne!(hash(7, TermKind::Tag, b"x"), hash(7, TermKind::Tag, b"x\0"));
    }
}
