//! Runs the program of a peer for one step and reads its lines.
//!
//! A line `{"row": …, "value": …}` is a figure; other lines are the store's own talk. A step that ends as killed has done so
//! itself, to leave a store that nobody closed.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    iter,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

/// One thing that every peer does in turn.
pub(super) struct Step {
    /// What the programs call it.
    pub(super) name: &'static str,
    /// Whether it works on the store that `fill` left.
    pub(super) needs_full: bool,
}

/// All, in order.
pub(super) const STEPS: &[Step] = &[
    step("one", false),
    step("many", false),
    step("batches", false),
    step("fill", false),
    step("read", true),
    step("guarded", true),
];
/// A step that takes longer is ended and counts as failed.
pub(super) const STEP_SECONDS_MAX: u64 = 420;
/// The signal by which a step ends as killed.
const KILL: i32 = 9;

const fn step(name: &'static str, needs_full: bool) -> Step {
    Step { name, needs_full }
}

/// Runs a program, with the libraries that lie beside it; answers its rows.
///
/// # Errors
/// It cannot be started, takes too long or fails; its own last words are in the message.
pub(super) fn run(program: &Path, args: &[&str], time_max: Duration) -> Result<Vec<(String, f64)>> {
    let mut command = Command::new(program);
    command.args(args).env_remove("RUST_BACKTRACE");
    if let Some(beside) = program.parent() {
        let given = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let given = env::split_paths(&given).filter(|path| !path.as_os_str().is_empty());
        let all = env::join_paths(iter::once(beside.to_owned()).chain(given));
        command.env("LD_LIBRARY_PATH", all.context("a path of libraries has a colon")?);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A store that brings a server of its own must go with it.
    command.process_group(0);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let figures = thread::spawn(move || stdout.map_or_else(Vec::new, rows));
    let words = thread::spawn(move || {
        let mut words = String::new();
        stderr.map(|mut stderr| stderr.read_to_string(&mut words));
        words
    });
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for the program")? {
            break Some(status);
        }
        if began.elapsed() > time_max {
            kill_process_group(Pid::from_child(&child), Signal::KILL).context("cannot end the program")?;
            child.wait().context("cannot wait for the program")?;
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let rows = figures.join().unwrap_or_default();
    let words = words.join().unwrap_or_default();
    let Some(status) = status else {
        bail!("took longer than {time_max:?}");
    };
    if !ended_well(status) || rows.is_empty() {
        let last = words
            .lines()
            .find(|line| line.contains("rror"))
            .or_else(|| words.lines().last());
        bail!("ended with {status}: {}", last.unwrap_or("it said nothing"));
    }
    Ok(rows)
}

fn ended_well(status: ExitStatus) -> bool {
    status.success() || status.signal() == Some(KILL)
}

fn rows(from: impl Read) -> Vec<(String, f64)> {
    let lines = BufReader::new(from).lines().map_while(std::io::Result::ok);
    lines.filter_map(|line| row(&line)).collect()
}

fn row(line: &str) -> Option<(String, f64)> {
    let figure: Value = serde_json::from_str(line).ok()?;
    Some((figure["row"].as_str()?.to_owned(), figure["value"].as_f64()?))
}

#[cfg(test)]
mod tests {
    use super::run;
    use std::{path::Path, time::Duration};

    fn shell(script: &str) -> Result<Vec<(String, f64)>, String> {
        let found = run(Path::new("/bin/sh"), &["-c", script], Duration::from_secs(1));
        found.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn figures_are_read_and_talk_is_not() {
        let script = "echo store opened; echo '{\"row\":\"one\",\"value\":12.5}'; kill -9 $$";
        assert_eq!(shell(script).unwrap(), [("one".to_owned(), 12.5)]);
    }

    #[test]
    fn a_failure_has_the_last_words_and_an_end() {
        let failed = shell("echo '{\"row\":\"one\",\"value\":1}'; echo 'Error: no room' >&2; exit 3");
        assert!(failed.unwrap_err().contains("no room"));
        assert!(shell("exec sleep 30").unwrap_err().contains("took longer"));
        assert!(shell("true").unwrap_err().contains("said nothing"));
    }
}
