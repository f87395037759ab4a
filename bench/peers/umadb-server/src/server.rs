//! A UmaDB server of the driver's own: its files in the folder of the store, on a port of loopback.
//!
//! It is this program once more, which then does what the program `umadb` does with the settings that it has by itself. It
//! ends with the driver, whatever ends that.

use std::env;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio, exit};
use std::sync::{Mutex, PoisonError};
use std::thread;

use annals_bench_workload::resident_kib_of;
use anyhow::{Context, Result, anyhow, ensure};
use umadb::{CliOptions, start_server_with_cli_options};

/// The first argument of a program that is to be the server; the second is its folder.
pub(crate) const SERVE: &str = "serve";
/// Below the range from which systems hand out ports by chance, and no server for tests has it.
const ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 21_551);

/// A running server.
pub(crate) struct Server {
    process: Mutex<Child>,
}

impl Server {
    /// Starts it over the files of a folder; it may not answer yet.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        // Another server there would be measured instead.
        drop(TcpListener::bind(ADDRESS).with_context(|| format!("{} is taken", address()))?);
        let log = File::options().create(true).append(true).open(dir.join("log"))?;
        let process = Command::new(env::current_exe()?)
            .arg(SERVE)
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        Ok(Self {
            process: Mutex::new(process.context("cannot run the server")?),
        })
    }

    /// Where clients reach it.
    pub(crate) fn url() -> String {
        format!("http://{}", address())
    }

    /// Whether it still runs.
    pub(crate) fn check(&self) -> Result<()> {
        let ended = self.lock(Child::try_wait)?;
        ensure!(ended.is_none(), "the server has ended; see its log");
        Ok(())
    }

    /// Kills it.
    pub(crate) fn crash(&self) -> Result<()> {
        self.lock(|process| process.kill().and_then(|()| process.wait()))
            .context("cannot end the server")?;
        Ok(())
    }

    pub(crate) fn resident_kib(&self) -> Option<u64> {
        resident_kib_of(&self.lock(|process| process.id()).to_string())
    }

    fn lock<T>(&self, work: impl FnOnce(&mut Child) -> T) -> T {
        work(&mut self.process.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Server {
    /// What was acknowledged is durable, so it needs no farewell.
    fn drop(&mut self) {
        if let Err(error) = self.crash() {
            eprintln!("the server was left running: {error:#}");
        }
    }
}

/// Is the server until the driver ends it, or ends.
pub(crate) fn serve(dir: &Path) -> Result<()> {
    thread::spawn(|| {
        // The driver never writes; what comes is the end of its side.
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        exit(0)
    });
    let options = CliOptions {
        listen_addr: address().to_string(),
        db_path: dir.display().to_string(),
        ..CliOptions::default()
    };
    start_server_with_cli_options(options).map_err(|error| anyhow!("{error}"))
}

fn address() -> SocketAddr {
    ADDRESS.into()
}
