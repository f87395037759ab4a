//! Numbers in as few bytes as they need: seven bits each, the highest bit says that more follow.

/// Appends a number.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes the number at a place and moves the place behind it; `None` if there is none.
#[inline]
pub(super) fn take(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    *at += 1;
    if first < 0x80 {
        return Some(u64::from(first));
    }
    let (mut number, mut shift) = (u64::from(first & 0x7F), 7);
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7F).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

/// As [`take`], for what must fit 32 bits.
#[inline]
pub(super) fn take_u32(bytes: &[u8], at: &mut usize) -> Option<u32> {
    u32::try_from(take(bytes, at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_cut_ones_do_not() {
        let numbers = [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), u64::MAX];
        let mut bytes = Vec::new();
        numbers.iter().for_each(|number| put(&mut bytes, *number));
        let mut at = 0;
        for number in numbers {
            assert_eq!(take(&bytes, &mut at), Some(number));
        }
        assert_eq!((at, take(&bytes, &mut at)), (bytes.len(), None));
        assert_eq!(take(&[0x80], &mut 0), None);
        assert_eq!(take(&[0xFF; 12], &mut 0), None);
        let mut large = Vec::new();
        put(&mut large, u64::from(u32::MAX) + 1);
        assert_eq!(take_u32(&large, &mut 0), None);
    }
}
