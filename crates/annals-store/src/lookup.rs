//! Questions to the whole index: the parts that change no more and the one that grows.
//!
//! In: questions. Out: answers, or trouble with a file. The lock is held while the growing part is asked, never while
//! files are read. The parts may be replaced by others of the same stretch meanwhile; who asks keeps those they began with.
//! What is pending is included: readers bound their questions by the durable end.

use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::port::store::Direction;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;

use crate::core::Core;
use crate::fetch::Wanted;
use crate::index::{Marks, MarksWanted, Parts, Picked, Range, Selection, Trouble, select_newest};

impl Core {
    /// The first `limit` positions of a range that match.
    pub(crate) fn select(&self, query: &Query, range: Range, limit: usize) -> Result<Selection, Trouble> {
        let mut selection = Selection::default();
        selection.finished = match range.direction {
            Direction::Forward => self.select_forward(query, range, limit, &mut selection)?,
            Direction::Backward => self.select_backward(query, range, limit, &mut selection)?,
        };
        Ok(selection)
    }

    fn select_forward(
        &self,
        query: &Query,
        mut range: Range,
        limit: usize,
        selection: &mut Selection,
    ) -> Result<bool, Trouble> {
        loop {
            let parts = self.parts_before(range.from);
            if let Some(parts) = parts {
                if !parts.select(query, range, limit, selection)? {
                    return Ok(false);
                }
                range.from = range.from.max(parts.end());
            }
            let state = self.state.read();
            // A part may have been closed since the parts were looked at; then it comes first.
            if state.current.first() <= range.from {
                return select_newest(&state.current, query, range, limit, selection);
            }
        }
    }

    /// The parts, if a position lies in any of them.
    fn parts_before(&self, from: u64) -> Option<Parts> {
        let state = self.state.read();
        (from < state.current.first()).then(|| state.parts.clone())
    }

    fn select_backward(
        &self,
        query: &Query,
        range: Range,
        limit: usize,
        selection: &mut Selection,
    ) -> Result<bool, Trouble> {
        let state = self.state.read();
        if !select_newest(&state.current, query, range, limit, selection)? {
            return Ok(false);
        }
        let parts = state.parts.clone();
        drop(state);
        parts.select(query, range, limit, selection)
    }

    /// How many events of a tag are before a position.
    pub(crate) fn tagged(&self, tag: &Tag, before: u64) -> Result<u64, Trouble> {
        let state = self.state.read();
        let newest = state.current.tagged(tag, before) as u64;
        let parts = state.parts.clone();
        drop(state);
        Ok(parts.tagged(tag, before)? + newest)
    }

    /// Where an id is.
    pub(crate) fn position_of(&self, id: EventId) -> Result<Option<u64>, Trouble> {
        let state = self.state.read();
        if let Some(position) = state.current.position_of(id) {
            return Ok(Some(position));
        }
        let parts = state.parts.clone();
        drop(state);
        parts.position_of(id)
    }

    /// Id and type of an event, if they are in memory.
    pub(crate) fn named(&self, position: u64) -> Option<(EventId, EventType)> {
        let state = self.state.read();
        match position >= state.current.first() {
            true => state.current.named(position),
            false => state.parts.named(position),
        }
    }

    /// Everything needed to fetch these durable events, which stand in order, one way or the other.
    pub(crate) fn wanted(&self, positions: &[u64]) -> Result<Vec<Wanted>, Trouble> {
        let state = self.state.read();
        let first = state.current.first();
        let newest = positions
            .iter()
            .filter(|position| **position >= first)
            .filter_map(|position| {
                let span = state.current.span(*position)?;
                Some((*position, span))
            });
        let newest: Vec<_> = newest.collect();
        let parts = state.parts.clone();
        drop(state);
        let older: Vec<u64> = positions
            .iter()
            .filter(|position| **position < first)
            .copied()
            .collect();
        let older = parts.spans(&older)?;
        let wanted = |(position, span)| Wanted { position, span };
        // Backward the newest come first.
        let forward = positions.first() <= positions.last();
        let (before, behind) = if forward { (older, newest) } else { (newest, older) };
        Ok(before.into_iter().chain(behind).map(wanted).collect())
    }

    /// As [`Core::wanted`], of what was found; only those are looked up whose place was not told along.
    pub(crate) fn resolved(&self, picked: &[Picked]) -> Result<Vec<Wanted>, Trouble> {
        let unknown: Vec<u64> = picked
            .iter()
            .filter(|one| one.span.is_none())
            .map(|one| one.position)
            .collect();
        let looked_up = match unknown.len() {
            0 => Vec::new(),
            all if all == picked.len() => return self.wanted(&unknown),
            _ => self.wanted(&unknown)?,
        };
        let mut looked_up = looked_up.into_iter().peekable();
        let wanted = picked.iter().filter_map(|one| match one.span {
            Some(span) => Some(Wanted {
                position: one.position,
                span,
            }),
            None => looked_up.next_if(|found| found.position == one.position),
        });
        Ok(wanted.collect())
    }

    /// The first of these ids that is taken, and where.
    pub(crate) fn first_known(
        &self,
        ids: impl Iterator<Item = EventId> + Clone,
    ) -> Result<Option<(EventId, u64)>, Trouble> {
        let state = self.state.read();
        let mut places = ids.clone().enumerate();
        let newest = places.find_map(|(number, id)| Some((number, (id, state.current.position_of(id)?))));
        let parts = state.parts.clone();
        drop(state);
        let before = newest.map_or(usize::MAX, |(number, _)| number);
        for id in ids.take(before) {
            if let Some(position) = parts.position_of(id)? {
                return Ok(Some((id, position)));
            }
        }
        Ok(newest.map(|(_, known)| known))
    }

    /// How many events were recorded at or before a moment.
    pub(crate) fn count_at(&self, moment: Timestamp) -> Result<u64, Trouble> {
        let state = self.state.read();
        let newest = u64::from(state.current.count_at(moment));
        if newest > 0 {
            return Ok(state.current.first() + newest);
        }
        let parts = state.parts.clone();
        drop(state);
        parts.count_at(moment)
    }

    /// The value of a durable mark.
    pub(crate) fn mark_value(&self, key: &MarkKey) -> Result<Option<Bytes>, Trouble> {
        let state = self.state.read();
        if let Some(written) = state.current.marks().get(key) {
            return Ok(written.clone());
        }
        let parts = state.parts.clone();
        drop(state);
        Ok(parts.mark(key)?.flatten())
    }

    /// All durable marks of a space whose name begins with a prefix.
    pub(crate) fn marks_in(&self, wanted: &MarksWanted) -> Result<Vec<(MarkKey, Bytes)>, Trouble> {
        let state = self.state.read();
        let found = wanted.among(state.current.marks());
        let newest: Marks = found.map(|(key, value)| (key.clone(), value.clone())).collect();
        let parts = state.parts.clone();
        drop(state);
        let mut marks = parts.marks(wanted)?;
        marks.extend(newest);
        let set = marks.into_iter().filter_map(|(key, value)| Some((key, value?)));
        Ok(set.collect())
    }

    /// How many marks are set.
    pub(crate) fn marks_set(&self) -> Result<u64, Trouble> {
        let state = self.state.read();
        let (parts, newest) = (state.parts.clone(), state.current.marks().clone());
        drop(state);
        parts.marks_set(parts.all().len(), &newest)
    }
}
