//! `cargo xtask bench`: speed beside others, measured in one run.
//!
//! In: which servers, how often, how long. Out: a table, printed; and written into the page of benchmarks together with
//! the machine, the command, the commit and the versions. Servers that it starts are gone when it returns.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::{
    cargo,
    services::{self, Place, Server},
    session::Session,
};

/// The page that holds the figures.
const PAGE: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- brokers -->\n";
const END: &str = "<!-- /brokers -->";
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
pub(crate) fn brokers(options: &Options) -> Result<()> {
    let Options { root, servers, .. } = options;
    let place = Place::of(root)?;
    // Built before the servers are there, so that nothing else runs beside them.
    let built = cargo::run(root, &["build", "--release", "-p", PACKAGE], &[])?;
    if let Some(failure) = built.failure {
        bail!(failure);
    }
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
        let page = root.join(PAGE);
        let before = fs::read_to_string(&page).with_context(|| format!("cannot read {PAGE}"))?;
        fs::write(&page, redraw(&before, &report)?).with_context(|| format!("cannot write {PAGE}"))?;
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
    let commit = cargo::output(root, "git", &["rev-parse", "--short=12", "HEAD"])?;
    let changed = cargo::output(root, "git", &["status", "--porcelain", "--untracked-files=no"])?;
    let changed = changed.lines().any(|line| !line.ends_with(PAGE));
    Ok(format!(
        "- machine: {}\n- command: `cargo xtask bench brokers --rounds {} --seconds {}`\n- commit: {}{}\n- servers: {}\n",
        machine()?,
        options.rounds,
        options.seconds,
        commit.trim(),
        if changed { ", with changes" } else { "" },
        versions?.join(", "),
    ))
}

/// Processor, cores, memory, system, and how busy it is before anything is measured.
fn machine() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    let (processors, memory) = (read("/proc/cpuinfo")?, read("/proc/meminfo")?);
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value(&processors, "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kib = value(&memory, "MemTotal").and_then(|kib| kib.split(' ').next()?.parse::<u64>().ok());
    let system = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!(
        "{model}, {cores} cores, {} GiB, Linux {}, load {load} before",
        kib.unwrap_or(0) >> 20,
        system.trim(),
    ))
}

/// The page with its figures replaced.
fn redraw(page: &str, report: &str) -> Result<String> {
    let begin = page.find(BEGIN).map(|at| at + BEGIN.len());
    match (begin, page.find(END)) {
        (Some(begin), Some(end)) if begin <= end => {
            Ok(format!("{}\n{report}\n{}", &page[..begin], &page[end..]))
        }
        _ => bail!(
            "{PAGE} has no lines `{}` and `{END}` around the figures",
            BEGIN.trim()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{machine, redraw};
    use std::path::Path;

    #[test]
    fn figures_are_replaced_and_words_are_kept() {
        let page = "# B\n\n<!-- brokers -->\n\nold\n<!-- /brokers -->\n\nwords\n";
        let expected = "# B\n\n<!-- brokers -->\n\nnew\n\n<!-- /brokers -->\n\nwords\n";
        assert_eq!(redraw(page, "new\n").unwrap(), expected);
        assert_eq!(redraw(expected, "new\n").unwrap(), expected);
        assert!(redraw("# B", "new").is_err());
    }

    #[test]
    fn the_machine_is_named() {
        if Path::new("/proc/cpuinfo").exists() {
            assert!(machine().unwrap().contains("cores"));
        }
    }
}
