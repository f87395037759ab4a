//! The embedded store: one folder, one writer thread, reads on the caller's thread.
//!
//! In: a folder. Out: an [`EventStore`] whose every acknowledged append survives a power cut. Handles are cheap to
//! clone; when the last one is gone, what was queued is written, the log is sealed and the folder is let go.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use annals_core::mark::MarkKey;
use annals_core::port::store::{
    Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError, TypeCount,
};
use annals_core::position::{Position, Revision};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_log::disk::Disk;
use annals_log::disk::real::RealDisk;
use annals_log::{Batch, LogCounters, RecoveryReport};
use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use crate::admit;
use crate::commit::Committer;
use crate::core::Core;
use crate::options::{OpenError, Options, WriterThread};
use crate::queue::{Job, Queue, Waiting};
use crate::record;
use crate::state::{SharedState, State, widen};

/// A store in a folder. Clones are handles to the same store.
#[derive(Clone)]
pub struct EmbeddedStore {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    writer: Mutex<WriterHandle>,
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
    /// Marks that are set.
    pub marks: u64,
    /// Log segments that hold durable bytes.
    pub segments: u32,
    /// Bytes of their files, the zeros made ahead included.
    pub file_bytes: u64,
    /// Different types, tags and correlations ever seen.
    pub terms: u64,
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
    /// [`OpenError::NewerFormat`] change nothing; [`OpenError::Disk`] may be tried again.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk), dir.as_ref(), options)
    }

    /// Opens a store on any disk, such as a simulated one.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<Self, OpenError> {
        let mut state = State::default();
        let log = annals_log::open(disk, dir, options.log(), &mut |frame| state.replay(frame))?;
        let end = watch::Sender::new(widen(state.end));
        let core = Arc::new(Core {
            state: SharedState::new(state),
            reader: log.reader,
            queue: Queue::new(options.queue_bytes_max),
            end: end.subscribe(),
            closed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let counters = log.writer.counters();
        let committer = Committer::new(
            core.clone(),
            log.writer,
            options.clock,
            end,
            options.group_bytes_max,
        );
        let writer = match options.writer {
            WriterThread::Stepped => WriterHandle::Stepped(Box::new(committer)),
            WriterThread::Own => WriterHandle::Thread(start(committer, core.clone(), options.seal_after)?),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                core,
                writer: Mutex::new(writer),
                counters,
                report: log.report,
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
        let mut state = State::default();
        let (reader, report) = annals_log::open_read_only(disk, dir, &mut |frame| state.replay(frame))?;
        let end = watch::Sender::new(widen(state.end));
        let queue = Queue::new(1);
        queue.close("it was opened to read only");
        let core = Arc::new(Core {
            state: SharedState::new(state),
            reader,
            queue,
            end: end.subscribe(),
            closed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let writer = Mutex::new(WriterHandle::None);
        Ok(Self {
            inner: Arc::new(Inner {
                core,
                writer,
                counters: Arc::default(),
                report,
            }),
        })
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.inner.report
    }

    /// Counts, for metrics.
    pub fn stats(&self) -> Stats {
        let Inner { core, counters, .. } = &*self.inner;
        let state = core.state.read();
        Stats {
            events: u64::from(state.end),
            marks: state.marks.len() as u64,
            segments: core.reader.segments(),
            file_bytes: core.reader.file_bytes(),
            terms: state.index.terms() as u64,
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

    /// With [`WriterThread::Stepped`]: seals the log as a long pause would. Does nothing otherwise.
    pub fn step_idle(&self) {
        let mut writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let WriterHandle::Stepped(committer) = &mut *writer {
            committer.seal();
        }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.inner.core
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
    let (reply, answer) = oneshot::channel();
    core.queue.push(encode(append, reply)).await?;
    match answer.await {
        Ok(outcome) => outcome,
        Err(_) => Err(AppendError::Unknown(
            "the writer ended before it answered".to_owned(),
        )),
    }
}

fn encode(append: Append, reply: oneshot::Sender<Result<Appended, AppendError>>) -> Job {
    let Append {
        events,
        conditions,
        marks,
    } = append;
    let bytes: usize = events.iter().map(|event| record::event_bytes(event) + 8).sum();
    let mut batch = Batch::with_capacity(
        bytes
            + marks
                .iter()
                .map(|mark| record::mark_bytes(mark) + 8)
                .sum::<usize>(),
    );
    events
        .iter()
        .for_each(|event| batch.push_numbered(|out| record::write_event(event, out)));
    marks
        .iter()
        .for_each(|mark| batch.push_unnumbered(|out| record::write_mark(mark, out)));
    Job {
        batch,
        events,
        conditions,
        marks,
        reply,
        room: None,
    }
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
        Box::pin(async move {
            self.core().check_open()?;
            Ok(widen(self.core().state.read().index.count_at(moment)))
        })
    }

    fn types(&self) -> BoxFuture<'_, Result<Vec<TypeCount>, ReadError>> {
        Box::pin(async move {
            self.core().check_open()?;
            let state = self.core().state.read();
            Ok(state.index.types(state.end))
        })
    }

    fn type_count(&self) -> usize {
        let state = self.core().state.read();
        state.index.type_count(state.end)
    }

    fn mark(&self, key: MarkKey) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>> {
        Box::pin(async move {
            self.core().check_open()?;
            Ok(self.core().state.read().marks.get(&key).cloned())
        })
    }

    fn marks(&self, space: &str, prefix: &str) -> BoxFuture<'_, Result<Vec<(MarkKey, Bytes)>, ReadError>> {
        let from = MarkKey::new(space, prefix);
        Box::pin(async move {
            self.core().check_open()?;
            Ok(marks_from(&self.core().state.read().marks, &from))
        })
    }
}

/// All marks of a space from a prefix on; keys are ordered by space, then name, so they lie side by side.
fn marks_from(marks: &BTreeMap<MarkKey, Bytes>, from: &MarkKey) -> Vec<(MarkKey, Bytes)> {
    let range = marks.range((Bound::Included(from), Bound::Unbounded));
    let matching =
        range.take_while(|(key, _)| key.space == from.space && key.name.starts_with(from.name.as_str()));
    matching
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
