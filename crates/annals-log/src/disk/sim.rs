//! A disk in memory that forgets what was not flushed.
//!
//! In: the operations of the port, planned faults, a seed. Out: what a real disk would answer, and, at any moment,
//! images of what a power cut would leave ([`SimDisk::crash`]). It is as unkind as a kernel may be: names wait for a
//! flush of their directory, sectors survive one by one, and a failed flush drops the bytes while they stay
//! readable, so that a second flush answers well and means nothing.
//!
//! Invariants: the same seed and the same operations give the same images; images are copies, so many cuts can be
//! taken at one moment. It does not know what is stored on it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Disk, File, Lock, LockError, WriteError};

pub mod chance;
mod state;
mod crash;

use chance::Chance;
pub use crash::Survival;
use state::{FileId, NameChange, State};

/// What goes wrong with one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// An input/output error; nothing happened.
    Refuse,
    /// A write stops half-way; other operations are refused.
    CutShort,
    /// A flush fails: what it should have made durable stays readable and is lost at the next power cut. Operations
    /// that flush nothing are refused.
    FailFlush,
    /// There is no space; nothing happened.
    NoSpace,
}

/// An operation that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A file is made.
    Create,
    /// A file gets another name.
    Rename,
    /// A name is taken away.
    Remove,
    /// Names are made durable.
    FlushDir,
    /// Bytes are written.
    Write,
    /// Bytes are written and flushed in one.
    WriteFlushed,
    /// Zeros are written.
    Allocate,
    /// A file gets another size.
    Truncate,
    /// A file is flushed.
    Flush,
}

/// Something that went wrong as it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What was tried.
    pub operation: Operation,
    /// With which file or directory.
    pub path: PathBuf,
    /// What went wrong. [`Fault::NoSpace`] also where a limit was reached.
    pub fault: Fault,
}

impl Fault {
    /// Whether this can go wrong with an operation.
    fn can_hit(self, operation: Operation) -> bool {
        use Operation::{Allocate, Create, Flush, FlushDir, Rename, Write, WriteFlushed};
        match self {
            Self::Refuse => true,
            Self::CutShort => matches!(operation, Write | WriteFlushed | Allocate),
            Self::FailFlush => matches!(operation, WriteFlushed | Flush | FlushDir),
            Self::NoSpace => matches!(operation, Create | Rename | Write | WriteFlushed | Allocate),
        }
    }
}

/// Asked in the middle of a flushed write, after the bytes can be read and before they are durable, with the number
/// of the operation.
pub type Probe = Box<dyn Fn(u64) + Send + Sync>;

/// The simulated disk. Clones are handles to the same disk.
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Mutex<Inner>,
    probe: Mutex<Option<Probe>>,
}

