//! A hash that is the same in every build, for what is stored and compared later.
//!
//! In: bytes. Out: 128 bits. It tells accidents apart; it is no protection against intent.

/// FNV-1a of these pieces, one behind the other.
pub(crate) fn fnv(pieces: &[&[u8]]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let bytes = pieces.iter().copied().flatten();
    bytes.fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}
