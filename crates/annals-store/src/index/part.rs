//! One part of the index, in memory or in a file.
//!
//! In: questions about positions of the whole store. Out: what this part has to say of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::port::store::Direction;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;

use super::active::Active;
use super::list::Local;
use super::sealed::SealedPart;
use super::select::{Found, select};
use super::span::Span;
use super::trouble::Trouble;

/// Which positions to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) from: u64,
    /// Not looked at any more.
    pub(crate) to: u64,
    pub(crate) direction: Direction,
}

/// One that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picked {
    pub(crate) position: u64,
    /// Where it lies, if that was told along.
    pub(crate) span: Option<Span>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) picked: Vec<Picked>,
    /// Nothing else in the range matches.
    pub(crate) finished: bool,
}

impl Range {
    /// What of it is among the events of a part.
    pub(super) fn local(&self, first: u64, next: u64) -> Local {
        let inside = |position: u64| (position.clamp(first, next) - first) as u32;
        Local {
            from: inside(self.from),
            to: inside(self.to),
            direction: self.direction,
        }
    }
}

impl Selection {
    /// Adds what a part holds, until there are `limit`. `false`: there is more than that.
    pub(super) fn extend(&mut self, first: u64, found: Found) -> bool {
        let picked = found.positions.into_iter().map(|(position, span)| Picked {
            position: first + u64::from(position),
            span,
        });
        self.picked.extend(picked);
        found.finished
    }
}

/// One part.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// In memory, until its file is written.
    Active(Arc<Active>),
    /// In a file.
    Sealed(Arc<SealedPart>),
}

impl Part {
    pub(super) fn first(&self) -> u64 {
        match self {
            Self::Active(part) => part.first(),
            Self::Sealed(part) => part.stretch().first,
        }
    }

    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Active(part) => part.end(),
            Self::Sealed(part) => part.stretch().end(),
        }
    }

    pub(super) fn newest(&self) -> Timestamp {
        match self {
            Self::Active(part) => part.newest(),
            Self::Sealed(part) => part.stretch().newest,
        }
    }

    /// How many types, tags, correlations and keys of marks it holds.
    pub(crate) fn entries(&self) -> u64 {
        match self {
            Self::Active(part) => part.entries() as u64,
            Self::Sealed(part) => part.terms() + part.mark_keys(),
        }
    }

    pub(super) fn select(&self, query: &Query, range: Range, limit: usize) -> Result<Found, Trouble> {
        let range = range.local(self.first(), self.end());
        match self {
            Self::Active(part) => select(&&**part, query, range, limit),
            Self::Sealed(part) => select(&&**part, query, range, limit),
        }
    }

    pub(super) fn tagged(&self, tag: &Tag, before: u64) -> Result<usize, Trouble> {
        match self {
            Self::Active(part) => Ok(part.tagged(tag, before)),
            Self::Sealed(part) => {
                let stretch = part.stretch();
                part.tagged(
                    tag,
                    (before.clamp(stretch.first, stretch.end()) - stretch.first) as u32,
                )
            }
        }
    }

    pub(super) fn position_of(&self, id: EventId) -> Result<Option<u64>, Trouble> {
        match self {
            Self::Active(part) => Ok(part.position_of(id)),
            Self::Sealed(part) => {
                let found = part.position_of(id)?;
                Ok(found.map(|position| part.stretch().first + u64::from(position)))
            }
        }
    }

    pub(super) fn mark(&self, key: &MarkKey) -> Result<Option<Option<Bytes>>, Trouble> {
        match self {
            Self::Active(part) => Ok(part.marks().get(key).cloned()),
            Self::Sealed(part) => part.mark(key),
        }
    }
}

/// Marks by key; removed ones stand as none.
pub(crate) type Marks = BTreeMap<MarkKey, Option<Bytes>>;

/// All marks of one space whose name begins with a prefix.
#[derive(Debug, Clone)]
pub(crate) struct MarksWanted(pub(super) MarkKey);

impl MarksWanted {
    pub(crate) fn new(space: &str, prefix: &str) -> Self {
        Self(MarkKey::new(space, prefix))
    }

    pub(super) fn wants(&self, key: &MarkKey) -> bool {
        key.space == self.0.space && key.name.starts_with(self.0.name.as_str())
    }

    /// Those of a part; keys are ordered by space, then name, so they lie side by side.
    pub(crate) fn among<'a>(
        &self,
        marks: &'a Marks,
    ) -> impl Iterator<Item = (&'a MarkKey, &'a Option<Bytes>)> {
        let from = marks.range(self.0.clone()..);
        from.take_while(|(key, _)| self.wants(key))
    }
}