#[derive(Default)]
struct Inner {
    state: State,
    chance: Option<Chance>,
    faults: BTreeMap<u64, Fault>,
    /// From this operation on everything that can go wrong so does.
    faults_from: Option<(u64, Fault)>,
    hits: Vec<Hit>,
    read_faults: BTreeSet<u64>,
    capacity: Option<u64>,
    cut_at: BTreeSet<u64>,
    cuts: Vec<(u64, State)>,
    locks: BTreeSet<PathBuf>,
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimDisk")
            .field("operations", &self.operations())
            .finish_non_exhaustive()
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self::holding(State::default(), seed)
    }

    fn holding(state: State, seed: u64) -> Self {
        let inner = Inner {
            state,
            chance: Some(Chance::new(seed)),
            ..Inner::default()
        };
        Self {
            shared: Arc::new(Shared {
                inner: Mutex::new(inner),
                probe: Mutex::new(None),
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk a machine finds after the power was cut now. This disk goes on as if nothing had happened.
    pub fn crash(&self, seed: u64, mode: Survival) -> Self {
        Self::holding(crash::after_cut(&self.inner().state, mode, seed), seed)
    }

    /// How many changing operations there were: writes, flushes, creations, renames and the like, not reads.
    pub fn operations(&self) -> u64 {
        self.inner().state.operations
    }

    /// How many reads there were.
    pub fn reads(&self) -> u64 {
        self.inner().state.reads
    }

    /// Lets the operation of this number (the first is 0) go wrong.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.inner().faults.insert(operation, fault);
    }

    /// Lets every operation from this number on go wrong, as far as this can go wrong with it.
    pub fn fail_from(&self, operation: u64, fault: Fault) {
        self.inner().faults_from = Some((operation, fault));
    }

    /// Lets nothing go wrong any more: no planned fault, no limit.
    pub fn heal(&self) {
        let mut inner = self.inner();
        inner.faults.clear();
        inner.read_faults.clear();
        (inner.faults_from, inner.capacity) = (None, None);
    }

    /// What went wrong since this was last asked.
    pub fn take_hits(&self) -> Vec<Hit> {
        std::mem::take(&mut self.inner().hits)
    }

    /// Lets the read of this number (the first is 0) end in an input/output error.
    pub fn fail_read_at(&self, read: u64) {
        self.inner().read_faults.insert(read);
    }

    /// How many bytes all files together may hold; `None`: any.
    pub fn limit(&self, bytes: Option<u64>) {
        self.inner().capacity = bytes;
    }

    /// How many bytes all files hold together.
    pub fn used(&self) -> u64 {
        self.inner().state.total_bytes()
    }

    /// Keeps a copy of the disk at these operations, before each of them; for a flushed write, between the write and
    /// its flush.
    pub fn cut_at(&self, operations: impl IntoIterator<Item = u64>) {
        self.inner().cut_at.extend(operations);
    }

    /// The copies kept so far, with the numbers of their operations; each can be crashed in several ways.
    pub fn take_cuts(&self) -> Vec<(u64, Self)> {
        let cuts = std::mem::take(&mut self.inner().cuts);
        cuts.into_iter()
            .map(|(operation, state)| (operation, Self::holding(state, operation)))
            .collect()
    }

    /// Asks this in the middle of every flushed write.
    pub fn probe(&self, probe: Option<Probe>) {
        *self.shared.probe.lock().unwrap_or_else(PoisonError::into_inner) = probe;
    }

    /// Changes the bits of `mask` in one stored byte, as rot would. `false` if there is no such byte.
    pub fn rot(&self, path: &Path, at: u64, mask: u8) -> bool {
        let mut inner = self.inner();
        let Some(file) = inner.state.names.get(path).copied() else {
            return false;
        };
        let content = inner.state.files.entry(file).or_default();
        for bytes in [&mut content.cached, &mut content.medium] {
            match Arc::make_mut(bytes).get_mut(at as usize) {
                Some(byte) => *byte ^= mask,
                None => return false,
            }
        }
        true
    }

    /// Puts other bytes in the place of stored ones, as a write that landed in the wrong place would, or one that was
    /// lost. `false` if the file does not reach so far.
    pub fn misplace(&self, path: &Path, at: u64, bytes: &[u8]) -> bool {
        let mut inner = self.inner();
        let Some(file) = inner.state.names.get(path).copied() else {
            return false;
        };
        let content = inner.state.files.entry(file).or_default();
        let at = at as usize;
        for stored in [&mut content.cached, &mut content.medium] {
            match Arc::make_mut(stored).get_mut(at..at + bytes.len()) {
                Some(stored) => stored.copy_from_slice(bytes),
                None => return false,
            }
        }
        true
    }

    /// The bytes of a file as they can be read now.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.inner();
        let file = inner.state.names.get(path)?;
        inner
            .state
            .files
            .get(file)
            .map(|content| content.cached.as_ref().clone())
    }

    /// Puts a whole file there, durable at once.
    pub fn place(&self, path: &Path, bytes: &[u8]) {
        let mut inner = self.inner();
        let file = inner.state.create(path);
        inner.state.write(file, bytes, 0);
        inner.state.flush(file);
        let dir = path.parent().unwrap_or(Path::new(""));
        inner.state.flush_names(dir);
    }
}

fn broken() -> io::Error {
    io::Error::other("simulated input/output error")
}

fn no_space() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "simulated: no space left")
}

