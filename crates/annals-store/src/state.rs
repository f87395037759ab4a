//! What all handles of one store share, and every question that needs only this.
//!
//! In: frames, at opening and after each commit. Out: answers bounded by the durable end. Index, marks and end move
//! together under one lock, so no reader sees an event without the mark of its commit, or a mark without the event.
//!
//! Invariant: the end moves after the flush and never back.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use annals_core::mark::{Mark, MarkKey};
use annals_core::position::Position;
use annals_core::time::Timestamp;
use annals_log::{Batch, Frame, FrameKind};
use bytes::Bytes;

use crate::index::{EVENTS_MAX, Index};
use crate::record;

/// Index, marks and end.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) index: Index,
    pub(crate) marks: BTreeMap<MarkKey, Bytes>,
    /// Events before this position are durable.
    pub(crate) end: u32,
    /// When the newest commit was made, also one of marks alone.
    pub(crate) newest: Timestamp,
}

/// A position as the index counts.
pub(crate) fn narrow(position: Position) -> u32 {
    u32::try_from(position.get()).unwrap_or(u32::MAX)
}

/// A position as everybody else counts.
pub(crate) fn widen(position: u32) -> Position {
    Position::new(u64::from(position))
}

impl State {
    /// Takes in one frame that was read from the log. An `Err` says what was found instead of sensible records.
    pub(crate) fn replay(&mut self, frame: &Frame) -> Result<(), String> {
        let header = &frame.header;
        if header.kind == FrameKind::Seal {
            return Ok(());
        }
        if header.end() > EVENTS_MAX {
            return Err(format!(
                "{} events; this build holds at most {EVENTS_MAX}",
                header.end()
            ));
        }
        let recorded = Timestamp::from_micros(header.time);
        if recorded < self.newest {
            return Err(format!(
                "a frame recorded at {recorded}, before the one in front of it at {}",
                self.newest
            ));
        }
        let mut starts = Vec::with_capacity(header.numbered as usize);
        let payload_at = header.place as u32 + annals_log::FRAME_HEADER_BYTES as u32;
        for found in Batch::records(&frame.payload) {
            let body = frame.payload.slice(found.body..found.end);
            if found.is_numbered {
                let event = record::read_event(&body)?;
                if let Some(position) = self.index.position_of(event.id) {
                    return Err(format!(
                        "event {} a second time, first at position {position}",
                        event.id
                    ));
                }
                self.index.insert(&event);
                starts.push(payload_at + (found.body - annals_log::RECORD_HEADER_BYTES) as u32);
            } else {
                self.set(record::read_mark(&body)?);
            }
        }
        let end = header.place + header.frame_bytes();
        self.settle(header.segment, starts.into_iter(), end as u32, recorded);
        Ok(())
    }

    /// The pending events are durable, and so is everything that was set with them.
    pub(crate) fn settle(
        &mut self,
        segment: u32,
        starts: impl Iterator<Item = u32>,
        end: u32,
        recorded: Timestamp,
    ) {
        self.index.settle(segment, starts, end, recorded);
        self.end = self.index.next();
        self.newest = recorded;
    }

    /// Sets or removes one durable mark. The value is copied, so that it does not keep a larger buffer alive.
    pub(crate) fn set(&mut self, mark: Mark) {
        match mark.value {
            Some(value) => self.marks.insert(mark.key, Bytes::copy_from_slice(&value)),
            None => self.marks.remove(&mark.key),
        };
    }
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
