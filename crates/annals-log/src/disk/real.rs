//! The disk of the machine.
//!
//! In: paths and bytes. Out: what the operating system says, in the port's words. On Linux a flushed write is one
//! call (`pwritev2` with `RWF_DSYNC`); where that is missing it is a write and a data flush. On macOS the standard
//! library's flush is the full one, down to the medium. Knows nothing of what the bytes mean.

use std::fs::{self, File as StdFile, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Access, Disk, File, Lock, LockError, WriteError};

/// Zeros are written in pieces of this size, in bytes.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The file system of the machine this runs on.
#[derive(Debug, Clone, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile {
    file: StdFile,
    /// Cleared once the kernel or the file system says it has no flushed writes.
    flushed_writes: AtomicBool,
}

#[derive(Debug)]
struct RealLock {
    _file: StdFile,
}

impl Lock for RealLock {}

impl RealFile {
    fn shared(file: StdFile) -> Arc<dyn File> {
        Arc::new(Self {
            file,
            flushed_writes: AtomicBool::new(cfg!(target_os = "linux")),
        })
    }
}

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.as_os_str().is_empty() || dir.is_dir() {
            return Ok(());
        }
        let parent = dir.parent().unwrap_or(Path::new(""));
        self.create_dir(parent)?;
        match fs::create_dir(dir) {
            // Somebody else may have made it meanwhile.
            Err(error) if !dir.is_dir() => return Err(error),
            _ => {}
        }
        self.flush_dir(if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // A name that is no UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text);
                return Err(LockError::Held {
                    holder: read.ok().and_then(|_| text.trim().parse().ok()),
                });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Box::new(RealLock { _file: file }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        Ok(RealFile::shared(file))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::Write);
        // When a file was read last is of no use to anybody, and noting it is a good part of a short read.
        let quiet = unnoted::open(&options, path);
        let file = match quiet {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options.open(path),
            other => other,
        };
        Ok(RealFile::shared(file?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    #[cfg(unix)]
    fn flush_dir(&self, dir: &Path) -> io::Result<()> {
        StdFile::open(dir)?.sync_all()
    }

    /// Directories cannot be flushed here; the file system journals names by itself.
    #[cfg(not(unix))]
    fn flush_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn entropy(&self) -> u64 {
        // The standard library seeds its hashers from the operating system.
        std::hash::RandomState::new().build_hasher().finish()
    }
}

/// Moves bytes by calls that may move fewer than are left, until all are or a call moves none; says how many were. A call
/// that was interrupted is made again: where it flushes, what it writes is dirty again, so no flush is retried.
fn moved(bytes: usize, mut some: impl FnMut(usize) -> io::Result<usize>) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes {
        match some(done) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Whether all was written.
fn whole(written: usize, bytes: &[u8]) -> io::Result<()> {
    match written == bytes.len() {
        true => Ok(()),
        false => Err(io::ErrorKind::WriteZero.into()),
    }
}

impl File for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        moved(buffer.len(), |done| {
            place::read(&self.file, &mut buffer[done..], at + done as u64)
        })
    }

    #[cfg(target_os = "linux")]
    fn hint(&self, at: u64, bytes: u64) {
        // A hint that is refused changes nothing but speed.
        if let Some(bytes) = std::num::NonZeroU64::new(bytes) {
            rustix::fs::fadvise(&self.file, at, Some(bytes), rustix::fs::Advice::WillNeed).ok();
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn hint(&self, _at: u64, _bytes: u64) {}

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let written = moved(bytes.len(), |done| {
            place::write(&self.file, &bytes[done..], at + done as u64)
        })?;
        whole(written, bytes)
    }

    fn write_at_flushed(&self, bytes: &[u8], at: u64) -> Result<(), WriteError> {
        if self.flushed_writes.load(Ordering::Relaxed) {
            let written = moved(bytes.len(), |done| {
                flushed::write(&self.file, &bytes[done..], at + done as u64)
            });
            match written.and_then(|written| whole(written, bytes)) {
                Ok(()) => return Ok(()),
                Err(error) if flushed::is_missing(&error) => {
                    self.flushed_writes.store(false, Ordering::Relaxed)
                }
                // One call writes and flushes: which of the two failed cannot be told.
                Err(error) => return Err(WriteError::Flush(error)),
            }
        }
        self.write_at(bytes, at).map_err(WriteError::Write)?;
        self.file.sync_data().map_err(WriteError::Flush)
    }

    fn allocate(&self, from: u64, bytes: u64) -> io::Result<()> {
        let mut written = 0;
        while written < bytes {
            let piece = (bytes - written).min(ZEROS.len() as u64);
            self.write_at(&ZEROS[..piece as usize], from + written)?;
            written += piece;
        }
        Ok(())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(unix)]
mod place {
    //! Reads and writes that name their place.

    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;

    pub(super) fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        file.read_at(buffer, at)
    }

    pub(super) fn write(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        file.write_at(bytes, at)
    }
}

#[cfg(windows)]
mod place {
    //! Reads and writes that name their place.

    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt;

    pub(super) fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        file.seek_read(buffer, at)
    }

    pub(super) fn write(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        file.seek_write(bytes, at)
    }
}

#[cfg(target_os = "linux")]
mod unnoted {
    //! Files of which nobody notes when they were read. Only their owner may open them so.

    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    use rustix::fs::OFlags;

    pub(super) fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
        let mut options = options.clone();
        options.custom_flags(OFlags::NOATIME.bits().cast_signed());
        options.open(path)
    }
}

#[cfg(not(target_os = "linux"))]
mod unnoted {
    //! There is no such flag here.

    use std::fs::{File, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(super) fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
        options.open(path)
    }
}

#[cfg(target_os = "linux")]
mod flushed {
    //! A write and its data flush in one call.

    use std::fs::File;
    use std::io::{self, IoSlice};

    use rustix::io::{Errno, ReadWriteFlags, pwritev2};

    pub(super) fn write(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        Ok(pwritev2(file, &[IoSlice::new(bytes)], at, ReadWriteFlags::DSYNC)?)
    }

    pub(super) fn is_missing(error: &io::Error) -> bool {
        let code = error.raw_os_error();
        [Errno::OPNOTSUPP, Errno::NOSYS]
            .iter()
            .any(|missing| code == Some(missing.raw_os_error()))
    }
}

#[cfg(not(target_os = "linux"))]
mod flushed {
    //! There is no such call here.

    use std::fs::File;
    use std::io;

    pub(super) fn write(_file: &File, _bytes: &[u8], _at: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_missing(_error: &io::Error) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
