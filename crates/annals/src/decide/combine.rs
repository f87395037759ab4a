//! Combining: commands of one type that wait are taken together, as group commit takes appends together.
//!
//! Whoever finds nobody at work sets a worker going; the worker takes what has queued up, carries it out as one, and
//! looks again. There is no timer: a lone command is carried out at once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use annals_core::mark::MarkKey;
use tokio::sync::oneshot;

use crate::decide::errand::Errand;
use crate::decide::outcome::{Done, ExecuteError};
use crate::define::command::Decide;

/// Commands of one batch.
const ERRANDS_MAX: usize = 64;
/// Models that a batch loads, unless its first command alone wants more.
const WANTED_MAX: usize = 2_048;

/// An errand and who waits for it.
pub(crate) struct Waiting<C: Decide> {
    pub(crate) errand: Errand<C>,
    pub(crate) answer: oneshot::Sender<Result<Done, ExecuteError<C::Refusal>>>,
}

/// The waiting commands of one type.
pub(crate) struct Combiner<C: Decide> {
    line: Mutex<Line<C>>,
}

struct Line<C: Decide> {
    waiting: VecDeque<Waiting<C>>,
    at_work: bool,
}

impl<C: Decide> Default for Combiner<C> {
    fn default() -> Self {
        Self {
            line: Mutex::new(Line {
                waiting: VecDeque::new(),
                at_work: false,
            }),
        }
    }
}

impl<C: Decide> Combiner<C> {
    /// Joins the line; `true` if nobody is at work, and the caller has to see to it that somebody is.
    pub(crate) fn join(&self, waiting: Waiting<C>) -> bool {
        let mut line = self.line();
        line.waiting.push_back(waiting);
        !std::mem::replace(&mut line.at_work, true)
    }

    /// What can be carried out together, in the order in which it came; `None`: nobody waits, the work is over.
    pub(crate) fn take(&self) -> Option<Vec<Waiting<C>>> {
        let mut line = self.line();
        let mut batch = Vec::new();
        let mut notes: HashSet<MarkKey> = HashSet::new();
        let mut wanted = 0;
        while let Some(next) = line.waiting.front() {
            let alone = next.errand.how.expects.is_some();
            wanted += next.errand.wanted.len();
            let fits = batch.len() < ERRANDS_MAX
                && wanted <= WANTED_MAX
                && !alone
                && next.errand.notes().all(|note| !notes.contains(note));
            if !batch.is_empty() && !fits {
                break;
            }
            notes.extend(next.errand.notes().cloned());
            batch.extend(line.waiting.pop_front());
            if alone {
                break;
            }
        }
        line.at_work = !batch.is_empty();
        line.at_work.then_some(batch)
    }

    /// The worker has failed: whoever waits is told by the loss of his sender, and the next to come works again.
    pub(crate) fn abandon(&self) {
        let mut line = self.line();
        line.waiting.clear();
        line.at_work = false;
    }

    fn line(&self) -> MutexGuard<'_, Line<C>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
