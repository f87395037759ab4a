//! The one thread that writes the ledger.
//!
//! In come requests from any number of tasks, out go answers that are on the disk. While one flush runs,
//! requests queue up; the next flush makes all of them durable at once. Invariants:
//!
//! 1. No answer leaves before its entry is flushed, repeated answers included.
//! 2. The queue is bounded: who asks too fast waits.
//! 3. After a failed write everything is refused until the program is started again.
//!
//! It does not know HTTP.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::super::protocol::{Account, Charge, ChargeRequest, Refund, RefundRequest, Totals};
use super::book::{Book, Decided, Undecided};
use super::file::{LedgerFile, OpenError, Replayed};

#[cfg(test)]
mod tests;

const QUEUE_MAX: usize = 4_096;
const BATCH_MAX: usize = 1_024;

/// An answer that is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::provider) struct Kept<A> {
    pub(in crate::provider) answer: A,
    /// Whether the answer was given for the first time.
    pub(in crate::provider) first: bool,
}

/// Why the ledger gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(in crate::provider) enum LedgerError {
    #[error(
        "expected a new key or the same request as before, found the key used for another one; use a new key"
    )]
    KeyReused,
    #[error("expected sums of at most 28 digits, found more; nothing was recorded")]
    TooMuch,
    #[error("the ledger is full; start with a new folder or a higher limit")]
    Full,
    #[error("the ledger could not be written and takes nothing until the program is started again")]
    Stopped,
}

impl From<Undecided> for LedgerError {
    fn from(undecided: Undecided) -> Self {
        match undecided {
            Undecided::KeyReused => Self::KeyReused,
            Undecided::TooMuch => Self::TooMuch,
            Undecided::Full => Self::Full,
        }
    }
}

/// The ledger, to be shared by all connections.
#[derive(Clone)]
pub(in crate::provider) struct Ledger {
    queue: mpsc::Sender<Job>,
    book: Arc<Mutex<Book>>,
}

type Answer<A> = Result<Kept<A>, LedgerError>;

enum Job {
    Charge {
        request: ChargeRequest,
        declined: bool,
        reply: oneshot::Sender<Answer<Charge>>,
    },
    Refund {
        request: RefundRequest,
        reply: oneshot::Sender<Answer<Refund>>,
    },
}

/// An answer on its way, held back until the flush.
enum Pending {
    Charge(oneshot::Sender<Answer<Charge>>, Answer<Charge>),
    Refund(oneshot::Sender<Answer<Refund>>, Answer<Refund>),
}

impl Ledger {
    /// Opens the ledger in `folder`, for at most `entries_max` entries, and starts its thread, which ends
    /// after the last copy of the ledger is dropped.
    pub(in crate::provider) fn open(
        folder: &Path,
        entries_max: u64,
    ) -> Result<(Self, Replayed, JoinHandle<()>), OpenError> {
        let mut book = Book::new(entries_max);
        let (mut file, replayed) = LedgerFile::open(folder, |entry| book.replay(&entry))?;
        let started = Self::start(book, move |lines| file.append(lines));
        let (ledger, thread) = started.map_err(|source| OpenError::Io {
            path: folder.to_owned(),
            source,
        })?;
        Ok((ledger, replayed, thread))
    }

