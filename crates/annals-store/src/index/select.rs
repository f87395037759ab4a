//! Queries over posting lists.
//!
//! In: a query, a range of positions, a direction. Out: the positions that match, in order, up to a limit. One item
//! walks its rarest list and skips through the others; the items of a query are merged. The work is proportional to
//! the rarest list of each item, not to the history; a term nobody ever wrote ends its item at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use annals_core::port::store::Direction;
use annals_core::query::{Query, QueryItem};

use super::chunked::Chunked;
use super::dictionary::{Dictionary, TermId, TermKind};
use super::postings::{Cursor, Postings};

/// Which positions to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) from: u32,
    /// Not looked at any more.
    pub(crate) to: u32,
    pub(crate) direction: Direction,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) positions: Vec<u32>,
    /// Nothing else in the range matches.
    pub(crate) finished: bool,
}

/// What a query is answered from.
#[derive(Clone, Copy)]
pub(super) struct Lists<'a> {
    pub(super) terms: &'a Dictionary,
    /// By term.
    pub(super) postings: &'a Chunked<Postings>,
    /// By position.
    pub(super) type_at: &'a Chunked<TermId>,
}

impl<'a> Lists<'a> {
    /// The first `limit` positions that match.
    pub(super) fn select(&self, query: &Query, range: Range, limit: usize) -> Selection {
        let mut walks = self.walks(query, range);
        let mut next = BinaryHeap::with_capacity(walks.len());
        for (number, walk) in walks.iter_mut().enumerate() {
            next.extend(
                walk.first()
                    .map(|position| Reverse((range.rank(position), number))),
            );
        }
        let mut positions = Vec::new();
        while let Some(Reverse((rank, number))) = next.pop() {
            let position = range.position(rank);
            if positions.last() != Some(&position) {
                if positions.len() == limit {
                    return Selection {
                        positions,
                        finished: false,
                    };
                }
                positions.push(position);
            }
            next.extend(
                walks[number]
                    .after(position)
                    .map(|position| Reverse((range.rank(position), number))),
            );
        }
        Selection {
            positions,
            finished: true,
        }
    }

    fn walks(&self, query: &Query, range: Range) -> Vec<Walk<'a>> {
        match query.items() {
            [] => vec![Walk {
                lists: *self,
                range,
                drivers: Vec::new(),
                others: Vec::new(),
                types: Vec::new(),
                every: true,
            }],
            items => items.iter().filter_map(|item| self.walk(item, range)).collect(),
        }
    }

    /// `None` if nothing can match.
    fn walk(&self, item: &QueryItem, range: Range) -> Option<Walk<'a>> {
        let cursor = |term: TermId| {
            let positions = self
                .postings
                .get(term as usize)
                .map_or(&[][..], |list| list.between(range.from, range.to));
            (!positions.is_empty()).then(|| Cursor::new(positions, range.direction))
        };
        let required = |kind, bytes: &[u8]| self.terms.find(kind, bytes).and_then(cursor);
        let mut others = Vec::with_capacity(item.tags.len() + 1);
        for tag in &item.tags {
            others.push(required(TermKind::Tag, tag.as_str().as_bytes())?);
        }
        if let Some(correlation) = item.correlation {
            others.push(required(TermKind::Correlation, correlation.as_uuid().as_bytes())?);
        }
        let mut types: Vec<TermId> = item
            .types
            .iter()
            .filter_map(|name| self.terms.find(TermKind::Type, name.as_str().as_bytes()))
            .collect();
        types.sort_unstable();
        types.dedup();
        if types.is_empty() && !item.types.is_empty() {
            return None;
        }
        let of_types: Vec<_> = types.iter().copied().filter_map(cursor).collect();
        if of_types.is_empty() && !types.is_empty() {
            return None;
        }
        let every = others.is_empty() && types.is_empty();
        let (drivers, types) = choose(&mut others, of_types, types);
        Some(Walk {
            lists: *self,
            range,
            drivers,
            others,
            types,
            every,
        })
    }
}

/// Takes the shortest way: the rarest required list, or all lists of the types if they are shorter together. What is
/// not walked is checked.
fn choose<'a>(
    others: &mut Vec<Cursor<'a>>,
    of_types: Vec<Cursor<'a>>,
    types: Vec<TermId>,
) -> (Vec<Cursor<'a>>, Vec<TermId>) {
    let rarest = (0..others.len()).min_by_key(|place| others[*place].remaining());
    let typed: usize = of_types.iter().map(Cursor::remaining).sum();
    match rarest {
        Some(rarest) if of_types.is_empty() || others[rarest].remaining() <= typed => {
            (vec![others.swap_remove(rarest)], types)
        }
        _ => (of_types, Vec::new()),
    }
}

impl Range {
    /// Small ranks come first in walking order.
    fn rank(&self, position: u32) -> u32 {
        match self.direction {
            Direction::Forward => position,
            Direction::Backward => !position,
        }
    }

    fn position(&self, rank: u32) -> u32 {
        match self.direction {
            Direction::Forward => rank,
            Direction::Backward => !rank,
        }
    }

    /// Where the walk begins, if the range holds anything.
    fn start(&self) -> Option<u32> {
        let last = self.to.checked_sub(1).filter(|last| *last >= self.from)?;
        Some(if self.direction == Direction::Forward {
            self.from
        } else {
            last
        })
    }

    /// The place behind a position in walking order, if the range holds it.
    fn behind(&self, position: u32) -> Option<u32> {
        match self.direction {
            Direction::Forward => Some(position + 1).filter(|next| *next < self.to),
            Direction::Backward => position.checked_sub(1).filter(|next| *next >= self.from),
        }
    }
}

/// The walk of one item.
struct Walk<'a> {
    lists: Lists<'a>,
    range: Range,
    /// Any of these leads; empty if every position does.
    drivers: Vec<Cursor<'a>>,
    /// All of these must agree.
    others: Vec<Cursor<'a>>,
    /// Sorted; one of these must be the type; empty: any.
    types: Vec<TermId>,
    /// Every position of the range matches.
    every: bool,
}

impl Walk<'_> {
    fn first(&mut self) -> Option<u32> {
        self.at(self.range.start()?)
    }

    fn after(&mut self, position: u32) -> Option<u32> {
        self.at(self.range.behind(position)?)
    }

    /// The first match at or behind a position, in walking order.
    fn at(&mut self, mut bound: u32) -> Option<u32> {
        if self.every {
            return Some(bound);
        }
        loop {
            let range = self.range;
            let candidate = self
                .drivers
                .iter_mut()
                .filter_map(|cursor| cursor.seek(bound))
                .min_by_key(|at| range.rank(*at))?;
            let mut furthest = candidate;
            for cursor in &mut self.others {
                let at = cursor.seek(candidate)?;
                if range.rank(at) > range.rank(furthest) {
                    furthest = at;
                }
            }
            if furthest != candidate {
                bound = furthest;
            } else if self.has_type(candidate) {
                return Some(candidate);
            } else {
                bound = self.range.behind(candidate)?;
            }
        }
    }

    fn has_type(&self, position: u32) -> bool {
        self.types.is_empty()
            || self
                .lists
                .type_at
                .get(position as usize)
                .is_some_and(|term| self.types.binary_search(term).is_ok())
    }
}
