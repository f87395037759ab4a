//! What a simulated disk holds: files as they can be read, files as they are on the medium, and what lies between.
//!
//! In: single changes. Out: contents. Invariants: `cached` is what reads see; `medium` is what survives for sure;
//! `pending` holds, in order, the changes that a flush would carry over. Every change carries a stamp, so that the
//! order among files is known too. Copies are cheap: contents are shared until written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The piece that reaches the medium whole or not at all, in bytes.
pub(super) const SECTOR: usize = 512;

/// Names a file apart from its path.
pub(super) type FileId = u64;

#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) cached: Arc<Vec<u8>>,
    pub(super) medium: Arc<Vec<u8>>,
    pub(super) pending: Vec<Stamped<Change>>,
}

#[derive(Debug, Clone)]
pub(super) struct Stamped<T> {
    pub(super) stamp: u64,
    pub(super) change: T,
}

/// A change of one file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Sectors side by side, as they were to read after a write; the last one is shorter where the file ends. Each has
    /// a stamp of its own, one after the other.
    Sectors { first: usize, bytes: Arc<[u8]> },
    /// A new size.
    Size(usize),
}

/// A change of one directory.
#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Link(PathBuf, FileId),
    Unlink(PathBuf),
    Rename {
        from: PathBuf,
        to: PathBuf,
        file: FileId,
    },
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) files: BTreeMap<FileId, Content>,
    pub(super) names: BTreeMap<PathBuf, FileId>,
    pub(super) medium_names: BTreeMap<PathBuf, FileId>,
    pub(super) pending_names: Vec<Stamped<NameChange>>,
    /// Mutating operations so far.
    pub(super) operations: u64,
    pub(super) reads: u64,
    stamp: u64,
    last_file: FileId,
}

/// Cuts or adds zeros; without going over them one by one where nothing is optimized.
fn resize(bytes: &mut Vec<u8>, size: usize) {
    match size.checked_sub(bytes.len()) {
        Some(more) => bytes.append(&mut vec![0; more]),
        None => bytes.truncate(size),
    }
}

impl Change {
    /// How many pieces of it survive or not, each by itself.
    pub(super) fn pieces(&self) -> u64 {
        match self {
            Self::Size(_) => 1,
            Self::Sectors { bytes, .. } => bytes.len().div_ceil(SECTOR) as u64,
        }
    }

    /// Applies those pieces that are asked for, by their numbers.
    pub(super) fn apply_some(&self, content: &mut Vec<u8>, mut survives: impl FnMut(u64) -> bool) {
        match self {
            Self::Size(size) => {
                if survives(0) {
                    resize(content, *size);
                }
            }
            Self::Sectors { first, bytes } => {
                for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                    if survives(number as u64) {
                        put(content, (first + number) * SECTOR, sector);
                    }
                }
            }
        }
    }

    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Size(size) => resize(content, *size),
            Self::Sectors { first, bytes } => put(content, first * SECTOR, bytes),
        }
    }
}

/// Bytes beyond the size the medium knows cannot be found there.
fn put(content: &mut [u8], at: usize, bytes: &[u8]) {
    let end = (at + bytes.len()).min(content.len());
    if at < end {
        content[at..end].copy_from_slice(&bytes[..end - at]);
    }
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, FileId>) {
        match self {
            Self::Link(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
            Self::Rename { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let (Self::Link(path, _) | Self::Unlink(path) | Self::Rename { to: path, .. }) = self;
        path.parent() == Some(dir)
    }
}

impl State {
    fn next_stamp(&mut self) -> u64 {
        self.stamp += 1;
        self.stamp
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.names
            .values()
            .filter_map(|file| self.files.get(file))
            .map(|content| content.cached.len() as u64)
            .sum()
    }

    pub(super) fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        let stamp = self.next_stamp();
        self.pending_names.push(Stamped { stamp, change });
    }

    /// New files get numbers no file of this other state had.
    pub(super) fn number_files_after(&mut self, earlier: &Self) {
        self.last_file = earlier.last_file;
    }

    pub(super) fn create(&mut self, path: &Path) -> FileId {
        self.last_file += 1;
        let file = self.last_file;
        self.files.insert(file, Content::default());
        self.change_names(NameChange::Link(path.to_owned(), file));
        file
    }

    pub(super) fn write(&mut self, file: FileId, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if end > self.files[&file].cached.len() {
            self.resize(file, end);
        }
        if bytes.is_empty() {
            return;
        }
        let content = self.files.entry(file).or_default();
        let cached = Arc::make_mut(&mut content.cached);
        cached[at..end].copy_from_slice(bytes);
        let (first, last) = (at / SECTOR, end.div_ceil(SECTOR));
        let sectors = &cached[first * SECTOR..(last * SECTOR).min(cached.len())];
        content.pending.push(Stamped {
            stamp: self.stamp + 1,
            change: Change::Sectors {
                first,
                bytes: sectors.into(),
            },
        });
        self.stamp += (last - first) as u64;
    }

    pub(super) fn resize(&mut self, file: FileId, size: usize) {
        let stamp = self.next_stamp();
        let content = self.files.entry(file).or_default();
        resize(Arc::make_mut(&mut content.cached), size);
        content.pending.push(Stamped {
            stamp,
            change: Change::Size(size),
        });
    }

    pub(super) fn flush(&mut self, file: FileId) {
        let content = self.files.entry(file).or_default();
        let pending = std::mem::take(&mut content.pending);
        if !pending.is_empty() {
            let medium = Arc::make_mut(&mut content.medium);
            pending.iter().for_each(|stamped| stamped.change.apply(medium));
        }
    }

    pub(super) fn flush_names(&mut self, dir: &Path) {
        let mut rest = Vec::new();
        for stamped in std::mem::take(&mut self.pending_names) {
            if stamped.change.is_in(dir) {
                stamped.change.apply(&mut self.medium_names);
            } else {
                rest.push(stamped);
            }
        }
        self.pending_names = rest;
    }

    /// What a kernel does after a failed flush: the bytes stay readable and will never be written.
    pub(super) fn drop_dirty(&mut self, file: FileId) {
        self.files.entry(file).or_default().pending.clear();
    }

    pub(super) fn drop_dirty_names(&mut self, dir: &Path) {
        self.pending_names.retain(|stamped| !stamped.change.is_in(dir));
    }
}
