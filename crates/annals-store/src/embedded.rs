//! The embedded store: one folder, one writer thread, reads on the caller's thread.
//!
//! In: a folder. Out: an [`EventStore`] whose every acknowledged append survives a power cut. Handles are cheap to
//! clone; when the last one is gone, what was queued is written, the log is sealed and the folder is let go.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use annals_core::condition::Condition;
use annals_core::event::NewEvent;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{
    Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError, TypeCount,
};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_log::disk::Disk;
use annals_log::disk::real::RealDisk;
use annals_log::{Batch, LogCounters, RECORD_HEADER_BYTES, RecoveryReport};
use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use crate::admit;
use crate::commit::Committer;
use crate::core::Core;
use crate::index::{MarksWanted, Part};
use crate::keeper::Keeper;
use crate::lend::Lending;
use crate::opening::{self, Opened};
use crate::options::{OpenError, Options, WriterThread};
use crate::queue::{Job, Waiting};
use crate::record;

/// A store in a folder. Clones are handles to the same store.
#[derive(Clone)]
pub struct EmbeddedStore {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    writer: Mutex<WriterHandle>,
    keeper: Option<Arc<Keeper>>,
    counters: Arc<LogCounters>,
    report: RecoveryReport,
}

enum WriterHandle {
    Thread(JoinHandle<()>),
    Stepped(Box<Committer>),
    None,
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore")
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

/// Counts of a store, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Durable events.
    pub events: u64,
    /// Marks that are set; 0 if the index cannot be read.
    pub marks: u64,
    /// Log segments that hold durable bytes.
    pub segments: u32,
    /// Bytes of their files, the zeros made ahead included.
    pub file_bytes: u64,
    /// Types, tags, correlations and keys of marks in the index; what occurs in several of its parts counts in each.
    pub index_entries: u64,
    /// Files of the index.
    pub index_files: u32,
    /// Their bytes.
    pub index_bytes: u64,
    /// Flushes since this store was opened.
    pub flushes: u64,
    /// Bytes written to the log since this store was opened.
    pub bytes_written: u64,
    /// Whether the writer stopped after a failure; the store must be opened anew.
    pub failed: bool,
}

