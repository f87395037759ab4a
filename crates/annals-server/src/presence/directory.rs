//! The directory: who announced himself, and who still counts.
//!
//! In: announcements and the time of a monotonic clock. Out: a table. The lease runs from when an announcement was heard,
//! by the clock of whoever heard it; the newest life of an instance counts, and in it the newest word.
//!
//! Invariants:
//! 1. What comes late or twice changes nothing.
//! 2. If the own way to the broker is lost, or more than half of all leases run out together, nobody is declared dead:
//!    it is more likely that we do not hear. The table is marked stale and kept for at most [`FROZEN_MAX`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use utoipa::ToSchema;

use super::announcement::{Announcement, State};

/// Services that are kept; more are not heard.
const PRESENT_MAX: usize = 4_096;
/// After so long without a word, an entry of a stale table is dropped too.
const FROZEN_MAX: Duration = Duration::from_secs(300);

/// A service that announced itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Present {
    /// What it said last.
    #[serde(flatten)]
    pub announcement: Announcement,
    /// How long ago that was heard, in milliseconds.
    pub heard_ms_ago: u64,
    /// Its lease ran out, but so many did, or the way to the broker is lost, that this says little.
    pub stale: bool,
}

#[derive(Debug)]
struct Heard {
    announcement: Announcement,
    at: Instant,
}

impl Heard {
    fn expired(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) > self.announcement.lease()
    }

    fn is_gone(&self) -> bool {
        self.announcement.state == State::Gone
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct Directory {
    heard: BTreeMap<(SmolStr, SmolStr), Heard>,
    deaf: bool,
}

impl Directory {
    /// Takes in an announcement; answers whether it was news.
    pub fn hear(&mut self, announcement: Announcement, now: Instant) -> bool {
        let key = (announcement.service.clone(), announcement.instance.clone());
        let age = |one: &Announcement| (one.incarnation, one.seq);
        let known = self.heard.get(&key);
        if known.is_some_and(|known| age(&known.announcement) >= age(&announcement)) {
            return false;
        }
        if known.is_none() && self.heard.len() >= PRESENT_MAX {
            return false;
        }
        self.heard.insert(
            key,
            Heard {
                announcement,
                at: now,
            },
        );
        true
    }

    /// Says whether the way to the broker is there.
    pub fn hears(&mut self, hears: bool) {
        self.deaf = !hears;
    }

    /// Everybody who counts, by service and instance; whoever does not is forgotten.
    pub fn present(&mut self, now: Instant) -> Vec<Present> {
        let here = |heard: &&Heard| !heard.is_gone();
        let all = self.heard.values().filter(here).count();
        let expired = self
            .heard
            .values()
            .filter(here)
            .filter(|heard| heard.expired(now));
        let frozen = self.deaf || expired.count() * 2 > all;
        self.heard.retain(|_, heard| {
            let silent = now.saturating_duration_since(heard.at);
            // The words of one that is gone are kept for a lease, so that an older word does not call it back.
            !heard.expired(now) || (frozen && !heard.is_gone() && silent <= FROZEN_MAX)
        });
        let shown = self.heard.values().filter(here).map(|heard| Present {
            announcement: heard.announcement.clone(),
            heard_ms_ago: now.saturating_duration_since(heard.at).as_millis() as u64,
            stale: heard.expired(now) || self.deaf,
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::announcement::tests::announcement;
    use super::*;

    fn later(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    fn names(directory: &mut Directory, now: Instant) -> Vec<(String, bool)> {
        let present = directory.present(now).into_iter();
        present
            .map(|one| (one.announcement.service.to_string(), one.stale))
            .collect()
    }

    fn fresh(name: &str) -> (String, bool) {
        (name.to_owned(), false)
    }

    fn stale(name: &str) -> (String, bool) {
        (name.to_owned(), true)
    }

    #[test]
    fn the_newest_life_and_in_it_the_newest_word_counts() {
        let (mut directory, now) = (Directory::default(), Instant::now());
        assert!(directory.hear(announcement("orders", 1, 5), now));
        assert!(!directory.hear(announcement("orders", 1, 5), now), "twice");
        assert!(!directory.hear(announcement("orders", 1, 4), now), "late");
        assert!(directory.hear(announcement("orders", 2, 1), now), "a new life");
        assert!(
            !directory.hear(announcement("orders", 1, 9), now),
            "the old one is over"
        );
        assert_eq!(names(&mut directory, now), [fresh("orders")]);
    }

    #[test]
    fn one_that_falls_silent_among_others_is_forgotten() {
        let (mut directory, now) = (Directory::default(), Instant::now());
        for name in ["orders", "payments", "stock"] {
            directory.hear(announcement(name, 1, 1), now);
        }
        for name in ["orders", "stock"] {
            directory.hear(announcement(name, 1, 2), later(now, 10));
        }
        assert_eq!(names(&mut directory, later(now, 15)).len(), 3);
        assert_eq!(
            names(&mut directory, later(now, 16)),
            [fresh("orders"), fresh("stock")]
        );
    }

    #[test]
    fn when_most_fall_silent_nobody_is_declared_dead_for_a_while() {
        let (mut directory, now) = (Directory::default(), Instant::now());
        for name in ["orders", "payments", "stock"] {
            directory.hear(announcement(name, 1, 1), now);
        }
        directory.hear(announcement("stock", 1, 2), later(now, 10));
        let expected = [stale("orders"), stale("payments"), fresh("stock")];
        assert_eq!(names(&mut directory, later(now, 20)), expected);
        directory.hear(announcement("orders", 1, 2), later(now, 21));
        directory.hear(announcement("stock", 1, 3), later(now, 21));
        assert_eq!(
            names(&mut directory, later(now, 22)),
            [fresh("orders"), fresh("stock")]
        );
        assert_eq!(names(&mut directory, later(now, 400)), []);
    }

    #[test]
    fn who_does_not_hear_declares_nobody_dead() {
        let (mut directory, now) = (Directory::default(), Instant::now());
        directory.hear(announcement("orders", 1, 1), now);
        directory.hear(announcement("stock", 1, 1), later(now, 12));
        directory.hears(false);
        assert_eq!(
            names(&mut directory, later(now, 16)),
            [stale("orders"), stale("stock")]
        );
        directory.hears(true);
        assert_eq!(names(&mut directory, later(now, 17)), [fresh("stock")]);
    }

    #[test]
    fn one_that_says_goodbye_is_gone_and_no_old_word_calls_it_back() {
        let (mut directory, now) = (Directory::default(), Instant::now());
        directory.hear(announcement("orders", 1, 1), now);
        let mut goodbye = announcement("orders", 1, 3);
        goodbye.state = State::Gone;
        directory.hear(goodbye, now);
        assert_eq!(names(&mut directory, now), []);
        assert!(!directory.hear(announcement("orders", 1, 2), now));
        assert!(
            directory.hear(announcement("orders", 2, 1), now),
            "but a new life does"
        );
        assert_eq!(names(&mut directory, now), [fresh("orders")]);
    }
}
