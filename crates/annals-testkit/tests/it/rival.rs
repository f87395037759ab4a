//! A store in which somebody else is always a little faster.

use std::sync::{Arc, Mutex};

use annals_core::event::NewEvent;
use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError};
use annals_store::MemoryStore;

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

    annals_testkit::pass_on!(inner);
}