impl EmbeddedStore {
    /// Opens the store in a folder, making it if there is none.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another store has the folder open; [`OpenError::Corrupt`] and
    /// [`OpenError::Format`] change nothing; [`OpenError::Disk`] may be tried again.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk), dir.as_ref(), options)
    }

    /// Opens a store on any disk, such as a simulated one.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<Self, OpenError> {
        let (Opened { core, report, end }, log, keeper) = opening::to_write(disk, dir, &options)?;
        let counters = log.counters();
        let shared = (core.clone(), keeper.clone());
        let committer = Committer::new(shared, log, end, &options);
        let writer = match options.writer {
            WriterThread::Stepped => WriterHandle::Stepped(Box::new(committer)),
            WriterThread::Own => WriterHandle::Thread(start(committer, core.clone(), options.seal_after)?),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                core,
                writer: Mutex::new(writer),
                keeper: Some(keeper),
                counters,
                report,
            }),
        })
    }

    /// Opens to read what is proven durable, without a lock and without changing anything, also beside the node that
    /// writes. The store stays as it was at this moment; a last commit group that nothing vouches for yet is left
    /// out, see [`EmbeddedStore::recovery`]. Appends are refused.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`], never [`OpenError::InUse`]; [`OpenError::Disk`] also if there is no store.
    pub fn open_read_only(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_read_only_on(Arc::new(RealDisk), dir.as_ref())
    }

    /// Opens to read only on any disk.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open_read_only`].
    pub fn open_read_only_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, OpenError> {
        let Opened { core, report, .. } = opening::to_read(disk, dir, &Options::default())?;
        Ok(Self {
            inner: Arc::new(Inner {
                core,
                writer: Mutex::new(WriterHandle::None),
                keeper: None,
                counters: Arc::default(),
                report,
            }),
        })
    }

    /// Lends the events that match, from a position to the durable end as it is now, without copying or allocating
    /// for each: much faster than pages, for whoever folds over events and keeps little of them.
    ///
    /// ```
    /// # use annals_core::{position::Position, query::Query};
    /// # use annals_store::{EmbeddedStore, Options};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = EmbeddedStore::open(folder.path(), Options::new())?;
    /// let mut bytes = 0;
    /// let mut events = store.lend(Query::all(), Position::ZERO);
    /// while let Some(event) = events.next_event()? {
    ///     bytes += event.data().len();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn lend(&self, query: Query, from: Position) -> Lending {
        let core = self.inner.core.clone();
        let end = core.state.read().end();
        Lending::new(core, query, from, end)
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.inner.report
    }

    /// The first position that is here: 0, unless what is before it was archived and taken away.
    pub fn beginning(&self) -> Position {
        self.core().boundary()
    }

    /// Counts, for metrics.
    pub fn stats(&self) -> Stats {
        let Inner { core, counters, .. } = &*self.inner;
        let state = core.state.read();
        let (events, parts) = (state.end(), state.parts.clone());
        let newest = state.current.entries() as u64;
        drop(state);
        let files = parts.all().iter().filter_map(|part| match part {
            Part::Sealed(part) => Some(part),
            Part::Active(_) => None,
        });
        let entries = parts.all().iter().map(Part::entries).sum::<u64>();
        Stats {
            events,
            marks: core.ask(Core::marks_set).unwrap_or(0),
            segments: core.reader.segments(),
            file_bytes: core.reader.file_bytes(),
            index_entries: entries + newest,
            index_files: files.clone().count() as u32,
            index_bytes: files.map(|part| part.bytes()).sum(),
            flushes: counters.flushes.load(Ordering::Relaxed),
            bytes_written: counters.bytes.load(Ordering::Relaxed),
            failed: core.failed.load(Ordering::Acquire),
        }
    }

    /// Writes what is queued, seals the log and lets the folder go. Later appends and reads are refused, also through
    /// other handles. Blocks until the last flush; closing twice does nothing.
    pub fn close(&self) {
        self.inner.close();
    }

    /// With [`WriterThread::Stepped`]: decides and commits everything that is queued, as one group if it fits, and
    /// returns how many appends that were. Does nothing otherwise.
    pub fn step(&self) -> usize {
        let mut writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let WriterHandle::Stepped(committer) = &mut *writer else {
            return 0;
        };
        let jobs = self.inner.core.queue.take_now();
        let count = jobs.len();
        committer.run(jobs);
        count
    }

    /// With [`WriterThread::Stepped`]: seals the log and merges files of the index as a long pause would. Does nothing
    /// otherwise.
    pub fn step_idle(&self) {
        let mut writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let WriterHandle::Stepped(committer) = &mut *writer {
            committer.seal();
            if let Some(keeper) = &self.inner.keeper {
                keeper.idle();
            }
        }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.inner.core
    }

    #[cfg(test)]
    pub(crate) fn keeper(&self) -> Option<&Arc<Keeper>> {
        self.inner.keeper.as_ref()
    }
}

fn start(committer: Committer, core: Arc<Core>, seal_after: Duration) -> Result<JoinHandle<()>, OpenError> {
    let thread = thread::Builder::new().name("annals-writer".into());
    let work = move || write(committer, &core, seal_after);
    thread
        .spawn(work)
        .map_err(|error| OpenError::Disk(format!("the system gives no thread for the writer: {error}")))
}

/// Takes nothing more and lets go of what waits when the writer's thread ends, however it ends.
struct EndOfWriting<'a>(&'a Core);

impl Drop for EndOfWriting<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failed.store(true, Ordering::Release);
        }
        self.0.queue.close("its writer has ended");
        // Their callers learn that the outcome is unknown.
        drop(self.0.queue.take_now());
    }
}

/// The writer's thread: whatever queued up while the last flush ran is the next group.
fn write(mut committer: Committer, core: &Core, seal_after: Duration) {
    let _end = EndOfWriting(core);
    let mut idle_after = None;
    loop {
        match core.queue.take(idle_after) {
            Waiting::Jobs(jobs) => {
                committer.run(jobs);
                idle_after = Some(seal_after);
            }
            Waiting::Idle => {
                committer.seal();
                idle_after = None;
            }
            Waiting::Closed => return,
        }
    }
}

