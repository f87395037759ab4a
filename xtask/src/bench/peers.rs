//! annals-store beside its peers and beside what the disk allows, in one run.
//!
//! In: which peers, how often, how long. Out: one table, printed, and written into the page of benchmarks. Each peer
//! is a program of its own in a workspace of its own (`bench/peers`), built here and nowhere else. One that cannot be built
//! or fails is listed with the reason. Within a round, each step is done by one peer after the other, and every round begins
//! with another peer.

use std::{collections::BTreeMap, env, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};

use crate::{bench::page, cargo};

mod list;
mod build;
mod measure;
mod table;

pub(crate) use list::Peer;
use measure::{STEPS, Step};
use table::Figures;

/// What to measure.
pub(crate) struct Options {
    /// Root of the repository.
    pub(crate) root: PathBuf,
    /// The peers; annals and the limit are always there.
    pub(crate) peers: Vec<&'static Peer>,
    /// How often everything is measured.
    pub(crate) rounds: u32,
    /// How many seconds each measurement takes.
    pub(crate) seconds: u32,
    /// Events of a full store.
    pub(crate) events: u64,
    /// Whether the page gets the figures.
    pub(crate) write: bool,
}

/// Measures.
///
/// # Errors
/// Annals itself cannot be built or measured, or the page cannot be written.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (machine, target) = (page::machine()?, target(options));
    let lock = fs::read_to_string(options.root.join("bench/peers/Cargo.lock"));
    let lock: toml::Table = lock.context("cannot read bench/peers/Cargo.lock")?.parse()?;
    let mut reasons = BTreeMap::new();
    let peers: Vec<&Peer> = options
        .peers
        .iter()
        .copied()
        .filter(|peer| is_built(options, &lock, peer, &mut reasons))
        .collect();
    let about = about(options, &machine, &lock, &peers)?;
    let mut figures = Figures::default();
    let data = target.join("data");
    for round in 0..options.rounds {
        let first = round as usize % peers.len().max(1);
        let in_turn: Vec<&Peer> = peers[first..].iter().chain(&peers[..first]).copied().collect();
        for step in STEPS {
            for peer in &in_turn {
                println!("   round {}: {} {}", round + 1, step.name, peer.label);
                measure_one(options, peer, step, round, &mut figures, &mut reasons)?;
            }
        }
        fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
    }
    let table = table::markdown(&peers, &figures);
    let report = format!("{about}\n{table}{}", notes(&reasons));
    print!("\n{report}");
    if options.write {
        page::write(&options.root, "peers", &report)?;
    }
    Ok(())
}

/// Where programs and data of the peers go.
fn target(options: &Options) -> PathBuf {
    let own = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    own.unwrap_or_else(|| options.root.join("target")).join("peers")
}

/// Builds a peer; notes why it could not.
fn is_built(
    options: &Options,
    lock: &toml::Table,
    peer: &Peer,
    reasons: &mut BTreeMap<String, String>,
) -> bool {
    match build::run(&options.root, &target(options), lock, &peer.package()) {
        Ok(()) => true,
        Err(error) => {
            reasons.insert(peer.label.to_owned(), format!("{error:#}"));
            false
        }
    }
}

/// One step of one peer; a failure is a reason, unless it is ours.
fn measure_one(
    options: &Options,
    peer: &Peer,
    step: &Step,
    round: u32,
    figures: &mut Figures,
    reasons: &mut BTreeMap<String, String>,
) -> Result<()> {
    let dir = target(options).join("data").join(peer.label.replace(' ', "-"));
    if peer.skips.contains(&step.name) || (step.needs_full && !dir.join("full").exists()) {
        return Ok(());
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let (seconds, events) = (options.seconds.to_string(), options.events.to_string());
    let dir_text = dir.display().to_string();
    let mut args = vec![
        step.name,
        "--dir",
        &dir_text,
        "--seconds",
        &seconds,
        "--events",
        &events,
    ];
    args.extend(["--variant", peer.variant]);
    // What the one before left to be written must not be paid for by this one.
    cargo::output(&options.root, "sync", &[])?;
    let program = target(options).join("release").join(peer.package());
    match measure::run(&program, &args, Duration::from_secs(measure::STEP_SECONDS_MAX)) {
        Ok(found) => found
            .into_iter()
            .for_each(|(row, value)| figures.add(peer, &row, round, value)),
        Err(error) if peer.is_ours() => bail!("{} {}: {error:#}", peer.label, step.name),
        Err(error) => {
            reasons.insert(format!("{}, {}", peer.label, step.name), format!("{error:#}"));
            if step.name == "fill" {
                fs::remove_dir_all(dir.join("full")).ok();
            }
        }
    }
    if !step.needs_full && step.name != "fill" {
        fs::remove_dir_all(dir.join(step.name)).ok();
    }
    Ok(())
}

/// Where and how the figures came about.
fn about(options: &Options, machine: &str, lock: &toml::Table, peers: &[&Peer]) -> Result<String> {
    let versions: Vec<String> = peers.iter().filter_map(|peer| peer.version(lock)).collect();
    Ok(format!(
        "- machine: {machine}\n- command: `cargo xtask bench peers --rounds {} --seconds {} --events {}`\n- commit: {}\n- \
         versions: {}\n",
        options.rounds,
        options.seconds,
        options.events,
        page::commit(&options.root)?,
        versions.join(", "),
    ))
}

/// What is missing in the table, and why.
fn notes(reasons: &BTreeMap<String, String>) -> String {
    let line = |(what, why): (&String, &String)| format!("- missing: {what}: {why}\n");
    let lines: String = reasons.iter().map(line).collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\n{lines}")
    }
}
