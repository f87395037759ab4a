//! What a stretch of the log holds, in a few numbers: counted from the log or from the file of its index, they are the
//! same.
//!
//! In: events, places and marks in any order. Out: how many there are of each, and sums over their hashes. The sums do not
//! depend on the order, so neither side has to be sorted or held in memory.

use std::collections::HashMap;
use std::sync::Arc;

use annals_core::event::NewEvent;
use annals_core::mark::{Mark, MarkKey};

use super::super::span::Span;
use super::super::term::{TermKind, hash};
use super::super::trouble::Trouble;
use super::beside::Base;
use super::lists::{All, Stored};
use super::marks;
use super::part::SealedPart;
use super::places::PlacesScan;
use super::table::Scan;
use super::varint;

/// Marks are compared by a share of their keys if there are more than these.
const MARK_KEYS_MAX: u64 = 4 << 20;

/// A number of things and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    count: u64,
    sum: u64,
}

impl Sum {
    fn add(&mut self, hash: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
    }
}

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Census {
    terms: Sum,
    ids: Sum,
    places: Sum,
    /// By the hash of the key: the hash of the value.
    marks: HashMap<u64, u64>,
    /// One key of so many is looked at.
    share: u64,
}

impl Census {
    /// For comparing with this file.
    pub(crate) fn of(part: &SealedPart) -> Self {
        Self {
            share: part.mark_keys() / MARK_KEYS_MAX + 1,
            ..Self::default()
        }
    }

    pub(crate) fn event(&mut self, position: u64, event: &NewEvent, span: &Span) {
        let of_type = event.event_type.as_str().as_bytes();
        self.term(position, TermKind::Type, of_type, None);
        for tag in &event.tags {
            self.term(position, TermKind::Tag, tag.as_str().as_bytes(), Some(span));
        }
        if let Some(correlation) = event.metadata.correlation {
            let bytes = correlation.as_uuid();
            self.term(position, TermKind::Correlation, bytes.as_bytes(), Some(span));
        }
        self.ids
            .add(hash(position, TermKind::Id, event.id.as_uuid().as_bytes()));
        self.place(position, span);
    }

    fn term(&mut self, position: u64, kind: TermKind, bytes: &[u8], span: Option<&Span>) {
        let mut term = vec![kind as u8];
        term.extend_from_slice(bytes);
        self.listed(position, &term, span);
    }

    fn listed(&mut self, position: u64, term: &[u8], span: Option<&Span>) {
        let place = span.map_or(0, |span| place_hash(position, span));
        self.terms.add(hash(position ^ place, TermKind::Tag, term));
    }

    fn place(&mut self, position: u64, span: &Span) {
        self.places.add(place_hash(position, span));
    }

    /// What was written to a mark; the last write counts.
    pub(crate) fn mark(&mut self, mark: &Mark) {
        self.written(&mark.key, mark.value.as_deref());
    }

    fn written(&mut self, key: &MarkKey, value: Option<&[u8]>) {
        let key = hash(1, TermKind::Mark, &marks::key_bytes(key));
        if key.is_multiple_of(self.share) {
            let value = value.map_or(0, |value| hash(key, TermKind::Mark, value) | 1);
            self.marks.insert(key, value);
        }
    }

    /// What is in this one and not the same in the other, in words. From the beginning of the log on, removed marks need
    /// not be there.
    pub(crate) fn differs(&self, other: &Self, from_the_beginning: bool) -> Option<&'static str> {
        let set = |census: &Self| {
            let mut marks = census.marks.clone();
            marks.retain(|_, value| *value != 0 || !from_the_beginning);
            marks
        };
        match () {
            () if self.terms != other.terms => Some("terms of the events"),
            () if self.ids != other.ids => Some("ids of the events"),
            () if self.places != other.places => Some("places and times of the events"),
            () if set(self) != set(other) => Some("marks"),
            () => None,
        }
    }
}

fn place_hash(position: u64, span: &Span) -> u64 {
    let fields = [
        u64::from(span.place.segment) << 32 | span.place.at,
        u64::from(span.bytes),
        u64::from(span.checksum),
        span.recorded.as_micros().cast_unsigned(),
    ];
    let bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
    hash(position, TermKind::Id, &bytes)
}

impl SealedPart {
    /// Reads all of the file and counts what is in it.
    pub(crate) fn census(&self) -> Result<Census, Trouble> {
        let mut census = Census::of(self);
        self.count_terms(&mut census)?;
        self.count_ids(&mut census)?;
        let mut places = PlacesScan::new(&self.file, self.header.places);
        let mut position = self.stretch().first;
        loop {
            let spans = places.next()?;
            if spans.is_empty() {
                break;
            }
            for span in spans {
                census.place(position, &span);
                position += 1;
            }
        }
        self.marks_from(&MarkKey::new("", ""), &mut |key, value| {
            census.written(&key, value.as_deref());
            true
        })?;
        Ok(census)
    }

    fn count_terms(&self, census: &mut Census) -> Result<(), Trouble> {
        let (first, beside) = (self.stretch().first, self.file.streaming());
        let mut scan = Scan::new(Arc::new(self.file.streaming()), self.header.terms, &[])?;
        while scan.step()? {
            let base = Base::of(self.stretch());
            let stored = Stored::read(scan.value(), base).ok_or_else(|| scan.senseless())?;
            self.must_be_in_filter(scan.key())?;
            let mut all = All::new(stored);
            loop {
                let listed = all.next(&beside)?;
                if listed.positions.is_empty() {
                    break;
                }
                for (position, span) in listed.each() {
                    census.listed(first + u64::from(position), scan.key(), span.as_ref());
                }
            }
        }
        Ok(())
    }

    fn must_be_in_filter(&self, term: &[u8]) -> Result<(), Trouble> {
        let kinds = [TermKind::Type, TermKind::Tag, TermKind::Correlation];
        let kind = kinds
            .into_iter()
            .find(|kind| term.first() == Some(&(*kind as u8)));
        match kind.map(|kind| self.may_hold(kind, &term[1..])).transpose()? {
            Some(true) => Ok(()),
            _ => Err(self
                .file
                .damaged(0, "expected every term in the filter, found one that is not")),
        }
    }

    fn count_ids(&self, census: &mut Census) -> Result<(), Trouble> {
        let first = self.stretch().first;
        let mut scan = Scan::new(Arc::new(self.file.streaming()), self.header.ids, &[])?;
        while scan.step()? {
            let position = varint::take_u32(scan.value(), &mut 0).ok_or_else(|| scan.senseless())?;
            census
                .ids
                .add(hash(first + u64::from(position), TermKind::Id, scan.key()));
        }
        Ok(())
    }
}
