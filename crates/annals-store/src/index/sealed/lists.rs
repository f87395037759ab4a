//! Posting lists in a file: the positions at which a term occurs, ascending, counted from the first of the file.
//!
//! In: positions in order. Out: a short list as the value of its term, a long one on pages of its own; and cursors that
//! skip. What is stored is the distance to the position before, as a varint.
//!
//! The value of a term: the number of positions, times two, plus one if it is a long list; then the positions, or the
//! first page, the number of pages and the last position.

use std::io;
use std::sync::Arc;

use annals_core::port::store::Direction;

use super::super::list::{List, Local, gallop};
use super::super::trouble::Trouble;
use super::file::PageFile;
use super::runs::{Run, RunWalk, RunWriter};
use super::varint;
use super::writer::PageWriter;

/// Lists up to this stand beside their term, in bytes.
const SHORT_BYTES_MAX: usize = 1_024;

/// Writes one list after the other.
#[derive(Debug, Default)]
pub(super) struct ListWriter {
    count: u32,
    last: u32,
    short: Vec<u8>,
    long: Option<RunWriter>,
}

impl ListWriter {
    /// Adds a position behind all others of this list.
    pub(super) fn push(&mut self, pages: &mut PageWriter<'_>, position: u32) -> io::Result<()> {
        if let Some(long) = &mut self.long {
            return long.push(pages, position);
        }
        varint::put(&mut self.short, u64::from(position - self.last));
        (self.last, self.count) = (position, self.count + 1);
        if self.short.len() > SHORT_BYTES_MAX {
            let mut long = RunWriter::begin(pages);
            let (mut at, mut position) = (0, 0);
            while let Some(distance) = varint::take_u32(&self.short, &mut at) {
                position += distance;
                long.push(pages, position)?;
            }
            self.long = Some(long);
        }
        Ok(())
    }

    /// Ends this list, appends the value of its term and begins another one.
    pub(super) fn finish(&mut self, pages: &mut PageWriter<'_>, value: &mut Vec<u8>) -> io::Result<()> {
        match self.long.take() {
            None => {
                varint::put(value, u64::from(self.count) << 1);
                value.extend_from_slice(&self.short);
            }
            Some(long) => {
                let run = long.finish(pages)?;
                varint::put(value, u64::from(run.count) << 1 | 1);
                let rest = [run.page, run.pages, run.last];
                rest.iter()
                    .for_each(|number| varint::put(value, u64::from(*number)));
            }
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
            Self::Long(run) => run.count_before(file, position),
        }
    }
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
    Long(RunWalk),
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
                let remaining = match run.last < range.from {
                    true => 0,
                    false => share / u64::from(events.max(1)) + 1,
                };
                (Body::Long(RunWalk::new(file.clone(), run)), remaining as usize)
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
                let positions = run.positions(file, self.number)?;
                self.number += 1;
                Ok(positions)
            }
            Stored::Long(_) => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests;