/// What an operation is about.
#[derive(Clone, Copy)]
enum What<'a> {
    Path(&'a Path),
    File(FileId),
}

impl Inner {
    /// Counts one operation, keeps a copy if asked, and says what goes wrong with it.
    fn begin(&mut self, operation: Operation, what: What<'_>) -> (u64, Option<Fault>) {
        let number = self.state.operations;
        if operation != Operation::WriteFlushed {
            self.keep_copy(number);
        }
        self.state.operations += 1;
        let lasting = self
            .faults_from
            .filter(|(from, fault)| number >= *from && fault.can_hit(operation))
            .map(|(_, fault)| fault);
        let fault = self.faults.remove(&number).or(lasting);
        if let Some(fault) = fault {
            self.hit(operation, what, fault);
        }
        (number, fault)
    }

    fn hit(&mut self, operation: Operation, what: What<'_>, fault: Fault) {
        let path = match what {
            What::Path(path) => path.to_owned(),
            What::File(file) => {
                let named = self.state.names.iter().find(|(_, other)| **other == file);
                named.map(|(path, _)| path.clone()).unwrap_or_default()
            }
        };
        self.hits.push(Hit {
            operation,
            path,
            fault,
        });
    }

    fn keep_copy(&mut self, operation: u64) {
        if self.cut_at.remove(&operation) {
            self.cuts.push((operation, self.state.clone()));
        }
    }

    /// For operations that change names.
    fn begin_plain(&mut self, operation: Operation, what: What<'_>) -> io::Result<()> {
        match self.begin(operation, what).1 {
            None => Ok(()),
            Some(Fault::NoSpace) => Err(no_space()),
            Some(_) => Err(broken()),
        }
    }

    fn write(
        &mut self,
        (operation, file): (Operation, FileId),
        bytes: &[u8],
        at: u64,
        fault: Option<Fault>,
    ) -> io::Result<()> {
        match fault {
            Some(Fault::Refuse | Fault::FailFlush) => return Err(broken()),
            Some(Fault::NoSpace) => return Err(no_space()),
            Some(Fault::CutShort) => {
                let kept = self.cut(bytes.len() as u64) as usize;
                self.state.write(file, &bytes[..kept], at as usize);
                return Err(broken());
            }
            None => {}
        }
        let fits = self.room_for(file, at, bytes.len() as u64) as usize;
        self.state.write(file, &bytes[..fits], at as usize);
        if fits < bytes.len() {
            self.hit(operation, What::File(file), Fault::NoSpace);
            Err(no_space())
        } else {
            Ok(())
        }
    }

    /// How many bytes a write that is cut short has written: any number, often nearly all.
    fn cut(&mut self, bytes: u64) -> u64 {
        let Some(chance) = &mut self.chance else { return 0 };
        let nearly = bytes.saturating_sub(1 + chance.below(8));
        if chance.one_in(2) {
            nearly
        } else {
            chance.below(bytes)
        }
    }

    /// How many of these bytes there is space for.
    fn room_for(&self, file: FileId, at: u64, bytes: u64) -> u64 {
        let size = self.state.files[&file].cached.len() as u64;
        let Some(capacity) = self.capacity else {
            return bytes;
        };
        let free = capacity.saturating_sub(self.state.total_bytes());
        (size + free).saturating_sub(at).min(bytes)
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: FileId,
    access: Access,
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl std::fmt::Debug for SimLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SimLock").field(&self.path).finish()
    }
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.inner().locks.remove(&self.path);
    }
}

