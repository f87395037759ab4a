//! The harnesses of the store for as long as asked; a slice of each is part of the gate.
//!
//! In: which one, how much, which seed. Out: its counts as it prints them, and whether nothing was wrong.

use std::path::Path;

use anyhow::Result;
use clap::Subcommand;

use crate::cargo;

pub(crate) mod power;
mod tools;

use power::Power;

/// Which harness.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Torture {
    /// Power cuts on a simulated disk: images are opened, some of them cut again, and compared with a model.
    Crash {
        /// How many images at least.
        #[arg(long, default_value_t = 1_000_000)]
        images: u64,
        /// Of the first run; a failure names the seed of its own.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Every byte of a small store turned over, one at a time.
    Rot {
        /// From one byte to the next; 1 is every byte.
        #[arg(long, default_value_t = 1)]
        stride: u64,
    },
    /// Many clients of one store at once; whether one order explains what each of them was told.
    Histories {
        /// How many operations at least.
        #[arg(long, default_value_t = 1_000_000)]
        operations: u64,
        /// What the clients do; not when.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Real power cuts of file systems on loop devices, which takes root: of the node, and of the store alone.
    Power(Power),
    /// Fuzz targets one after the other; needs `cargo fuzz`.
    Fuzz {
        /// Which, by their files in fuzz/fuzz_targets; all where none is named.
        targets: Vec<String>,
        /// For how long each.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Lines and branches of annals-log and annals-store that their tests reach; needs `cargo llvm-cov`.
    Coverage,
    /// Mutants of codecs, recovery and conditions that no test notices; needs `cargo mutants`.
    Mutants,
}

/// Runs a harness and answers whether all went well.
///
/// # Errors
/// Cargo cannot be run.
pub(crate) fn torture(root: &Path, what: &Torture) -> Result<bool> {
    let (test, variables) = match what {
        Torture::Crash { images, seed } => (
            "crash::every_image_of_a_power_cut_keeps_what_was_acknowledged",
            vec![
                ("ANNALS_CRASH_IMAGES", images.to_string()),
                ("ANNALS_CRASH_SEED", seed.to_string()),
            ],
        ),
        Torture::Rot { stride } => (
            "crash::rot::every_byte_that_rots_is_told_or_does_no_harm",
            vec![("ANNALS_ROT_STRIDE", stride.to_string())],
        ),
        Torture::Histories { operations, seed } => (
            "histories::many_clients_are_told_one_history",
            vec![
                ("ANNALS_HISTORY_OPERATIONS", operations.to_string()),
                ("ANNALS_HISTORY_SEED", seed.to_string()),
            ],
        ),
        Torture::Power(power) => return power::power(root, power),
        Torture::Fuzz { targets, seconds } => return tools::fuzz(root, targets, *seconds),
        Torture::Coverage => return tools::coverage(root),
        Torture::Mutants => return tools::mutants(root),
    };
    let line = "test --release -p annals-store --test it -- --nocapture --exact";
    let args: Vec<&str> = line.split(' ').chain([test]).collect();
    let run = cargo::run(root, &args, &variables)?;
    Ok(run.failure.is_none() && run.tally.passed == 1)
}
