//! A store that fails on demand: the in-memory store, with one answer per append decided beforehand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use annals_core::mark::MarkKey;
use annals_core::port::store::{
    Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError, TypeCount,
};
use annals_core::position::{Position, Revision};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_store::MemoryStore;
use bytes::Bytes;
use tokio::sync::watch;

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

    fn end(&self) -> Position {
        self.inner.end()
    }

    fn watch_end(&self) -> watch::Receiver<Position> {
        self.inner.watch_end()
    }

    fn revision(&self, tag: Tag, before: Position) -> BoxFuture<'_, Result<Option<Revision>, ReadError>> {
        self.inner.revision(tag, before)
    }

    fn end_at(&self, moment: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.inner.end_at(moment)
    }

    fn types(&self) -> BoxFuture<'_, Result<Vec<TypeCount>, ReadError>> {
        self.inner.types()
    }

    fn type_count(&self) -> usize {
        self.inner.type_count()
    }

    fn mark(&self, key: MarkKey) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>> {
        self.inner.mark(key)
    }

    fn marks(&self, space: &str, prefix: &str) -> BoxFuture<'_, Result<Vec<(MarkKey, Bytes)>, ReadError>> {
        self.inner.marks(space, prefix)
    }
}
