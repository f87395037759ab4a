//! From positions to events.
//!
//! In: where records lie. Out: events whose content shares the memory that was read, each checked: its checksum, that
//! it is the one that was written there, its form. Neighbours are read together; when the first of several pieces came
//! from the medium, the kernel is told of the others before they are read.
//!
//! Invariant: damaged bytes are never returned as an event.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals_core::event::RecordedEvent;
use annals_core::port::store::ReadError;
use annals_core::position::Position;
use annals_log::{Place, RECORD_HEADER_BYTES, Reader};
use bytes::Bytes;

use crate::index::Span;
use crate::record;

/// Bytes read in one piece at most, unless one record is longer. A kept event keeps its piece in memory.
const PIECE_BYTES: u64 = 256 << 10;
/// Unwanted bytes that are read along to save a second read.
const GAP_BYTES: u64 = 4 << 10;
/// Pieces the kernel is told of ahead.
const HINTS: usize = 256;
/// A first piece that took longer came from the medium, and so will the others: only then are hints worth their calls.
/// Nothing but speed depends on this.
const COLD: Duration = Duration::from_micros(25);

/// One event to fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) position: u64,
    pub(crate) span: Span,
}

/// Wanted events that are read together: `from..to` of the list, and the bytes they lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from: usize,
    to: usize,
    place: Place,
    end: u64,
}

/// Translates an error of the log.
pub(crate) fn read_error(error: annals_log::ReadError) -> ReadError {
    match error {
        annals_log::ReadError::Damaged(damage) => ReadError::Corrupt(damage.to_string()),
        other => ReadError::Unavailable(other.to_string()),
    }
}

/// What the last fetch was like, to guess what the next one will be like.
#[derive(Debug, Default)]
pub(crate) struct Weather(AtomicBool);

/// Events in the order wanted, until they hold `bytes` of content; then the rest is left out.
pub(crate) fn events(
    reader: &Reader,
    weather: &Weather,
    wanted: &[Wanted],
    bytes: usize,
) -> Result<Vec<RecordedEvent>, ReadError> {
    let pieces = pieces(wanted);
    let hint = |places: Range<usize>| {
        let ahead = pieces.iter().take(places.end).skip(places.start);
        ahead.for_each(|piece| reader.hint(piece.place, piece.end - piece.place.at));
    };
    let was_cold = pieces.len() > 1 && weather.0.load(Ordering::Relaxed);
    let mut is_cold = was_cold;
    if was_cold {
        hint(0..HINTS);
    }
    let (mut events, mut content) = (Vec::with_capacity(wanted.len()), 0);
    for (number, piece) in pieces.iter().enumerate() {
        let began = Instant::now();
        let buffer = reader
            .bytes(piece.place, piece.end - piece.place.at)
            .map_err(read_error)?;
        if number == 0 && pieces.len() > 1 {
            is_cold = began.elapsed() > COLD;
            if is_cold && !was_cold {
                hint(1..HINTS);
            }
            if is_cold != was_cold {
                weather.0.store(is_cold, Ordering::Relaxed);
            }
        }
        if is_cold {
            hint(number + HINTS..number + HINTS + 1);
        }
        for one in &wanted[piece.from..piece.to] {
            let event = decode(reader, one, &buffer, piece.place)?;
            content += event.event.data.len();
            events.push(event);
            if content >= bytes {
                return Ok(events);
            }
        }
    }
    Ok(events)
}

/// The encoded body of one event, checked.
pub(crate) fn body(reader: &Reader, wanted: &Wanted) -> Result<Bytes, ReadError> {
    let buffer = reader
        .bytes(wanted.span.place, u64::from(wanted.span.bytes))
        .map_err(read_error)?;
    checked_body(reader, wanted, &buffer, wanted.span.place)
}

fn pieces(wanted: &[Wanted]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (number, one) in wanted.iter().enumerate() {
        if let Some(piece) = pieces.last_mut().and_then(|last| joined(last, &one.span)) {
            if let Some(last) = pieces.last_mut() {
                *last = Piece {
                    to: number + 1,
                    ..piece
                };
            }
        } else {
            pieces.push(Piece {
                from: number,
                to: number + 1,
                place: one.span.place,
                end: one.span.end(),
            });
        }
    }
    pieces
}

