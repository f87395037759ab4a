//! A program on the disk that is cut.
//!
//! In: a command. Out: its process, which dies with this one. Invariant: it is gone when the value is dropped.

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// A process and what it prints.
pub(crate) struct Process {
    child: Child,
    /// Its lines; taken by whoever reads them.
    pub(crate) lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Process {
    /// Starts a program. What it complains of goes to a file, since a cut makes every program complain.
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) fn start(program: &Path, args: &[&str], complaints: &Path) -> Result<Self> {
        let log = std::fs::File::create(complaints)
            .with_context(|| format!("cannot make {}", complaints.display()))?;
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot run `setpriv`")?;
        let lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        Ok(Self { child, lines })
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Already gone is as good.
        let _killed = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
