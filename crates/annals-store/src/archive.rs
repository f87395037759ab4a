//! Where archived segments go: the port, and folders.
//!
//! In: a name and bytes. Out: an object that is there whole and for good, or is not there; and its bytes again. Names are
//! `set/file`. Knows nothing of what is in the bytes. Object stores hold the same port, see the command line.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_log::disk::real::RealDisk;
use annals_log::disk::{Access, Disk};

/// Read and written at once, in bytes.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// Hands out the next piece of an object; none when there is no more.
pub type Pieces<'a> = &'a mut dyn FnMut() -> io::Result<Option<Vec<u8>>>;

/// A place for objects that are written once.
pub trait Archive: fmt::Debug + Send + Sync {
    /// Where it is, in a form that somebody can find it by in ten years. One line.
    fn address(&self) -> String;

    /// Writes an object, in place of one of this name. When this returns well, the object is durable; else there is none, or
    /// the one that was there.
    ///
    /// # Errors
    /// What the storage said, or what the pieces did. Writing again is safe.
    fn write(&self, name: &str, pieces: Pieces<'_>) -> io::Result<()>;

    /// Shows an object piece by piece.
    ///
    /// # Errors
    /// `NotFound` if there is none of this name; what the storage said, or what `each` did.
    fn read(&self, name: &str, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>;
}

/// An archive in a folder, on a disk of its own at best.
#[derive(Debug)]
pub struct FolderArchive {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl FolderArchive {
    /// In this folder, which is made with the first object.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(RealDisk), dir)
    }

    /// On any disk.
    pub fn on(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>) -> Self {
        Self {
            disk,
            dir: dir.into(),
        }
    }
}

impl Archive for FolderArchive {
    fn address(&self) -> String {
        self.dir.display().to_string()
    }

    fn write(&self, name: &str, pieces: Pieces<'_>) -> io::Result<()> {
        let path = self.dir.join(name);
        let folder = path.parent().unwrap_or(&self.dir);
        self.disk.create_dir(folder)?;
        let unfinished = path.with_extension("tmp");
        match self.disk.remove(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.disk.create(&unfinished)?;
        let mut at = 0;
        while let Some(piece) = pieces()? {
            file.write_at(&piece, at)?;
            at += piece.len() as u64;
        }
        file.flush()?;
        self.disk.rename(&unfinished, &path)?;
        self.disk.flush_dir(folder)
    }

    fn read(&self, name: &str, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        pieces_of(&*self.disk, &self.dir.join(name), each)
    }
}

/// Shows a file piece by piece.
pub(crate) fn pieces_of(
    disk: &dyn Disk,
    path: &Path,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let file = disk.open(path, Access::Read)?;
    let (mut piece, mut at) = (vec![0; PIECE_BYTES], 0);
    loop {
        let read = file.read_at(&mut piece, at)?;
        if read == 0 {
            return Ok(());
        }
        each(&piece[..read])?;
        at += read as u64;
    }
}
