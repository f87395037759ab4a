//! Posting lists in a file: the positions at which a term occurs, ascending, counted from the first of the file.
//!
//! In: positions in order. Out: a short list as the value of its term, a long one on pages of its own; and cursors that
//! skip. What is stored is the distance to the position before, as a varint. A page of a long list begins with how many
//! positions are before it (4) and its own first one (4), so a place in the list is found by halving.
//!
//! The value of a term: the number of positions, times two, plus one if it is a long list; then the positions, or the
//! first page, the number of pages and the last position.

use std::io;
use std::sync::Arc;

use annals_core::port::store::Direction;

use super::super::list::{List, Local, gallop};
use super::super::trouble::Trouble;
use super::file::PageFile;
use super::page::{Kind, ROOM};
use super::varint;
use super::writer::PageWriter;

/// Lists up to this stand beside their term, in bytes.
const SHORT_BYTES_MAX: usize = 1_024;
const RUN_HEAD_BYTES: usize = 8;

/// Writes one list after the other.
#[derive(Debug, Default)]
pub(super) struct ListWriter {
    count: u32,
    last: u32,
    short: Vec<u8>,
    run: Option<Run>,
    /// The page that is filled, of a long list.
    content: Vec<u8>,
}

/// A long list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    count: u32,
    page: u32,
    pages: u32,
    last: u32,
}

impl ListWriter {
    /// Adds a position behind all others of this list.
    pub(super) fn push(&mut self, pages: &mut PageWriter<'_>, position: u32) -> io::Result<()> {
        if self.run.is_some() {
            self.push_long(pages, position)?;
        } else {
            let distance = if self.count == 0 {
                position
            } else {
                position - self.last
            };
            varint::put(&mut self.short, u64::from(distance));
            if self.short.len() > SHORT_BYTES_MAX {
                self.become_long(pages)?;
            }
        }
        self.last = position;
        self.count += 1;
        Ok(())
    }

    fn become_long(&mut self, pages: &mut PageWriter<'_>) -> io::Result<()> {
        self.run = Some(Run {
            page: pages.next(),
            ..Run::default()
        });
        let (short, count) = (std::mem::take(&mut self.short), std::mem::take(&mut self.count));
        let (mut at, mut position) = (0, 0);
        while let Some(distance) = varint::take_u32(&short, &mut at) {
            position += distance;
            self.push_long(pages, position)?;
            (self.last, self.count) = (position, self.count + 1);
        }
        self.count = count;
        self.short = short;
        self.short.clear();
        Ok(())
    }

    fn push_long(&mut self, pages: &mut PageWriter<'_>, position: u32) -> io::Result<()> {
        if self.content.len() + 5 > ROOM {
            self.end_page(pages)?;
        }
        if self.content.is_empty() {
            self.content.extend_from_slice(&self.count.to_le_bytes());
            self.content.extend_from_slice(&position.to_le_bytes());
        } else {
            varint::put(&mut self.content, u64::from(position - self.last));
        }
        Ok(())
    }

    fn end_page(&mut self, pages: &mut PageWriter<'_>) -> io::Result<()> {
        pages.push(Kind::List, &self.content, &[])?;
        self.content.clear();
        if let Some(run) = &mut self.run {
            run.pages += 1;
        }
        Ok(())
    }

    /// Ends this list, appends the value of its term and begins another one.
    pub(super) fn finish(&mut self, pages: &mut PageWriter<'_>, value: &mut Vec<u8>) -> io::Result<()> {
        if self.run.is_some() {
            self.end_page(pages)?;
        }
        let count = u64::from(self.count) << 1;
        match self.run.take() {
            None => {
                varint::put(value, count);
                value.extend_from_slice(&self.short);
            }
            Some(run) => [
                count | 1,
                u64::from(run.page),
                u64::from(run.pages),
                u64::from(self.last),
            ]
            .iter()
            .for_each(|number| varint::put(value, *number)),
        }
        self.short.clear();
        (self.count, self.last) = (0, 0);
        Ok(())
    }
}

