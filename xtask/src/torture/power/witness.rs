//! What was told to somebody outside the disk, and what is on it afterwards.
//!
//! In: acknowledgements and events as they are heard; the content of every log after a restart. Out: what was lost, changed
//! or left out. Invariant: what is heard once a cut has begun counts as unknown, because it may have been told from memory
//! while the disk was going: only what was heard before must be there.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Ids by log, in the order of their positions; the first is at position 0.
pub(crate) type Contents = BTreeMap<String, Vec<String>>;

/// One acknowledgement, or one event that somebody was shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    /// Of which log.
    pub(crate) log: String,
    /// Where they are.
    pub(crate) at: At,
    /// Which events, side by side.
    pub(crate) ids: Vec<String>,
}

/// What was said about a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    /// The first is at this position.
    First(u64),
    /// All are before this position.
    Before(u64),
}

impl Told {
    /// How many of its events are not where they were said to be.
    fn lost(&self, positions: &HashMap<&str, u64>) -> u64 {
        let found: Vec<Option<u64>> = self.ids.iter().map(|id| positions.get(&**id).copied()).collect();
        let first = match self.at {
            At::First(first) => Some(first),
            At::Before(_) => found.first().copied().flatten(),
        };
        let is_there = |offset: u64, found: &Option<u64>| {
            found.is_some_and(|at| {
                first.map(|first| first + offset) == Some(at)
                    && !matches!(self.at, At::Before(end) if at >= end)
            })
        };
        let lost = (0..)
            .zip(&found)
            .filter(|(offset, found)| !is_there(*offset, found));
        lost.count() as u64
    }
}

/// Hears while a program runs, and judges after the cut.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    cut: AtomicBool,
    heard: Mutex<Heard>,
}

/// Counts of one round.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard {
    /// Acknowledged before the cut began.
    pub(crate) acknowledged: Vec<Told>,
    /// Shown to a reader before the cut began.
    pub(crate) shown: Vec<Told>,
    /// Acknowledged after it began.
    pub(crate) unknown: Vec<Told>,
}

impl Witness {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the cut has begun.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    /// A caller was told that his events are kept.
    pub(crate) fn acknowledged(&self, told: Told) {
        let mut heard = self.heard();
        if self.is_cut() {
            heard.unknown.push(told);
        } else {
            heard.acknowledged.push(told);
        }
    }

    /// A reader was shown events.
    pub(crate) fn shown(&self, told: Told) {
        let mut heard = self.heard();
        if !self.is_cut() {
            heard.shown.push(told);
        }
    }

    /// From now on what is heard is unknown.
    pub(crate) fn cut_begins(&self) {
        // The lock: who has heard before has also written down.
        let _heard = self.heard();
        self.cut.store(true, Ordering::SeqCst);
    }

    /// What was heard in this round.
    pub(crate) fn take(&self) -> Heard {
        std::mem::take(&mut *self.heard())
    }
}

/// The history of one disk over many cuts.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// What was read after the last restart: it was served, so it stays.
    known: Contents,
    /// Everything acknowledged since the disk is there.
    acknowledged: Vec<Told>,
    /// What readers were shown in the last round.
    shown: Vec<Told>,
}

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// Acknowledged or shown, and not there: how many events.
    pub(crate) lost: u64,
    /// What is wrong, in words; the first of each kind of each log.
    pub(crate) wrong: Vec<String>,
}

impl History {
    /// Adds what was heard in a round.
    pub(crate) fn add(&mut self, heard: Heard) {
        self.acknowledged.extend(heard.acknowledged);
        self.shown = heard.shown;
    }

    /// Compares with what is there now, which is known from then on.
    pub(crate) fn judge(&mut self, found: &Contents) -> Judgement {
        let mut judgement = Judgement::default();
        for (log, ids) in found {
            let unique: BTreeSet<&String> = ids.iter().collect();
            if unique.len() != ids.len() {
                judgement.wrong.push(format!("{log}: an event is there twice"));
            }
        }
        for (log, before) in &self.known {
            let now = found.get(log).map_or(&[][..], Vec::as_slice);
            let same = before.iter().zip(now).take_while(|(a, b)| a == b).count();
            if same < before.len() {
                judgement.lost += (before.len() - same) as u64;
                judgement.wrong.push(format!(
                    "{log}: of {} events read after the last restart the one at position {same} is not there any more",
                    before.len()
                ));
            }
        }
        let positions = positions(found);
        let nothing = HashMap::new();
        for (what, all) in [("acknowledged", &self.acknowledged), ("shown", &self.shown)] {
            let mut told_of = BTreeSet::new();
            for told in all {
                let lost = told.lost(positions.get(&*told.log).unwrap_or(&nothing));
                judgement.lost += lost;
                if lost > 0 && told_of.insert(&told.log) {
                    let end = found.get(&told.log).map_or(0, Vec::len);
                    let (log, at) = (&told.log, told.at);
                    judgement.wrong.push(format!(
                        "{log}: {lost} events {what} at {at:?} are not there; it ends at {end}"
                    ));
                }
            }
        }
        self.known.clone_from(found);
        judgement
    }

