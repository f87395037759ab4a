//! Posting lists: the positions at which a term occurs, ascending.
//!
//! In: positions in order. Out: slices, and cursors that skip. Most terms occur a few times, so the first three
//! positions need no memory of their own; longer lists grow by half.

use annals_core::port::store::Direction;

use super::super::list::{List, gallop};
use super::super::trouble::Trouble;

const INLINE: usize = 3;

#[derive(Debug)]
pub(crate) enum Postings {
    Few { len: u8, at: [u32; INLINE] },
    Many(Vec<u32>),
}

impl Default for Postings {
    fn default() -> Self {
        Self::Few {
            len: 0,
            at: [0; INLINE],
        }
    }
}

impl Postings {
    pub(crate) fn push(&mut self, position: u32) {
        match self {
            Self::Few { len, at } if usize::from(*len) < INLINE => {
                at[usize::from(*len)] = position;
                *len += 1;
            }
            Self::Few { at, .. } => {
                let mut many = Vec::with_capacity(8);
                many.extend_from_slice(at);
                many.push(position);
                *self = Self::Many(many);
            }
            Self::Many(many) => {
                if many.len() == many.capacity() {
                    many.reserve_exact(many.len() / 2);
                }
                many.push(position);
            }
        }
    }

    pub(crate) fn pop(&mut self) {
        match self {
            Self::Few { len, .. } => *len = len.saturating_sub(1),
            Self::Many(many) => {
                many.pop();
            }
        }
    }

    pub(crate) fn all(&self) -> &[u32] {
        match self {
            Self::Few { len, at } => &at[..usize::from(*len)],
            Self::Many(many) => many,
        }
    }

    /// The positions in `from..to`; free if the last one is before `from`.
    pub(crate) fn between(&self, from: u32, to: u32) -> &[u32] {
        let all = self.all();
        if all.last().is_none_or(|last| *last < from) {
            return &[];
        }
        let start = all.partition_point(|position| *position < from);
        let end = all.partition_point(|position| *position < to);
        &all[start..end.max(start)]
    }

    /// How many positions are before this one.
    pub(crate) fn count_before(&self, position: u32) -> usize {
        self.all().partition_point(|at| *at < position)
    }
}

/// A walk over a slice of positions in either direction.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u32],
    direction: Direction,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(positions: &'a [u32], direction: Direction) -> Self {
        Self {
            rest: positions,
            direction,
        }
    }

    fn next(&mut self, bound: u32) -> Option<u32> {
        match self.direction {
            Direction::Forward => {
                self.rest = &self.rest[gallop(self.rest.len(), |place| self.rest[place] < bound)..];
                self.rest.first().copied()
            }
            Direction::Backward => {
                let last = self.rest.len();
                let skipped = gallop(last, |place| self.rest[last - 1 - place] > bound);
                self.rest = &self.rest[..last - skipped];
                self.rest.last().copied()
            }
        }
    }
}

impl List for Cursor<'_> {
    fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn seek(&mut self, bound: u32) -> Result<Option<u32>, Trouble> {
        Ok(self.next(bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_and_go_again() {
        let mut list = Postings::default();
        for position in 0..100 {
            assert_eq!(list.all().len(), position as usize);
            list.push(position * 3);
        }
        assert_eq!(list.between(10, 22), [12, 15, 18, 21]);
        assert_eq!(list.between(298, 999), [] as [u32; 0]);
        assert_eq!(list.between(20, 10), [] as [u32; 0]);
        assert_eq!(
            (list.count_before(0), list.count_before(1), list.count_before(999)),
            (0, 1, 100)
        );
        for _ in 0..98 {
            list.pop();
        }
        assert_eq!(list.all(), [0, 3]);
        assert_eq!(size_of::<Postings>(), 24);
    }

    #[test]
    fn seeking_finds_what_filtering_finds() {
        let positions: Vec<u32> = (0..200).map(|n| n * n / 3).collect();
        for start in (0..14_000).step_by(37) {
            let mut forward = Cursor::new(&positions, Direction::Forward);
            let mut backward = Cursor::new(&positions, Direction::Backward);
            for bound in [start, start + 5, start + 900] {
                assert_eq!(
                    forward.next(bound),
                    positions.iter().copied().find(|at| *at >= bound)
                );
            }
            for bound in [start + 900, start + 5, start] {
                assert_eq!(
                    backward.next(bound),
                    positions.iter().copied().rfind(|at| *at <= bound)
                );
            }
        }
        assert_eq!(Cursor::new(&[], Direction::Backward).next(5), None);
    }
}
