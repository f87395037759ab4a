//! The harnesses that look for broken promises, each with an oracle of its own, and the bugs they must find.
//!
//! | harness | what it does | as long as asked |
//! |---|---|---|
//! | [`crash`] | power cuts: images of a simulated disk, opened and judged | `cargo xtask torture crash` |
//! | [`sweep`] | every operation of a workload made to fail, once and for ever | `cargo xtask torture faults` |
//! | [`rot`] | every byte of a small store turned over, every frame lost or misplaced | `cargo xtask torture rot` |
//! | [`history`] | histories full of near-misses, compared with a plain list | `cargo xtask torture model` |
//! | [`bugs`] | mistakes planted one at a time, each of which a harness must find | `cargo xtask torture bugs` |
//!
//! All of it is seeded: a failure prints the line that repeats it.

/// What must be there: a list and filters.
mod oracle;
/// Rare states that must have been reached.
mod marks;
/// Events, queries and conditions, by a seed.
mod chosen;
/// The workload and where its cuts are taken.
mod workload;
/// What is asked of an image.
mod judge;
/// Power cuts.
mod crash;
/// Failing operations.
mod sweep;
/// Rot.
mod rot;
/// Histories.
mod history;
/// Bugs that the harnesses must find.
mod bugs;

use std::cell::Cell;

/// A number from the environment.
pub(crate) fn number_from(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}: expected a number, found {text:?}")),
        Err(_) => default,
    }
}

thread_local! {
    static TRIED: Cell<u64> = const { Cell::new(0) };
}

/// Counts one image, run, byte or question of this thread.
fn tried() {
    TRIED.set(TRIED.get() + 1);
}

/// How many there were so far.
fn tried_so_far() -> u64 {
    TRIED.get()
}
