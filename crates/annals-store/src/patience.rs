//! How long a group waits for more appends.
//!
//! In: how many callers were answered, how many waited meanwhile, and what a flush takes. Out: how many appends the next
//! group waits for, and for how long. A flush costs the same for one append as for many, and callers that were answered
//! a moment ago often come back at once. So a group waits for as many as there were, for no longer than a part of what
//! a flush takes, and less often where they do not come. A caller that is alone waits for nobody.

use std::time::Duration;

/// A group waits for no longer than this part of a flush.
const PART_OF_FLUSH: u32 = 2;
/// Nor for longer than this, however slow the disk is.
const WAIT_MAX: Duration = Duration::from_millis(1);
/// Where nobody comes, so many groups do not wait, at most.
const RESTS_MAX: u32 = 64;

#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// What a flush takes, as of late.
    flush: Duration,
    /// Callers that may come.
    callers: usize,
    /// Groups that are not to wait.
    resting: u32,
    /// How many did not, last time.
    rested: u32,
}

impl Patience {
    /// A group was flushed in this time and so many callers are answered; others wait already.
    pub(crate) fn flushed(&mut self, took: Duration, answered: usize, waiting: usize) {
        self.flush = (self.flush * 7 + took) / 8;
        self.callers = answered + waiting;
        self.resting = self.resting.saturating_sub(1);
    }

    /// How long a group of so many appends waits for the others; not at all if there are none.
    pub(crate) fn wait(&self, has: usize) -> Option<Duration> {
        let worth_it = self.resting == 0 && has < self.callers;
        worth_it.then(|| (self.flush / PART_OF_FLUSH).min(WAIT_MAX))
    }

    /// The callers that a group may wait for, those it has included.
    pub(crate) fn callers(&self) -> usize {
        self.callers
    }

    /// A group waited, and has so many now.
    pub(crate) fn waited(&mut self, has: usize) {
        // Most of them is as good as all.
        self.rested = match has * 4 >= self.callers * 3 {
            true => 0,
            false => (self.rested * 2).clamp(1, RESTS_MAX),
        };
        self.resting = self.rested;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLUSH: Duration = Duration::from_micros(800);

    fn after(answered: usize, waiting: usize) -> Patience {
        let mut patience = Patience::default();
        (0..64).for_each(|_| patience.flushed(FLUSH, answered, waiting));
        patience
    }

    #[test]
    fn a_caller_that_is_alone_waits_for_nobody() {
        assert_eq!(after(1, 0).wait(1), None);
        assert_eq!(Patience::default().wait(1), None);
    }

    #[test]
    fn a_group_waits_for_those_who_were_answered_for_a_part_of_a_flush() {
        let patience = after(32, 32);
        assert_eq!((patience.callers(), patience.wait(64)), (64, None));
        let wait = patience.wait(32).unwrap();
        assert!(wait > FLUSH / 3 && wait <= FLUSH / 2, "{wait:?}");
        let mut slow = Patience::default();
        (0..64).for_each(|_| slow.flushed(Duration::from_millis(20), 2, 2));
        assert_eq!(slow.wait(2), Some(WAIT_MAX));
    }

    #[test]
    fn where_they_do_not_come_most_groups_do_not_wait() {
        let mut patience = after(32, 32);
        let mut waits = 0;
        for _ in 0..1_000 {
            if patience.wait(32).is_some() {
                waits += 1;
                patience.waited(33);
            }
            patience.flushed(FLUSH, 33, 31);
        }
        assert!((15..30).contains(&waits), "{waits}");
        while patience.wait(32).is_none() {
            patience.flushed(FLUSH, 32, 32);
        }
        patience.waited(60);
        patience.flushed(FLUSH, 60, 4);
        assert!(patience.wait(32).is_some(), "they come again");
    }
}
