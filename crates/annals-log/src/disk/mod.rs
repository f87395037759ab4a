//! The port to a disk: everything the log may ask of an operating system.
//!
//! In: paths, places in files, bytes. Out: bytes, or an error that says whether a flush had been asked. Two disks
//! hold the port: [`real::RealDisk`] and [`sim::SimDisk`], which loses what was not flushed. Nothing above this
//! module touches files in any other way, so whatever holds on the simulated disk is what was built.
//!
//! What the port promises, and the log builds on:
//! 1. Bytes are durable only after a flush of their file answered well. A failed flush may have dropped them while
//!    they can still be read; asking again proves nothing.
//! 2. A name is durable only after a flush of its directory, whatever was flushed inside the file.
//! 3. Within one 512-byte sector a write happens whole or not at all.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

pub mod real;
pub mod sim;

/// Whether a file is opened to be written too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// A place where files are kept.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Makes a directory and its parents, and makes their names durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// The names of the files in a directory, in no order.
    ///
    /// # Errors
    /// As the operating system says; `NotFound` if there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Takes a lock that ends when the guard is dropped or the process dies.
    ///
    /// # Errors
    /// [`LockError::Held`] if anybody has it, also this process.
    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, LockError>;

    /// Makes a new, empty file.
    ///
    /// # Errors
    /// `AlreadyExists` if there is one of this name.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound` if there is none of this name.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name in the same directory; a file that had that name is gone.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    ///
    /// # Errors
    /// `NotFound` if there is none of this name.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes names durable: created, renamed and removed ones.
    ///
    /// # Errors
    /// After an error it is unknown which names are durable; never retried.
    fn flush_dir(&self, dir: &Path) -> io::Result<()>;

    /// A number nobody can foresee (seeded on a simulated disk).
    fn entropy(&self) -> u64;
}

/// An open file. Reads and writes name their place, so handles are shared freely between threads.
pub trait File: Debug + Send + Sync + 'static {
    /// Its size in bytes.
    ///
    /// # Errors
    /// As the operating system says.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` from byte `at` on; fewer bytes only where the file ends.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;

    /// Says that these bytes will be read soon. Never fails, may do nothing.
    fn hint(&self, at: u64, bytes: u64);

    /// Writes all bytes at `at`, not yet durable.
    ///
    /// # Errors
    /// Some first part may have been written.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Writes all bytes at `at` and flushes them.
    ///
    /// # Errors
    /// [`WriteError`] tells a write that was cut short from a flush that failed.
    fn write_at_flushed(&self, bytes: &[u8], at: u64) -> Result<(), WriteError>;

    /// Fills with zeros written out, not merely reserved, so that later writes there change no metadata. Not flushed.
    ///
    /// # Errors
    /// `StorageFull` if there is no space; some first part may have been written.
    fn allocate(&self, from: u64, bytes: u64) -> io::Result<()>;

    /// Cuts the file to this size, or extends it with zeros. Not flushed.
    ///
    /// # Errors
    /// As the operating system says.
    fn truncate(&self, size: u64) -> io::Result<()>;

    /// Makes everything written to this file durable, down to the medium.
    ///
    /// # Errors
    /// After an error it is unknown what is durable; never retried.
    fn flush(&self) -> io::Result<()>;
}

/// A held lock; dropping it lets go.
pub trait Lock: Debug + Send + Sync + 'static {}

/// Why a lock was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody has it.
    #[error("it is held by {}", holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    Held {
        /// The process id the holder wrote down, if it can be read.
        holder: Option<u32>,
    },
    /// The lock file cannot be made or asked.
    #[error("its lock file cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// Why bytes are not known to be durable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Not all bytes were written, and no flush was asked. Overwrite them before anything else.
    #[error("the write was cut short: {0}")]
    Write(#[source] io::Error),
    /// The flush failed, or it cannot be told whether it did. Nothing is known about these bytes.
    #[error("the flush failed: {0}")]
    Flush(#[source] io::Error),
}
