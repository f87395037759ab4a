//! Whether a group waits for more appends, and for how long.
//!
//! In: when groups were flushed, how many callers were answered, how many waited meanwhile. Out: how many appends the next
//! group waits for, and how long. A flush costs the same for one append as for many, so groups that wait for those who
//! come back at once may carry more in the same time; or less, where callers have work of their own to do, which the flush
//! would have hidden. Nobody can tell beforehand, so both are tried: for a few groups now and then the other way than
//! most, and whichever carries more appends a second is the way of the next. A caller that is alone waits for nobody.
//! (Hill climbing, with two places to be.)

use std::time::{Duration, Instant};

/// A group waits for no longer than this part of a flush.
const PART_OF_FLUSH: u32 = 2;
/// Nor for longer than this, however slow the disk is.
const WAIT_MAX: Duration = Duration::from_millis(1);
/// So many groups are a trial of the other way.
const TRIAL: u32 = 64;
/// The first ones after a change are not counted: callers that came in two halves need some to come as one, and the other
/// way round.
const SETTLING: u32 = 8;
/// Groups between two trials: fewest after a change, then twice as many each time that nothing changes.
const BETWEEN: (u32, u32) = (64, 4_096);
/// Waiting is worth it if it carries so much more, in hundredths: it makes each append slower where it does not.
const WORTH: u64 = 105;
/// After a pause of so many flushes the load is another one, and what was counted before says nothing of it.
const PAUSE: u32 = 16;

#[derive(Debug)]
pub(crate) struct Patience {
    /// What a flush takes, as of late.
    flush: Duration,
    /// Callers that may come.
    callers: usize,
    /// Whether groups wait, but for trials.
    waits: bool,
    /// Whether this is a trial of the other way.
    trying: bool,
    /// Groups between the trials.
    between: u32,
    /// What was carried the last time that no trial was made, and what is being counted.
    usual: Rate,
    count: Count,
}

/// Appends a second.
type Rate = u64;

/// Groups one after the other, without a pause.
#[derive(Debug, Default)]
struct Count {
    groups: u32,
    appends: u64,
    /// When the group before the first of them was flushed, and when the last was.
    span: Option<(Instant, Instant)>,
}

impl Count {
    /// Nothing yet; what comes is counted from this moment on.
    fn from(moment: Instant) -> Self {
        Self {
            groups: 0,
            appends: 0,
            span: Some((moment, moment)),
        }
    }

    fn add(&mut self, now: Instant, appends: usize) {
        self.groups += 1;
        match self.groups > SETTLING {
            true => self.appends += appends as u64,
            false => self.span = Some((now, now)),
        }
        self.span = self.span.map(|(from, _)| (from, now));
    }

    fn rate(&self) -> Rate {
        let took = self.span.map_or(Duration::ZERO, |(from, to)| to - from);
        let appends = u128::from(self.appends) * 1_000_000_000;
        u64::try_from(appends / took.as_nanos().max(1)).unwrap_or(u64::MAX)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            flush: Duration::ZERO,
            callers: 0,
            waits: true,
            trying: false,
            between: BETWEEN.0,
            usual: 0,
            count: Count::default(),
        }
    }
}

impl Patience {
    /// A group was flushed just now, in this time, and so many callers are answered; others wait already.
    pub(crate) fn flushed(&mut self, now: Instant, took: Duration, answered: usize, waiting: usize) {
        self.flush = (self.flush * 7 + took) / 8;
        self.callers = answered + waiting;
        let last = self.count.span.map(|(_, last)| last);
        let paused = last.is_none_or(|last| now.saturating_duration_since(last) > self.flush * PAUSE);
        if paused || self.callers < 2 {
            self.trying = false;
            self.count = Count::from(now);
            return;
        }
        self.count.add(now, answered);
        let wanted = if self.trying { TRIAL } else { self.between };
        if self.count.groups >= wanted {
            self.judge(now);
        }
    }

    /// Enough was counted: a trial begins, or ends and is compared with what was before it.
    fn judge(&mut self, now: Instant) {
        let rate = self.count.rate();
        self.count = Count::from(now);
        if !self.trying {
            (self.usual, self.trying) = (rate, true);
            return;
        }
        self.trying = false;
        let (with, without) = if self.waits {
            (self.usual, rate)
        } else {
            (rate, self.usual)
        };
        let worth_it = u128::from(with) * 100 > u128::from(without) * u128::from(WORTH);
        self.between = match worth_it == self.waits {
            true => (self.between * 2).min(BETWEEN.1),
            false => BETWEEN.0,
        };
        self.waits = worth_it;
    }

    /// How long a group of so many appends waits for the others: not at all if there are none, if it is not worth it, or
    /// if they did not come back at once.
    pub(crate) fn wait(&self, now: Instant, has: usize) -> Option<Duration> {
        let last = self.count.span.map(|(_, last)| last);
        let lately = last.is_some_and(|last| now.saturating_duration_since(last) < self.flush);
        let waits = self.waits != self.trying && has < self.callers && lately;
        waits.then(|| (self.flush / PART_OF_FLUSH).min(WAIT_MAX))
    }

    /// The callers that a group may wait for, those it has included.
    pub(crate) fn callers(&self) -> usize {
        self.callers
    }
}

#[cfg(test)]
mod tests;
