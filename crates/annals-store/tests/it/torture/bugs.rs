//! The harnesses must be able to fail: mistakes are planted one at a time, and each must be found by the harnesses named
//! here within a bounded number of tries. Without a bug the same searches find nothing, as their own tests show.
//!
//! `ANNALS_BUGS_ONLY` says which one (all of them), `ANNALS_BUGS_BY_ALL=1` that every harness is asked that must find it
//! (only the first of them).

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use annals_log::bug::{Bug as LogBug, plant, weed};
use annals_store::bug::Bug as StoreBug;

use super::marks::Harness;
use super::{crash, history, number_from, rot, sweep, tried_so_far};

/// Images, runs, bytes and queries that may be looked at before a bug must have been found.
const IMAGES_MAX: u64 = 12_000;
const SWEEPS: std::ops::RangeInclusive<u64> = 1..=3;
const ROT_STRIDE: u64 = 3;
const HISTORIES_MAX: u64 = 200;

/// A bug of either crate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bug {
    Log(LogBug),
    Store(StoreBug),
}

impl fmt::Debug for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(bug) => bug.fmt(f),
            Self::Store(bug) => bug.fmt(f),
        }
    }
}

impl Bug {
    fn all() -> impl Iterator<Item = Self> {
        let log = LogBug::ALL.into_iter().map(Self::Log);
        log.chain(StoreBug::ALL.into_iter().map(Self::Store))
    }

    fn plant(self) {
        match self {
            Self::Log(bug) => plant(bug),
            Self::Store(bug) => plant(bug),
        }
    }

    /// Which harnesses must find it; the first one is asked wherever all tests run.
    fn finders(self) -> &'static [Harness] {
        use Harness::{Crash, History, Rot, Sweep};
        match self {
            Self::Log(bug) => match bug {
                LogBug::AcknowledgeUnflushed
                | LogBug::SkipDirectoryFlush
                | LogBug::ShowUnflushed
                | LogBug::SkipRecoveryFlush
                | LogBug::TrustCachedFrame => &[Crash, Sweep],
                LogBug::IgnoreDirectoryFlushError => &[Sweep],
                LogBug::RetryFailedFlush
                | LogBug::GoOnAfterFailedFlush
                | LogBug::SwallowSealError
                | LogBug::BurnNumbers => &[Sweep, Crash],
                LogBug::ChecksumPayloadOnly | LogBug::UncheckedRecordLength => &[Rot, Crash],
                LogBug::ChecksumWithoutTime | LogBug::CutAtFirstBadFrame => &[Crash, Rot],
                // Where the log's verification skips a segment the store's notices that the index knows more.
                LogBug::SkipNewestSegmentButOne
                | LogBug::NameUnflushedSegment
                | LogBug::KeepCutWrite
                | LogBug::AnyPlace
                | LogBug::AnySegment
                | LogBug::ZerosEndTheLog
                | LogBug::KeepStaleHandle
                | LogBug::LoseExactFit => &[Crash],
            },
            Self::Store(bug) => match bug {
                StoreBug::AcknowledgeQueued | StoreBug::AnswerPastFailedGroup => &[Sweep, Crash],
                StoreBug::KeepWithdrawnTerms => &[Sweep, Crash],
                StoreBug::SplitMarks => &[Crash],
                StoreBug::UncomparedId
                | StoreBug::MissInFlight
                | StoreBug::SkipEventAtBoundary
                | StoreBug::AnyTagForAll
                | StoreBug::ForgetLastOfPart => &[History, Crash],
            },
        }
    }
}

/// How a bug was found.
struct Found {
    tries: u64,
    took: Duration,
    what: String,
}

thread_local! {
    static HUNTS: Cell<bool> = const { Cell::new(false) };
}

/// A bug may break an assertion: that counts as found, and nobody needs to read of it.
fn be_quiet_while_hunting() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !HUNTS.get() {
                tell(info);
            }
        }));
    });
}

fn search(harness: Harness) -> Result<(), String> {
    match harness {
        Harness::Crash => {
            crash::search(1, IMAGES_MAX).map_err(|wrong| format!("seed {}: {}", wrong.seed, wrong.what))
        }
        Harness::Sweep => SWEEPS.into_iter().try_for_each(|seed| sweep::search(seed, 1)),
        Harness::Rot => rot::first_harm(ROT_STRIDE),
        Harness::History => {
            history::search(1, HISTORIES_MAX).map_err(|(seed, wrong)| format!("seed {seed}: {wrong}"))
        }
    }
}

fn hunt(bug: Bug, harness: Harness) -> Option<Found> {
    let (began, before) = (Instant::now(), tried_so_far());
    bug.plant();
    HUNTS.set(true);
    let searched = catch_unwind(AssertUnwindSafe(|| search(harness)));
    HUNTS.set(false);
    weed();
    let what = match searched {
        Ok(Ok(())) => return None,
        Ok(Err(what)) => what,
        Err(reason) => format!("an assertion failed: {}", text_of(&*reason)),
    };
    Some(Found {
        tries: tried_so_far() - before + 1,
        took: began.elapsed(),
        what,
    })
}

fn text_of(reason: &(dyn std::any::Any + Send)) -> String {
    let text = reason.downcast_ref::<String>().cloned();
    text.or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// As much of a text as fits a line.
fn brief(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(110)
        .collect()
}

#[test]
#[ignore = "long: searches until each of the planted bugs is found"]
fn every_planted_bug_is_found() {
    be_quiet_while_hunting();
    let (only, by_all) = (
        std::env::var("ANNALS_BUGS_ONLY").unwrap_or_default(),
        number_from("ANNALS_BUGS_BY_ALL", 0) > 0,
    );
    let (mut missed, mut hunted) = (Vec::new(), 0);
    println!(
        "{:<26} {:<7} {:>7} {:>9}  found by",
        "bug", "harness", "tries", "time"
    );
    for bug in Bug::all().filter(|bug| only.is_empty() || format!("{bug:?}") == only) {
        hunted += 1;
        let finders = bug.finders();
        for harness in if by_all { finders } else { &finders[..1] } {
            match hunt(bug, *harness) {
                Some(found) => println!(
                    "{:<26} {harness:<7} {:>7} {:>6.0} ms  {}",
                    format!("{bug:?}"),
                    found.tries,
                    found.took.as_secs_f64() * 1e3,
                    brief(&found.what)
                ),
                None => missed.push((bug, harness.to_string())),
            }
        }
    }
    assert!(hunted > 0, "there is no bug of the name {only:?}");
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn a_failure_is_made_smaller_and_still_fails() {
    be_quiet_while_hunting();
    plant(LogBug::TrustCachedFrame);
    let wrong = crash::search(1, IMAGES_MAX).unwrap_err();
    let (skipped, what) = crash::smallest(wrong.clone());
    let again = crash::one(wrong.seed, &skipped);
    weed();
    assert_eq!(again, Err(what));
    assert!(skipped.len() > 5, "only {skipped:?} could be left out");
    assert_eq!(crash::one(wrong.seed, &skipped), Ok(()), "without the bug");
}
