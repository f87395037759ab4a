//! A store in which somebody else is always a little faster.

use std::sync::{Arc, Mutex};

use annals_core::event::NewEvent;
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

type Next = Box<dyn FnMut() -> Option<NewEvent> + Send>;

/// Appends the rival's next event before each append.
#[derive(Clone)]
pub(crate) struct Rival {
    inner: MemoryStore,
    next: Arc<Mutex<Next>>,
}

impl Rival {
    pub(crate) fn new(inner: MemoryStore, next: impl FnMut() -> Option<NewEvent> + Send + 'static) -> Self {
        Self {
            inner,
            next: Arc::new(Mutex::new(Box::new(next))),
        }
    }
}

impl EventStore for Rival {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let rival = self.clone();
        Box::pin(async move {
            // Notes of runners are nobody's race.
            let faster = if append.events.is_empty() {
                None
            } else {
                (rival.next.lock().unwrap())()
            };
            if let Some(event) = faster {
                let events = vec![event];
                let append = Append {
                    events,
                    ..Append::default()
                };
                rival.inner.append(append).await.unwrap();
            }
            rival.inner.append(append).await
        })
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.inner.read(read)
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
