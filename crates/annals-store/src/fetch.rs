//! From positions to events.
//!
//! In: where records lie. Out: events, lent or given, each checked: its checksum, that it is the one that was written
//! there, its form. Neighbours are read together; when the first of several pieces came from the medium, the kernel is told
//! of the others before they are read.
//!
//! Lent events lie in one buffer that is used for all pieces. The content of given ones shares the piece it was read in
//! where most of that piece is content that was asked for, and is copied otherwise: a page of events takes at most about
//! twice the memory of its events, and one that is kept alone keeps at most 64 KiB, or itself if it is longer.
//!
//! Invariant: damaged bytes are never returned as an event.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals_core::event::RecordedEvent;
use annals_core::port::store::ReadError;
use annals_core::position::Position;
use annals_log::{Pieces, Place, RECORD_HEADER_BYTES, Reader};
use bytes::Bytes;

use crate::index::Span;
use crate::record::EventView;

/// Bytes of lent events that are read in one piece at most, unless one record is longer.
const LENT_BYTES: u64 = 256 << 10;
/// Bytes of given events that are read in one piece at most, unless one record is longer. A kept event may keep its
/// piece in memory.
const GIVEN_BYTES: u64 = 64 << 10;
/// Unwanted bytes that are read along to save a second read.
const GAP_BYTES: u64 = 4 << 10;
/// Pieces the kernel is told of ahead.
const HINTS: usize = 256;
/// A first piece that took longer came from the medium, and so will the others: only then are hints worth their calls.
/// Nothing but speed depends on this.
const COLD: Duration = Duration::from_micros(25);
/// Bytes that come from memory in a microsecond at least.
const WARM_BYTES: u64 = 4_096;

/// One event to fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) position: u64,
    pub(crate) span: Span,
}

/// Wanted events that are read together: up to `to` of the list, and the bytes they lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    to: usize,
    place: Place,
    end: u64,
    /// Bytes of it that are wanted.
    wanted: u64,
}

impl Piece {
    fn bytes(&self) -> u64 {
        self.end - self.place.at
    }
}

/// Translates an error of the log.
pub(crate) fn read_error(error: annals_log::ReadError) -> ReadError {
    match error {
        annals_log::ReadError::Damaged(damage) => ReadError::Corrupt(damage.to_string()),
        other => ReadError::Unavailable(other.to_string()),
    }
}

/// What the last fetch was like, to guess what the next one will be like.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather(Arc<AtomicBool>);

/// Fetches one event after the other.
#[derive(Debug)]
pub(crate) struct Fetch {
    source: Pieces,
    weather: Weather,
    wanted: Vec<Wanted>,
    /// Which of them is next.
    next: usize,
    pieces: Vec<Piece>,
    /// How many of them were read.
    read: usize,
    /// The one that was read last, if its memory is given away.
    given: Option<Bytes>,
    is_cold: bool,
}

impl Fetch {
    pub(crate) fn new(reader: &Reader, weather: &Weather) -> Self {
        Self {
            source: reader.pieces(),
            weather: weather.clone(),
            wanted: Vec::new(),
            next: 0,
            pieces: Vec::new(),
            read: 0,
            given: None,
            is_cold: false,
        }
    }

    /// Begins with these events, to be lent.
    pub(crate) fn lend(&mut self, wanted: Vec<Wanted>) {
        self.begin(wanted, LENT_BYTES);
    }

    /// Begins with these events, to be given.
    pub(crate) fn give(&mut self, wanted: Vec<Wanted>) {
        self.begin(wanted, GIVEN_BYTES);
    }

    fn begin(&mut self, wanted: Vec<Wanted>, piece_bytes: u64) {
        self.pieces = pieces(&wanted, piece_bytes);
        (self.wanted, self.next, self.read) = (wanted, 0, 0);
        self.is_cold = self.pieces.len() > 1 && self.weather.0.load(Ordering::Relaxed);
        if self.is_cold {
            self.hint(0..HINTS);
        }
    }

    /// How many are left.
    pub(crate) fn left(&self) -> usize {
        self.wanted.len() - self.next
    }

    fn hint(&self, places: Range<usize>) {
        let ahead = self.pieces.iter().take(places.end).skip(places.start);
        let reader = self.source.reader();
        ahead.for_each(|piece| reader.hint(piece.place, piece.bytes()));
    }

