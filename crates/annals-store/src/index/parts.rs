//! The parts of the index that change no more, in the order of the log.
//!
//! In: questions about positions of the whole store. Out: answers put together from the parts that can know. Parts follow
//! each other without a gap, so answers are concatenated and nothing is merged. A copy is a handle: whoever has one is
//! not disturbed when a part is replaced by its file, or several by one.

use std::ops::Range as Places;
use std::sync::Arc;
use std::time::Instant;

use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::port::store::Direction;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;

use super::active::Active;
use super::cold::{ColdWatch, terms_of};
use super::part::{Marks, MarksWanted, Part, Range, Selection};
use super::sealed::{COLD, is_timed};
use super::select::select;
use super::span::Span;
use super::term::TermKind;
use super::trouble::Trouble;
use crate::carried::Carried;

/// All parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts {
    all: Arc<Vec<Part>>,
    /// The highest id in any file that tells its time: a new id mostly tells a later one, and is in no file then.
    highest_timed: [u8; 16],
    /// What is before them, if it was archived.
    carried: Option<Arc<Carried>>,
}

impl Parts {
    /// Parts that follow each other, behind what was archived, if anything was.
    pub(crate) fn new(carried: Option<Arc<Carried>>, parts: Vec<Part>) -> Self {
        let highest = parts.iter().filter_map(|part| match part {
            Part::Sealed(part) => Some(part.highest_timed()),
            Part::Active(_) => None,
        });
        Self {
            highest_timed: highest.max().unwrap_or_default(),
            all: Arc::new(parts),
            carried,
        }
    }

    pub(crate) fn all(&self) -> &[Part] {
        &self.all
    }

    /// How many are in memory.
    pub(crate) fn waiting(&self) -> usize {
        self.all
            .iter()
            .filter(|part| matches!(part, Part::Active(_)))
            .count()
    }

    pub(crate) fn push(&mut self, part: Part) {
        let mut parts = self.all.as_ref().clone();
        parts.push(part);
        *self = Self::new(self.carried.clone(), parts);
    }

    /// Puts others in the place of some.
    pub(crate) fn replace(&mut self, places: Places<usize>, parts: Vec<Part>) {
        let mut all = self.all.as_ref().clone();
        all.splice(places, parts);
        *self = Self::new(self.carried.clone(), all);
    }

    /// What is known of archived events, if there are any.
    pub(crate) fn carried(&self) -> Option<&Arc<Carried>> {
        self.carried.as_ref()
    }

    /// The position of the first event that was not archived.
    pub(crate) fn first(&self) -> u64 {
        self.carried.as_ref().map_or(0, |carried| carried.first())
    }

    /// The position behind the last event.
    pub(crate) fn end(&self) -> u64 {
        self.all.last().map_or(self.first(), Part::end)
    }

    /// The part that holds a position.
    fn with(&self, position: u64) -> Option<&Part> {
        let after = self.all.partition_point(|part| part.end() <= position);
        self.all.get(after).filter(|part| part.first() <= position)
    }

    /// Adds what matches in a range, until there are `limit`. `false`: there is more than that.
    pub(crate) fn select(
        &self,
        query: &Query,
        range: Range,
        limit: usize,
        selection: &mut Selection,
    ) -> Result<bool, Trouble> {
        let from = self.all.partition_point(|part| part.end() <= range.from);
        let to = self.all.partition_point(|part| part.first() < range.to).max(from);
        let parts = &self.all[from..to];
        let forward = range.direction == Direction::Forward;
        let mut watch = ColdWatch::new(parts, forward);
        for number in 0..parts.len() {
            let part = &parts[if forward { number } else { parts.len() - 1 - number }];
            let found = part.select(query, range, limit - selection.picked.len())?;
            if !selection.extend(part.first(), found) {
                return Ok(false);
            }
            watch.after(number, || terms_of(query))?;
        }
        Ok(true)
    }

    /// How many events of a tag are before a position.
    pub(crate) fn tagged(&self, tag: &Tag, before: u64) -> Result<u64, Trouble> {
        let to = self.all.partition_point(|part| part.first() < before);
        let archived = self
            .carried
            .as_ref()
            .map_or(Ok(0), |carried| carried.tagged(tag))?;
        let (parts, mut count) = (&self.all[..to], archived);
        let mut watch = ColdWatch::new(parts, true);
        for (number, part) in parts.iter().enumerate() {
            count += part.tagged(tag, before)? as u64;
            watch.after(number, || vec![(TermKind::Tag, tag.as_str().as_bytes().to_vec())])?;
        }
        Ok(count)
    }

    /// Where an id is.
    pub(crate) fn position_of(&self, id: EventId) -> Result<Option<u64>, Trouble> {
        let bytes = id.as_uuid().into_bytes();
        let only_in_memory = is_timed(&bytes) && bytes > self.highest_timed;
        for part in self.all.iter().rev() {
            if only_in_memory && matches!(part, Part::Sealed(_)) {
                continue;
            }
            if let Some(position) = part.position_of(id)? {
                return Ok(Some(position));
            }
        }
        let archived = self
            .carried
            .as_ref()
            .map_or(Ok(None), |carried| carried.known(id))?;
        Ok(archived.map(|known| known.position))
    }

