//! The model a store is compared with: a list of events, a map of marks, and filters. It shares no code with the
//! stores; what it says about conditions and repeats was read off the contract.

use std::collections::BTreeMap;

use annals_core::condition::{Condition, Conflict};
use annals_core::event::{NewEvent, RecordedEvent};
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::port::store::{Append, Appended};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;

/// Whether an event is among those asked for.
pub(super) fn matches(query: &Query, event: &NewEvent) -> bool {
    let fits = |item: &annals_core::query::QueryItem| {
        let tags = item
            .tags
            .iter()
            .all(|wanted| event.tags.iter().any(|tag| tag.as_str() == wanted.as_str()));
        let of_type = item.types.is_empty()
            || item
                .types
                .iter()
                .any(|name| name.as_str() == event.event_type.as_str());
        let request = item
            .correlation
            .is_none_or(|wanted| event.metadata.correlation == Some(wanted));
        tags && of_type && request
    };
    query.items().is_empty() || query.items().iter().any(fits)
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) events: Vec<RecordedEvent>,
    pub(super) marks: BTreeMap<MarkKey, Bytes>,
    pub(super) newest: Timestamp,
}

/// What the contract says an append should get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken(Appended),
    Conflict(Conflict),
    IdTaken(EventId, Position),
}

impl Model {
    pub(super) fn end(&self) -> Position {
        Position::new(self.events.len() as u64)
    }

    pub(super) fn revision(&self, tag: &Tag) -> Option<Revision> {
        let count = self
            .events
            .iter()
            .filter(|stored| stored.event.tags.contains(tag))
            .count() as u64;
        count.checked_sub(1).map(Revision::new)
    }

    /// What matches, in order.
    pub(super) fn select<'a>(
        &'a self,
        query: &'a Query,
    ) -> impl DoubleEndedIterator<Item = &'a RecordedEvent> {
        self.events.iter().filter(|stored| matches(query, &stored.event))
    }

    /// The time the next commit group is recorded at.
    pub(super) fn next_time(&self, now: Timestamp) -> Timestamp {
        now.max(self.newest)
    }

    pub(super) fn apply(&mut self, append: &Append, recorded: Timestamp) -> Verdict {
        if let Some(verdict) = self.repeated(append) {
            return verdict;
        }
        let failed = append
            .conditions
            .iter()
            .enumerate()
            .find_map(|(number, one)| self.conflict(number, one));
        if let Some(conflict) = failed {
            return Verdict::Conflict(conflict);
        }
        let (first, count) = (self.end(), append.events.len() as u64);
        for event in &append.events {
            self.events.push(RecordedEvent {
                position: self.end(),
                recorded,
                event: event.clone(),
            });
        }
        for mark in &append.marks {
            match &mark.value {
                Some(value) => self.marks.insert(mark.key.clone(), value.clone()),
                None => self.marks.remove(&mark.key),
            };
        }
        self.newest = recorded;
        Verdict::Taken(Appended {
            first,
            count,
            recorded,
            duplicate: false,
        })
    }

    fn repeated(&self, append: &Append) -> Option<Verdict> {
        let place = |id| self.events.iter().position(|stored| stored.event.id == id);
        let (known, position) = append
            .events
            .iter()
            .find_map(|event| Some((event.id, place(event.id)?)))?;
        let taken = Verdict::IdTaken(known, Position::new(position as u64));
        let Some(first) = place(append.events[0].id) else {
            return Some(taken);
        };
        let same = append.events.iter().enumerate().all(|(number, event)| {
            self.events
                .get(first + number)
                .is_some_and(|stored| stored.event == *event)
        });
        let (recorded, count) = (self.events[first].recorded, append.events.len() as u64);
        let first = Position::new(first as u64);
        Some(if same {
            Verdict::Taken(Appended {
                first,
                count,
                recorded,
                duplicate: true,
            })
        } else {
            taken
        })
    }

    fn conflict(&self, number: usize, condition: &Condition) -> Option<Conflict> {
        match condition {
            Condition::NoMatch { query, from } => {
                let in_the_way =
                    |stored: &&RecordedEvent| stored.position >= *from && matches(query, &stored.event);
                self.events.iter().find(in_the_way).map(|stored| Conflict::Match {
                    condition: number,
                    from: *from,
                    position: stored.position,
                    id: stored.event.id,
                    event_type: stored.event.event_type.clone(),
                })
            }
            Condition::TagAt { tag, expected } => {
                let found = self.revision(tag);
                let (tag, expected) = (tag.clone(), *expected);
                (found != expected).then_some(Conflict::Tag {
                    condition: number,
                    tag,
                    expected,
                    found,
                })
            }
            Condition::MarkIs { key, expected } => {
                let found = self.marks.get(key).cloned();
                (found != *expected).then_some(Conflict::Mark {
                    condition: number,
                    key: key.clone(),
                    found,
                })
            }
        }
    }
}
