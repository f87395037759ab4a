//! The window of a group: how far it has read, what of that is unfinished, and the watermark under it.
//!
//! In: positions read, taken in and finished. Out: the watermark, below which everything is finished. Positions may
//! have gaps: those between are of no concern to the group.
//!
//! Invariant: an unfinished position is never below the watermark, so a crash skips nothing; finished ones above it are
//! remembered singly, so that they do not come back. Knows neither messages nor keys.

use std::collections::BTreeSet;

use annals_core::position::Position;

/// What a group has read, and what of it is finished.
#[derive(Debug)]
pub(super) struct Window {
    read_to: Position,
    open: BTreeSet<Position>,
    done: BTreeSet<Position>,
}

impl Window {
    /// A window that begins at a position, with what was finished above it before.
    pub(super) fn new(from: Position, done: BTreeSet<Position>) -> Self {
        Self {
            read_to: from,
            open: BTreeSet::new(),
            done,
        }
    }

    /// Where to read on.
    pub(super) fn read_to(&self) -> Position {
        self.read_to
    }

    /// Everything before this position was looked at.
    pub(super) fn read_on(&mut self, to: Position) {
        self.read_to = self.read_to.max(to);
    }

    /// A position of this group's concern; `false` if it was finished before.
    pub(super) fn open(&mut self, position: Position) -> bool {
        !self.done.contains(&position) && self.open.insert(position)
    }

    /// This position is finished.
    pub(super) fn finish(&mut self, position: Position) {
        if self.open.remove(&position) {
            self.done.insert(position);
        }
    }

    /// The marks of what was finished before this position are gone from the store: forget it here too.
    pub(super) fn forget_before(&mut self, end: Position) {
        self.done = self.done.split_off(&end);
    }

    /// Everything before this position is finished, once these are finished too.
    pub(super) fn watermark_with(&self, finished: &BTreeSet<Position>) -> Position {
        let mut open = self.open.iter().copied();
        open.find(|position| !finished.contains(position))
            .unwrap_or(self.read_to)
    }

    /// What is remembered as finished before this position.
    pub(super) fn done_before(&self, end: Position) -> impl Iterator<Item = Position> {
        self.done.range(..end).copied()
    }

    /// What is remembered as finished from this position on.
    pub(super) fn done_from(&self, start: Position) -> impl Iterator<Item = Position> {
        self.done.range(start..).copied()
    }

    /// How many more positions may be opened when at most `max` are remembered. Where nothing is open there is always
    /// room, so that a full window that was loaded finds the unfinished position it waits for.
    pub(super) fn room(&self, max: usize) -> usize {
        if self.open.is_empty() {
            return max;
        }
        max.saturating_sub(self.open.len() + self.done.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(positions: &[u64]) -> BTreeSet<Position> {
        positions.iter().copied().map(Position::new).collect()
    }

    fn watermark(window: &Window) -> u64 {
        window.watermark_with(&BTreeSet::new()).get()
    }

    fn opened(positions: &[u64], to: u64) -> Window {
        let mut window = Window::new(Position::ZERO, BTreeSet::new());
        for position in at(positions) {
            assert!(window.open(position));
        }
        window.read_on(Position::new(to));
        window
    }

    #[test]
    fn the_watermark_stops_at_the_first_unfinished_one() {
        let mut window = opened(&[2, 5, 9], 20);
        assert_eq!(watermark(&window), 2);
        window.finish(Position::new(5));
        window.finish(Position::new(9));
        assert_eq!((watermark(&window), window.done.len()), (2, 2));
        assert_eq!(window.watermark_with(&at(&[2])), Position::new(20));
        assert_eq!(window.room(4), 1);
        window.finish(Position::new(2));
        window.forget_before(Position::new(20));
        assert_eq!((watermark(&window), window.done.len()), (20, 0));
    }

    #[test]
    fn what_was_finished_before_is_not_opened_again() {
        let mut window = Window::new(Position::new(3), at(&[4, 7]));
        assert!(window.open(Position::new(3)));
        assert!(!window.open(Position::new(4)));
        window.read_on(Position::new(6));
        assert_eq!(watermark(&window), 3);
        assert_eq!(
            window.done_before(Position::new(5)).collect::<BTreeSet<_>>(),
            at(&[4])
        );
        window.finish(Position::new(3));
        window.forget_before(Position::new(6));
        assert_eq!((watermark(&window), window.done.len()), (6, 1));
        assert!(!window.open(Position::new(7)));
    }

    #[test]
    fn a_full_window_that_was_loaded_still_finds_what_it_waits_for() {
        let mut window = Window::new(Position::new(3), at(&[4, 5, 6, 7]));
        assert_eq!(window.room(4), 4);
        assert!(window.open(Position::new(3)));
        assert_eq!(window.room(4), 0);
    }
}
