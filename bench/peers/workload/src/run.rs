//! Carries out one step with one peer.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

use crate::append::{self, BATCH};
use crate::peer::Peer;
use crate::read::{self, Expected};
use crate::settings::{Settings, Step};

/// Threads that run the clients.
const THREADS: usize = 2;

/// Reads the command line and does what it says with this peer.
///
/// # Errors
/// The store failed, or what was read is not what was written.
pub fn main<P: Peer>() -> Result<()> {
    let settings = Settings::read()?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build();
    let runtime = runtime.context("the system gives no threads")?;
    let Settings { shape, time, .. } = settings;
    match settings.step {
        Step::One => {
            let peer = new::<P>(&runtime, &settings, "one")?;
            runtime.block_on(append::alone(&peer, shape, "one", 1, time))
        }
        Step::Batches => {
            let peer = new::<P>(&runtime, &settings, "batches")?;
            runtime.block_on(append::alone(&peer, shape, "batches", BATCH, time))
        }
        Step::Many => {
            let peer = new::<P>(&runtime, &settings, "many")?;
            runtime.block_on(append::many(Arc::new(peer), shape, time))
        }
        Step::Fill => {
            let peer = new::<P>(&runtime, &settings, "full")?;
            runtime.block_on(append::fill(&peer, shape))?;
            read::print_memory("memory-filled-mib", &peer)?;
            runtime.block_on(peer.settle())?;
            peer.crash_elsewhere()?;
            end_as_killed()
        }
        Step::Read => {
            let dir = settings.dir.join("full");
            let peer = runtime.block_on(read::open(P::open(&dir, &settings.variant)))?;
            let expected = Expected::of(shape);
            runtime.block_on(read::all(&peer, shape, &expected, time))
        }
        Step::Guarded => {
            let dir = settings.dir.join("full");
            let peer = runtime.block_on(P::open(&dir, &settings.variant))?;
            runtime.block_on(append::guarded(Arc::new(peer), shape, time))
        }
    }
}

fn new<P: Peer>(runtime: &Runtime, settings: &Settings, name: &str) -> Result<P> {
    runtime.block_on(P::open(&new_folder(settings, name)?, &settings.variant))
}

/// An empty folder for a new store.
///
/// # Errors
/// It cannot be removed or made.
pub fn new_folder(settings: &Settings, name: &str) -> Result<PathBuf> {
    let dir = settings.dir.join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// Ends this process as a kill does: nothing is closed, flushed or told.
///
/// # Errors
/// What was printed cannot be written, or the system refuses.
pub fn end_as_killed() -> Result<()> {
    io::stdout().flush()?;
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
    Ok(())
}
