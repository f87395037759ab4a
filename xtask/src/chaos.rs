//! Trouble by the seed: the order system over real brokers, for as long as asked.
//!
//! In: which brokers, how many faults, which seed. Out: the faults as they come, the sums at the end, and whether the
//! books agreed. The harness itself is a test of the example; a short run of it is part of the gate.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{
    cargo,
    services::{Place, Server},
    session::Session,
};

/// What to run.
pub(crate) struct Options {
    /// Root of the repository.
    pub(crate) root: PathBuf,
    /// Over which brokers, one after the other.
    pub(crate) servers: Vec<Server>,
    /// Faults over each, at least.
    pub(crate) faults: u64,
    /// For how long over each, at least.
    pub(crate) minutes: u64,
    /// Which faults.
    pub(crate) seed: u64,
}

/// Runs it over each broker, also after one failed, and answers whether all went well.
///
/// # Errors
/// A broker is not to be had, or cargo cannot be run.
pub(crate) fn chaos(options: &Options) -> Result<bool> {
    let mut session = Session::new(Place::of(&options.root)?)?;
    if let Some(why) = session.bring_up(&options.servers, true) {
        bail!("{why}");
    }
    let mut variables = session.variables();
    variables.push(("ANNALS_CHAOS_FAULTS", options.faults.to_string()));
    variables.push(("ANNALS_CHAOS_SECONDS", (options.minutes * 60).to_string()));
    variables.push(("ANNALS_CHAOS_SEED", options.seed.to_string()));
    let mut failed = Vec::new();
    for server in &options.servers {
        let line = "test --release -p ordering --test it -- --ignored --nocapture --test-threads=1";
        let test = format!("chaos::{server}_");
        let args: Vec<&str> = line.split(' ').chain([test.as_str()]).collect();
        let run = cargo::run(&options.root, &args, &variables)?;
        if run.failure.is_some() || run.tally.passed != 1 {
            failed.push(server.name());
        }
    }
    if !failed.is_empty() {
        println!(
            "FAILED over {}; the same faults again: cargo xtask chaos {} --faults {} --seed {}",
            failed.join(", "),
            failed.join(" "),
            options.faults,
            options.seed
        );
    }
    Ok(failed.is_empty())
}