    /// Starts the thread, which makes lines durable by `append`.
    fn start(
        mut book: Book,
        append: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        book.publish();
        let book = Arc::new(Mutex::new(book));
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let keeper = Keeper {
            jobs,
            append,
            book: Arc::clone(&book),
        };
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || keeper.run())?;
        Ok((Self { queue, book }, thread))
    }

    /// Answers a charge once it is on the disk.
    ///
    /// # Cancel safety
    ///
    /// A charge that was queued is carried out even if nobody waits for the answer any more.
    pub(in crate::provider) async fn charge(&self, request: ChargeRequest, declined: bool) -> Answer<Charge> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .send(Job::Charge {
                request,
                declined,
                reply,
            })
            .await
            .map_err(|_| LedgerError::Stopped)?;
        answer.await.unwrap_or(Err(LedgerError::Stopped))
    }

    /// Answers a refund once it is on the disk.
    ///
    /// # Cancel safety
    ///
    /// A refund that was queued is carried out even if nobody waits for the answer any more.
    pub(in crate::provider) async fn refund(&self, request: RefundRequest) -> Answer<Refund> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .send(Job::Refund { request, reply })
            .await
            .map_err(|_| LedgerError::Stopped)?;
        answer.await.unwrap_or(Err(LedgerError::Stopped))
    }

    /// Whether the ledger still takes entries.
    pub(in crate::provider) fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }

    /// The sums of everything on the disk.
    pub(in crate::provider) fn totals(&self) -> Totals {
        locked(&self.book).totals()
    }

    /// One order's account.
    pub(in crate::provider) fn account(&self, order: &str) -> Option<Account> {
        locked(&self.book).account(order)
    }

    /// Up to `count` accounts from a place on, as they were after the first `entries` entries, and the place to
    /// go on from.
    pub(in crate::provider) fn accounts(
        &self,
        from: usize,
        count: usize,
        entries: u64,
    ) -> Option<(Vec<Account>, usize)> {
        locked(&self.book).accounts(from, count, entries)
    }

    /// Up to `count` voids from a place on, as they were after the first `entries` entries.
    pub(in crate::provider) fn voids(&self, from: usize, count: usize, entries: u64) -> Vec<Refund> {
        locked(&self.book).voids(from, count, entries)
    }
}

struct Keeper<A> {
    jobs: mpsc::Receiver<Job>,
    append: A,
    book: Arc<Mutex<Book>>,
}

impl<A: FnMut(&[u8]) -> io::Result<()>> Keeper<A> {
    fn run(mut self) {
        let (mut jobs, mut lines) = (Vec::with_capacity(BATCH_MAX), Vec::new());
        while self.jobs.blocking_recv_many(&mut jobs, BATCH_MAX) > 0 {
            lines.clear();
            let pending = self.decide(jobs.drain(..), &mut lines);
            if !lines.is_empty()
                && let Err(error) = (self.append)(&lines)
            {
                eprintln!("the ledger could not be written: {error}; start the program again");
                // Dropping the queue tells everybody that the ledger has stopped.
                return;
            }
            locked(&self.book).publish();
            pending.into_iter().for_each(Pending::send);
        }
    }

    fn decide(&self, jobs: impl Iterator<Item = Job>, lines: &mut Vec<u8>) -> Vec<Pending> {
        let mut book = locked(&self.book);
        jobs.map(|job| match job {
            Job::Charge {
                request,
                declined,
                reply,
            } => {
                let decided = book.charge(request, declined);
                Pending::Charge(
                    reply,
                    decided
                        .map(|decided| written(decided, lines))
                        .map_err(LedgerError::from),
                )
            }
            Job::Refund { request, reply } => {
                let decided = book.refund(request);
                Pending::Refund(
                    reply,
                    decided
                        .map(|decided| written(decided, lines))
                        .map_err(LedgerError::from),
                )
            }
        })
        .collect()
    }
}

impl Pending {
    /// Hands out the answer; that nobody waits for it any more is no matter.
    fn send(self) {
        match self {
            Self::Charge(reply, answer) => drop(reply.send(answer)),
            Self::Refund(reply, answer) => drop(reply.send(answer)),
        }
    }
}

fn written<A>(decided: Decided<A>, lines: &mut Vec<u8>) -> Kept<A> {
    if let Some(entry) = &decided.entry {
        entry.write(lines);
    }
    Kept {
        answer: decided.answer,
        first: decided.entry.is_some(),
    }
}

/// The book stays whole when a thread panics: entries are counted before anything else is changed.
fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
