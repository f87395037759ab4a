//! The harnesses must be able to fail: mistakes are planted one at a time, and each must be found by the harnesses named
//! here within a bounded number of tries. Without a bug the same searches find nothing, as their own tests show.

use std::cell::Cell;
use std::fmt;

use annals_log::bug::{Bug as LogBug, plant, weed};
use annals_store::bug::Bug as StoreBug;
use annals_testkit::hunt::Bank;

use super::marks::Harness;
use super::{crash, history, rot, sweep, tried_so_far};

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

fn search(harness: Harness, tries: &Cell<u64>) -> Result<(), String> {
    /// Counts also where an assertion ends the search.
    struct Count<'a>(u64, &'a Cell<u64>);
    impl Drop for Count<'_> {
        fn drop(&mut self) {
            self.1.set(tried_so_far() - self.0 + 1);
        }
    }
    let _count = Count(tried_so_far(), tries);
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

#[test]
#[ignore = "long: searches until each of the planted bugs is found"]
fn every_planted_bug_is_found() {
    let mut bank = Bank::open();
    for bug in Bug::all() {
        bank.hunt(bug, bug.finders(), (|| bug.plant(), weed), search);
    }
    bank.close();
}

#[test]
fn a_failure_is_made_smaller_and_still_fails() {
    plant(LogBug::TrustCachedFrame);
    let wrong = crash::search(1, IMAGES_MAX).unwrap_err();
    let (skipped, what) = crash::smallest(wrong.clone());
    let again = crash::one(wrong.seed, &skipped);
    weed();
    assert_eq!(again, Err(what));
    assert!(skipped.len() > 5, "only {skipped:?} could be left out");
    assert_eq!(crash::one(wrong.seed, &skipped), Ok(()), "without the bug");
}
