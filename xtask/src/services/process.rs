//! Processes that outlive the command that started them.
//!
//! In: what to start, or a note of what was started. Out: notes, signals, answers whether a process lives.
//! Invariants: a signal goes only to the very process that was noted: a pid that was given to somebody else since
//! has another start time. It knows `/proc` and therefore Linux only; it knows no server.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// The log of a server inside the folder of its run.
pub(super) const LOG: &str = "log/server.log";
/// How often a process is looked at while it is waited for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What to start.
#[derive(Debug)]
pub(super) struct Launch {
    /// The program; it stays one process under the pid it begins with.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) args: Vec<OsString>,
    /// Variables it gets besides ours.
    pub(super) variables: Vec<(&'static str, OsString)>,
    /// The folder it runs in.
    pub(super) folder: PathBuf,
    /// The file that gets what it prints.
    pub(super) log: PathBuf,
}

/// A process as it was noted: its pid, and when it started in ticks since the machine did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// The pid.
    pub(super) pid: i32,
    started: u64,
}

/// What the system says of a pid.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    started: u64,
}

impl Stat {
    /// Reads the one line of `/proc/PID/stat`. The name of the program stands in brackets and may hold anything.
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    /// None when there is no such process, or one that is dead and only not yet waited for.
    fn of(pid: i32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&line).filter(|stat| !matches!(stat.state, 'Z' | 'X'))
    }
}

impl Noted {
    fn parse(text: &str) -> Option<Self> {
        let (pid, started) = text.trim().split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok().filter(|pid| *pid > 1)?,
            started: started.parse().ok()?,
        })
    }

    /// The note in a file; none when there is no file, or when it was cut short while it was written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(file: &Path) -> Result<Option<Self>> {
        match fs::read_to_string(file) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// The note in a file, when its process lives.
    ///
    /// # Errors
    /// As for [`Noted::read`].
    pub(super) fn living(file: &Path) -> Result<Option<Self>> {
        Ok(Self::read(file)?.filter(|noted| noted.alive()))
    }

    fn stat(&self) -> Option<Stat> {
        Stat::of(self.pid).filter(|stat| stat.started == self.started)
    }

    /// Whether the process lives, be it paused.
    pub(super) fn alive(&self) -> bool {
        self.stat().is_some()
    }

    /// Whether the process is paused.
    pub(super) fn paused(&self) -> bool {
        self.stat().is_some_and(|stat| stat.state == 'T')
    }

    /// Sends a signal, if the process lives.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.pid).filter(|_| self.alive());
        let Some(pid) = pid else { return Ok(()) };
        match kill_process(pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot signal process {}", self.pid)),
        }
    }

    /// Waits until the process is gone and answers whether it is.
    pub(super) fn gone_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while self.alive() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(LOOK_EVERY);
        }
        true
    }

    /// Asks the process to stop, and kills it when it has not after `time`.
    ///
    /// # Errors
    /// It cannot be signalled, or lives even so.
    pub(super) fn stop(&self, time: Duration) -> Result<()> {
        self.signal(Signal::TERM)?;
        // A paused process hears nothing else.
        self.signal(Signal::CONT)?;
        if self.gone_within(time) {
            return Ok(());
        }
        self.kill()
    }

    /// Kills the process and waits until it is gone.
    ///
    /// # Errors
    /// As for [`Noted::stop`].
    pub(super) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        if !self.gone_within(Duration::from_secs(10)) {
            bail!("process {} is still there after it was killed", self.pid);
        }
        Ok(())
    }
}

/// Starts a process in a session of its own, without input, its output going to its log, and notes it in a file.
///
/// # Errors
/// It cannot be started, ends at once, or cannot be noted.
pub(super) fn start(launch: &Launch, note: &Path) -> Result<Noted> {
    let shown = launch.program.display();
    if launch.log.exists() {
        let before = launch.log.with_extension("before.log");
        fs::rename(&launch.log, &before).with_context(|| format!("cannot keep {}", before.display()))?;
    }
    let log = File::create(&launch.log).with_context(|| format!("cannot write {}", launch.log.display()))?;
    let errors = log.try_clone().context("cannot share the log with the errors")?;
    // `setsid` becomes the program it starts, since a fresh child leads no group.
    let mut child = Command::new("setsid")
        .arg(&launch.program)
        .args(&launch.args)
        .envs(launch.variables.iter().map(|(name, value)| (*name, value)))
        .current_dir(&launch.folder)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let pid = i32::try_from(child.id()).context("a pid is too large")?;
    let started = Stat::of(pid).map(|stat| stat.started);
    // Whoever stays longer than the process has to take note of its end, or it stays in the system's table.
    thread::spawn(move || child.wait());
    let Some(started) = started else {
        bail!("{shown} ended at once{}", tail(&launch.log));
    };
    let noted = Noted { pid, started };
    fs::write(note, format!("{pid} {started}\n"))
        .with_context(|| format!("cannot write {}", note.display()))?;
    Ok(noted)
}

/// The last lines of a log, to be put behind an error.
pub(super) fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    let indented: String = last.iter().map(|line| format!("\n    {line}")).collect();
    format!("; the end of {}:{indented}", log.display())
}

#[cfg(test)]
mod tests;
