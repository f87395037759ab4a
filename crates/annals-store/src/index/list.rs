//! What a posting list is to those who walk over it, wherever it lies.

use annals_core::port::store::Direction;

use super::span::Span;
use super::trouble::Trouble;

/// Which positions of a part to look at, counted from its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) from: u32,
    /// Not looked at any more.
    pub(super) to: u32,
    pub(super) direction: Direction,
}

/// A walk over the positions of one term inside a range.
pub(super) trait List {
    /// About how many are left.
    fn remaining(&self) -> usize;

    /// The first position at or behind `bound` in walking order, if the range holds it. Bounds never go back.
    fn seek(&mut self, bound: u32) -> Result<Option<u32>, Trouble>;

    /// Where the event lies that was found last, if the list knows.
    fn span(&self, _position: u32) -> Option<Span> {
        None
    }
}

impl Local {
    /// Small ranks come first in walking order.
    pub(super) fn rank(&self, position: u32) -> u32 {
        match self.direction {
            Direction::Forward => position,
            Direction::Backward => !position,
        }
    }

    /// Which of two positions comes first.
    pub(super) fn nearer(&self, one: u32, other: u32) -> u32 {
        if self.rank(one) < self.rank(other) {
            one
        } else {
            other
        }
    }

    /// The position of a rank.
    pub(super) fn position(&self, rank: u32) -> u32 {
        self.rank(rank)
    }

    /// Where the walk begins, if the range holds anything.
    pub(super) fn start(&self) -> Option<u32> {
        let last = self.to.checked_sub(1).filter(|last| *last >= self.from)?;
        Some(match self.direction {
            Direction::Forward => self.from,
            Direction::Backward => last,
        })
    }

    /// The place behind a position in walking order, if the range holds it.
    pub(super) fn behind(&self, position: u32) -> Option<u32> {
        match self.direction {
            Direction::Forward => Some(position + 1).filter(|next| *next < self.to),
            Direction::Backward => position.checked_sub(1).filter(|next| *next >= self.from),
        }
    }
}

/// The first place that is not `before`, found in steps that double: near places are found fast.
pub(super) fn gallop(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut step) = (0, 1);
    while low + step <= len && before(low + step - 1) {
        low += step;
        step *= 2;
    }
    let mut high = (low + step).min(len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1
        } else {
            high = middle
        }
    }
    low
}
