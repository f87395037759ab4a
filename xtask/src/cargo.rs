//! Runs cargo and its kin.
//!
//! In: arguments. Out: what the program printed, or the tests it counted while its output passed through live.
//! Invariant: a program that ends badly is an error that names the whole command.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::tally::Tally;

/// What a program prints to its standard output.
///
/// # Errors
/// It cannot be started, or ends badly; its own complaint has gone to the terminal.
pub(crate) fn output(root: &Path, name: &str, args: &[&str]) -> Result<String> {
    output_with(root, name, args, &[])
}

/// As [`output`], of a program that is told more.
///
/// # Errors
/// As for [`output`].
pub(crate) fn output_with(
    root: &Path,
    name: &str,
    args: &[&str],
    variables: &[(&str, String)],
) -> Result<String> {
    let shown = format!("{name} {}", args.join(" "));
    let mut command = program(root, name);
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    let output = command.args(args).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed what is no text"))
}

/// How a run of cargo went.
pub(crate) struct Run {
    /// Tests counted in its output, also when it ended badly.
    pub(crate) tally: Tally,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

/// Runs cargo with `args`, its output passing through, its test results counted.
///
/// # Errors
/// Cargo cannot be started, or its output cannot be read or passed on.
pub(crate) fn run(root: &Path, args: &[&str], variables: &[(&str, String)]) -> Result<Run> {
    let shown = format!("cargo {}", args.join(" "));
    println!("   {shown}");
    let mut command = program(root, "cargo");
    command
        .args(args)
        .envs(variables.iter().map(|(name, value)| (*name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run `{shown}`"))?;
    let stdout = child
        .stdout
        .take()
        .expect("standard output was asked for as a pipe");
    let tally = pass_through(stdout, io::stdout())?;
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{shown}`"))?;
    let failure = (!status.success()).then(|| format!("`{}` ended with {status}", brief(&shown)));
    Ok(Run { tally, failure })
}

/// Runs cargo with `args` and variables, its complaints passing through; answers them where it ended badly.
///
/// # Errors
/// Cargo cannot be started, or what it says cannot be read.
pub(crate) fn complaint(root: &Path, args: &[&str], variables: &[(&str, &OsStr)]) -> Result<Option<String>> {
    let shown = format!("cargo {}", args.join(" "));
    println!("   {shown}");
    let mut command = program(root, "cargo");
    let child = command
        .args(args)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.with_context(|| format!("cannot run `{shown}`"))?;
    let stderr = child.stderr.take().expect("complaints were asked for as a pipe");
    let mut words = String::new();
    for line in BufReader::new(stderr).lines() {
        let line = line.context("cannot read what cargo says")?;
        eprintln!("{line}");
        words.push_str(&line);
        words.push('\n');
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{shown}`"))?;
    Ok((!status.success()).then_some(words))
}

/// A command without what it hands to the programs it runs, which may be a hundred names of tests.
fn brief(shown: &str) -> &str {
    shown.split(" -- ").next().unwrap_or(shown)
}

/// Copies line by line and counts the results among them.
fn pass_through(from: impl io::Read, mut to: impl Write) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from
        .read_until(b'\n', &mut line)
        .context("cannot read what cargo prints")?
        > 0
    {
        to.write_all(&line)
            .and_then(|()| to.flush())
            .context("cannot pass on what cargo prints")?;
        if let Some(counted) = Tally::of_line(&String::from_utf8_lossy(&line)) {
            tally += counted;
        }
        line.clear();
    }
    Ok(tally)
}

/// A command in `root` without what cargo told this process about its own package.
fn program(root: &Path, name: &str) -> Command {
    let own = (name == "cargo").then(|| env::var_os("CARGO")).flatten();
    let mut command = Command::new(own.unwrap_or_else(|| OsString::from(name)));
    command.current_dir(root);
    for (name, _) in env::vars_os() {
        let told = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"]
            .iter()
            .any(|p| told.starts_with(p))
        {
            command.env_remove(&name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::{brief, pass_through};

    #[test]
    fn names_of_tests_are_not_repeated_in_a_failure() {
        assert_eq!(
            brief("cargo test -p a --tests -- --ignored b c"),
            "cargo test -p a --tests"
        );
        assert_eq!(brief("cargo fmt --all --check"), "cargo fmt --all --check");
    }

    #[test]
    fn output_passes_unchanged_and_is_counted() {
        let text = b"running\ntest result: ok. 2 passed; 0 failed; 0 ignored\n\xff odd\ntest result: FAILED. 1 passed; 1 failed; 0 ignored";
        let mut seen = Vec::new();
        let tally = pass_through(text.as_slice(), &mut seen).unwrap();
        assert_eq!(seen, text);
        assert_eq!((tally.passed, tally.failed), (3, 1));
    }
}
