//! Runs the tests of a project in Python.
//!
//! In: an interpreter and the project's folder. Out: the tests it counted; what it printed has been passed on.
//! Invariant: nothing is written into the project.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{cargo::Run, tally::Tally};

const SHOWN: &str = "python -m unittest";

/// Runs `python -m unittest` in `project`.
///
/// # Errors
/// The interpreter cannot be started.
pub(crate) fn run(python: &Path, project: &Path) -> Result<Run> {
    println!("   {SHOWN}");
    let output = Command::new(python)
        .args(["-m", "unittest"])
        .current_dir(project)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{}`", python.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    print!("{}{said}", String::from_utf8_lossy(&output.stdout));
    let ended = (!output.status.success()).then(|| output.status.to_string());
    Ok(judged(&said, ended))
}

/// A run that printed this, and how it ended if not well.
fn judged(said: &str, ended: Option<String>) -> Run {
    let tally = Tally::of_unittest(said).unwrap_or_default();
    let failure = match ended {
        Some(ended) => Some(format!("`{SHOWN}` ended with {ended}")),
        None => (tally.ran() == 0).then(|| format!("`{SHOWN}` ran no test")),
    };
    Run { tally, failure }
}

#[cfg(test)]
mod tests {
    use super::judged;

    #[test]
    fn a_run_that_ends_badly_or_runs_nothing_is_a_failure() {
        let of = |said: &str, ended: Option<&str>| {
            let run = judged(said, ended.map(str::to_owned));
            (run.tally.passed, run.tally.failed, run.failure.is_some())
        };
        assert_eq!(of("Ran 3 tests in 0s\n\nOK\n", None), (3, 0, false));
        let failed = "Ran 3 tests in 0s\n\nFAILED (errors=1)\n";
        assert_eq!(of(failed, Some("exit status: 1")), (2, 1, true));
        assert_eq!(of("Ran 0 tests in 0s\n\nOK\n", None), (0, 0, true));
        assert_eq!(of("", None), (0, 0, true));
    }
}
