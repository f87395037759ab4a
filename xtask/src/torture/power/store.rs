//! The embedded store under load, without services around it: far more appends per cut than a node does.
//!
//! In: the example `power_cut` of annals-store and a folder. Out: what it serves after a start, and what it prints while it
//! works. A bug may be planted in it, so that the judge shows that it finds one.

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result, bail};

use super::{
    process::Process,
    witness::{At, Contents, Told, Witness},
};

/// The one log there is.
const LOG: &str = "store";

/// A store that works.
pub(crate) struct Store {
    process: Process,
    listener: Option<JoinHandle<()>>,
}

impl Store {
    /// Starts one and does not wait for it.
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) fn spawn(
        program: &Path,
        data: &Path,
        bug: Option<&str>,
        complaints: &Path,
    ) -> Result<Process> {
        let data = data.to_str().context("a folder with a plain name")?;
        let args: Vec<&str> = ["work", data].into_iter().chain(bug).collect();
        Process::start(program, &args, complaints)
    }

    /// Starts one and reads everything it has; it works from then on.
    ///
    /// # Errors
    /// It ends before it is ready.
    pub(crate) fn start(
        program: &Path,
        data: &Path,
        bug: Option<&str>,
        complaints: &Path,
    ) -> Result<(Self, Contents)> {
        let mut process = Self::spawn(program, data, bug, complaints)?;
        let lines = process.lines.as_mut().context("it was started with a pipe")?;
        let mut ids = Vec::new();
        for line in lines {
            let line = line.context("what it prints cannot be read")?;
            match line.strip_prefix("log ") {
                Some(id) => ids.push(id.to_owned()),
                None if line == "ready" => {
                    let listener = None;
                    return Ok((Self { process, listener }, [(LOG.to_owned(), ids)].into()));
                }
                None => bail!("expected an event or `ready`, found {line:?}"),
            }
        }
        let said = std::fs::read_to_string(complaints).unwrap_or_default();
        bail!("the store does not open: {}", said.trim())
    }

    /// Hears what it prints.
    pub(crate) fn work(&mut self, witness: &Arc<Witness>) {
        let witness = witness.clone();
        let Some(lines) = self.process.lines.take() else {
            return;
        };
        self.listener = Some(thread::spawn(move || {
            // The last line may be cut short by a kill; it has no newline then, and a cut id is heard after the cut.
            for line in lines.map_while(Result::ok) {
                match told(&line) {
                    Some(("ack", told)) => witness.acknowledged(told),
                    Some((_, told)) => witness.shown(told),
                    None => {}
                }
            }
        }));
    }

    /// Kills it, and hears it out.
    pub(crate) fn kill(mut self) {
        self.process.kill();
        if let Some(listener) = self.listener.take() {
            // One that panicked has heard nothing.
            let _ended = listener.join();
        }
    }
}

fn told(line: &str) -> Option<(&str, Told)> {
    let mut words = line.split(' ');
    let (word, first) = (words.next()?, words.next()?.parse().ok()?);
    let ids = words.map(str::to_owned).collect();
    let (log, at) = (LOG.to_owned(), At::First(first));
    Some((word, Told { log, at, ids }))
}

/// What is wrong with the store; changes nothing.
///
/// # Errors
/// The program cannot be run.
pub(crate) fn verify(program: &Path, data: &Path) -> Result<Vec<String>> {
    let output = Command::new(program)
        .arg("verify")
        .arg(data)
        .output()
        .context("cannot run `power_cut verify`")?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Ok(vec![format!("verify: {}", said.trim())])
}

#[cfg(test)]
mod tests {
    use super::told;
    use crate::torture::power::witness::At;

    #[test]
    fn a_line_says_who_was_told_what() {
        let (word, told) = told("ack 7 a b").unwrap();
        assert_eq!(
            (word, told.at, told.ids),
            ("ack", At::First(7), vec!["a".to_owned(), "b".to_owned()])
        );
        assert!(super::told("ack").is_none() && super::told("saw x y").is_none());
    }
}