/// The piece with one more span, if that is near enough; spans come ascending or descending.
fn joined(piece: &Piece, span: &Span) -> Option<Piece> {
    if piece.place.segment != span.place.segment {
        return None;
    }
    let (at, end) = (piece.place.at.min(span.place.at), piece.end.max(span.end()));
    let gap = span
        .place
        .at
        .saturating_sub(piece.end)
        .max(piece.place.at.saturating_sub(span.end()));
    let place = Place {
        segment: piece.place.segment,
        at,
    };
    (gap <= GAP_BYTES && end - at <= PIECE_BYTES).then_some(Piece { place, end, ..*piece })
}

fn checked_body(reader: &Reader, wanted: &Wanted, buffer: &Bytes, from: Place) -> Result<Bytes, ReadError> {
    let place = wanted.span.place;
    let damaged = |expected: String, found: String| read_error(reader.damaged(place, expected, found));
    let at = (place.at - from.at) as usize;
    let found = annals_log::record(buffer, at).map_err(|(expected, found)| damaged(expected, found))?;
    let checksum = buffer[at + 4..at + RECORD_HEADER_BYTES].try_into();
    let checksum = u32::from_le_bytes(checksum.expect("a record header ends in four bytes of checksum"));
    if checksum != wanted.span.checksum {
        let expected = format!(
            "the record at position {} with checksum {:08x}",
            wanted.position, wanted.span.checksum
        );
        return Err(damaged(
            expected,
            format!("another one with checksum {checksum:08x}"),
        ));
    }
    if !found.is_numbered {
        return Err(damaged(
            format!("the event at position {}", wanted.position),
            "a mark".into(),
        ));
    }
    Ok(buffer.slice(found.body..found.end))
}

fn decode(reader: &Reader, wanted: &Wanted, buffer: &Bytes, from: Place) -> Result<RecordedEvent, ReadError> {
    let body = checked_body(reader, wanted, buffer, from)?;
    let expected = || format!("the event at position {}", wanted.position);
    let damaged = |found: String| read_error(reader.damaged(wanted.span.place, expected(), found));
    Ok(RecordedEvent {
        position: Position::new(wanted.position),
        recorded: wanted.span.recorded,
        event: record::read_event(&body).map_err(damaged)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(segment: u32, at: u64, bytes: u32) -> Wanted {
        let span = Span {
            place: Place { segment, at },
            bytes,
            checksum: 0,
            recorded: annals_core::time::Timestamp::EPOCH,
        };
        Wanted { position: 0, span }
    }

    fn ranges(wanted: &[Wanted]) -> Vec<(u64, u64)> {
        pieces(wanted)
            .iter()
            .map(|piece| (piece.place.at, piece.end))
            .collect()
    }

    #[test]
    fn neighbours_are_read_together_in_either_direction() {
        let near = [wanted(0, 600, 100), wanted(0, 700, 50), wanted(0, 4_000, 100)];
        assert_eq!(ranges(&near), [(600, 4_100)]);
        let backward: Vec<_> = near.iter().rev().copied().collect();
        assert_eq!(ranges(&backward), [(600, 4_100)]);
    }

    #[test]
    fn far_ones_other_segments_and_long_ones_are_apart() {
        assert_eq!(
            ranges(&[wanted(0, 600, 100), wanted(0, 9_000, 50)]),
            [(600, 700), (9_000, 9_050)]
        );
        assert_eq!(
            ranges(&[wanted(0, 600, 100), wanted(1, 700, 50)]),
            [(600, 700), (700, 750)]
        );
        let long = 200 << 10;
        assert_eq!(
            ranges(&[wanted(0, 600, long), wanted(0, 600 + u64::from(long), long)]).len(),
            2
        );
        assert_eq!(pieces(&[]), []);
    }
}
