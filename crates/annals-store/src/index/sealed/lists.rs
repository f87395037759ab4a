//! Posting lists in a file: the positions at which a term occurs, ascending, counted from the first of the file.
//!
//! In: positions in order, with or without the places of their events. Out: a short list as the value of its term, a long
//! one on pages of its own; and cursors that skip. What is stored of a position is the distance to the one before, as a
//! varint; the place stands behind it.
//!
//! The value of a term: the number of positions, times four, plus two if places stand beside them, plus one if it is a long
//! list; then the positions, or the first page, the number of pages and the last position.

use std::io;
use std::sync::Arc;

use annals_core::port::store::Direction;

use super::super::list::{List, Local, gallop};
use super::super::span::Span;
use super::super::trouble::Trouble;
use super::beside::{Base, Listed};
use super::file::PageFile;
use super::runs::{Run, RunWalk, RunWriter};
use super::varint;
use super::writer::PageWriter;

/// Lists up to this stand beside their term, in bytes.
const SHORT_BYTES_MAX: usize = 2_048;

const LONG: u64 = 1;
const PLACED: u64 = 2;

/// Writes one list after the other.
#[derive(Debug)]
pub(super) struct ListWriter {
    base: Base,
    /// The place before.
    before: Base,
    /// Whether places stand beside the positions of this list.
    placed: bool,
    count: u32,
    last: u32,
    short: Vec<u8>,
    long: Option<RunWriter>,
}

impl ListWriter {
    /// For lists whose first place is told from this.
    pub(super) fn new(base: Base) -> Self {
        Self {
            base,
            before: base,
            placed: false,
            count: 0,
            last: 0,
            short: Vec::new(),
            long: None,
        }
    }

    /// Adds a position behind all others of this list. Either all of a list have places or none has.
    pub(super) fn push(
        &mut self,
        pages: &mut PageWriter<'_>,
        position: u32,
        span: Option<&Span>,
    ) -> io::Result<()> {
        if let Some(long) = &mut self.long {
            return long.push(pages, position, span);
        }
        varint::put(&mut self.short, u64::from(position - self.last));
        if let Some(span) = span {
            self.before.put(&mut self.short, span);
        }
        (self.last, self.count, self.placed) = (position, self.count + 1, span.is_some());
        if self.short.len() > SHORT_BYTES_MAX {
            let listed = read_short(&self.short, self.count, self.placed.then_some(self.base));
            let listed = listed.expect("what was just written can be read");
            let mut long = RunWriter::begin(pages, self.base, self.placed);
            for (position, span) in listed.each() {
                long.push(pages, position, span.as_ref())?;
            }
            self.long = Some(long);
        }
        Ok(())
    }

    /// Ends this list, appends the value of its term and begins another one.
    pub(super) fn finish(&mut self, pages: &mut PageWriter<'_>, value: &mut Vec<u8>) -> io::Result<()> {
        let placed = if self.placed { PLACED } else { 0 };
        match self.long.take() {
            None => {
                varint::put(value, u64::from(self.count) << 2 | placed);
                value.extend_from_slice(&self.short);
            }
            Some(long) => {
                let run = long.finish(pages)?;
                varint::put(value, u64::from(run.count) << 2 | placed | LONG);
                let rest = [run.page, run.pages, run.last];
                rest.iter()
                    .for_each(|number| varint::put(value, u64::from(*number)));
            }
        }
        self.short.clear();
        (self.count, self.last, self.before, self.placed) = (0, 0, self.base, false);
        Ok(())
    }
}

/// Reads what a short list is stored as; with a base if places stand beside. `None` if it makes no sense.
fn read_short(bytes: &[u8], count: u32, mut base: Option<Base>) -> Option<Listed> {
    if count as usize > bytes.len() {
        return None;
    }
    let (mut at, mut position) = (0, 0_u32);
    let mut listed = Listed {
        positions: Vec::with_capacity(count as usize),
        spans: Vec::with_capacity(base.map_or(0, |_| count as usize)),
    };
    for _ in 0..count {
        position = position.checked_add(varint::take_u32(bytes, &mut at)?)?;
        listed.positions.push(position);
        if let Some(base) = &mut base {
            listed.spans.push(base.take(bytes, &mut at)?);
        }
    }
    Some(listed)
}

/// A list as its term's value says.
#[derive(Debug)]
pub(super) enum Stored {
    Short(Listed),
    Long(Run),
}

impl Stored {
    /// Reads the value of a term; `None` if it makes no sense.
    pub(super) fn read(value: &[u8], base: Base) -> Option<Self> {
        let mut at = 0;
        let head = varint::take(value, &mut at)?;
        let placed = (head & PLACED != 0).then_some(base);
        let count = u32::try_from(head >> 2).ok()?;
        if head & LONG != 0 {
            let mut next = || varint::take_u32(value, &mut at);
            let (page, pages, last) = (next()?, next()?, next()?);
            return Some(Self::Long(Run {
                count,
                page,
                pages,
                last,
                placed,
            }));
        }
        read_short(&value[at..], count, placed).map(Self::Short)
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Short(listed) => listed.positions.len(),
            Self::Long(run) => run.count as usize,
        }
    }

    /// How many positions are before this one.
    pub(super) fn count_before(&self, file: &PageFile, position: u32) -> Result<usize, Trouble> {
        match self {
            Self::Short(listed) => Ok(listed.positions.partition_point(|at| *at < position)),
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
    Short(Listed, std::ops::Range<usize>),
    Long(RunWalk),
}

impl SealedList {
    /// A walk over what of a list is in a range of positions; `None` if nothing is, as far as it can be told for nothing.
    pub(super) fn new(file: &Arc<PageFile>, stored: Stored, range: Local, events: u32) -> Option<Self> {
        let (body, remaining) = match stored {
            Stored::Short(listed) => {
                let positions = &listed.positions;
                let from = positions.partition_point(|at| *at < range.from);
                let to = positions.partition_point(|at| *at < range.to).max(from);
                (Body::Short(listed, from..to), to - from)
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
            Body::Short(Listed { positions, .. }, rest) if forward => {
                rest.start += gallop(rest.len(), |place| positions[rest.start + place] < bound);
                positions[rest.clone()].first().copied()
            }
            Body::Short(Listed { positions, .. }, rest) => {
                rest.end -= gallop(rest.len(), |place| positions[rest.end - 1 - place] > bound);
                positions[rest.clone()].last().copied()
            }
            Body::Long(walk) if forward => walk.forward(bound.max(self.range.from))?,
            Body::Long(walk) => walk.backward(bound)?,
        };
        Ok(found.filter(|at| (self.range.from..self.range.to).contains(at)))
    }

    fn span(&self, position: u32) -> Option<Span> {
        match &self.body {
            Body::Short(listed, _) => listed.span(position),
            Body::Long(walk) => walk.span(position),
        }
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
    pub(super) fn next(&mut self, file: &PageFile) -> Result<Listed, Trouble> {
        match &mut self.stored {
            Stored::Short(listed) => Ok(std::mem::take(listed)),
            Stored::Long(run) if self.number < run.pages => {
                let listed = run.listed(file, self.number)?;
                self.number += 1;
                Ok(listed)
            }
            Stored::Long(_) => Ok(Listed::default()),
        }
    }
}

#[cfg(test)]
mod tests;