impl Inner {
    fn close(&self) {
        self.core.queue.close("it was closed");
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *writer, WriterHandle::None) {
            WriterHandle::Thread(thread) => {
                if thread.join().is_err() {
                    tracing::error!("the writer's thread panicked");
                }
            }
            WriterHandle::Stepped(mut committer) => committer.run(self.core.queue.take_now()),
            WriterHandle::None => {}
        }
        if let Some(keeper) = &self.keeper {
            keeper.close();
        }
        self.core.closed.store(true, Ordering::Release);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// Checks and encodes on the caller's thread, queues, and waits for the answer.
async fn append(core: Arc<Core>, append: Append) -> Result<Appended, AppendError> {
    admit::check(&append)?;
    let Append {
        events,
        conditions,
        marks,
    } = append;
    let answer = queue(&core, &events, conditions, marks).await?;
    // While the writer works, and on the thread that made them: it is cheaper there.
    drop(events);
    answered(answer).await
}

async fn append_lent(core: &Core, append: &Append) -> Result<Appended, AppendError> {
    admit::check(append)?;
    let (conditions, marks) = (append.conditions.clone(), append.marks.clone());
    answered(queue(core, &append.events, conditions, marks).await?).await
}

type Answer = oneshot::Receiver<Result<Appended, AppendError>>;

/// Hands what was admitted to the writer, encoded.
async fn queue(
    core: &Core,
    events: &[NewEvent],
    conditions: Vec<Condition>,
    marks: Vec<Mark>,
) -> Result<Answer, AppendError> {
    let (reply, answer) = oneshot::channel();
    let job = Job {
        batch: encode(events, &marks),
        conditions,
        marks,
        reply,
        room: None,
    };
    core.queue.push(job).await?;
    Ok(answer)
}

async fn answered(answer: Answer) -> Result<Appended, AppendError> {
    match answer.await {
        Ok(outcome) => outcome,
        Err(_) => Err(AppendError::Unknown(
            "the writer ended before it answered".to_owned(),
        )),
    }
}

fn encode(events: &[NewEvent], marks: &[Mark]) -> Batch {
    let of_events = events.iter().map(record::event_bytes);
    let of_marks = marks.iter().map(record::mark_bytes);
    let bytes = of_events.chain(of_marks).map(|bytes| RECORD_HEADER_BYTES + bytes);
    let mut batch = Batch::with_capacity(bytes.sum());
    events
        .iter()
        .for_each(|event| batch.push_numbered(|out| record::write_event(event, out)));
    marks
        .iter()
        .for_each(|mark| batch.push_unnumbered(|out| record::write_mark(mark, out)));
    batch
}

impl EventStore for EmbeddedStore {
    /// Appends all or nothing. Resolves when the bytes are flushed.
    ///
    /// # Cancel safety
    /// Dropped before it was polled: nothing happens. Dropped later: the append happens or not, as if its answer had
    /// been lost; repeat it with the same ids.
    fn append(&self, events: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        Box::pin(append(self.inner.core.clone(), events))
    }

    fn append_lent<'a>(&'a self, events: &'a Append) -> BoxFuture<'a, Result<Appended, AppendError>> {
        Box::pin(append_lent(self.core(), events))
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move { self.core().page(&read) })
    }

    fn end(&self) -> Position {
        *self.core().end.borrow()
    }

    fn watch_end(&self) -> watch::Receiver<Position> {
        let mut end = self.core().end.clone();
        end.mark_unchanged();
        end
    }

    fn revision(&self, tag: Tag, before: Position) -> BoxFuture<'_, Result<Option<Revision>, ReadError>> {
        Box::pin(async move { self.core().revision(&tag, before) })
    }

    fn end_at(&self, moment: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move { self.core().end_at(moment) })
    }

    fn types(&self) -> BoxFuture<'_, Result<Vec<TypeCount>, ReadError>> {
        Box::pin(async move { self.core().types() })
    }

    fn type_count(&self) -> usize {
        self.core().state.read().current.type_count()
    }

    fn mark(&self, key: MarkKey) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>> {
        Box::pin(async move { self.core().mark(&key) })
    }

    fn marks(&self, space: &str, prefix: &str) -> BoxFuture<'_, Result<Vec<(MarkKey, Bytes)>, ReadError>> {
        let wanted = MarksWanted::new(space, prefix);
        Box::pin(async move { self.core().marks(&wanted) })
    }
}
