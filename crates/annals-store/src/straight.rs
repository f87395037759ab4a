//! All events of a stretch, straight from the log.
//!
//! In: where to begin and to end. Out: one event after the other, lent. Commit groups are read one by one and each is checked
//! as a whole; the index is asked only where to begin. Memory: one piece of the log, 256 KiB or the longest commit group.

use annals_core::event::RecordedEvent;
use annals_core::port::store::ReadError;
use annals_core::position::Position;
use annals_core::time::Timestamp;
use annals_log::{Frame, Frames, Reader};

use crate::core::Core;
use crate::fetch::read_error;
use crate::kept::Kept;
use crate::record::EventView;

/// A walk over all events from a position on.
#[derive(Debug)]
pub(crate) struct Straight {
    frames: Frames,
    frame: Option<Frame>,
    recorded: Timestamp,
    /// Where the next record of the frame begins.
    at: usize,
    /// The body of the event that was stepped to.
    body: (usize, usize),
    /// The position of the next event.
    next: u64,
    /// The first position that is wanted, and the first that is not.
    from: u64,
    to: u64,
}

impl Straight {
    /// A walk over the events from one durable position to before another.
    pub(crate) fn begin(core: &Core, from: u64, to: u64) -> Result<Self, ReadError> {
        let first = core.ask(|core| core.wanted(&[from]))?;
        let frames = match first.first() {
            Some(first) => core.reader.frames_from(first.span.place).map_err(read_error)?,
            None => core.reader.frames(),
        };
        Ok(Self {
            frames,
            frame: None,
            recorded: Timestamp::EPOCH,
            at: 0,
            body: (0, 0),
            next: from,
            from,
            to,
        })
    }

    /// Whether every event was stepped to.
    pub(crate) fn is_over(&self) -> bool {
        self.next >= self.to
    }

    /// Goes to the next event of the frame, if it has one that is wanted.
    #[inline]
    pub(crate) fn step(&mut self) -> bool {
        let Some(frame) = &self.frame else {
            return false;
        };
        while self.next < self.to
            && let Some(found) = annals_log::bounds(&frame.payload, self.at)
        {
            self.at = found.end;
            if found.is_numbered {
                self.next += 1;
                if self.next > self.from {
                    self.body = (found.body, found.end);
                    return true;
                }
            }
        }
        false
    }

    /// Goes to the next frame; its events are stepped to next.
    pub(crate) fn next_frame(&mut self, reader: &Reader) -> Result<(), ReadError> {
        // Let go first, so that its memory is there for the next one.
        let is_first = self.frame.take().is_none();
        let Some(frame) = self.frames.next() else {
            let expected = format!("events up to position {}", self.to);
            let found = format!("the end of the log behind {}", self.next);
            return Err(read_error(reader.damaged(reader.end(), expected, found)));
        };
        let frame = frame.map_err(read_error)?;
        let header = &frame.header;
        let follows = match is_first {
            true => (header.first..=header.end()).contains(&self.from),
            false => header.first == self.next,
        };
        if !follows {
            let expected = format!("a frame of events from {} on", self.next);
            let found = format!("events from {} on", header.first);
            return Err(read_error(reader.damaged(
                frame.milestone().frame,
                expected,
                found,
            )));
        }
        self.recorded = Timestamp::from_micros(header.time);
        (self.at, self.next) = (0, header.first);
        self.frame = Some(frame);
        Ok(())
    }

    /// The event that was stepped to.
    #[inline]
    pub(crate) fn view(&self, reader: &Reader) -> Result<EventView<'_>, ReadError> {
        let payload = self.frame.as_ref().map_or(&[][..], |frame| &frame.payload);
        let position = Position::new(self.next - 1);
        let body = &payload[self.body.0..self.body.1];
        EventView::new(body, position, self.recorded).map_err(|found| self.damaged(reader, found))
    }

    /// The event that was stepped to, given away.
    pub(crate) fn give(&self, reader: &Reader, kept: &mut Kept) -> Result<RecordedEvent, ReadError> {
        let view = self.view(reader)?;
        let event = view.to_new(kept.keep(view.data()));
        Ok(RecordedEvent {
            position: view.position(),
            recorded: view.recorded(),
            event: event.map_err(|found| self.damaged(reader, found))?,
        })
    }

    #[cold]
    fn damaged(&self, reader: &Reader, found: String) -> ReadError {
        let place = self.frame.as_ref().map_or(reader.end(), |frame| {
            let mut place = frame.milestone().frame;
            place.at += (annals_log::FRAME_HEADER_BYTES + self.body.0) as u64;
            place
        });
        let expected = format!("the event at position {}", self.next - 1);
        read_error(reader.damaged(place, expected, found))
    }
}