impl SimDisk {
    fn handle(&self, file: FileId, access: Access) -> Arc<dyn File> {
        Arc::new(SimFile {
            disk: self.clone(),
            file,
            access,
        })
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let inner = self.inner();
        let inside = inner.state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside
            .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
            .collect())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, LockError> {
        if !self.inner().locks.insert(path.to_owned()) {
            return Err(LockError::Held {
                holder: Some(std::process::id()),
            });
        }
        Ok(Box::new(SimLock {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut inner = self.inner();
        inner.begin_plain(Operation::Create, What::Path(path))?;
        if inner.state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = inner.state.create(path);
        Ok(self.handle(file, Access::Write))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let file = *self
            .inner()
            .state
            .names
            .get(path)
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(file, access))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.begin_plain(Operation::Rename, What::Path(from))?;
        let file = *inner.state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        inner.state.change_names(NameChange::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            file,
        });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.begin_plain(Operation::Remove, What::Path(path))?;
        if !inner.state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.state.change_names(NameChange::Unlink(path.to_owned()));
        Ok(())
    }

    fn flush_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        match inner.begin(Operation::FlushDir, What::Path(dir)).1 {
            None => {
                inner.state.flush_names(dir);
                Ok(())
            }
            Some(Fault::FailFlush) => {
                inner.state.drop_dirty_names(dir);
                Err(broken())
            }
            Some(Fault::NoSpace) => Err(no_space()),
            Some(_) => Err(broken()),
        }
    }

    fn entropy(&self) -> u64 {
        self.inner().chance.as_mut().map_or(0, Chance::number)
    }
}

impl SimFile {
    fn must_be_writable(&self) -> io::Result<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    fn ask_probe(&self, operation: u64) {
        let probe = self
            .disk
            .shared
            .probe
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(probe) = probe.as_ref() {
            probe(operation);
        }
    }
}

impl File for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.inner().state.files[&self.file].cached.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut inner = self.disk.inner();
        let read = inner.state.reads;
        inner.state.reads += 1;
        if inner.read_faults.remove(&read) {
            return Err(broken());
        }
        let cached = &inner.state.files[&self.file].cached;
        let at = (at as usize).min(cached.len());
        let bytes = buffer.len().min(cached.len() - at);
        buffer[..bytes].copy_from_slice(&cached[at..at + bytes]);
        Ok(bytes)
    }

    fn hint(&self, _at: u64, _bytes: u64) {}

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.must_be_writable()?;
        let mut inner = self.disk.inner();
        let operation = Operation::Write;
        let fault = inner.begin(operation, What::File(self.file)).1;
        inner.write((operation, self.file), bytes, at, fault)
    }

    fn write_at_flushed(&self, bytes: &[u8], at: u64) -> Result<(), WriteError> {
        self.must_be_writable().map_err(WriteError::Write)?;
        let mut inner = self.disk.inner();
        let operation = Operation::WriteFlushed;
        let (number, fault) = inner.begin(operation, What::File(self.file));
        let write_fault = fault.filter(|fault| *fault != Fault::FailFlush);
        let written = inner.write((operation, self.file), bytes, at, write_fault);
        inner.keep_copy(number);
        written.map_err(WriteError::Write)?;
        drop(inner);
        self.ask_probe(number);
        let mut inner = self.disk.inner();
        if fault == Some(Fault::FailFlush) {
            inner.state.drop_dirty(self.file);
            return Err(WriteError::Flush(broken()));
        }
        inner.state.flush(self.file);
        Ok(())
    }

    fn allocate(&self, from: u64, bytes: u64) -> io::Result<()> {
        self.must_be_writable()?;
        let mut inner = self.disk.inner();
        let operation = Operation::Allocate;
        let fault = inner.begin(operation, What::File(self.file)).1;
        inner.write((operation, self.file), &vec![0; bytes as usize], from, fault)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.must_be_writable()?;
        let mut inner = self.disk.inner();
        inner.begin_plain(Operation::Truncate, What::File(self.file))?;
        inner.state.resize(self.file, size as usize);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        match inner.begin(Operation::Flush, What::File(self.file)).1 {
            None => {
                inner.state.flush(self.file);
                Ok(())
            }
            Some(Fault::FailFlush) => {
                inner.state.drop_dirty(self.file);
                Err(broken())
            }
            Some(Fault::NoSpace) => Err(no_space()),
            Some(_) => Err(broken()),
        }
    }
}

#[cfg(test)]
mod tests;
