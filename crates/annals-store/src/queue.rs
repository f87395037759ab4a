//! The queue between callers and the writer.
//!
//! In: appends, encoded and admitted. Out: all that waited, in order, to the one writer. Bounded in bytes: who finds
//! it full waits before queueing. Knows nothing of how appends are decided.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annals_core::condition::Condition;
use annals_core::mark::Mark;
use annals_core::port::store::{AppendError, Appended};
use annals_log::Batch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The queue's room is counted in pieces of this many bytes.
const PERMIT_BYTES: usize = 1 << 10;

/// One append on its way to the writer.
#[derive(Debug)]
pub(crate) struct Job {
    /// Events, then marks, as they will lie in the log.
    pub(crate) batch: Batch,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
    /// Its share of the queue's room; given back when the job is dropped.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// What the writer finds.
pub(crate) enum Waiting {
    Jobs(VecDeque<Job>),
    /// Nothing came for as long as it was to wait.
    Idle,
    /// Nothing will come any more.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    filled: Condvar,
    room: Arc<Semaphore>,
    room_in_all: usize,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: VecDeque<Job>,
    /// The writer is woken when so many wait.
    wanted: usize,
    closed: Option<String>,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let room_in_all = (bytes_max / PERMIT_BYTES).clamp(1, u32::MAX as usize >> 1);
        let room = Arc::new(Semaphore::new(room_in_all));
        Self {
            inner: Mutex::default(),
            filled: Condvar::new(),
            room,
            room_in_all,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room and queues the job.
    pub(crate) async fn push(&self, mut job: Job) -> Result<(), AppendError> {
        let pieces = (job.batch.bytes().len() / PERMIT_BYTES + 1).min(self.room_in_all) as u32;
        let room = match self.room.clone().try_acquire_many_owned(pieces) {
            Ok(room) => room,
            Err(_) => self
                .room
                .clone()
                .acquire_many_owned(pieces)
                .await
                .map_err(|_| self.refusal())?,
        };
        job.room = Some(room);
        let mut inner = self.inner();
        if let Some(reason) = &inner.closed {
            return Err(AppendError::Closed(reason.clone()));
        }
        inner.jobs.push_back(job);
        let is_enough = inner.jobs.len() == inner.wanted.max(1);
        drop(inner);
        if is_enough {
            self.filled.notify_one();
        }
        Ok(())
    }

    fn refusal(&self) -> AppendError {
        AppendError::Closed(self.closed().unwrap_or_else(|| "it was closed".to_owned()))
    }

    /// Why nothing can be queued any more, if so.
    pub(crate) fn closed(&self) -> Option<String> {
        self.inner().closed.clone()
    }

    /// Everything that waits; waits for it, at most as long as said.
    pub(crate) fn take(&self, idle_after: Option<Duration>) -> Waiting {
        let (mut inner, mut is_late) = (self.inner(), false);
        loop {
            if !inner.jobs.is_empty() {
                return Waiting::Jobs(std::mem::take(&mut inner.jobs));
            }
            if inner.closed.is_some() {
                return Waiting::Closed;
            }
            if is_late {
                return Waiting::Idle;
            }
            inner = match idle_after {
                None => self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(after) => {
                    let waited = self.filled.wait_timeout(inner, after);
                    let (inner, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                    is_late = waited.timed_out();
                    inner
                }
            };
        }
    }

    /// What waits when so many do, or after this long, or when nothing will come any more.
    pub(crate) fn take_when(&self, wanted: usize, patience: Duration) -> VecDeque<Job> {
        let mut inner = self.inner();
        inner.wanted = wanted;
        let too_few = |inner: &mut Inner| inner.jobs.len() < wanted && inner.closed.is_none();
        let waited = self.filled.wait_timeout_while(inner, patience, too_few);
        let mut inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        inner.wanted = 0;
        std::mem::take(&mut inner.jobs)
    }

    /// Everything that waits now.
    pub(crate) fn take_now(&self) -> VecDeque<Job> {
        std::mem::take(&mut self.inner().jobs)
    }

    /// How many wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.inner().jobs.len()
    }

    /// Takes nothing more; what waits is still handed out. The first reason stays.
    pub(crate) fn close(&self, reason: &str) {
        let mut inner = self.inner();
        inner.closed.get_or_insert_with(|| reason.to_owned());
        drop(inner);
        self.room.close();
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests;
