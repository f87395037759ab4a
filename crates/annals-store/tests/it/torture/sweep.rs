//! Failing operations: each operation of small workloads is made to fail in each way a disk may, once and until it is
//! mended, and the disk is full from it on. Whatever is answered then must be true, and everything acknowledged must be
//! there in the end. Each read, too: it is told, and the next one answers.
//!
//! `ANNALS_SWEEP_SEEDS` says on how many workloads (1), `ANNALS_SWEEP_SEED` which is the first (1), `ANNALS_SWEEP_STRIDE`
//! how far from one operation to the next (7; 1 is all of them).

use std::sync::Arc;
use std::time::Instant;

use annals_core::port::store::{EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_store::disk::sim::chance::Chance;
use annals_store::disk::sim::{Fault, SimDisk, Survival};

use super::chosen::{query, tag};
use super::marks::{self, Harness, Mark, reached};
use super::workload::{Plan, Run, StepClock, contents, now, open};
use super::{number_from, tried, tried_so_far};

const FAULTS: [Fault; 4] = [Fault::Refuse, Fault::NoSpace, Fault::CutShort, Fault::FailFlush];

/// Every plan for a workload of so many operations.
fn plans(operations: u64, stride: u64) -> impl Iterator<Item = Plan> {
    (0..operations).step_by(stride as usize).flat_map(|operation| {
        let failing = FAULTS
            .into_iter()
            .flat_map(move |fault| [Plan::Once(operation, fault), Plan::Lasting(operation, fault)]);
        failing.chain([Plan::Full(operation)])
    })
}

/// Fails every operation of one workload, and every read; or what was wrong first.
pub(super) fn search(seed: u64, stride: u64) -> Result<(), String> {
    let wrong = |plan: Plan, what: String| format!("seed {seed}, {plan:?}: {what}");
    let operations = Run::new(seed, Plan::Nothing)
        .survive()
        .map_err(|what| wrong(Plan::Nothing, what))?;
    for plan in plans(operations, stride) {
        Run::new(seed, plan).survive().map_err(|what| wrong(plan, what))?;
    }
    reads(seed, stride).map_err(|what| format!("seed {seed}, reads: {what}"))
}

/// Fails every read of some questions.
fn reads(seed: u64, stride: u64) -> Result<(), String> {
    let disk = SimDisk::new(seed);
    Run::on(disk.clone(), seed, Plan::Nothing).survive()?;
    for read in (0..).step_by(stride as usize) {
        let image = disk.crash(0, Survival::Everything);
        let store = open(&image, Arc::new(StepClock::default())).map_err(|error| error.to_string())?;
        let model = contents(&store)?;
        let first = image.reads();
        image.fail_read_at(first + read);
        let mut chance = Chance::new(seed);
        for _ in 0..6 {
            let (query, tag) = (query(&mut chance), tag(&mut chance));
            let expected: Vec<_> = model.select(&query).cloned().collect();
            let told = |error: ReadError| match error {
                ReadError::Unavailable(_) => {
                    reached(Mark::ReadFailedAndWasTold);
                    Ok(())
                }
                other => Err(format!(
                    "read {read}: expected to be told it is unavailable, found {other}"
                )),
            };
            match now(store.read(Read::new(query.clone(), Position::ZERO))) {
                Ok(page) if page.events == expected => {}
                Ok(_) => return Err(format!("read {read}: {query:?} is answered wrongly")),
                Err(error) => told(error)?,
            }
            match now(store.revision(tag.clone(), Position::MAX)) {
                Ok(revision) if revision == model.revision(&tag) => {}
                Ok(_) => return Err(format!("read {read}: {tag} is answered wrongly")),
                Err(error) => told(error)?,
            }
        }
        tried();
        if image.reads() <= first + read {
            return Ok(());
        }
    }
    Ok(())
}

fn run(seeds: u64, stride: u64) {
    let first = number_from("ANNALS_SWEEP_SEED", 1);
    let seeds = number_from("ANNALS_SWEEP_SEEDS", seeds);
    let stride = number_from("ANNALS_SWEEP_STRIDE", stride).max(1);
    let (began, before) = (Instant::now(), tried_so_far());
    for seed in first..first + seeds {
        search(seed, stride).unwrap_or_else(|wrong| {
            panic!("{wrong}\nrepeat: cargo xtask torture faults --seeds 1 --seed {seed} --stride {stride}")
        });
    }
    println!(
        "{} runs with something that fails in {:.1} s, from seed {first}",
        tried_so_far() - before,
        began.elapsed().as_secs_f64()
    );
    let unreached = marks::take().report(Harness::Sweep);
    if stride == 1 {
        assert!(unreached.is_empty(), "never reached: {unreached:?}");
    }
}

#[test]
fn whatever_operation_fails_what_is_answered_is_true() {
    run(1, 7);
}

#[test]
#[ignore = "long: fails every operation of several workloads in nine ways"]
fn whichever_of_all_operations_fails_what_is_answered_is_true() {
    run(6, 1);
}
