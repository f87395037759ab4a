//! The log with what is asked of it often. Independent of the indexes of any store: vectors of positions and filters.

use std::collections::HashMap;

use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;

use super::operation::Logged;

/// A range that is short enough to be looked through.
const SHORT: u64 = 64;

pub(super) struct Index<'a> {
    pub(super) log: &'a [Logged],
    tags: HashMap<&'a Tag, Vec<u64>>,
    types: HashMap<&'a EventType, Vec<u64>>,
    ids: HashMap<EventId, u64>,
}

impl<'a> Index<'a> {
    /// # Errors
    /// An id is there twice.
    pub(super) fn of(log: &'a [Logged]) -> Result<Self, String> {
        let mut index = Self {
            log,
            tags: HashMap::new(),
            types: HashMap::new(),
            ids: HashMap::with_capacity(log.len()),
        };
        for (at, event) in (0..).zip(log) {
            if let Some(before) = index.ids.insert(event.id, at) {
                return Err(format!("event {} is at positions {before} and {at}", event.id));
            }
            for tag in &event.tags {
                index.tags.entry(tag).or_default().push(at);
            }
            index.types.entry(&event.event_type).or_default().push(at);
        }
        Ok(index)
    }

    pub(super) fn end(&self) -> u64 {
        self.log.len() as u64
    }

    /// Where an event is.
    pub(super) fn position(&self, id: EventId) -> Option<u64> {
        self.ids.get(&id).copied()
    }

    /// How many events before a position have this tag.
    pub(super) fn tagged(&self, tag: &Tag, before: u64) -> u64 {
        let positions = self.tags.get(tag).map_or(&[][..], Vec::as_slice);
        positions.partition_point(|at| *at < before) as u64
    }

    /// The first event of a range that matches.
    pub(super) fn first(&self, query: &Query, from: u64, to: u64) -> Option<u64> {
        self.matching(query, from, to).next()
    }

    /// The positions of a range whose events match, in order.
    pub(super) fn matching<'b>(
        &'b self,
        query: &'b Query,
        from: u64,
        to: u64,
    ) -> Box<dyn Iterator<Item = u64> + 'b> {
        let to = to.min(self.end());
        let matches = move |at: &u64| is_match(query, &self.log[*at as usize]);
        let all = || Box::new((from.min(to)..to).filter(matches));
        if to.saturating_sub(from) <= SHORT {
            return all();
        }
        // One line that names a tag or a type is what is asked for over long ranges.
        let [item] = query.items() else { return all() };
        let found = match (item.tags.first(), &*item.types) {
            (Some(tag), _) => self.tags.get(tag),
            (None, [one]) => self.types.get(one),
            (None, _) => return all(),
        };
        let found = found.map_or(&[][..], Vec::as_slice);
        let begin = found.partition_point(|at| *at < from);
        Box::new(
            found[begin..]
                .iter()
                .copied()
                .take_while(move |at| *at < to)
                .filter(matches),
        )
    }
}

fn is_match(query: &Query, event: &Logged) -> bool {
    let is_of = |item: &QueryItem| {
        (item.types.is_empty() || item.types.contains(&event.event_type))
            && item.tags.iter().all(|tag| event.tags.contains(tag))
    };
    query.items().is_empty() || query.items().iter().any(is_of)
}

/// A number as a position, for messages.
pub(super) fn at(position: u64) -> Position {
    Position::new(position)
}
