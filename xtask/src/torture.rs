//! The harnesses of the store for as long as asked, and the bugs that these and those of services and brokers must find; a slice
//! of each is part of the gate.
//!
//! In: which one, how much, which seed. Out: its counts as it prints them, and whether nothing was wrong.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;

use crate::cargo;

pub(crate) mod power;
mod tools;

use power::Power;

/// Which harness.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Harness {
    /// Power cuts on a simulated disk: images are opened, some of them cut again, and compared with a model.
    Crash {
        /// How many images at least.
        #[arg(long, default_value_t = 1_000_000)]
        images: u64,
        /// For how long at least, instead of a number of images.
        #[arg(long)]
        minutes: Option<u64>,
        /// Of the first run; a failure names the seed of its own.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// On how many threads; all cores unless said.
        #[arg(long)]
        threads: Option<u64>,
        /// Steps of one run that are left out, with commas, as a failure prints them.
        #[arg(long, default_value = "")]
        skip: String,
    },
    /// Every operation of a workload made to fail in every way, once and until it is mended.
    Faults {
        /// On how many workloads.
        #[arg(long, default_value_t = 50)]
        seeds: u64,
        /// Of the first workload.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// From one operation to the next; 1 is every operation.
        #[arg(long, default_value_t = 1)]
        stride: u64,
    },
    /// Every byte of a small store turned over, one at a time.
    Rot {
        /// From one byte to the next; 1 is every byte.
        #[arg(long, default_value_t = 1)]
        stride: u64,
    },
    /// Histories full of near-misses, compared with a plain list.
    Model {
        /// How many.
        #[arg(long, default_value_t = 50_000)]
        histories: u64,
        /// Of the first history.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Bugs planted one at a time, each of which every harness of its own must find; prints a table.
    Bugs {
        /// Only the one of this name.
        #[arg(long, default_value = "")]
        only: String,
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
}

/// A harness, or a tool that takes one.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Torture {
    #[command(flatten)]
    Harness(Harness),
    /// Real power cuts of file systems on loop devices, which takes root: of the node, and of the store alone.
    Power(Power),
    /// Fuzz targets one after the other; needs `cargo fuzz`.
    Fuzz {
        /// Which, by their files in fuzz/fuzz_targets; all where none is named.
        targets: Vec<String>,
        /// For how long each.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Chooses anew what is kept in fuzz/corpus: the fewest inputs that reach what all of them reach.
        #[arg(long)]
        keep: bool,
    },
    /// Lines and branches of annals-log and annals-store that their tests reach; needs `cargo llvm-cov`.
    Coverage,
    /// Mutants of codecs, recovery and conditions that no test notices; needs `cargo mutants`.
    Mutants,
}

impl Harness {
    /// The test that is the harness, and what it is told.
    fn test(&self) -> (&'static str, Vec<(&'static str, String)>) {
        match self {
            Self::Crash {
                images,
                minutes,
                seed,
                threads,
                skip,
            } => {
                let mut told = vec![
                    ("ANNALS_CRASH_IMAGES", images.to_string()),
                    ("ANNALS_CRASH_SEED", seed.to_string()),
                    ("ANNALS_CRASH_SKIP", skip.clone()),
                ];
                told.extend(minutes.map(|minutes| ("ANNALS_CRASH_MINUTES", minutes.to_string())));
                told.extend(threads.map(|threads| ("ANNALS_CRASH_THREADS", threads.to_string())));
                (
                    "torture::crash::every_image_of_a_power_cut_keeps_what_was_acknowledged",
                    told,
                )
            }
            Self::Faults { seeds, seed, stride } => (
                "torture::sweep::whatever_operation_fails_what_is_answered_is_true",
                vec![
                    ("ANNALS_SWEEP_SEEDS", seeds.to_string()),
                    ("ANNALS_SWEEP_SEED", seed.to_string()),
                    ("ANNALS_SWEEP_STRIDE", stride.to_string()),
                ],
            ),
            Self::Rot { stride } => (
                "torture::rot::every_byte_that_rots_is_told_or_does_no_harm",
                vec![("ANNALS_ROT_STRIDE", stride.to_string())],
            ),
            Self::Model { histories, seed } => (
                "torture::history::histories_are_answered_as_a_plain_list_would",
                vec![
                    ("ANNALS_MODEL_HISTORIES", histories.to_string()),
                    ("ANNALS_MODEL_SEED", seed.to_string()),
                ],
            ),
            Self::Bugs { only } => ("torture::bugs::every_planted_bug_is_found", told_of_bugs(only)),
            Self::Histories { operations, seed } => (
                "histories::many_clients_are_told_one_history",
                vec![
                    ("ANNALS_HISTORY_OPERATIONS", operations.to_string()),
                    ("ANNALS_HISTORY_SEED", seed.to_string()),
                ],
            ),
        }
    }
}

