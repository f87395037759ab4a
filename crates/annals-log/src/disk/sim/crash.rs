//! What is on the medium after a power cut.
//!
//! In: a disk's state, a mode, a seed. Out: the state a machine would find when it starts again. Whatever was
//! flushed is there; of the rest the mode and the seed decide.

use std::sync::Arc;

use super::chance::Chance;
use super::state::{Change, Content, SECTOR, State};

/// Which of the changes that were not flushed survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Survival {
    /// None of them.
    Nothing,
    /// All of them.
    Everything,
    /// The oldest ones, up to some point.
    Prefix,
    /// Each or not, independently.
    Random,
    /// Some number of them, as if the disk had written them in another order.
    Shuffled,
    /// Names and sizes without contents: files are long and full of zeros.
    SizeAhead,
    /// Names and sizes without contents, and where a file grew there is what these sectors held before they were its
    /// own: bytes of other files.
    Stale,
}

impl Survival {
    /// Every mode.
    pub const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Everything,
        Self::Prefix,
        Self::Random,
        Self::Shuffled,
        Self::SizeAhead,
        Self::Stale,
    ];
}

/// Tells, for each pending change, whether it survives.
struct Verdict {
    mode: Survival,
    chance: Chance,
    /// For [`Survival::Prefix`]: the newest stamp that survives.
    newest: u64,
    /// For [`Survival::Shuffled`]: how many of 2^32 survive.
    share: u64,
}

impl Verdict {
    fn survives(&mut self, stamp: u64, is_content: bool) -> bool {
        match self.mode {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Prefix => stamp <= self.newest,
            Survival::Random => self.chance.one_in(2),
            Survival::Shuffled => self.chance.below(1 << 32) < self.share,
            Survival::SizeAhead | Survival::Stale => !is_content,
        }
    }
}

/// The state after a cut.
pub(super) fn after_cut(state: &State, mode: Survival, seed: u64) -> State {
    let mut verdict = verdict(state, mode, seed);
    let mut names = state.medium_names.clone();
    for stamped in &state.pending_names {
        if verdict.survives(stamped.stamp, false) {
            // A rename that survives carries its file along even if the making of the first name did not.
            stamped.change.apply(&mut names);
        }
    }
    let mut image = State::default();
    for file in names.values() {
        let mut medium = content_after(&state.files[file], &mut verdict);
        if mode == Survival::Stale {
            fill_with_stale(&mut medium, &state.files[file], state);
        }
        image.files.insert(
            *file,
            Content {
                cached: medium.clone(),
                medium,
                pending: Vec::new(),
            },
        );
    }
    image.medium_names = names.clone();
    image.names = names;
    image.number_files_after(state);
    image
}

fn content_after(content: &Content, verdict: &mut Verdict) -> Arc<Vec<u8>> {
    if content.pending.is_empty() {
        return content.medium.clone();
    }
    let mut medium = content.medium.as_ref().clone();
    for stamped in &content.pending {
        let is_content = matches!(stamped.change, Change::Sectors { .. });
        let survives = |piece| verdict.survives(stamped.stamp + piece, is_content);
        stamped.change.apply_some(&mut medium, survives);
    }
    Arc::new(medium)
}

/// Where a file grew and was not flushed: sectors of the largest file there is, as if they had been recycled.
fn fill_with_stale(medium: &mut Arc<Vec<u8>>, content: &Content, state: &State) {
    let known = content.medium.len().next_multiple_of(SECTOR);
    let stale = state.files.values().map(|other| &other.medium);
    let Some(stale) = stale.max_by_key(|bytes| bytes.len()) else {
        return;
    };
    let end = medium.len().min(stale.len());
    if known < end {
        Arc::make_mut(medium)[known..end].copy_from_slice(&stale[known..end]);
    }
}

fn verdict(state: &State, mode: Survival, seed: u64) -> Verdict {
    let mut chance = Chance::new(seed);
    let mut stamps: Vec<u64> = state.pending_names.iter().map(|stamped| stamped.stamp).collect();
    stamps.extend(
        state
            .files
            .values()
            .flat_map(|content| &content.pending)
            .flat_map(|stamped| (0..stamped.change.pieces()).map(move |piece| stamped.stamp + piece)),
    );
    stamps.sort_unstable();
    let kept = chance.below(stamps.len() as u64 + 1) as usize;
    let newest = kept.checked_sub(1).map_or(0, |last| stamps[last]);
    let share = chance.below((1 << 32) + 1);
    Verdict {
        mode,
        chance,
        newest,
        share,
    }
}
