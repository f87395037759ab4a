//! The part of the index that is in memory.
//!
//! In: events in order of position, the marks and frames they were committed with. Out: lists of positions, places,
//! times, marks. It grows at the end of the log; when it is large enough another one begins behind it, and this one
//! changes no more until its file is written.
//!
//! Invariants:
//! 1. Events enter before they are durable, so that later appends of the same group are decided against them; readers
//!    bound every question by the durable end and never see them.
//! 2. If their commit fails they leave again, last in first out, as if they had never been there.
//! 3. Type, tags and correlation of an event are its terms.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::event::{EventType, NewEvent};
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark, MarkKey};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_log::Milestone;
use annals_log::bug::is_planted;
use bytes::Bytes;
use uuid::Uuid;

mod chunked;
mod postings;
mod dictionary;
mod ids;
mod places;

use super::list::Local;
use super::select::Lists;
use super::span::Span;
use super::stretch::Stretch;
use super::term::TermKind;
use super::trouble::Trouble;
use crate::bug::Bug;
use chunked::Chunked;
use dictionary::{Dictionary, TermId};
use ids::Ids;
use places::Places;
pub(crate) use places::Spot;
use postings::{Cursor, Postings};

/// How many events of each type there are.
pub(crate) type TypeCounts = BTreeMap<EventType, u64>;

/// What an event is found by.
pub(crate) trait Termed {
    fn id(&self) -> EventId;
    fn type_name(&self) -> &str;
    fn tags(&self) -> impl Iterator<Item = &str>;
    fn correlation(&self) -> Option<CorrelationId>;
}

impl Termed for NewEvent {
    fn id(&self) -> EventId {
        self.id
    }

    fn type_name(&self) -> &str {
        self.event_type.as_str()
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(Tag::as_str)
    }

    fn correlation(&self) -> Option<CorrelationId> {
        self.metadata.correlation
    }
}

/// A commit group that is durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    /// Its frame.
    pub(crate) frame: Milestone,
    /// The frame's bytes.
    pub(crate) bytes: u64,
    pub(crate) recorded: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct Active {
    /// The position of its first event; others count from there.
    first: u64,
    after: Option<Milestone>,
    last: Option<Milestone>,
    newest: Timestamp,
    log_bytes: u64,
    terms: Dictionary,
    /// By term.
    postings: Chunked<Postings>,
    ids: Ids,
    /// By position: the term of its type.
    type_at: Chunked<TermId>,
    /// The terms of all types, and whether no event before this part has it.
    types: Vec<(TermId, bool)>,
    types_before: Arc<TypeCounts>,
    places: Places,
    /// What was written last of each key.
    marks: BTreeMap<MarkKey, Option<Bytes>>,
    /// The terms of events that are not durable yet, with how many each has.
    pending_terms: Vec<TermId>,
    pending: Vec<u32>,
}

impl Active {
    /// The part behind this frame, the events before a position, and those types.
    pub(crate) fn after(
        after: Option<Milestone>,
        first: u64,
        newest: Timestamp,
        types: Arc<TypeCounts>,
    ) -> Self {
        Self {
            first,
            after,
            newest,
            types_before: types,
            ..Self::default()
        }
    }

    /// The part that begins where this one ends.
    pub(crate) fn following(&self) -> Self {
        let types = Arc::new(self.types());
        Self::after(self.last(), self.end(), self.newest, types)
    }

    /// The last frame it knows; none at the beginning of the log.
    pub(crate) fn last(&self) -> Option<Milestone> {
        self.last.or(self.after)
    }

    /// What it is of; none if no frame was settled.
    pub(crate) fn stretch(&self) -> Option<Stretch> {
        Some(Stretch {
            after: self.after,
            last: self.last?,
            first: self.first,
            events: self.durable(),
            newest: self.newest,
            log_bytes: self.log_bytes,
        })
    }

    /// The position of its first event.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The position the next event will get, durable or not.
    pub(crate) fn next(&self) -> u64 {
        self.first + u64::from(self.local_next())
    }

