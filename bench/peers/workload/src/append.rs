//! The steps that write, each verified by reading everything back.
//!
//! With one writer, making the events is not counted; with many it is, alike for all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::digest::Digest;
use crate::fact::{Fact, Shape};
use crate::figures::{print, print_latencies, print_rate};
use crate::peer::{Guard, Outcome, Peer};

/// Clients of the step of many writers.
const WRITERS: u64 = 64;
/// Clients of the step of guarded appends.
const DECIDERS: u64 = 16;
/// Numbers that one client may use up.
const LANE: u64 = 1 << 32;
/// Events of one append where they come in batches.
pub(crate) const BATCH: u64 = 1_000;
/// Appends that are not counted, so that files and caches are there.
const WARM_UP: u64 = 20;

/// What clients did.
#[derive(Default)]
struct Done {
    latencies: Vec<Duration>,
    written: Digest,
    conflicts: u64,
}

/// One writer that appends `batch` events at a time; with one at a time, latencies are figures too.
pub(crate) async fn alone<P: Peer>(
    peer: &P,
    shape: Shape,
    row: &str,
    batch: u64,
    time: Duration,
) -> Result<()> {
    let (mut done, mut number, began) = (Done::default(), 0, Instant::now());
    let mut counted = Instant::now();
    let mut appends = 0;
    while appends <= WARM_UP || counted.elapsed() < time {
        if appends == WARM_UP {
            (done.latencies, counted) = (Vec::new(), Instant::now());
        }
        ensure!(
            began.elapsed() < time * 20,
            "{WARM_UP} appends took {:?}",
            began.elapsed()
        );
        let facts = shape.facts(number, batch);
        facts.iter().for_each(|fact| done.written.expect(fact));
        done.latencies.push(append(peer, facts).await?);
        number += batch;
        appends += 1;
    }
    let busy: Duration = done.latencies.iter().sum();
    print_rate(row, done.latencies.len() as u64 * batch, busy);
    if batch == 1 {
        print_latencies(row, done.latencies);
    }
    verify(peer, &done.written, true).await
}

async fn append<P: Peer>(peer: &P, facts: Vec<Fact>) -> Result<Duration> {
    let began = Instant::now();
    let outcome = peer.append(facts, None).await?;
    ensure!(
        outcome == Outcome::Durable,
        "an append without a guard had a conflict"
    );
    Ok(began.elapsed())
}

/// As many events as a full store has, in batches; answers how long that took.
pub(crate) async fn fill<P: Peer>(peer: &P, shape: Shape) -> Result<()> {
    let mut busy = Duration::ZERO;
    for number in (0..shape.events).step_by(BATCH as usize) {
        busy += append(peer, shape.facts(number, BATCH)).await?;
    }
    print_rate("fill", shape.events, busy);
    Ok(())
}

/// Many writers, one event at a time.
pub(crate) async fn many<P: Peer>(peer: Arc<P>, shape: Shape, time: Duration) -> Result<()> {
    let began = Instant::now();
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(peer.clone(), shape, writer * LANE, began + time)))
        .collect();
    let done = all(tasks).await?;
    print_rate("many", done.written.count, began.elapsed());
    print_latencies("many", done.latencies);
    verify(&*peer, &done.written, false).await
}

async fn write<P: Peer>(peer: Arc<P>, shape: Shape, mut number: u64, until: Instant) -> Result<Done> {
    let mut done = Done::default();
    while Instant::now() < until {
        let fact = shape.fact(number);
        done.written.expect(&fact);
        done.latencies.push(append(&*peer, vec![fact]).await?);
        number += 1;
    }
    Ok(done)
}

/// Clients that read one tag and append one event under the condition that nothing newer carries it.
pub(crate) async fn guarded<P: Peer>(peer: Arc<P>, shape: Shape, time: Duration) -> Result<()> {
    let mut written = Digest::default();
    shape.facts_of_full(|fact| written.expect(fact));
    written.join(prove_guards(&*peer, shape).await?);
    let began = Instant::now();
    let tasks: Vec<_> = (1..=DECIDERS)
        .map(|client| tokio::spawn(decide(peer.clone(), shape, client * LANE, began + time)))
        .collect();
    let done = all(tasks).await?;
    print_rate("guarded", done.written.count, began.elapsed());
    print("guarded-conflicts", done.conflicts as f64);
    print_latencies("guarded", done.latencies);
    written.join(done.written);
    verify(&*peer, &written, false).await
}

/// A guard that holds lets through, one that is stale does not.
async fn prove_guards<P: Peer>(peer: &P, shape: Shape) -> Result<Digest> {
    let fact = shape.fact(LANE * (DECIDERS + 1));
    let tag = fact.tags[0].clone();
    let seen = peer.by_tag(&tag, &mut |_| ()).await?;
    let mut written = Digest::default();
    written.expect(&fact);
    let guard = Guard { tag, seen };
    // Another event: the same one again may rightly be taken for a repeated append.
    let mut late = shape.fact(fact.number + 1);
    late.tags[0].clone_from(&fact.tags[0]);
    let first = peer.append(vec![fact], Some(guard.clone())).await?;
    ensure!(first == Outcome::Durable, "a guard that held was refused");
    let second = peer.append(vec![late], Some(guard)).await?;
    ensure!(second == Outcome::Conflict, "a stale guard was let through");
    Ok(written)
}

async fn decide<P: Peer>(peer: Arc<P>, shape: Shape, mut number: u64, until: Instant) -> Result<Done> {
    let mut done = Done::default();
    while Instant::now() < until {
        let began = Instant::now();
        let fact = shape.fact(number);
        number += 1;
        let tag = fact.tags[0].clone();
        let mut past = Digest::default();
        let seen = peer.by_tag(&tag, &mut |event| past.see(event)).await?;
        ensure!(
            past.count >= 10,
            "expected 10 events or more of {tag}, found {}",
            past.count
        );
        let mut written = Digest::default();
        written.expect(&fact);
        match peer.append(vec![fact], Some(Guard { tag, seen })).await? {
            Outcome::Durable => {
                done.written.join(written);
                done.latencies.push(began.elapsed());
            }
            Outcome::Conflict => done.conflicts += 1,
        }
    }
    Ok(done)
}

async fn all(tasks: Vec<tokio::task::JoinHandle<Result<Done>>>) -> Result<Done> {
    let mut all = Done::default();
    for task in tasks {
        let done = task.await??;
        all.written.join(done.written);
        all.latencies.extend(done.latencies);
        all.conflicts += done.conflicts;
    }
    Ok(all)
}

/// Reads everything back.
async fn verify<P: Peer>(peer: &P, written: &Digest, in_order: bool) -> Result<()> {
    let mut found = Digest::default();
    peer.scan(&mut |event| found.see(event)).await?;
    let same = if in_order {
        found == *written
    } else {
        found.same_events(written)
    };
    ensure!(same, "expected to read {written:?}, found {found:?}");
    Ok(())
}
