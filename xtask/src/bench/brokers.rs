//! Annals over real brokers, beside the bare client of each.
//!
//! In: which servers, how often, how long. Out: a table, printed, and written into the page of benchmarks. Servers
//! that it starts begin empty, and are gone when it returns.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{
    bench::page::{self, machine},
    cargo,
    services::{self, Place, Server},
    session::Session,
};

const PACKAGE: &str = "annals-bench-brokers";

/// What to measure.
pub(crate) struct Options {
    /// Root of the repository.
    pub(crate) root: PathBuf,
    /// The servers.
    pub(crate) servers: Vec<Server>,
    /// How often everything is measured.
    pub(crate) rounds: u32,
    /// How many seconds the bare client publishes in each round.
    pub(crate) seconds: u32,
    /// Whether the page gets the figures.
    pub(crate) write: bool,
}

/// Measures annals over real brokers, beside their bare clients.
///
/// # Errors
/// A server does not come up, a measurement fails, what came was not what was sent, or the page cannot be written.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Options { root, servers, .. } = options;
    let place = Place::of(root)?;
    // Built before the servers are there, so that nothing else runs beside them.
    let built = cargo::run(root, &["build", "--release", "-p", PACKAGE], &[])?;
    if let Some(failure) = built.failure {
        bail!(failure);
    }
    // What a run left that was killed costs Artemis its heap.
    services::clear(&place, servers)?;
    let mut session = Session::new(place.clone())?;
    if let Some(failure) = session.bring_up(servers, true) {
        bail!(failure);
    }
    let names: Vec<&str> = servers.iter().map(|server| server.name()).collect();
    let (rounds, seconds) = (options.rounds.to_string(), options.seconds.to_string());
    let names = names.join(",");
    let data = root.join("target/bench").display().to_string();
    let about = about(options, &place)?;
    let mut args = vec!["run", "--release", "--quiet", "-p", PACKAGE, "--", &names];
    args.extend(["--rounds", &rounds, "--seconds", &seconds, "--data", &data]);
    let table = cargo::output_with(root, "cargo", &args, &session.variables())?;
    let report = format!("{about}\n{table}");
    print!("\n{report}");
    if options.write {
        page::write(root, "brokers", &report)?;
    }
    Ok(())
}

/// Where and how the figures came about.
fn about(options: &Options, place: &Place) -> Result<String> {
    let Options { root, servers, .. } = options;
    let versions: Result<Vec<String>> = servers
        .iter()
        .map(|server| Ok(format!("{server} {}", services::version(place, *server)?)))
        .collect();
    Ok(format!(
        "- machine: {}\n- command: `cargo xtask bench brokers --rounds {} --seconds {}`\n- commit: {}\n- servers: {}\n",
        machine()?,
        options.rounds,
        options.seconds,
        page::commit(root)?,
        versions?.join(", "),
    ))
}
