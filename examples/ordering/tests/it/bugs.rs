//! The order system's books must be able to disagree: mistakes in following and publishing are planted one at a time, and each
//! must be found by what is checked at the end of a story.
//!
//! Mistakes in taking in are not found here, because the decisions of this system answer a repeated command as it is meant:
//! they are hunted by the chains of the test kit.

use std::cell::Cell;

use annals::bug::Bug as Services;
use annals::core::bug::Bug as Core;
use annals_bug::{plant, weed};
use annals_testkit::hunt::Bank;

use super::system::{EVERYTHING, told_by};

/// The first seed, and how many may be told before a bug must have been found.
const SEEDS: std::ops::Range<u64> = 100..160;
const CHAPTERS: u64 = 4;

/// What is checked.
#[derive(Debug, Clone, Copy)]
struct Books;

fn search(_: Books, tries: &Cell<u64>) -> Result<(), String> {
    for seed in SEEDS {
        tries.set(tries.get() + 1);
        told_by(seed, EVERYTHING, CHAPTERS);
    }
    Ok(())
}

#[test]
fn every_planted_bug_is_found() {
    let mut bank = Bank::open();
    for bug in Core::ALL {
        bank.hunt(bug, &[Books], (|| plant(bug), weed), search);
    }
    let relay = Services::CheckpointBeforeConfirm;
    bank.hunt(relay, &[Books], (|| plant(relay), weed), search);
    bank.close();
}
