//! The ledger's file: lines appended and flushed, replayed at the start.
//!
//! In come lines, out goes durability: what [`LedgerFile::append`] returned for is on the disk. Invariants:
//!
//! 1. One program at a time: the file is locked.
//! 2. A last line without its line feed was never answered; it is cut off and counted.
//! 3. Any other damaged line refuses the file, with its place. Nothing is repaired quietly.
//! 4. After a failed write or flush the file takes nothing more: what is on the disk is unknown.
//!
//! It does not know what the lines mean, beyond that they are entries.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::entry::Entry;

#[cfg(test)]
mod tests;

const NAME: &str = "ledger.jsonl";
const LINE_BYTES_MAX: u64 = 8_192;

/// What was found in the file at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Whole entries.
    pub entries: u64,
    /// Bytes of an unfinished last line, which were cut off; 0 after a clean end.
    pub cut_bytes: u64,
}

/// Why a ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder or the file cannot be used. Correct the rights or the disk.
    #[error("{}: the ledger cannot be opened ({source}); check the rights and the disk", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another program has the ledger open. End it, or use another folder.
    #[error("{}: the ledger is in use by another program; end it or choose another folder", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// A line in the middle is not an entry. Restore the file; nothing was changed.
    #[error(
        "{}: expected an entry on line {line} (byte {byte}), found something else ({detail}); restore the file",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The line, 1-based.
        line: u64,
        /// Where the line begins.
        byte: u64,
        /// What is wrong with it.
        detail: String,
    },
}

/// The open file, positioned at its end.
pub(super) struct LedgerFile {
    file: File,
    failed: bool,
}

impl LedgerFile {
    /// Opens or creates the ledger in `folder` and hands every entry to `enter`, first to last.
    pub(super) fn open(
        folder: &Path,
        enter: impl FnMut(Entry) -> Result<(), String>,
    ) -> Result<(Self, Replayed), OpenError> {
        let path = folder.join(NAME);
        let failed = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let mut file = create(folder, &path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let (entries, whole_bytes) = replay(&file, &path, enter)?;
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if length > whole_bytes {
            file.set_len(whole_bytes).map_err(failed)?;
            file.sync_data().map_err(failed)?;
            file.seek(SeekFrom::End(0)).map_err(failed)?;
        }
        let replayed = Replayed {
            entries,
            cut_bytes: length - whole_bytes,
        };
        Ok((Self { file, failed: false }, replayed))
    }

    /// Writes whole lines and flushes them.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        self.failed = written.is_err();
        written
    }
}

fn create(folder: &Path, path: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    // The directory entry has to be as durable as what will be written.
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// The number of whole entries and the bytes they take.
fn replay(
    file: &File,
    path: &Path,
    mut enter: impl FnMut(Entry) -> Result<(), String>,
) -> Result<(u64, u64), OpenError> {
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let (mut entries, mut byte, mut line) = (0, 0, Vec::new());
    loop {
        line.clear();
        let read = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let length = read.map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })? as u64;
        let whole = match line.strip_suffix(b"\n") {
            Some(whole) => whole,
            None if length < LINE_BYTES_MAX => return Ok((entries, byte)),
            None => &line,
        };
        let entered = Entry::read(whole)
            .map_err(|error| error.to_string())
            .and_then(&mut enter);
        entered.map_err(|detail| OpenError::Damaged {
            path: path.to_owned(),
            line: entries + 1,
            byte,
            detail,
        })?;
        entries += 1;
        byte += length;
    }
}
