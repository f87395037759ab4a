//! How a node is found: it writes its address and pid beside its data, into `node.json`.
//!
//! In: a folder and what the node says of itself. Out: the same, to whoever looks into the folder, with whether the
//! node still runs. The file is replaced whole and removed at a clean stop. Whether a node runs is told by a lock on
//! `node.lock`, which the operating system lets go of however the process ends: a pid alone may belong to another
//! process by now.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const FILE: &str = "node.json";
const TEMPORARY: &str = "node.json.new";
const LOCK: &str = "node.lock";
/// Who looks holds the lock for a moment; a node that starts tries this often.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Where its HTTP API listens: `127.0.0.1:4000`.
    pub address: std::net::SocketAddr,
    /// Its process.
    pub pid: u32,
    /// Its program's version.
    pub version: String,
    /// The services it hosts.
    pub services: Vec<String>,
}

/// Why a node could not be written down or looked up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeFileError {
    /// A node works in this folder already. Stop it first, or use another folder.
    #[error("{folder} belongs to a running node{}", of(found))]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// What that node says of itself, if it has said so yet.
        found: Option<NodeInfo>,
    },
    /// The folder cannot be written or read; look at its permissions.
    #[error("{path}: {source}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not what a node writes. Delete it if no node runs.
    #[error("{path}: expected what a node says of itself as JSON: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the codec said.
        source: serde_json::Error,
    },
}

fn of(found: &Option<NodeInfo>) -> String {
    found.as_ref().map_or(String::new(), |node| {
        format!(" at {} (pid {})", node.address, node.pid)
    })
}

/// The claim of this node on its folder. Dropped at a clean stop it removes `node.json`.
#[derive(Debug)]
pub struct NodeFile {
    folder: PathBuf,
    _lock: File,
}

/// What is known about the node of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No node wrote anything here, or it stopped cleanly.
    None,
    /// It runs.
    Running(NodeInfo),
    /// It ended without saying so: killed, or the machine went down.
    Stale(NodeInfo),
}

impl NodeFile {
    /// Claims a folder, creating it if it is not there, before anything in it is opened.
    ///
    /// # Errors
    /// `Taken`: another node runs there. `Disk`: the folder cannot be written.
    pub fn claim(folder: impl AsRef<Path>) -> Result<Self, NodeFileError> {
        let folder = folder.as_ref().to_owned();
        fs::create_dir_all(&folder).map_err(|source| disk(&folder, source))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(|source| disk(&path, source))?;
        for _ in 0..LOCK_TRIES {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { folder, _lock: lock }),
                Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(disk(&path, source)),
            }
        }
        let found = read(&folder)?;
        Err(NodeFileError::Taken { folder, found })
    }

    /// Says where the node is; replaces what was said before.
    ///
    /// # Errors
    /// `Disk`: the file cannot be written.
    pub fn announce(&self, node: &NodeInfo) -> Result<(), NodeFileError> {
        let (path, temporary) = (self.folder.join(FILE), self.folder.join(TEMPORARY));
        let text = serde_json::to_vec_pretty(node).expect("a node's words are strings and numbers");
        File::create(&temporary)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|source| disk(&path, source))
    }
}

impl Drop for NodeFile {
    fn drop(&mut self) {
        let path = self.folder.join(FILE);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "the node file stays behind");
        }
    }
}

impl Found {
    /// Looks into a folder.
    ///
    /// # Errors
    /// `Malformed`: the file is not what a node writes. `Disk`: it cannot be read.
    pub fn in_folder(folder: impl AsRef<Path>) -> Result<Self, NodeFileError> {
        let folder = folder.as_ref();
        let Some(node) = read(folder)? else {
            return Ok(Self::None);
        };
        let path = folder.join(LOCK);
        let lock = match File::open(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Stale(node)),
            Err(source) => return Err(disk(&path, source)),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(Self::Stale(node)),
            Err(TryLockError::WouldBlock) => Ok(Self::Running(node)),
            Err(TryLockError::Error(source)) => Err(disk(&path, source)),
        }
    }
}

fn read(folder: &Path) -> Result<Option<NodeInfo>, NodeFileError> {
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(node) => Ok(Some(node)),
            Err(source) => Err(NodeFileError::Malformed { path, source }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(disk(&path, source)),
    }
}

fn disk(path: &Path, source: io::Error) -> NodeFileError {
    NodeFileError::Disk {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