/// The banks beside that of the store: their packages, and the test that is one in each of them.
const BANKS: [&str; 3] = ["annals-testkit", "annals-transport", "ordering"];
const BANK: &str = "bugs::every_planted_bug_is_found";
/// Where bugs are listed.
const LISTS: [&str; 5] = [
    "crates/annals-log/src/bug.rs",
    "crates/annals-store/src/bug.rs",
    "crates/annals-core/src/bug.rs",
    "crates/annals-transport/src/bug.rs",
    "crates/annals/src/bug.rs",
];

/// Whether there is a bug of this name: a bank passes over what is not its own.
fn is_listed(root: &Path, name: &str) -> Result<bool> {
    for list in LISTS {
        let text = std::fs::read_to_string(root.join(list)).with_context(|| format!("cannot read {list}"))?;
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        if words.any(|word| word == name) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn told_of_bugs(only: &str) -> Vec<(&'static str, String)> {
    vec![
        ("ANNALS_BUGS_ONLY", only.to_owned()),
        ("ANNALS_BUGS_BY_ALL", "1".to_owned()),
    ]
}

/// The bugs of following, projecting, taking in and publishing, all of them also where some were missed. Without a release
/// build: they are found in seconds.
fn banks(root: &Path, only: &str) -> Result<bool> {
    let mut well = true;
    for package in BANKS {
        let line = format!("test -p {package} --test it -- --nocapture --exact {BANK}");
        let args: Vec<&str> = line.split(' ').collect();
        let run = cargo::run(root, &args, &told_of_bugs(only))?;
        well &= run.failure.is_none() && run.tally.passed == 1;
    }
    Ok(well)
}

/// Runs a harness and answers whether all went well.
///
/// # Errors
/// Cargo cannot be run, or there is no bug of that name.
pub(crate) fn torture(root: &Path, what: &Torture) -> Result<bool> {
    if let Torture::Harness(Harness::Bugs { only }) = what
        && !only.is_empty()
        && !is_listed(root, only)?
    {
        bail!("there is no bug of the name {only}; see {}", LISTS.join(", "));
    }
    let (test, variables) = match what {
        Torture::Harness(harness) => harness.test(),
        Torture::Power(power) => return power::power(root, power),
        Torture::Fuzz {
            targets,
            seconds,
            keep,
        } => return tools::fuzz(root, targets, *seconds, *keep),
        Torture::Coverage => return tools::coverage(root),
        Torture::Mutants => return tools::mutants(root),
    };
    let line = "test --release -p annals-store --test it -- --nocapture --include-ignored --exact";
    let args: Vec<&str> = line.split(' ').chain([test]).collect();
    let run = cargo::run(root, &args, &variables)?;
    let well = run.failure.is_none() && run.tally.passed == 1;
    match what {
        Torture::Harness(Harness::Bugs { only }) => Ok(banks(root, only)? && well),
        _ => Ok(well),
    }
}
