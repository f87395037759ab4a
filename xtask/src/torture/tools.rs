//! What takes programs of others: fuzzing, coverage, mutants.
//!
//! In: which, for how long. Out: what these programs print, and whether they found nothing. Each is looked for only when it
//! is asked for, and none is part of the gate; the slices of the fuzzing that are, are unit tests.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::cargo;

/// Fuzz targets, by their files in `fuzz/fuzz_targets`.
const TARGETS: [&str; 7] = [
    "frame",
    "segment_header",
    "records",
    "event",
    "mark",
    "folder",
    "cloud_event",
];

/// Where a mistake costs most: codecs, recovery, conditions; by the package whose own tests must notice.
const MUTATED: [(&str, &[&str]); 2] = [
    (
        "annals-log",
        &[
            "batch.rs",
            "checksum.rs",
            "frame.rs",
            "judge.rs",
            "load.rs",
            "recovery.rs",
            "scan.rs",
            "segment.rs",
        ],
    ),
    (
        "annals-store",
        &[
            "admit.rs",
            "answers.rs",
            "commit.rs",
            "decide.rs",
            "queue.rs",
            "record.rs",
            "record/layout.rs",
            "record/view.rs",
        ],
    ),
];

/// What fuzzers learned and nobody asked to keep, by target.
const LEARNED: &str = "target/fuzz-corpus";
/// What is kept of it, by target, and fed to the doors by unit tests.
const KEPT: &str = "fuzz/corpus";
/// How many inputs of a target are kept at most.
const KEPT_MAX: usize = 40;

/// Lets each target run for so long, with what it learned before and what is kept; goes on after one that finds something.
/// With `keep`, what is kept is chosen anew among both.
///
/// # Errors
/// Cargo cannot be run, or a corpus not be written.
pub(crate) fn fuzz(root: &Path, targets: &[String], seconds: u64, keep: bool) -> Result<bool> {
    let all = TARGETS.map(str::to_owned);
    let targets = if targets.is_empty() { &all[..] } else { targets };
    let time = format!("-max_total_time={seconds}");
    let mut well = true;
    for target in targets {
        let (learned, kept) = (format!("{LEARNED}/{target}"), format!("{KEPT}/{target}"));
        fs::create_dir_all(root.join(&learned))?;
        fs::create_dir_all(root.join(&kept))?;
        let found_nothing = run_target(root, target, &[&learned, &kept], &[&time, "-print_final_stats=1"])?;
        // What makes it stumble must not be kept: the unit tests would, too.
        well &= found_nothing && (!keep || choose(root, target, &learned, &kept)?);
    }
    Ok(well)
}

/// Puts the fewest inputs that reach what all of a target's reach in the place of those that are kept; of very many only
/// those that add most.
fn choose(root: &Path, target: &str, learned: &str, kept: &str) -> Result<bool> {
    let chosen = format!("{LEARNED}/{target}.chosen");
    empty(&root.join(&chosen))?;
    let merge = ["-set_cover_merge=1", "-use_counters=0"];
    if !run_target(root, target, &[&chosen, kept, learned], &merge)? {
        return Ok(false);
    }
    let mut inputs = Vec::new();
    for input in fs::read_dir(root.join(&chosen))? {
        let input = input?;
        inputs.push((input.metadata()?.modified()?, input.path(), input.file_name()));
    }
    // The fuzzer writes the one that adds most first.
    inputs.sort();
    empty(&root.join(kept))?;
    for (_, path, name) in inputs.into_iter().take(KEPT_MAX) {
        fs::copy(path, root.join(kept).join(name))?;
    }
    Ok(true)
}

/// An empty folder in the place of this one.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

/// Runs a target once; new inputs go to the first of these corpora.
fn run_target(root: &Path, target: &str, corpora: &[&str], options: &[&str]) -> Result<bool> {
    // Our code has nothing unsafe in it, so there is nothing for a sanitizer to see.
    let build = ["fuzz", "run", "-O", "-s", "none", target];
    let common = ["--", "-max_len=4096", "-verbosity=0"];
    let args = [&build[..], corpora, &common[..], options].concat();
    // The flags of a fuzzer's build are not stable.
    let unstable = [("RUSTC_BOOTSTRAP", "1".to_owned())];
    Ok(cargo::run(root, &args, &unstable)?.failure.is_none())
}

/// Lines and branches of the log and the store that their own tests reach, among these the hunt for planted bugs: what only
/// a planted bug does is a branch too.
///
/// # Errors
/// Cargo cannot be run.
pub(crate) fn coverage(root: &Path) -> Result<bool> {
    let ignored =
        "--ignore-filename-regex=(annals-bug|annals-core|annals-testkit|/tests|tests\\.rs|fuzz\\.rs)";
    let unstable = [("RUSTC_BOOTSTRAP", "1".to_owned())];
    let runs = [
        "llvm-cov clean --workspace",
        "llvm-cov -p annals-log -p annals-store --branch --no-report",
        "llvm-cov -p annals-log -p annals-store --branch --no-report --test it -- --ignored torture::bugs",
        "llvm-cov report -p annals-log -p annals-store --branch --summary-only",
    ];
    for (place, line) in runs.iter().enumerate() {
        let is_report = place + 1 == runs.len();
        let args: Vec<&str> = line.split(' ').chain(is_report.then_some(ignored)).collect();
        if cargo::run(root, &args, &unstable)?.failure.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Mutants of these files that no test of their package notices; `.cargo/mutants.toml` lists those that change nothing
/// a test could notice.
///
/// # Errors
/// Cargo cannot be run.
pub(crate) fn mutants(root: &Path) -> Result<bool> {
    let mut well = true;
    for (package, files) in MUTATED {
        let line = format!(
            "mutants -p {package} --test-package {package} --baseline=skip --timeout 150 -o target/mutants/{package}"
        );
        let mut args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for file in files {
            args.extend(["-f".to_owned(), format!("crates/{package}/src/{file}")]);
        }
        args.extend(["--", "--lib", "--test", "it"].map(str::to_owned));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        well &= cargo::run(root, &args, &slices())?.failure.is_none();
    }
    Ok(well)
}

/// A slice of each harness is enough to notice a mutant, or is a hole; and nobody debugs a mutant.
fn slices() -> [(&'static str, String); 4] {
    [
        ("ANNALS_CRASH_IMAGES", "2000".to_owned()),
        ("ANNALS_HISTORY_OPERATIONS", "5000".to_owned()),
        ("ANNALS_FUZZ_ROUNDS", "4000".to_owned()),
        ("CARGO_PROFILE_DEV_DEBUG", "0".to_owned()),
    ]
}