/// A list as its term's value says.
#[derive(Debug)]
pub(super) enum Stored {
    Short(Vec<u32>),
    Long(Run),
}

impl Stored {
    /// Reads the value of a term; `None` if it makes no sense.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let mut at = 0;
        let count = varint::take(value, &mut at)?;
        let long = count & 1 == 1;
        let count = u32::try_from(count >> 1).ok()?;
        if long {
            let mut next = || varint::take_u32(value, &mut at);
            let (page, pages, last) = (next()?, next()?, next()?);
            return Some(Self::Long(Run {
                count,
                page,
                pages,
                last,
            }));
        }
        if count as usize > value.len() {
            return None;
        }
        let (mut positions, mut position) = (Vec::with_capacity(count as usize), 0_u32);
        for _ in 0..count {
            position = position.checked_add(varint::take_u32(value, &mut at)?)?;
            positions.push(position);
        }
        Some(Self::Short(positions))
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Short(positions) => positions.len(),
            Self::Long(run) => run.count as usize,
        }
    }

    /// How many positions are before this one.
    pub(super) fn count_before(&self, file: &PageFile, position: u32) -> Result<usize, Trouble> {
        match self {
            Self::Short(positions) => Ok(positions.partition_point(|at| *at < position)),
            Self::Long(run) if position > run.last => Ok(run.count as usize),
            Self::Long(run) => {
                let Some(number) = run.page_with(file, 0, run.pages, position)? else {
                    return Ok(0);
                };
                let (before, positions) = run.positions(file, number)?;
                Ok(before as usize + positions.partition_point(|at| *at < position))
            }
        }
    }
}

impl Run {
    /// Of these pages (by their place in the list), the last one that does not begin behind a position.
    fn page_with(&self, file: &PageFile, low: u32, high: u32, position: u32) -> Result<Option<u32>, Trouble> {
        let (first, mut low, mut high) = (low, low, high);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.head(file, middle)?.1 <= position {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low.checked_sub(1).filter(|found| *found >= first))
    }

    /// How many positions are before a page of the list, and its first one.
    fn head(&self, file: &PageFile, number: u32) -> Result<(u32, u32), Trouble> {
        let number = self.page.saturating_add(number);
        let page = file.page(number, Kind::List)?;
        let word = |at: usize| {
            let bytes = page.content().get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        word(0).zip(word(4)).ok_or_else(|| senseless(file, number))
    }

    /// How many positions are before a page of the list, and those it holds.
    fn positions(&self, file: &PageFile, number: u32) -> Result<(u32, Vec<u32>), Trouble> {
        let (before, first) = self.head(file, number)?;
        let number = self.page.saturating_add(number);
        let page = file.page(number, Kind::List)?;
        let content = page.content();
        let mut positions = Vec::with_capacity(content.len() - RUN_HEAD_BYTES + 1);
        positions.push(first);
        let (mut at, mut position) = (RUN_HEAD_BYTES, first);
        while at < content.len() {
            let distance = varint::take_u32(content, &mut at);
            let next = distance.and_then(|distance| position.checked_add(distance));
            position = next.ok_or_else(|| senseless(file, number))?;
            positions.push(position);
        }
        Ok((before, positions))
    }
}

fn senseless(file: &PageFile, page: u32) -> Trouble {
    file.damaged(
        page,
        "expected positions in order, found bytes that make no sense",
    )
}

/// A walk over a list that lies in a file.
#[derive(Debug)]
pub(crate) struct SealedList {
    range: Local,
    body: Body,
    remaining: usize,
}

#[derive(Debug)]
enum Body {
    /// Positions, and what is left of them.
    Short(Vec<u32>, std::ops::Range<usize>),
    Long(Walk),
}

/// A walk over a long list, with the page it stands on.
#[derive(Debug)]
struct Walk {
    file: Arc<PageFile>,
    run: Run,
    number: u32,
    positions: Vec<u32>,
}

impl SealedList {
    /// A walk over what of a list is in a range of positions; `None` if nothing is, as far as it can be told for nothing.
    pub(super) fn new(file: &Arc<PageFile>, stored: Stored, range: Local, events: u32) -> Option<Self> {
        let (body, remaining) = match stored {
            Stored::Short(positions) => {
                let from = positions.partition_point(|at| *at < range.from);
                let to = positions.partition_point(|at| *at < range.to).max(from);
                (Body::Short(positions, from..to), to - from)
            }
            Stored::Long(run) => {
                let share = u64::from(run.count) * u64::from(range.to.saturating_sub(range.from));
                let walk = Walk {
                    file: file.clone(),
                    run,
                    number: 0,
                    positions: Vec::new(),
                };
                let remaining = if run.last < range.from {
                    0
                } else {
                    share / u64::from(events.max(1)) + 1
                };
                (Body::Long(walk), remaining as usize)
            }
        };
        (remaining > 0).then_some(Self {
            range,
            body,
            remaining,
        })
    }
}

impl List for SealedList {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn seek(&mut self, bound: u32) -> Result<Option<u32>, Trouble> {
        let forward = self.range.direction == Direction::Forward;
        let found = match &mut self.body {
            Body::Short(positions, rest) if forward => {
                rest.start += gallop(rest.len(), |place| positions[rest.start + place] < bound);
                positions[rest.clone()].first().copied()
            }
            Body::Short(positions, rest) => {
                rest.end -= gallop(rest.len(), |place| positions[rest.end - 1 - place] > bound);
                positions[rest.clone()].last().copied()
            }
            Body::Long(walk) if forward => walk.forward(bound.max(self.range.from))?,
            Body::Long(walk) => walk.backward(bound)?,
        };
        Ok(found.filter(|at| (self.range.from..self.range.to).contains(at)))
    }
}

impl Walk {
    fn load(&mut self, number: u32) -> Result<(), Trouble> {
        if self.positions.is_empty() || self.number != number {
            self.positions = self.run.positions(&self.file, number)?.1;
            self.number = number;
        }
        Ok(())
    }

