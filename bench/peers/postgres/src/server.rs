//! A PostgreSQL server of the driver's own: its files in the folder of the store, reached by a socket in it.
//!
//! It never runs as root, as PostgreSQL asks; where the driver does, the server is given to `nobody`. It ends with the
//! driver.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// Where Debian and its kin keep the programs, a folder per version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Says where the programs are, if not there.
const PROGRAMS_VARIABLE: &str = "ANNALS_POSTGRES_BIN";
const NOBODY: u32 = 65_534;
/// What differs from the settings that a new server has: memory, and room until the next checkpoint.
const SETTINGS: [&str; 6] = [
    "listen_addresses=",
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "max_connections=100",
];

/// A running server.
pub(crate) struct Server {
    process: Mutex<Child>,
    /// The folder of its socket.
    pub(crate) socket: PathBuf,
}

impl Server {
    /// Makes the files if there are none, and starts the server; it may not answer yet.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let (programs, data) = (programs()?, dir.join("data"));
        if geteuid().is_root() {
            chown(dir, Some(NOBODY), Some(NOBODY)).context("cannot give the folder to nobody")?;
        }
        if !data.join("PG_VERSION").exists() {
            let mut initdb = command(&programs, "initdb", dir)?;
            initdb
                .arg("-D")
                .arg(&data)
                .args(["-U", "annals", "-A", "trust", "-E", "UTF8", "--no-locale"]);
            let status = initdb.status().context("cannot run initdb")?;
            ensure!(
                status.success(),
                "initdb ended with {status}; see log in {}",
                dir.display()
            );
        }
        let mut postgres = command(&programs, "postgres", dir)?;
        postgres.arg("-D").arg(&data).arg("-k").arg(dir);
        SETTINGS.iter().for_each(|setting| {
            postgres.args(["-c", setting]);
        });
        let process = Mutex::new(postgres.spawn().context("cannot run postgres")?);
        Ok(Self {
            process,
            socket: dir.to_owned(),
        })
    }

    /// Ends it at once, without a checkpoint: the next start recovers as after a crash.
    pub(crate) fn crash(&self) -> Result<()> {
        self.end(Signal::QUIT)
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.try_wait()?.is_none() {
            let pid = Pid::from_child(&process);
            kill_process(pid, signal).context("cannot end the server")?;
            process.wait()?;
        }
        Ok(())
    }

    /// Memory of all its processes, what they share counted once.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        let parent = self.process.lock().unwrap_or_else(PoisonError::into_inner).id();
        let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            (pid == parent || parent_of(pid)? == parent).then_some(pid)
        });
        processes.map(proportional_kib).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end(Signal::INT) {
            eprintln!("the server was left running: {error:#}");
        }
    }
}

fn parent_of(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn proportional_kib(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn command(programs: &Path, name: &str, dir: &Path) -> Result<Command> {
    let log = File::options().create(true).append(true).open(dir.join("log"))?;
    let mut command = Command::new(programs.join(name));
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .current_dir(dir);
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(command)
}

/// The folder of the programs of the newest version.
fn programs() -> Result<PathBuf> {
    if let Some(programs) = env::var_os(PROGRAMS_VARIABLE) {
        return Ok(programs.into());
    }
    let versions = fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").exists());
    match newest.max_by_key(number) {
        Some(version) => Ok(version.join("bin")),
        None => {
            bail!("no PostgreSQL in {PROGRAMS}; install the package postgresql, or set {PROGRAMS_VARIABLE}")
        }
    }
}
