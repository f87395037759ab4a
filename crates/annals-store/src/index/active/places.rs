//! Positions to places in the log, and to times.
//!
//! In: committed frames. Out: where the record of a position lies; when it was recorded; how many events a moment had
//! seen. Twelve bytes for each event, twelve for each commit group.

use annals_core::time::Timestamp;
use annals_log::Place;

use super::super::span::Span;
use super::chunked::Chunked;

/// One record of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Where it begins in its segment, in bytes.
    pub(crate) at: u32,
    /// Its bytes, header included.
    pub(crate) bytes: u32,
    pub(crate) checksum: u32,
}

#[derive(Debug, Default)]
pub(super) struct Places {
    /// By position.
    spots: Chunked<Spot>,
    /// The first position of each segment.
    segments: Vec<(u32, u32)>,
    /// By commit group with events: its first position, and its time.
    group_first: Chunked<u32>,
    group_time: Chunked<i64>,
}

impl Places {
    pub(super) fn len(&self) -> u32 {
        self.spots.len() as u32
    }

    /// Adds the events of one frame.
    pub(super) fn push(&mut self, segment: u32, spots: impl Iterator<Item = Spot>, recorded: Timestamp) {
        let first = self.len();
        spots.for_each(|spot| self.spots.push(spot));
        if self.len() == first {
            return;
        }
        self.group_first.push(first);
        self.group_time.push(recorded.as_micros());
        if self.segments.last().is_none_or(|(_, last)| *last != segment) {
            self.segments.push((first, segment));
        }
    }

    pub(super) fn span(&self, position: u32) -> Option<Span> {
        let spot = self.spots.get(position as usize)?;
        let after = self.segments.partition_point(|(first, _)| *first <= position);
        let place = Place {
            segment: self.segments.get(after.checked_sub(1)?)?.1,
            at: u64::from(spot.at),
        };
        Some(Span {
            place,
            bytes: spot.bytes,
            checksum: spot.checksum,
            recorded: self.recorded(position)?,
        })
    }

    fn recorded(&self, position: u32) -> Option<Timestamp> {
        let after = self.group_first.partition_point(|first| *first <= position);
        self.group_time
            .get(after.checked_sub(1)?)
            .copied()
            .map(Timestamp::from_micros)
    }

    /// How many events were recorded at or before a moment.
    pub(super) fn count_at(&self, moment: Timestamp) -> u32 {
        let groups = self
            .group_time
            .partition_point(|time| *time <= moment.as_micros());
        self.group_first.get(groups).copied().unwrap_or(self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn spots<const N: usize>(at: [u32; N]) -> impl Iterator<Item = Spot> {
        at.into_iter().map(|at| Spot {
            at,
            bytes: 40,
            checksum: at + 1,
        })
    }

    #[test]
    fn places_and_times_are_found_over_segments() {
        let mut places = Places::default();
        assert_eq!((places.span(0), places.count_at(moment(5))), (None, 0));
        places.push(0, spots([600, 650]), moment(10));
        places.push(0, spots([]), moment(11));
        places.push(0, spots([900]), moment(20));
        places.push(2, spots([600]), moment(20));
        let span = |segment, at: u32, micros| {
            Some(Span {
                place: Place {
                    segment,
                    at: u64::from(at),
                },
                bytes: 40,
                checksum: at + 1,
                recorded: moment(micros),
            })
        };
        assert_eq!(
            [0, 1, 2, 3, 4].map(|position| places.span(position)),
            [
                span(0, 600, 10),
                span(0, 650, 10),
                span(0, 900, 20),
                span(2, 600, 20),
                None
            ]
        );
        assert_eq!(
            [9, 10, 19, 20, 99].map(|micros| places.count_at(moment(micros))),
            [0, 2, 2, 4, 4]
        );
    }
}
