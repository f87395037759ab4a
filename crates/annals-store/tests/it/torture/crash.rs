//! Power cuts: images of a simulated disk, each opened and judged.
//!
//! A run is a seeded workload of appends with conditions, marks and repeats, with faults of the disk, reopenings and
//! full disks in between. The disk is copied in the middle of its operations; each copy is cut in several ways; each
//! image is opened, some of them cut once or twice more during recovery, and what they hold is compared with a model that
//! is a plain list.
//!
//! `ANNALS_CRASH_IMAGES` says how many images at least (2,000; 220,000 where all tests run), `ANNALS_CRASH_MINUTES` for
//! how long at least instead, `ANNALS_CRASH_SEED` with which seed the first run begins (1), `ANNALS_CRASH_THREADS` on how
//! many threads (all cores), `ANNALS_CRASH_SKIP` which steps of a run are left out (none). A failure is made smaller by
//! leaving steps out, and prints the line that repeats it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::marks::{self, Counts, Harness};
use super::workload::{Plan, Run, STEPS};
use super::{number_from, tried_so_far};

/// Fewer images than this need not reach every mark.
const FULL_IMAGES: u64 = 100_000;

/// A failure.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    pub(super) seed: u64,
    pub(super) what: String,
}

fn skipped() -> BTreeSet<u64> {
    let text = std::env::var("ANNALS_CRASH_SKIP").unwrap_or_default();
    let steps = text.split(',').filter(|step| !step.is_empty());
    steps
        .map(|step| {
            step.parse()
                .unwrap_or_else(|_| panic!("ANNALS_CRASH_SKIP: expected numbers, found {text:?}"))
        })
        .collect()
}

pub(super) fn one(seed: u64, skipped: &BTreeSet<u64>) -> Result<(), String> {
    Run::new(seed, Plan::Chance).without(skipped).judge_all()
}

/// Runs of this thread until so many images were judged; what was wrong with the first bad one.
pub(super) fn search(first_seed: u64, images: u64) -> Result<(), Wrong> {
    let before = tried_so_far();
    for seed in first_seed.. {
        one(seed, &BTreeSet::new()).map_err(|what| Wrong { seed, what })?;
        if tried_so_far() - before >= images {
            break;
        }
    }
    Ok(())
}

/// Leaves out steps one by one, the last ones first, as long as something is wrong without them.
pub(super) fn smallest(wrong: Wrong) -> (BTreeSet<u64>, String) {
    let (mut skipped, mut what) = (BTreeSet::new(), wrong.what);
    for step in (0..STEPS).rev() {
        let mut fewer = skipped.clone();
        fewer.insert(step);
        if let Err(found) = one(wrong.seed, &fewer) {
            (skipped, what) = (fewer, found);
        }
    }
    (skipped, what)
}

fn explain(wrong: Wrong) -> String {
    let (seed, first) = (wrong.seed, wrong.what.clone());
    let (skipped, what) = smallest(wrong);
    let steps: Vec<String> = skipped.iter().map(u64::to_string).collect();
    let skip = match steps.is_empty() {
        true => String::new(),
        false => format!(" --skip {}", steps.join(",")),
    };
    format!(
        "seed {seed}: {first}\nwith {} of {STEPS} steps: {what}\nrepeat: cargo xtask torture crash --images 1 --seed {seed}{skip}",
        STEPS as usize - steps.len()
    )
}

/// What all threads found.
struct Found {
    images: u64,
    marks: Counts,
    wrong: Option<Wrong>,
}

/// Runs on several threads until there are enough images, or something is wrong.
fn search_on(threads: u64, first_seed: u64, enough: impl Fn(u64) -> bool + Sync) -> Found {
    let (seed, images, stop) = (
        AtomicU64::new(first_seed),
        AtomicU64::new(0),
        AtomicBool::new(false),
    );
    let work = || {
        let mut wrong = None;
        while !stop.load(Ordering::Relaxed) && !enough(images.load(Ordering::Relaxed)) {
            let (seed, before) = (seed.fetch_add(1, Ordering::Relaxed), tried_so_far());
            if let Err(what) = one(seed, &BTreeSet::new()) {
                wrong = Some(Wrong { seed, what });
                stop.store(true, Ordering::Relaxed);
            }
            images.fetch_add(tried_so_far() - before, Ordering::Relaxed);
        }
        (marks::take(), wrong)
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut marks = Counts::default();
    parts.iter().for_each(|(one, _)| marks.add(one));
    let wrong = parts
        .into_iter()
        .filter_map(|(_, wrong)| wrong)
        .min_by_key(|wrong| wrong.seed);
    Found {
        images: images.into_inner(),
        marks,
        wrong,
    }
}

fn run(images: u64) {
    let seed = number_from("ANNALS_CRASH_SEED", 1);
    let images = number_from("ANNALS_CRASH_IMAGES", images);
    let minutes = Duration::from_secs(60 * number_from("ANNALS_CRASH_MINUTES", 0));
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let threads = number_from("ANNALS_CRASH_THREADS", cores).max(1);
    let began = Instant::now();
    let skipped = skipped();
    if !skipped.is_empty() {
        one(seed, &skipped).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        return;
    }
    let found = search_on(threads, seed, |judged| match minutes.is_zero() {
        true => judged >= images,
        false => began.elapsed() >= minutes,
    });
    let took = began.elapsed().as_secs_f64();
    println!(
        "{} images judged in {took:.1} s on {threads} threads, {:.0} a second, from seed {seed}",
        found.images,
        found.images as f64 / took
    );
    if let Some(wrong) = found.wrong {
        panic!("{}", explain(wrong));
    }
    let unreached = found.marks.report(Harness::Crash);
    if found.images >= FULL_IMAGES {
        assert!(unreached.is_empty(), "never reached: {unreached:?}");
    }
}

#[test]
fn every_image_of_a_power_cut_keeps_what_was_acknowledged() {
    run(2_000);
}

#[test]
#[ignore = "long: opens 220,000 images of a disk"]
fn very_many_images_of_power_cuts_keep_what_was_acknowledged() {
    run(220_000);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let trace = |seed| {
        one(seed, &BTreeSet::new()).unwrap();
        marks::take()
    };
    marks::take();
    let traces: Vec<_> = (1..6).map(trace).collect();
    assert_eq!(traces, (1..6).map(trace).collect::<Vec<_>>());
    assert_ne!(traces[0], traces[1]);
}
