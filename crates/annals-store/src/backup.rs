//! Backups: a copy of a store at one moment, made while it is written, that says of itself whether it is whole.
//!
//! In: the folder of a store, and an empty one. Out: its segments and a manifest with the checksum of each; and back. The
//! index is not copied: it is made again. The manifest is written last, so a folder without one is no backup.
//!
//! ```text
//! annals backup 1
//! events 1234
//! newest 2026-01-03T10:00:00Z
//! file 0000000000.seg 1048576 0f3a9c11
//! sum 7be2d0a4
//! ```

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_core::time::Timestamp;
use annals_log::disk::real::RealDisk;
use annals_log::disk::{Access, Disk};
use annals_log::{BEGINNING, Checksum, Copied, copy};
use thiserror::Error;

use crate::archive::pieces_of;
use crate::opening;
use crate::options::{OpenError, Options};

/// The file that makes a folder a backup.
pub(crate) const MANIFEST: &str = "manifest";
const HEADING: &str = "annals backup 1";
/// Read at once, in bytes.
const PIECE_BYTES: usize = 1 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Events, at the positions before this number.
    pub events: u64,
    /// When the newest commit was made.
    pub newest: Timestamp,
    /// The segments.
    pub files: Vec<Copied>,
}

/// Why there is no backup, or no store from one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The store cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The target holds something already. Name an empty folder, or one that is not there.
    #[error("{} is not empty: expected a folder without anything in it", .0.display())]
    NotEmpty(PathBuf),
    /// The folder has no manifest: it is no backup, or one that was not finished. Make it again.
    #[error("{} has no manifest: it is no backup, or was not finished", .0.display())]
    NoManifest(PathBuf),
    /// The backup is not what it was. Use another one.
    #[error("{}: expected {expected}, found {found}", file.display())]
    Damaged {
        /// Which file of it.
        file: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Copies a store as it is now into an empty folder, also while a node writes it: everything that was acknowledged
/// before the call, whole commits only. The copy is flushed when this returns.
///
/// # Errors
/// [`BackupError`]; what was copied then is no backup, because its manifest is missing.
pub fn backup(store: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Manifest, BackupError> {
    backup_on(Arc::new(RealDisk), store.as_ref(), to.as_ref())
}

/// As [`backup`], on any disk.
///
/// # Errors
/// As [`backup`].
pub fn backup_on(disk: Arc<dyn Disk>, store: &Path, to: &Path) -> Result<Manifest, BackupError> {
    empty(&*disk, to)?;
    let opened = opening::to_read(disk.clone(), store, &Options::new())?;
    let reader = &opened.core.reader;
    let mut files = copy(reader, &*disk, to).map_err(|source| failed(to, source))?;
    if let Some(carried) = opened.core.carried() {
        for name in [BEGINNING.to_owned(), carried.file_name()] {
            files.push(copy_file(&*disk, store, to, name)?);
        }
    }
    let state = opened.core.state.read();
    let manifest = Manifest {
        events: state.end(),
        newest: state.newest(),
        files,
    };
    drop(state);
    write(&*disk, &to.join(MANIFEST), manifest.text().as_bytes())?;
    disk.flush_dir(to).map_err(|source| failed(to, source))?;
    Ok(manifest)
}

/// Copies a file that does not change.
fn copy_file(disk: &dyn Disk, from: &Path, to: &Path, name: String) -> Result<Copied, BackupError> {
    let (from, path) = (from.join(&name), to.join(&name));
    let target = disk.create(&path).map_err(|source| failed(&path, source))?;
    let (mut checksum, mut bytes) = (Some(Checksum::new()), 0);
    let copied = pieces_of(disk, &from, &mut |piece| {
        target.write_at(piece, bytes)?;
        bytes += piece.len() as u64;
        checksum = checksum.take().map(|checksum| checksum.with(piece));
        Ok(())
    });
    copied.map_err(|source| failed(&from, source))?;
    target.flush().map_err(|source| failed(&path, source))?;
    Ok(Copied {
        name,
        bytes,
        checksum: checksum.map_or(0, Checksum::finish),
    })
}

/// Reads a backup and checks every byte of it.
///
/// # Errors
/// [`BackupError::NoManifest`], [`BackupError::Damaged`], [`BackupError::Disk`].
pub fn check_backup(backup: impl AsRef<Path>) -> Result<Manifest, BackupError> {
    let (disk, folder) = (RealDisk, backup.as_ref());
    let manifest = manifest(&disk, folder)?;
    for file in &manifest.files {
        pass(&disk, &folder.join(&file.name), file, &mut |_, _| Ok(()))?;
    }
    Ok(manifest)
}

/// Makes a store of a backup, in an empty folder; every byte is checked on the way. It is flushed when this returns.
///
/// # Errors
/// [`BackupError`]; what was written then is to be deleted.
pub fn restore(backup: impl AsRef<Path>, store: impl AsRef<Path>) -> Result<Manifest, BackupError> {
    restore_on(Arc::new(RealDisk), backup.as_ref(), store.as_ref())
}

/// As [`restore`], on any disk.
///
/// # Errors
/// As [`restore`].
pub fn restore_on(disk: Arc<dyn Disk>, backup: &Path, store: &Path) -> Result<Manifest, BackupError> {
    let manifest = manifest(&*disk, backup)?;
    empty(&*disk, store)?;
    for file in &manifest.files {
        let path = store.join(&file.name);
        let target = disk.create(&path).map_err(|source| failed(&path, source))?;
        pass(&*disk, &backup.join(&file.name), file, &mut |piece, at| {
            target.write_at(piece, at)
        })?;
        target.flush().map_err(|source| failed(&path, source))?;
    }
    disk.flush_dir(store).map_err(|source| failed(store, source))?;
    // It is opened and sealed once, so that its last commit group is proven to those who only read, too.
    let (_, writer, keeper) = opening::to_write(disk, store, &Options::passing())?;
    keeper.close();
    writer
        .close()
        .map_err(|error| OpenError::Disk(error.to_string()))?;
    Ok(manifest)
}

fn failed(path: &Path, source: io::Error) -> BackupError {
    BackupError::Disk {
        path: path.to_owned(),
        source,
    }
}

/// The folder is there, and nothing is in it.
fn empty(disk: &dyn Disk, folder: &Path) -> Result<(), BackupError> {
    disk.create_dir(folder).map_err(|source| failed(folder, source))?;
    match disk
        .list(folder)
        .map_err(|source| failed(folder, source))?
        .is_empty()
    {
        true => Ok(()),
        false => Err(BackupError::NotEmpty(folder.to_owned())),
    }
}

fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let written = disk
        .create(path)
        .and_then(|file| file.write_at(bytes, 0).and_then(|()| file.flush()));
    written.map_err(|source| failed(path, source))
}

/// Reads a file of a backup piece by piece, and compares what it is with what the manifest says.
fn pass(
    disk: &dyn Disk,
    path: &Path,
    expected: &Copied,
    each: &mut dyn FnMut(&[u8], u64) -> io::Result<()>,
) -> Result<(), BackupError> {
    let wrap = |source| failed(path, source);
    let file = disk.open(path, Access::Read).map_err(wrap)?;
    let mut at = 0;
    let mut checksum = Checksum::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read_at(&mut piece, at).map_err(wrap)?;
        if read == 0 {
            break;
        }
        checksum = checksum.with(&piece[..read]);
        each(&piece[..read], at).map_err(wrap)?;
        at += read as u64;
    }
    let found = (at, checksum.finish());
    if found == (expected.bytes, expected.checksum) {
        return Ok(());
    }
    let told = |(bytes, checksum): (u64, u32)| format!("{bytes} bytes with checksum {checksum:08x}");
    Err(BackupError::Damaged {
        file: path.to_owned(),
        expected: told((expected.bytes, expected.checksum)),
        found: told(found),
    })
}

