//! What takes programs of others: fuzzing, coverage, mutants.
//!
//! In: which, for how long. Out: what these programs print, and whether they found nothing. Each is looked for only when it
//! is asked for, and none is part of the gate; the slices of the fuzzing that are, are unit tests.

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

/// Where a mistake costs most: codecs, recovery, conditions.
const MUTATED: [&str; 12] = [
    "crates/annals-log/src/batch.rs",
    "crates/annals-log/src/checksum.rs",
    "crates/annals-log/src/frame.rs",
    "crates/annals-log/src/judge.rs",
    "crates/annals-log/src/load.rs",
    "crates/annals-log/src/recovery.rs",
    "crates/annals-log/src/scan.rs",
    "crates/annals-log/src/segment.rs",
    "crates/annals-store/src/admit.rs",
    "crates/annals-store/src/commit.rs",
    "crates/annals-store/src/decide.rs",
    "crates/annals-store/src/record.rs",
];

/// Lets each target run for so long, with what it learned before; goes on after one that finds something.
///
/// # Errors
/// Cargo cannot be run.
pub(crate) fn fuzz(root: &Path, targets: &[String], seconds: u64) -> Result<bool> {
    let all = TARGETS.map(str::to_owned);
    let targets = if targets.is_empty() { &all[..] } else { targets };
    let time = format!("-max_total_time={seconds}");
    let mut well = true;
    for target in targets {
        // Our code has nothing unsafe in it, so there is nothing for a sanitizer to see.
        let args = [
            "fuzz",
            "run",
            target,
            "-O",
            "-s",
            "none",
            "--",
            &time,
            "-print_final_stats=1",
            "-max_len=4096",
            "-verbosity=0",
        ];
        // The flags of a fuzzer's build are not stable.
        let unstable = [("RUSTC_BOOTSTRAP", "1".to_owned())];
        well &= cargo::run(root, &args, &unstable)?.failure.is_none();
    }
    Ok(well)
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

/// Mutants of these files that no test of the log and the store notices.
///
/// # Errors
/// Cargo cannot be run.
pub(crate) fn mutants(root: &Path) -> Result<bool> {
    let line = "mutants -p annals-log -p annals-store --test-package annals-log,annals-store --baseline=skip --timeout 120 -o target";
    let mut args: Vec<&str> = line.split(' ').collect();
    for file in MUTATED {
        args.extend(["-f", file]);
    }
    // A slice of each harness is enough to notice a mutant, or is a hole.
    let slices = [
        ("ANNALS_CRASH_IMAGES", "2000".to_owned()),
        ("ANNALS_HISTORY_OPERATIONS", "5000".to_owned()),
        ("ANNALS_FUZZ_ROUNDS", "4000".to_owned()),
    ];
    Ok(cargo::run(root, &args, &slices)?.failure.is_none())
}
