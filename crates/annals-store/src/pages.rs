//! The reads of a store, as of the durable end when they began.
//!
//! In: questions in the words of the port. Out: pages and answers, on the caller's thread.

use std::sync::Arc;

use annals_core::event::RecordedEvent;
use annals_core::mark::MarkKey;
use annals_core::port::store::{Direction, Page, Read, ReadError, TypeCount};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;

use crate::carried::Carried;
use crate::core::Core;
use crate::fetch::Fetch;
use crate::index::{MarksWanted, Range, Selection};
use crate::kept::Kept;
use crate::straight::Straight;

/// So many events of everything are worth reading the whole commit group in which they begin.
const STRAIGHT_EVENTS_MIN: u64 = 128;
/// Room that is made for the events of a page before they are there.
const EVENTS_AT_ONCE: u64 = 8_192;

impl Core {
    fn durable_end(&self) -> u64 {
        self.state.read().end()
    }

    /// Where the log begins.
    pub(crate) fn boundary(&self) -> Position {
        Position::new(self.state.read().parts.first())
    }

    /// Whether an answer about everything from a position on may need an archived event.
    pub(crate) fn may_need_archived(&self, from: u64, query: &Query) -> Result<bool, ReadError> {
        let Some(carried) = self.carried().filter(|carried| from < carried.first()) else {
            return Ok(false);
        };
        self.ask(|_| Ok(carried.may_match(query)?))
    }

    pub(crate) fn carried(&self) -> Option<Arc<Carried>> {
        self.state.read().parts.carried().cloned()
    }

    /// That an answer needs archived events.
    pub(crate) fn gone(&self) -> ReadError {
        let archive = self.carried().map(|carried| carried.archive());
        ReadError::Gone {
            boundary: self.boundary(),
            archive: archive.unwrap_or_default(),
        }
    }

    pub(crate) fn page(&self, read: &Read) -> Result<Page, ReadError> {
        self.check_open()?;
        let to = read.to.get().min(self.durable_end());
        let range = Range {
            from: read.from.get(),
            to,
            direction: read.direction,
        };
        let reaches_back = read.from.get() < to && self.may_need_archived(read.from.get(), &read.query)?;
        if reaches_back && read.direction == Direction::Forward {
            return Err(self.gone());
        }
        let is_straight = read.query.items().is_empty() && read.direction == Direction::Forward;
        if is_straight && to.saturating_sub(read.from.get()).min(read.limit as u64) >= STRAIGHT_EVENTS_MIN {
            return self.straight_page(read, to);
        }
        let Selection { picked, finished } =
            self.ask(|core| core.select(&read.query, range, read.limit.max(1)))?;
        let wanted = self.ask(|core| core.resolved(&picked))?;
        let mut fetch = Fetch::new(&self.reader, &self.weather);
        let (mut events, mut content) = (Vec::with_capacity(wanted.len()), 0);
        fetch.give(wanted);
        while let Some(event) = fetch.next_given()? {
            content += event.event.data.len();
            events.push(event);
            if content >= read.bytes {
                break;
            }
        }
        let finished = finished && fetch.left() == 0;
        if finished && reaches_back {
            // Everything that is still here was seen.
            let next = self.boundary();
            return match events.is_empty() {
                true => Err(self.gone()),
                false => Ok(Page {
                    events,
                    next,
                    finished: false,
                }),
            };
        }
        let last = events.last().map(|event| event.position);
        let next = match read.direction {
            Direction::Forward if finished => read.from.max(Position::new(to)),
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

    /// A page of everything, commit group by commit group.
    fn straight_page(&self, read: &Read, to: u64) -> Result<Page, ReadError> {
        let mut straight = Straight::begin(self, read.from.get(), to)?;
        let count = (to - read.from.get()).min(read.limit as u64).min(EVENTS_AT_ONCE);
        let (mut events, mut content) = (Vec::with_capacity(count as usize), 0);
        let mut kept = Kept::default();
        while events.len() < read.limit && content < read.bytes {
            if !straight.step() {
                if straight.is_over() {
                    break;
                }
                straight.next_frame(&self.reader)?;
                continue;
            }
            let event = straight.give(&self.reader, &mut kept)?;
            content += event.event.data.len();
            events.push(event);
        }
        let finished = straight.is_over();
        let last = events.last().map(|event: &RecordedEvent| event.position);
        let next = match finished {
            true => read.from.max(Position::new(to)),
            false => last.map_or(read.from, Position::next),
        };
        Ok(Page {
            events,
            next,
            finished,
        })
    }

    pub(crate) fn revision(&self, tag: &Tag, before: Position) -> Result<Option<Revision>, ReadError> {
        self.check_open()?;
        let before = before.get().min(self.durable_end());
        if before < self.boundary().get() && self.may_need_archived(before, &Query::tag(tag.clone()))? {
            return Err(self.gone());
        }
        let count = self.ask(|core| core.tagged(tag, before))?;
        Ok(count.checked_sub(1).map(Revision::new))
    }

    pub(crate) fn end_at(&self, moment: Timestamp) -> Result<Position, ReadError> {
        self.check_open()?;
        if self.carried().is_some_and(|carried| moment < carried.newest()) {
            return Err(self.gone());
        }
        self.ask(|core| core.count_at(moment)).map(Position::new)
    }

    pub(crate) fn types(&self) -> Result<Vec<TypeCount>, ReadError> {
        self.check_open()?;
        let types = self.state.read().current.types().into_iter();
        Ok(types
            .map(|(event_type, events)| TypeCount { event_type, events })
            .collect())
    }

    pub(crate) fn mark(&self, key: &MarkKey) -> Result<Option<Bytes>, ReadError> {
        self.check_open()?;
        self.ask(|core| core.mark_value(key))
    }

    pub(crate) fn marks(&self, wanted: &MarksWanted) -> Result<Vec<(MarkKey, Bytes)>, ReadError> {
        self.check_open()?;
        self.ask(|core| core.marks_in(wanted))
    }
}
