//! The index: which events carry which terms, where they are, and which ids are taken.
//!
//! In: events in order of position, and the frames they were committed in. Out: positions that match a query, places
//! in the log, revisions, times. It lives in memory and is built from the log at every opening; nothing but this
//! module's functions is known outside, so that an index on disk can take its place.
//!
//! Invariants:
//! 1. Events enter before they are durable, so that later appends of the same group are decided against them; readers
//!    bound every question by the durable end and never see them.
//! 2. If their commit fails they leave again, last in first out, as if they had never been there.
//! 3. An answer equals a full scan of the log. Type, tags and correlation of an event are its terms.

use annals_core::event::{EventType, NewEvent};
use annals_core::id::EventId;
use annals_core::port::store::TypeCount;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use uuid::Uuid;

mod chunked;
mod postings;
mod dictionary;
mod ids;
mod places;
mod select;

use chunked::Chunked;
use dictionary::{Dictionary, TermId, TermKind};
use ids::Ids;
use places::Places;
pub(crate) use places::Span;
use postings::Postings;
use select::Lists;
pub(crate) use select::{Range, Selection};

/// The most events this index can hold.
pub(crate) const EVENTS_MAX: u64 = u32::MAX as u64 - 1;

#[derive(Debug, Default)]
pub(crate) struct Index {
    terms: Dictionary,
    /// By term.
    postings: Chunked<Postings>,
    ids: Ids,
    /// By position: the term of its type.
    type_at: Chunked<TermId>,
    /// The terms of all types, in order of first appearance.
    types: Vec<TermId>,
    places: Places,
    /// The terms of events that are not durable yet, with how many each has.
    pending_terms: Vec<TermId>,
    pending: Vec<u32>,
}

impl Index {
    /// The position the next event will get, durable or not.
    pub(crate) fn next(&self) -> u32 {
        self.type_at.len() as u32
    }

    /// Enters the next event; its id must be new and its tags different from each other.
    pub(crate) fn insert(&mut self, event: &NewEvent) {
        let position = self.next();
        let before = self.pending_terms.len();
        let known = self.terms.len();
        let of_type = self.enter(TermKind::Type, event.event_type.as_str().as_bytes(), position);
        if of_type as usize >= known {
            self.types.push(of_type);
        }
        for tag in &event.tags {
            self.enter(TermKind::Tag, tag.as_str().as_bytes(), position);
        }
        if let Some(correlation) = event.metadata.correlation {
            self.enter(TermKind::Correlation, correlation.as_uuid().as_bytes(), position);
        }
        self.type_at.push(of_type);
        self.ids.push(event.id.as_uuid().into_bytes());
        self.pending.push((self.pending_terms.len() - before) as u32);
    }

    fn enter(&mut self, kind: TermKind, bytes: &[u8], position: u32) -> TermId {
        let term = self.terms.intern(kind, bytes);
        while self.postings.len() <= term as usize {
            self.postings.push(Postings::default());
        }
        if let Some(postings) = self.postings.get_mut(term as usize) {
            postings.push(position);
        }
        self.pending_terms.push(term);
        term
    }

    /// The first `limit` positions of a range that match, the pending ones included.
    pub(crate) fn select(&self, query: &Query, range: Range, limit: usize) -> Selection {
        let Self {
            terms,
            postings,
            type_at,
            ..
        } = self;
        Lists {
            terms,
            postings,
            type_at,
        }
        .select(query, range, limit)
    }

    /// The pending events are durable: where each record begins in its segment, where their frame ends, and when.
    pub(crate) fn settle(
        &mut self,
        segment: u32,
        records: impl Iterator<Item = u32>,
        end: u32,
        recorded: Timestamp,
    ) {
        self.places.push(segment, records, end, recorded);
        assert_eq!(
            self.places.len(),
            self.next(),
            "every event of a commit has a place in its frame"
        );
        self.pending_terms.clear();
        self.pending.clear();
    }

    /// The pending events did not become durable: takes them out again.
    pub(crate) fn withdraw(&mut self) {
        while self.pending.pop().is_some() {
            self.type_at.pop();
            self.ids.pop();
        }
        while let Some(term) = self.pending_terms.pop() {
            if let Some(postings) = self.postings.get_mut(term as usize) {
                postings.pop();
            }
        }
    }

    fn postings(&self, term: TermId) -> &Postings {
        self.postings
            .get(term as usize)
            .expect("every term has a posting list")
    }

    /// How many events of a tag are before a position, the pending ones included.
    pub(crate) fn tagged(&self, tag: &Tag, before: u32) -> usize {
        let term = self.terms.find(TermKind::Tag, tag.as_str().as_bytes());
        term.map_or(0, |term| self.postings(term).count_before(before))
    }

    /// Where an id is, the pending ones included.
    pub(crate) fn position_of(&self, id: EventId) -> Option<u32> {
        self.ids.find(id.as_uuid().as_bytes())
    }

    pub(crate) fn id_at(&self, position: u32) -> Option<EventId> {
        self.ids
            .get(position)
            .map(|bytes| EventId::from_uuid(Uuid::from_bytes(*bytes)))
    }

    pub(crate) fn type_of(&self, position: u32) -> Option<EventType> {
        self.type_at
            .get(position as usize)
            .map(|term| self.type_name(*term))
    }

    fn type_name(&self, term: TermId) -> EventType {
        EventType::new(String::from_utf8_lossy(self.terms.bytes(term)).as_ref())
    }

    /// How many types have an event before a position.
    pub(crate) fn type_count(&self, before: u32) -> usize {
        let occurs = |term: &&TermId| {
            self.postings(**term)
                .all()
                .first()
                .is_some_and(|first| *first < before)
        };
        self.types.iter().filter(occurs).count()
    }

    /// The types of events before a position with their counts, by name.
    pub(crate) fn types(&self, before: u32) -> Vec<TypeCount> {
        let count = |term: &TermId| TypeCount {
            event_type: self.type_name(*term),
            events: self.postings(*term).count_before(before) as u64,
        };
        let mut types: Vec<_> = self
            .types
            .iter()
            .map(count)
            .filter(|counted| counted.events > 0)
            .collect();
        types.sort_unstable_by(|a, b| a.event_type.cmp(&b.event_type));
        types
    }

    /// Where a durable event lies.
    pub(crate) fn span(&self, position: u32) -> Option<Span> {
        self.places.span(position)
    }

    /// When a durable event was recorded.
    pub(crate) fn recorded(&self, position: u32) -> Option<Timestamp> {
        self.places.recorded(position)
    }

    /// How many durable events were recorded at or before a moment.
    pub(crate) fn count_at(&self, moment: Timestamp) -> u32 {
        self.places.count_at(moment)
    }

    /// How many different terms were ever seen.
    pub(crate) fn terms(&self) -> usize {
        self.terms.len()
    }
}

#[cfg(test)]
mod tests;