    /// The position behind its last durable event.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.durable())
    }

    /// When its newest commit group was recorded, or the one before it.
    pub(crate) fn newest(&self) -> Timestamp {
        self.newest
    }

    /// How many different terms and keys of marks it holds.
    pub(crate) fn entries(&self) -> usize {
        self.terms.len() + self.marks.len()
    }

    /// Bytes of the frames it is of.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    /// How many durable events it holds.
    pub(crate) fn durable(&self) -> u32 {
        self.places.len()
    }

    fn local_next(&self) -> u32 {
        self.type_at.len() as u32
    }

    /// Enters the next event; its id must be new and its tags different from each other.
    pub(crate) fn insert(&mut self, event: &impl Termed) {
        let position = self.local_next();
        let before = self.pending_terms.len();
        let known = self.terms.len();
        let of_type = self.enter(TermKind::Type, event.type_name().as_bytes(), position);
        if of_type as usize >= known {
            let is_new = !self.types_before.contains_key(event.type_name());
            self.types.push((of_type, is_new));
        }
        for tag in event.tags() {
            self.enter(TermKind::Tag, tag.as_bytes(), position);
        }
        if let Some(correlation) = event.correlation() {
            self.enter(TermKind::Correlation, correlation.as_uuid().as_bytes(), position);
        }
        self.type_at.push(of_type);
        self.ids.push(event.id().as_uuid().into_bytes());
        self.pending.push((self.pending_terms.len() - before) as u32);
    }

    fn enter(&mut self, kind: TermKind, bytes: &[u8], position: u32) -> TermId {
        let term = self.terms.intern(kind, bytes);
        while self.postings.len() <= term as usize {
            self.postings.push(Postings::default());
        }
        let postings = self.postings.get_mut(term as usize);
        postings.expect("every term has a list").push(position);
        self.pending_terms.push(term);
        term
    }

    /// The pending events are durable: where each record lies.
    pub(crate) fn settle(&mut self, group: Settled, spots: impl Iterator<Item = Spot>) {
        self.places.push(group.frame.frame.segment, spots, group.recorded);
        assert_eq!(
            self.places.len(),
            self.local_next(),
            "every event of a commit has a place in its frame"
        );
        self.last = Some(group.frame);
        self.newest = group.recorded;
        self.log_bytes += group.bytes;
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
            if !is_planted(Bug::KeepWithdrawnTerms) {
                let postings = self.postings.get_mut(term as usize);
                postings.expect("every term has a list").pop();
            }
        }
    }

    /// Sets or removes one durable mark. The value is copied, so that it does not keep a larger buffer alive.
    pub(crate) fn set(&mut self, mark: Mark) {
        let value = mark.value.map(|value| Bytes::copy_from_slice(&value));
        self.marks.insert(mark.key, value);
    }

    /// What was written last of each key, in the order of keys.
    pub(crate) fn marks(&self) -> &BTreeMap<MarkKey, Option<Bytes>> {
        &self.marks
    }

    fn positions(&self, kind: TermKind, bytes: &[u8]) -> Option<&Postings> {
        let term = self.terms.find(kind, bytes)?;
        self.postings.get(term as usize)
    }

    fn postings(&self, term: TermId) -> &Postings {
        self.postings
            .get(term as usize)
            .expect("every term has a posting list")
    }

    /// Its own count of a position; one before it or behind it becomes its first or last.
    fn local(&self, position: u64) -> u32 {
        (position.clamp(self.first, self.next()) - self.first) as u32
    }

    /// How many of its events of a tag are before a position, the pending ones included.
    pub(crate) fn tagged(&self, tag: &Tag, before: u64) -> usize {
        let positions = self.positions(TermKind::Tag, tag.as_str().as_bytes());
        positions.map_or(0, |positions| positions.count_before(self.local(before)))
    }

    /// Where an id is, the pending ones included.
    pub(crate) fn position_of(&self, id: EventId) -> Option<u64> {
        let found = self.ids.find(id.as_uuid().as_bytes())?;
        Some(self.first + u64::from(found))
    }

    /// Id and type of one of its events, also of a pending one.
    pub(crate) fn named(&self, position: u64) -> Option<(EventId, EventType)> {
        let position = self.local(position);
        let id = EventId::from_uuid(Uuid::from_bytes(*self.ids.get(position)?));
        let name = self.type_name(*self.type_at.get(position as usize)?);
        Some((id, name))
    }

    fn type_name(&self, term: TermId) -> EventType {
        EventType::new(String::from_utf8_lossy(self.terms.bytes(term)).as_ref())
    }

    /// How many types have a durable event, from the beginning of the log.
    pub(crate) fn type_count(&self) -> usize {
        let before = self.durable();
        let occurs = |term: TermId| {
            self.postings(term)
                .all()
                .first()
                .is_some_and(|first| *first < before)
        };
        let new = self
            .types
            .iter()
            .filter(|(term, is_new)| *is_new && occurs(*term));
        self.types_before.len() + new.count()
    }

    /// The types of durable events with their counts, from the beginning of the log.
    pub(crate) fn types(&self) -> TypeCounts {
        let before = self.durable();
        let mut types = self.types_before.as_ref().clone();
        for (term, _) in &self.types {
            let events = self.postings(*term).count_before(before) as u64;
            if events > 0 {
                *types.entry(self.type_name(*term)).or_default() += events;
            }
        }
        types
    }

    /// Where a durable event lies.
    pub(crate) fn span(&self, position: u64) -> Option<Span> {
        self.places.span(self.local(position))
    }

    /// How many of its durable events were recorded at or before a moment.
    pub(crate) fn count_at(&self, moment: Timestamp) -> u32 {
        self.places.count_at(moment)
    }

    fn known_to_file(&self, term: TermId) -> &[u32] {
        match self.postings(term).all() {
            [rest @ .., last] if last + 1 == self.durable() && is_planted(Bug::ForgetLastOfPart) => rest,
            all => all,
        }
    }

    /// Every term, in order of kind and bytes, with its positions. Only where nothing is pending. Each step of sorting is told.
    pub(super) fn sorted_terms(&self, step: &mut dyn FnMut()) -> Vec<(&[u8], &[u32])> {
        let mut terms: Vec<_> = (0..self.terms.len() as TermId)
            .map(|term| (self.terms.stored(term), self.known_to_file(term)))
            .filter(|(_, positions)| !positions.is_empty())
            .collect();
        terms.sort_unstable_by(|(one, _), (other, _)| {
            step();
            one.cmp(other)
        });
        terms
    }

    /// Every id, in order, with its position. Only where nothing is pending. Each step of sorting is told.
    pub(super) fn sorted_ids(&self, step: &mut dyn FnMut()) -> Vec<([u8; 16], u32)> {
        let ids = (0..self.durable()).filter_map(|position| Some((*self.ids.get(position)?, position)));
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable_by(|one, other| {
            step();
            one.cmp(other)
        });
        ids
    }
}

impl<'a> Lists for &'a Active {
    type List = Cursor<'a>;

    fn list(&self, kind: TermKind, bytes: &[u8], range: Local) -> Result<Option<Cursor<'a>>, Trouble> {
        let positions = self
            .positions(kind, bytes)
            .map_or(&[][..], |list| list.between(range.from, range.to));
        Ok((!positions.is_empty()).then(|| Cursor::new(positions, range.direction)))
    }
}
