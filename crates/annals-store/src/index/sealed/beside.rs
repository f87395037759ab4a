//! What a list says of an event beside its position: where it lies in the log, so that nobody has to ask further.
//!
//! In: places in the order of the log. Out: a few bytes each: the distance from the place before, the length and the distance
//! from the time before, as varints, and the checksum (4) before that time. The first one is told from a base that is the
//! same for the whole file.

use annals_core::time::Timestamp;
use annals_log::Place;

use super::super::span::Span;
use super::super::stretch::Stretch;
use super::varint;

/// The most bytes one takes.
pub(super) const BESIDE_BYTES_MAX: usize = 10 + 5 + 4 + 10;

/// What the next place is told from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Base {
    address: u64,
    time: i64,
}

/// Positions in order, and where each of them lies, if that is known of this list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) positions: Vec<u32>,
    /// As many, or none.
    pub(super) spans: Vec<Span>,
}

impl Base {
    /// Of the first place of a list.
    pub(super) fn of(stretch: &Stretch) -> Self {
        Self {
            address: stretch.after.map_or(0, |after| address(after.frame)),
            time: stretch.newest.as_micros(),
        }
    }

    /// Appends the next place.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, span: &Span) {
        let next = Self {
            address: address(span.place),
            time: span.recorded.as_micros(),
        };
        varint::put(out, next.address.wrapping_sub(self.address));
        varint::put(out, u64::from(span.bytes));
        out.extend_from_slice(&span.checksum.to_le_bytes());
        varint::put(out, folded(next.time.wrapping_sub(self.time)));
        *self = next;
    }

    /// Takes the next place; `None` if there is none.
    #[inline]
    pub(super) fn take(&mut self, bytes: &[u8], at: &mut usize) -> Option<Span> {
        self.address = self.address.wrapping_add(varint::take(bytes, at)?);
        let length = varint::take_u32(bytes, at)?;
        let checksum = bytes.get(*at..)?.first_chunk::<4>()?;
        *at += checksum.len();
        self.time = self.time.wrapping_add(unfolded(varint::take(bytes, at)?));
        Some(Span {
            place: Place {
                segment: (self.address >> 32) as u32,
                at: self.address & u64::from(u32::MAX),
            },
            bytes: length,
            checksum: u32::from_le_bytes(*checksum),
            recorded: Timestamp::from_micros(self.time),
        })
    }
}

impl Listed {
    pub(super) fn clear(&mut self) {
        self.positions.clear();
        self.spans.clear();
    }

    /// Where the event of a position lies, if it is here and known.
    pub(super) fn span(&self, position: u32) -> Option<Span> {
        if self.spans.is_empty() {
            return None;
        }
        let place = self.positions.binary_search(&position).ok()?;
        self.spans.get(place).copied()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (u32, Option<Span>)> {
        let positions = self.positions.iter().enumerate();
        positions.map(|(place, position)| (*position, self.spans.get(place).copied()))
    }
}

fn address(place: Place) -> u64 {
    u64::from(place.segment) << 32 | place.at
}

/// Small numbers stay small, whatever their sign.
fn folded(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unfolded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_cut_ones_do_not() {
        let span = |segment, at, bytes, micros| Span {
            place: Place { segment, at },
            bytes,
            checksum: bytes ^ 0xABCD_EF01,
            recorded: Timestamp::from_micros(micros),
        };
        let spans = [
            span(0, 512, 40, i64::MIN),
            span(0, 900, u32::MAX, -7),
            span(3, 0, 0, -7),
            span(u32::MAX, u64::from(u32::MAX), 300, i64::MAX),
        ];
        let base = Base {
            address: 1 << 40,
            time: 1_700_000_000_000_000,
        };
        let (mut bytes, mut ends, mut before) = (Vec::new(), Vec::new(), base);
        for span in &spans {
            let from = bytes.len();
            before.put(&mut bytes, span);
            assert!(bytes.len() - from <= BESIDE_BYTES_MAX);
            ends.push(bytes.len());
        }
        let (mut at, mut before) = (0, base);
        for span in spans {
            assert_eq!(before.take(&bytes, &mut at), Some(span));
        }
        assert_eq!((at, before.take(&bytes, &mut at)), (bytes.len(), None));
        for cut in 0..ends[0] {
            assert_eq!(base.clone().take(&bytes[..cut], &mut 0), None, "{cut}");
        }
    }
}