    /// How many events are on the disk.
    pub(crate) fn events(&self) -> u64 {
        self.known.values().map(|ids| ids.len() as u64).sum()
    }

    /// How many of these are there after all.
    pub(crate) fn holds(&self, told: &[Told]) -> usize {
        let positions = positions(&self.known);
        let is_there = |told: &&Told| {
            let there = positions.get(&*told.log);
            there.is_some_and(|there| told.lost(there) == 0)
        };
        told.iter().filter(is_there).count()
    }
}

fn positions(contents: &Contents) -> BTreeMap<&str, HashMap<&str, u64>> {
    let all = contents.iter();
    all.map(|(log, ids)| (&**log, ids.iter().map(String::as_str).zip(0..).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{At, Contents, Heard, History, Told, Witness};

    fn told(first: u64, ids: &[&str]) -> Told {
        Told {
            log: "orders".to_owned(),
            at: At::First(first),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    fn contents(ids: &[&str]) -> Contents {
        [("orders".to_owned(), told(0, ids).ids)].into()
    }

    fn after(heard: Heard, found: &[&str]) -> (u64, usize) {
        let mut history = History::default();
        assert_eq!(history.judge(&contents(&["a"])).lost, 0);
        history.add(heard);
        let judgement = history.judge(&contents(found));
        (judgement.lost, judgement.wrong.len())
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_lost() {
        let heard = |first, ids: &[&str]| Heard {
            acknowledged: vec![told(first, ids)],
            ..Heard::default()
        };
        assert_eq!(after(heard(1, &["b", "c"]), &["a", "b", "c", "d"]), (0, 0));
        assert_eq!(after(heard(1, &["b", "c"]), &["a", "b"]), (1, 1));
        assert_eq!(after(heard(1, &["b", "c"]), &["a", "c", "b"]), (2, 1));
        // Also when it is somewhere else.
        assert_eq!(after(heard(2, &["b"]), &["a", "b", "c"]), (1, 1));
    }

    #[test]
    fn where_only_an_end_was_told_they_lie_side_by_side_before_it() {
        let heard = |end, ids: &[&str]| Heard {
            acknowledged: vec![Told {
                at: At::Before(end),
                ..told(0, ids)
            }],
            ..Heard::default()
        };
        assert_eq!(after(heard(4, &["b", "c"]), &["a", "b", "c", "d"]), (0, 0));
        assert_eq!(after(heard(2, &["b", "c"]), &["a", "b", "c"]), (1, 1));
        assert_eq!(after(heard(4, &["b", "c"]), &["a", "b", "x", "c"]), (1, 1));
        assert_eq!(after(heard(4, &["b", "c"]), &["a"]), (2, 1));
    }

    #[test]
    fn what_was_served_or_shown_stays_and_nothing_is_there_twice() {
        assert_eq!(after(Heard::default(), &[]), (1, 1));
        assert_eq!(after(Heard::default(), &["b"]), (1, 1));
        assert_eq!(after(Heard::default(), &["a", "b", "b"]), (0, 1));
        let shown = Heard {
            shown: vec![told(1, &["b"])],
            ..Heard::default()
        };
        assert_eq!(after(shown.clone(), &["a", "b"]), (0, 0));
        assert_eq!(after(shown, &["a", "c"]), (1, 1));
    }

    #[test]
    fn what_is_heard_after_the_cut_began_is_unknown() {
        let witness = Witness::default();
        witness.acknowledged(told(0, &["a"]));
        witness.shown(told(0, &["a"]));
        witness.cut_begins();
        witness.acknowledged(told(1, &["b"]));
        witness.shown(told(1, &["b"]));
        let heard = witness.take();
        assert_eq!(heard.acknowledged, [told(0, &["a"])]);
        assert_eq!(heard.shown, [told(0, &["a"])]);
        assert_eq!(heard.unknown, [told(1, &["b"])]);
        let mut history = History::default();
        history.judge(&contents(&["a", "b"]));
        assert_eq!(history.holds(&heard.unknown), 1);
    }
}