fn manifest(disk: &dyn Disk, folder: &Path) -> Result<Manifest, BackupError> {
    let path = folder.join(MANIFEST);
    let names = disk.list(folder).map_err(|source| failed(folder, source))?;
    if !names.iter().any(|name| name == MANIFEST) {
        return Err(BackupError::NoManifest(folder.to_owned()));
    }
    let wrap = |source| failed(&path, source);
    let file = disk.open(&path, Access::Read).map_err(wrap)?;
    let mut bytes = vec![0; file.size().map_err(wrap)? as usize];
    let read = file.read_at(&mut bytes, 0).map_err(wrap)?;
    let text = String::from_utf8_lossy(&bytes[..read]);
    Manifest::read(&text).map_err(|found| BackupError::Damaged {
        file: path.clone(),
        expected: format!("`{HEADING}` and what follows it"),
        found,
    })
}

impl Manifest {
    /// As text, with its own checksum at the end.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{HEADING}\nevents {}\nnewest {}\n", self.events, self.newest);
        for Copied {
            name,
            bytes,
            checksum,
        } in &self.files
        {
            writeln!(text, "file {name} {bytes} {checksum:08x}").expect("writing to a string cannot fail");
        }
        let sum = Checksum::new().with(text.as_bytes()).finish();
        writeln!(text, "sum {sum:08x}").expect("writing to a string cannot fail");
        text
    }

    /// From text. An `Err` says what was found.
    fn read(text: &str) -> Result<Self, String> {
        let (body, sum) = text.trim_end().rsplit_once("\nsum ").ok_or("no sum at its end")?;
        let body = format!("{body}\n");
        let found = Checksum::new().with(body.as_bytes()).finish();
        if u32::from_str_radix(sum, 16) != Ok(found) {
            return Err(format!("the sum {sum} over what sums up to {found:08x}"));
        }
        let mut lines = body.lines();
        let heading = lines.next().unwrap_or_default();
        if heading != HEADING {
            return Err(format!("the heading {heading:?}"));
        }
        let mut manifest = Self {
            events: 0,
            newest: Timestamp::EPOCH,
            files: Vec::new(),
        };
        for line in lines {
            manifest.take(line).ok_or_else(|| format!("the line {line:?}"))?;
        }
        Ok(manifest)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        match *line.split(' ').collect::<Vec<_>>() {
            ["events", events] => self.events = events.parse().ok()?,
            ["newest", newest] => self.newest = newest.parse().ok()?,
            // A name is a name: it leads nowhere else.
            ["file", name, bytes, checksum] if !name.contains(['/', '\\']) => self.files.push(Copied {
                name: name.to_owned(),
                bytes: bytes.parse().ok()?,
                checksum: u32::from_str_radix(checksum, 16).ok()?,
            }),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