    /// The next event, lent until the one after it.
    pub(crate) fn next_lent(&mut self) -> Result<Option<EventView<'_>>, ReadError> {
        let Some(one) = self.advance(false)? else {
            return Ok(None);
        };
        self.view(&one).map(Some)
    }

    /// The next event, given away.
    pub(crate) fn next_given(&mut self) -> Result<Option<RecordedEvent>, ReadError> {
        let Some(one) = self.advance(true)? else {
            return Ok(None);
        };
        let view = self.view(&one)?;
        let data = match &self.given {
            Some(piece) => piece.slice_ref(view.data()),
            None => Bytes::copy_from_slice(view.data()),
        };
        let event = view.to_new(data);
        Ok(Some(RecordedEvent {
            position: Position::new(one.position),
            recorded: one.span.recorded,
            event: event.map_err(|found| self.damaged(&one, found))?,
        }))
    }

    /// Reads up to the next event.
    fn advance(&mut self, gives: bool) -> Result<Option<Wanted>, ReadError> {
        let Some(one) = self.wanted.get(self.next).copied() else {
            return Ok(None);
        };
        let known = self.read.checked_sub(1).and_then(|last| self.pieces.get(last));
        if known.is_none_or(|piece| piece.to <= self.next) {
            self.read_piece(gives)?;
        }
        self.next += 1;
        Ok(Some(one))
    }

    fn read_piece(&mut self, gives: bool) -> Result<(), ReadError> {
        let (number, piece) = (self.read, self.pieces[self.read]);
        let times = number == 0 && self.pieces.len() > 1;
        let began = times.then(Instant::now);
        self.given = None;
        if gives && piece.wanted * 2 >= piece.bytes() {
            let given = self.source.give(piece.place, piece.bytes());
            self.given = Some(given.map_err(read_error)?);
        } else {
            self.source.read(piece.place, piece.bytes()).map_err(read_error)?;
        }
        self.read += 1;
        if let Some(began) = began {
            let is_cold = began.elapsed() > COLD + Duration::from_micros(piece.bytes() / WARM_BYTES);
            if is_cold && !self.is_cold {
                self.hint(1..HINTS);
            }
            if is_cold != self.is_cold {
                self.weather.0.store(is_cold, Ordering::Relaxed);
            }
            self.is_cold = is_cold;
        }
        if self.is_cold {
            self.hint(number + HINTS..number + HINTS + 1);
        }
        Ok(())
    }

    /// One of the events of the piece that was read last, checked.
    fn view(&self, one: &Wanted) -> Result<EventView<'_>, ReadError> {
        let piece = &self.pieces[self.read - 1];
        let buffer = self.given.as_deref().unwrap_or_else(|| self.source.lent());
        let body = checked_body(self.source.reader(), one, buffer, piece.place)?;
        let view = EventView::new(body, Position::new(one.position), one.span.recorded);
        view.map_err(|found| self.damaged(one, found))
    }

    fn damaged(&self, one: &Wanted, found: String) -> ReadError {
        let expected = format!("the event at position {}", one.position);
        let reader = self.source.reader();
        read_error(reader.damaged(one.span.place, expected, found))
    }
}

/// The encoded body of one event, checked.
pub(crate) fn body(reader: &Reader, wanted: &Wanted) -> Result<Bytes, ReadError> {
    let buffer = reader
        .bytes(wanted.span.place, u64::from(wanted.span.bytes))
        .map_err(read_error)?;
    let body = checked_body(reader, wanted, &buffer, wanted.span.place)?;
    Ok(buffer.slice_ref(body))
}

fn pieces(wanted: &[Wanted], bytes_max: u64) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (number, one) in wanted.iter().enumerate() {
        if let Some(last) = pieces.last_mut()
            && let Some(piece) = joined(last, &one.span, bytes_max)
        {
            *last = Piece {
                to: number + 1,
                ..piece
            };
        } else {
            pieces.push(Piece {
                to: number + 1,
                place: one.span.place,
                end: one.span.end(),
                wanted: u64::from(one.span.bytes),
            });
        }
    }
    pieces
}

/// The piece with one more span, if that is near enough; spans come ascending or descending.
fn joined(piece: &Piece, span: &Span, bytes_max: u64) -> Option<Piece> {
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
    let wanted = piece.wanted + u64::from(span.bytes);
    (gap <= GAP_BYTES && end - at <= bytes_max).then_some(Piece {
        place,
        end,
        wanted,
        ..*piece
    })
}

fn checked_body<'a>(
    reader: &Reader,
    wanted: &Wanted,
    buffer: &'a [u8],
    from: Place,
) -> Result<&'a [u8], ReadError> {
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
    Ok(&buffer[found.body..found.end])
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
        pieces(wanted, LENT_BYTES)
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
        assert_eq!(pieces(&[], LENT_BYTES), []);
    }
}