    /// The first position not before `bound`.
    fn forward(&mut self, bound: u32) -> Result<Option<u32>, Trouble> {
        if bound > self.run.last {
            return Ok(None);
        }
        if self.positions.last().is_none_or(|last| *last < bound) {
            let mut low = if self.positions.is_empty() { 0 } else { self.number };
            // Most walks go on to a page that is near.
            let mut step = 1;
            while low + step < self.run.pages && self.run.head(&self.file, low + step)?.1 <= bound {
                low += step;
                step *= 2;
            }
            let high = low.saturating_add(step).min(self.run.pages);
            let page = self.run.page_with(&self.file, low, high, bound)?;
            self.load(page.unwrap_or(low))?;
        }
        let place = self.positions.partition_point(|at| *at < bound);
        if place == self.positions.len() {
            self.load(self.number + 1)?;
            return Ok(self.positions.first().copied());
        }
        Ok(Some(self.positions[place]))
    }

    /// The last position not behind `bound`.
    fn backward(&mut self, bound: u32) -> Result<Option<u32>, Trouble> {
        if self.positions.first().is_none_or(|first| *first > bound) {
            let to = if self.positions.is_empty() {
                self.run.pages
            } else {
                self.number
            };
            let Some(page) = self.run.page_with(&self.file, 0, to, bound)? else {
                return Ok(None);
            };
            self.load(page)?;
        }
        let after = self.positions.partition_point(|at| *at <= bound);
        Ok(after.checked_sub(1).map(|place| self.positions[place]))
    }
}

/// Every position of a list, one after the other.
#[derive(Debug)]
pub(super) struct All {
    stored: Stored,
    number: u32,
}

impl All {
    pub(super) fn new(stored: Stored) -> Self {
        Self { stored, number: 0 }
    }

    /// The next positions; none at the end.
    pub(super) fn next(&mut self, file: &PageFile) -> Result<Vec<u32>, Trouble> {
        match &mut self.stored {
            Stored::Short(positions) => Ok(std::mem::take(positions)),
            Stored::Long(run) if self.number < run.pages => {
                let (_, positions) = run.positions(file, self.number)?;
                self.number += 1;
                Ok(positions)
            }
            Stored::Long(_) => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests;
