//! The chain must be able to fail: mistakes in following, projecting, taking in and publishing are planted one at a time, and
//! each must be found by the stories named here.

use std::cell::Cell;

use annals::bug::Bug as Services;
use annals_bug::{plant, weed};
use annals_core::bug::Bug as Core;
use annals_testkit::chain::Chain;
use annals_testkit::hunt::Bank;

use crate::chain::EVERYTHING;
use crate::{crash, messages, projections};

/// Seeds that may be told before a bug must have been found.
const SEEDS_MAX: u64 = 60;

/// What a seed tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    /// Students enrol while services crash and answers are lost.
    School,
    /// The same on simulated disks.
    Disk,
    /// Rows are counted in the most fragile way while their service crashes.
    Rows,
    /// Letters are settled with the broker after they are handled.
    Letters,
    /// Letters that fail over a restart.
    Dog,
}

impl Story {
    fn tell(self, seed: u64) {
        match self {
            Self::School => crash::story(seed, &Chain::with_faults(seed, EVERYTHING)),
            Self::Disk => crash::story(seed, &Chain::on_disk(seed, EVERYTHING)),
            Self::Rows => projections::rows_and_checkpoint(seed),
            Self::Letters => messages::settled_after_handling(seed),
            Self::Dog => messages::a_blocked_key_waits_and_others_go_on(),
        }
    }
}

fn search(story: Story, tries: &Cell<u64>) -> Result<(), String> {
    for seed in 0..SEEDS_MAX {
        tries.set(seed + 1);
        story.tell(seed);
    }
    Ok(())
}

/// With each bug, the stories that must find it; the first one is asked wherever all tests run.
#[test]
fn every_planted_bug_is_found() {
    use Story::{Disk, Dog, Letters, Rows, School};
    let mut bank = Bank::open();
    for bug in Core::ALL {
        let stories: &[Story] = match bug {
            Core::LoseAtSeam => &[School, Disk],
            Core::RepeatAtSeam => &[Rows],
        };
        bank.hunt(bug, stories, (|| plant(bug), weed), search);
    }
    for bug in Services::ALL {
        let stories: &[Story] = match bug {
            Services::CheckpointBeforeRows => &[Rows],
            Services::NoteOutsideCommit => &[School, Disk],
            Services::ForgetNotesEarly | Services::SettleBeforeCommit => &[Letters],
            Services::ForgetAttempts => &[Dog],
            Services::CheckpointBeforeConfirm => &[School, Disk],
        };
        bank.hunt(bug, stories, (|| plant(bug), weed), search);
    }
    bank.close();
}
