//! What the handles of a store and its writer share, and the reads that need both index and log.
//!
//! In: questions. Out: pages and answers, on the caller's thread, as of the durable end when the question began. The
//! lock is held while positions are looked up, never while bytes are read.

use std::sync::atomic::{AtomicBool, Ordering};

use annals_core::port::store::{Direction, Page, Read, ReadError};
use annals_core::position::{Position, Revision};
use annals_core::tag::Tag;
use annals_log::Reader;
use tokio::sync::watch;

use crate::fetch::{self, Wanted};
use crate::index::{Range, Selection};
use crate::queue::Queue;
use crate::state::{SharedState, State, narrow, widen};

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) state: SharedState,
    pub(crate) reader: Reader,
    pub(crate) queue: Queue,
    pub(crate) end: watch::Receiver<Position>,
    /// Set once reads are refused.
    pub(crate) closed: AtomicBool,
    /// Set once the writer has stopped after a failure.
    pub(crate) failed: AtomicBool,
}

impl Core {
    pub(crate) fn check_open(&self) -> Result<(), ReadError> {
        if self.closed.load(Ordering::Acquire) {
            Err(ReadError::Closed)
        } else {
            Ok(())
        }
    }

    /// Everything needed to fetch the event at a durable position.
    pub(crate) fn wanted(&self, state: &State, position: u32) -> Result<Wanted, ReadError> {
        let index = &state.index;
        match (
            index.id_at(position),
            index.span(position),
            index.recorded(position),
        ) {
            (Some(id), Some(span), Some(recorded)) => Ok(Wanted {
                position,
                id,
                span,
                recorded,
            }),
            _ => Err(ReadError::Unavailable(format!(
                "position {position} is not durable"
            ))),
        }
    }

    pub(crate) fn page(&self, read: &Read) -> Result<Page, ReadError> {
        self.check_open()?;
        let state = self.state.read();
        let to = narrow(read.to).min(state.end);
        let range = Range {
            from: narrow(read.from),
            to,
            direction: read.direction,
        };
        let Selection { positions, finished } = state.index.select(&read.query, range, read.limit.max(1));
        let wanted: Result<Vec<_>, _> = positions
            .iter()
            .map(|position| self.wanted(&state, *position))
            .collect();
        drop(state);
        let wanted = wanted?;
        let events = fetch::events(&self.reader, &wanted, read.bytes)?;
        let finished = finished && events.len() == wanted.len();
        let last = events.last().map(|event| event.position);
        let next = match read.direction {
            Direction::Forward if finished => read.from.max(widen(to)),
            Direction::Forward => last.map_or(read.from, Position::next),
            Direction::Backward if finished => read.from,
            Direction::Backward => last.unwrap_or(read.to),
        };
        Ok(Page {
            events,
            next,
            finished,
        })
    }

    pub(crate) fn revision(&self, tag: &Tag, before: Position) -> Result<Option<Revision>, ReadError> {
        self.check_open()?;
        let state = self.state.read();
        let count = state.index.tagged(tag, narrow(before).min(state.end)) as u64;
        Ok(count.checked_sub(1).map(Revision::new))
    }
}
