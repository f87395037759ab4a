//! Queries over posting lists.
//!
//! In: a query, a range of positions, a direction, and lists to walk. Out: the positions that match, in order, up to a
//! limit. One item walks its rarest list and skips through the others; the items of a query are merged. The work is
//! proportional to the rarest list of each item, not to the history; a term nobody ever wrote ends its item at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use annals_core::query::{Query, QueryItem};
use annals_log::bug::is_planted;

use super::list::{List, Local};
use super::span::Span;
use super::term::TermKind;
use super::trouble::Trouble;
use crate::bug::Bug;

/// Where the lists of one part of the index are.
pub(super) trait Lists {
    /// A walk over one of them.
    type List: List;

    /// What of a term is in a range; `None` if nothing is.
    fn list(&self, kind: TermKind, bytes: &[u8], range: Local) -> Result<Option<Self::List>, Trouble>;
}

/// What was found in one part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Each with where its event lies, if a list knew.
    pub(super) positions: Vec<(u32, Option<Span>)>,
    /// Nothing else in the range matches.
    pub(super) finished: bool,
}

/// The first `limit` positions that match.
pub(super) fn select<L: Lists>(
    lists: &L,
    query: &Query,
    range: Local,
    limit: usize,
) -> Result<Found, Trouble> {
    let mut walks = walks(lists, query, range)?;
    let mut next = BinaryHeap::with_capacity(walks.len());
    for (number, walk) in walks.iter_mut().enumerate() {
        next.extend(
            walk.first()?
                .map(|position| Reverse((range.rank(position), number))),
        );
    }
    let mut positions = Vec::new();
    while let Some(Reverse((rank, number))) = next.pop() {
        let position = range.position(rank);
        if positions.last().is_none_or(|(last, _)| *last != position) {
            if positions.len() == limit {
                return Ok(Found {
                    positions,
                    finished: false,
                });
            }
            positions.push((position, walks[number].span(position)));
        }
        let after = walks[number].after(position)?;
        next.extend(after.map(|position| Reverse((range.rank(position), number))));
    }
    Ok(Found {
        positions,
        finished: true,
    })
}

fn walks<L: Lists>(lists: &L, query: &Query, range: Local) -> Result<Vec<Walk<L::List>>, Trouble> {
    if query.items().is_empty() {
        return Ok(vec![Walk {
            range,
            drivers: Vec::new(),
            others: Vec::new(),
            types: Vec::new(),
            every: true,
        }]);
    }
    let mut found = Vec::with_capacity(query.items().len());
    for item in query.items() {
        found.extend(walk(lists, item, range)?);
    }
    Ok(found)
}

/// `None` if nothing can match.
fn walk<L: Lists>(lists: &L, item: &QueryItem, range: Local) -> Result<Option<Walk<L::List>>, Trouble> {
    let mut others = Vec::with_capacity(item.tags.len() + 1);
    for tag in &item.tags {
        let Some(list) = lists.list(TermKind::Tag, tag.as_str().as_bytes(), range)? else {
            return Ok(None);
        };
        others.push(list);
    }
    if let Some(correlation) = item.correlation {
        let bytes = correlation.as_uuid();
        let Some(list) = lists.list(TermKind::Correlation, bytes.as_bytes(), range)? else {
            return Ok(None);
        };
        others.push(list);
    }
    let mut names: Vec<&str> = item.types.iter().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut types = Vec::with_capacity(names.len());
    for name in &names {
        types.extend(lists.list(TermKind::Type, name.as_bytes(), range)?);
    }
    if types.is_empty() && !names.is_empty() {
        return Ok(None);
    }
    if is_planted(Bug::AnyTagForAll)
        && (others.len() > 1 && names.is_empty())
        && others.iter().any(|list| list.remaining() == 1)
    {
        types = std::mem::take(&mut others);
    }
    let every = others.is_empty() && types.is_empty();
    let (drivers, types) = choose(&mut others, types);
    Ok(Some(Walk {
        range,
        drivers,
        others,
        types,
        every,
    }))
}

/// Takes the shortest way: the rarest required list, or all lists of the types if they are shorter together. What is
/// not walked is checked.
fn choose<T: List>(others: &mut Vec<T>, types: Vec<T>) -> (Vec<T>, Vec<T>) {
    let rarest = (0..others.len()).min_by_key(|place| others[*place].remaining());
    let typed: usize = types.iter().map(List::remaining).sum();
    match rarest {
        Some(rarest) if types.is_empty() || others[rarest].remaining() <= typed => {
            (vec![others.swap_remove(rarest)], types)
        }
        _ => (types, Vec::new()),
    }
}

/// The walk of one item.
struct Walk<T> {
    range: Local,
    /// Any of these leads; empty if every position does.
    drivers: Vec<T>,
    /// All of these must agree.
    others: Vec<T>,
    /// One of these must agree; empty: any type.
    types: Vec<T>,
    /// Every position of the range matches.
    every: bool,
}

impl<T: List> Walk<T> {
    fn first(&mut self) -> Result<Option<u32>, Trouble> {
        match self.range.start() {
            Some(start) => self.at(start),
            None => Ok(None),
        }
    }

    fn after(&mut self, position: u32) -> Result<Option<u32>, Trouble> {
        match self.range.behind(position) {
            Some(next) => self.at(next),
            None => Ok(None),
        }
    }

    /// The first match at or behind a position, in walking order.
    fn at(&mut self, mut bound: u32) -> Result<Option<u32>, Trouble> {
        if self.every {
            return Ok(Some(bound));
        }
        let range = self.range;
        loop {
            let mut candidate = None;
            for list in &mut self.drivers {
                if let Some(at) = list.seek(bound)? {
                    candidate = Some(candidate.map_or(at, |other| range.nearer(at, other)));
                }
            }
            let Some(candidate) = candidate else {
                return Ok(None);
            };
            let mut furthest = candidate;
            for list in &mut self.others {
                let Some(at) = list.seek(candidate)? else {
                    return Ok(None);
                };
                if range.rank(at) > range.rank(furthest) {
                    furthest = at;
                }
            }
            if furthest != candidate {
                bound = furthest;
            } else if self.has_type(candidate)? {
                return Ok(Some(candidate));
            } else {
                match range.behind(candidate) {
                    Some(next) => bound = next,
                    None => return Ok(None),
                }
            }
        }
    }

    /// Where a position lies that was found last, if any list knows.
    fn span(&self, position: u32) -> Option<Span> {
        let mut lists = self.others.iter().chain(&self.drivers);
        lists.find_map(|list| list.span(position))
    }

    fn has_type(&mut self, position: u32) -> Result<bool, Trouble> {
        for list in &mut self.types {
            if list.seek(position)? == Some(position) {
                return Ok(true);
            }
        }
        Ok(self.types.is_empty())
    }
}
