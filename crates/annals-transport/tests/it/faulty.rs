//! A store that fails on demand: the in-memory store, with one answer per append decided beforehand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError};
use annals_store::MemoryStore;

/// What an append is to do.
#[derive(Clone)]
pub(crate) enum Fault {
    /// As it should.
    None,
    /// This error, and nothing is written.
    Fails(AppendError),
    /// It is written, and the answer is "unknown".
    WrittenButUnknown,
    /// It is written, and no answer comes.
    WrittenButSilent,
    /// Nothing is written, and no answer comes.
    Silent,
}

/// A store whose next appends go as planned; when the plan is used up, as they should.
#[derive(Clone, Default)]
pub(crate) struct FaultyStore {
    inner: MemoryStore,
    plan: Arc<Mutex<VecDeque<Fault>>>,
    broken_reads: Arc<Mutex<Option<ReadError>>>,
}

impl FaultyStore {
    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan.lock().unwrap().extend(faults);
    }

    pub(crate) fn break_reads(&self, error: Option<ReadError>) {
        *self.broken_reads.lock().unwrap() = error;
    }

    pub(crate) fn healthy(&self) -> MemoryStore {
        self.inner.clone()
    }
}

impl EventStore for FaultyStore {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let fault = self.plan.lock().unwrap().pop_front().unwrap_or(Fault::None);
        let inner = self.inner.clone();
        Box::pin(async move {
            match fault {
                Fault::None => inner.append(append).await,
                Fault::Fails(error) => Err(error),
                Fault::WrittenButUnknown => {
                    inner.append(append).await?;
                    Err(AppendError::Unknown("the disk was slow".into()))
                }
                Fault::Silent => std::future::pending().await,
                Fault::WrittenButSilent => {
                    inner.append(append).await?;
                    std::future::pending().await
                }
            }
        })
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        match self.broken_reads.lock().unwrap().clone() {
            Some(error) => Box::pin(async { Err(error) }),
            None => self.inner.read(read),
        }
    }

    annals_testkit::pass_on!(inner);
}
