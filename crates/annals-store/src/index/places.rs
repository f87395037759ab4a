//! Positions to places in the log, and to times.
//!
//! In: committed frames. Out: where the record of a position lies and up to where reading reaches it; when it was
//! recorded; how many events a moment had seen. Four bytes for each event, twelve for each commit group.

use annals_core::time::Timestamp;
use annals_log::Place;

use super::chunked::Chunked;

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) place: Place,
    /// Bytes that hold the whole record and possibly something behind it.
    pub(crate) bytes: u64,
}

impl Span {
    pub(crate) fn end(&self) -> u64 {
        self.place.at + self.bytes
    }
}

/// The events of one segment.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u32,
    segment: u32,
    /// The end of its last frame.
    end: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Places {
    /// By position: the byte of its segment's file where the record begins.
    at: Chunked<u32>,
    stretches: Vec<Stretch>,
    /// By commit group with events: its first position, and its time.
    group_first: Chunked<u32>,
    group_time: Chunked<i64>,
}

impl Places {
    pub(crate) fn len(&self) -> u32 {
        self.at.len() as u32
    }

    /// Adds the events of one frame: where each record begins.
    pub(crate) fn push(
        &mut self,
        segment: u32,
        records: impl Iterator<Item = u32>,
        end: u32,
        recorded: Timestamp,
    ) {
        let first = self.len();
        records.for_each(|at| self.at.push(at));
        if self.len() == first {
            return;
        }
        self.group_first.push(first);
        self.group_time.push(recorded.as_micros());
        match self.stretches.last_mut().filter(|last| last.segment == segment) {
            Some(last) => last.end = end,
            None => self.stretches.push(Stretch { first, segment, end }),
        }
    }

    pub(crate) fn span(&self, position: u32) -> Option<Span> {
        let at = *self.at.get(position as usize)?;
        let number = self
            .stretches
            .partition_point(|stretch| stretch.first <= position)
            .checked_sub(1)?;
        let (stretch, next) = (self.stretches[number], position + 1);
        let is_last = self
            .stretches
            .get(number + 1)
            .map_or(self.len(), |following| following.first)
            == next;
        let end = if is_last {
            stretch.end
        } else {
            *self.at.get(next as usize)?
        };
        let place = Place {
            segment: stretch.segment,
            at: u64::from(at),
        };
        Some(Span {
            place,
            bytes: u64::from(end.saturating_sub(at)),
        })
    }

    /// When the event was recorded.
    pub(crate) fn recorded(&self, position: u32) -> Option<Timestamp> {
        let after = self.group_first.partition_point(|first| *first <= position);
        self.group_time
            .get(after.checked_sub(1)?)
            .copied()
            .map(Timestamp::from_micros)
    }

    /// How many events were recorded at or before a moment.
    pub(crate) fn count_at(&self, moment: Timestamp) -> u32 {
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

    #[test]
    fn places_and_times_are_found_over_segments() {
        let mut places = Places::default();
        assert_eq!(
            (places.span(0), places.recorded(0), places.count_at(moment(5))),
            (None, None, 0)
        );
        places.push(0, [600, 650].into_iter(), 700, moment(10));
        places.push(0, [].into_iter(), 800, moment(11));
        places.push(0, [900].into_iter(), 950, moment(20));
        places.push(2, [600].into_iter(), 640, moment(20));
        let span = |segment, at, bytes| {
            Some(Span {
                place: Place { segment, at },
                bytes,
            })
        };
        assert_eq!(
            [0, 1, 2, 3, 4].map(|position| places.span(position)),
            [
                span(0, 600, 50),
                span(0, 650, 250),
                span(0, 900, 50),
                span(2, 600, 40),
                None
            ]
        );
        assert_eq!(
            [0, 1, 2, 3].map(|position| places.recorded(position).unwrap().as_micros()),
            [10, 10, 20, 20]
        );
        assert_eq!(
            [9, 10, 19, 20, 99].map(|micros| places.count_at(moment(micros))),
            [0, 2, 2, 4, 4]
        );
    }
}