    /// Where these events lie, in the same order; those that are not here are left out.
    pub(crate) fn spans(&self, positions: &[u64]) -> Result<Vec<(u64, Span)>, Trouble> {
        let mut spans = Vec::with_capacity(positions.len());
        let began = Instant::now();
        let mut rest = positions;
        while let Some((part, of_part, others)) = self.split_part(rest) {
            match part {
                Some(Part::Active(part)) => {
                    let found = of_part
                        .iter()
                        .filter_map(|position| Some((*position, part.span(*position)?)));
                    spans.extend(found);
                }
                Some(Part::Sealed(part)) => {
                    let mut places = part.places();
                    for position in of_part {
                        let span = places.span((position - part.stretch().first) as u32)?;
                        let first = spans.is_empty();
                        spans.extend(span.map(|span| (*position, span)));
                        if first && began.elapsed() > COLD {
                            self.hint_spans(&positions[1..])?;
                        }
                    }
                }
                None => {}
            }
            rest = others;
        }
        Ok(spans)
    }

    /// Says that these places will be asked for.
    fn hint_spans(&self, positions: &[u64]) -> Result<(), Trouble> {
        let mut rest = positions;
        while let Some((part, of_part, others)) = self.split_part(rest) {
            if let Some(Part::Sealed(part)) = part {
                let mut places = part.places();
                for position in of_part {
                    places.hint((position - part.stretch().first) as u32)?;
                }
            }
            rest = others;
        }
        Ok(())
    }

    /// Of positions in order: the part the first one is in, those that are in it too, and the others.
    fn split_part<'a, 'b>(
        &'a self,
        positions: &'b [u64],
    ) -> Option<(Option<&'a Part>, &'b [u64], &'b [u64])> {
        let part = self.with(*positions.first()?);
        let inside = |position: &u64| part.is_some_and(|part| (part.first()..part.end()).contains(position));
        let count = positions
            .iter()
            .take_while(|position| inside(position))
            .count()
            .max(1);
        let (of_part, others) = positions.split_at(count);
        Some((part, of_part, others))
    }

    /// Id and type of an event, if they are in memory.
    pub(crate) fn named(&self, position: u64) -> Option<(EventId, EventType)> {
        match self.with(position)? {
            Part::Active(part) => part.named(position),
            Part::Sealed(_) => None,
        }
    }

    /// How many events were recorded at or before a moment.
    pub(crate) fn count_at(&self, moment: Timestamp) -> Result<u64, Trouble> {
        let older = self.all.partition_point(|part| part.newest() <= moment);
        let Some(part) = self.all.get(older) else {
            return Ok(self.end());
        };
        let inside = match part {
            Part::Active(part) => part.count_at(moment),
            Part::Sealed(part) => part.count_at(moment)?,
        };
        Ok(part.first() + u64::from(inside))
    }

    /// What was written last of a mark; the outer `None`: nothing.
    pub(crate) fn mark(&self, key: &MarkKey) -> Result<Option<Option<Bytes>>, Trouble> {
        for part in self.all.iter().rev() {
            if let Some(written) = part.mark(key)? {
                return Ok(Some(written));
            }
        }
        let archived = self
            .carried
            .as_ref()
            .map_or(Ok(None), |carried| carried.mark(key))?;
        Ok(archived.map(Some))
    }

    /// All marks that are wanted; removed ones may stand as none.
    pub(crate) fn marks(&self, wanted: &MarksWanted) -> Result<Marks, Trouble> {
        let mut marks = Marks::new();
        if let Some(carried) = &self.carried {
            let archived = carried.marks(&wanted.0.space, &wanted.0.name)?.into_iter();
            marks.extend(archived.map(|(key, value)| (key, Some(value))));
        }
        for part in self.all.iter() {
            match part {
                Part::Active(part) => {
                    let found = wanted.among(part.marks());
                    marks.extend(found.map(|(key, value)| (key.clone(), value.clone())));
                }
                Part::Sealed(part) if part.mark_keys() == 0 => {}
                Part::Sealed(part) => part.marks_from(&wanted.0, &mut |key, value| {
                    let goes_on = wanted.wants(&key);
                    if goes_on {
                        marks.insert(key, value);
                    }
                    goes_on
                })?,
            }
        }
        Ok(marks)
    }

    /// How many marks are set once these were written behind the first `parts` of all.
    pub(crate) fn marks_set(&self, parts: usize, written: &Marks) -> Result<u64, Trouble> {
        let before = Self::new(self.carried.clone(), self.all[..parts].to_vec());
        let mut set = match before.all.last() {
            None => self.carried.as_ref().map_or(0, |carried| carried.marks_set()),
            Some(Part::Sealed(part)) => part.marks_set(),
            Some(Part::Active(part)) => self.marks_set(parts - 1, part.marks())?,
        };
        for (key, value) in written {
            let was_set = before.mark(key)?.flatten().is_some();
            set = set + u64::from(value.is_some()) - u64::from(was_set);
        }
        Ok(set)
    }
}

/// What matches among the events in memory at the end of the log, behind all parts: as [`Parts::select`].
pub(crate) fn select_newest(
    active: &Active,
    query: &Query,
    range: Range,
    limit: usize,
    selection: &mut Selection,
) -> Result<bool, Trouble> {
    let local = range.local(active.first(), active.next());
    let found = select(&active, query, local, limit - selection.picked.len())?;
    Ok(selection.extend(active.first(), found))
}
