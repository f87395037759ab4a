//! What all handles of one store share, and what changes with every commit.
//!
//! In: frames, at opening and after each commit. Out: the parts of the index, up to the durable end. Index, marks and end
//! move together under one lock, so no reader sees an event without the mark of its commit, or a mark without the event.
//!
//! Invariant: the end moves after the flush and never back.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use annals_core::id::EventId;
use annals_core::time::Timestamp;
use annals_log::{Batch, Frame, FrameKind, RECORD_HEADER_BYTES, Record};

use crate::index::{Active, Part, Parts, Settled, Spot};
use crate::record;

/// The index, whose end is the durable end.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// What changes no more.
    pub(crate) parts: Parts,
    /// What is behind it, up to the end, with what is pending.
    pub(crate) current: Active,
}

/// Where a record lies; `at` is where its body begins in its segment.
pub(crate) fn spot(bytes: &[u8], found: &Record, at: u32) -> Spot {
    let head = found.body - RECORD_HEADER_BYTES;
    let checksum = bytes[head + 4..head + 8].try_into();
    Spot {
        at: at - RECORD_HEADER_BYTES as u32,
        bytes: (found.end - head) as u32,
        checksum: u32::from_le_bytes(checksum.expect("four bytes were sliced")),
    }
}

impl State {
    /// Goes on behind these parts.
    pub(crate) fn behind(parts: Parts, current: Active) -> Self {
        Self { parts, current }
    }

    /// Events before this position are durable.
    pub(crate) fn end(&self) -> u64 {
        self.current.end()
    }

    /// When the newest commit was made, also one of marks alone.
    pub(crate) fn newest(&self) -> Timestamp {
        self.current.newest()
    }

    /// Takes in one frame that was read from the log. An `Err` says what was found instead of sensible records.
    pub(crate) fn replay(&mut self, frame: &Frame) -> Result<(), String> {
        let header = &frame.header;
        if header.kind == FrameKind::Seal {
            return Ok(());
        }
        let recorded = check_time(frame, self.newest())?;
        if header.first != self.end() {
            let end = self.end();
            return Err(format!(
                "a frame of events from {} on, behind {end} of them",
                header.first
            ));
        }
        let mut spots = Vec::with_capacity(header.numbered as usize);
        let payload_at = header.place as u32 + annals_log::FRAME_HEADER_BYTES as u32;
        for found in Batch::records(&frame.payload) {
            if found.is_numbered {
                let event = record::read_named(&frame.payload[found.body..found.end])?;
                if let Some(position) = self.known(event.id()) {
                    return Err(format!(
                        "event {} a second time, first at position {position}",
                        event.id()
                    ));
                }
                self.current.insert(&event);
                spots.push(spot(&frame.payload, &found, payload_at + found.body as u32));
            } else {
                let body = frame.payload.slice(found.body..found.end);
                self.current.set(record::read_mark(&body)?);
            }
        }
        let settled = Settled {
            frame: frame.milestone(),
            bytes: header.frame_bytes(),
            recorded,
        };
        self.current.settle(settled, spots.into_iter());
        Ok(())
    }

    /// Where an id is, as far as the index can be read.
    fn known(&self, id: EventId) -> Option<u64> {
        let found = self.current.position_of(id);
        found.or_else(|| self.parts.position_of(id).ok().flatten())
    }

    /// Lets the newest part grow no more, and begins another one behind it. Only where nothing is pending.
    pub(crate) fn close_part(&mut self) {
        let following = self.current.following();
        let closed = std::mem::replace(&mut self.current, following);
        self.parts.push(Part::Active(Arc::new(closed)));
    }
}

/// Looks at every record of a frame. An `Err` says what was found instead of sensible records.
pub(crate) fn decode(frame: &Frame) -> Result<(), String> {
    for found in Batch::records(&frame.payload) {
        let body = frame.payload.slice(found.body..found.end);
        match found.is_numbered {
            true => record::read_event(&body).map(drop)?,
            false => record::read_mark(&body).map(drop)?,
        }
    }
    Ok(())
}

/// The time of a frame, which must not be before that of the one in front of it.
pub(crate) fn check_time(frame: &Frame, newest: Timestamp) -> Result<Timestamp, String> {
    let recorded = Timestamp::from_micros(frame.header.time);
    if recorded < newest {
        return Err(format!(
            "a frame recorded at {recorded}, before the one in front of it at {newest}"
        ));
    }
    Ok(recorded)
}

/// The state behind its lock. A panic while it is held stops the writer, not the readers.
#[derive(Debug, Default)]
pub(crate) struct SharedState(RwLock<State>);

impl SharedState {
    pub(crate) fn new(state: State) -> Self {
        Self(RwLock::new(state))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
