//! What a store of a chain lies on: memory, or the embedded engine on a simulated disk.
//!
//! In: appends, and power cuts. Out: the store as it is after them. Memory survives a power cut whole; the disk keeps
//! what was flushed, and of the rest what the seed says. The engine runs without a thread of its own, so that the same
//! calls give the same bytes.

use std::future::poll_fn;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use annals_core::port::store::{Append, AppendError, Appended, EventStore};
use annals_core::time::Clock;
use annals_store::disk::sim::{SimDisk, Survival};
use annals_store::{EmbeddedStore, MemoryStore, Options, WriterThread};

const FOLDER: &str = "/store";
/// Small, so that a story fills several.
const SEGMENT_BYTES: u64 = 1 << 16;

#[derive(Clone)]
pub(super) struct Ground {
    kind: Arc<Mutex<Kind>>,
    clock: Arc<dyn Clock>,
}

enum Kind {
    Memory(MemoryStore),
    Disk { disk: SimDisk, store: EmbeddedStore },
}

impl Ground {
    pub(super) fn memory(clock: Arc<dyn Clock>) -> Self {
        let kind = Kind::Memory(MemoryStore::with_clock(Arc::clone(&clock)));
        Self {
            kind: Arc::new(Mutex::new(kind)),
            clock,
        }
    }

    pub(super) fn disk(clock: Arc<dyn Clock>, seed: u64) -> Self {
        let kind = opened(SimDisk::new(seed), &clock);
        Self {
            kind: Arc::new(Mutex::new(kind)),
            clock,
        }
    }

    fn kind(&self) -> MutexGuard<'_, Kind> {
        self.kind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store as it is now; another one after a power cut.
    pub(super) fn store(&self) -> Arc<dyn EventStore> {
        match &*self.kind() {
            Kind::Memory(store) => Arc::new(store.clone()),
            Kind::Disk { store, .. } => Arc::new(store.clone()),
        }
    }

    /// Appends; the engine writes as soon as the append is in its queue.
    pub(super) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let mut pending = self.store().append(append);
        let at_once = poll_fn(|context| Poll::Ready(pending.as_mut().poll(context))).await;
        match at_once {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                self.step();
                pending.await
            }
        }
    }

    fn step(&self) {
        if let Kind::Disk { store, .. } = &*self.kind() {
            store.step();
        }
    }

    /// Cuts the power, and opens again what is left.
    ///
    /// # Panics
    /// If what is left cannot be opened: the engine has broken its word.
    pub(super) fn cut(&self, seed: u64) {
        let mut kind = self.kind();
        if let Kind::Disk { disk, .. } = &*kind {
            let mode = Survival::ALL[(seed % Survival::ALL.len() as u64) as usize];
            *kind = opened(disk.crash(seed, mode), &self.clock);
        }
    }
}

fn opened(disk: SimDisk, clock: &Arc<dyn Clock>) -> Kind {
    let options = Options {
        clock: Arc::clone(clock),
        segment_bytes_first: SEGMENT_BYTES,
        segment_bytes_max: SEGMENT_BYTES,
        writer: WriterThread::Stepped,
        ..Options::default()
    };
    let store = EmbeddedStore::open_on(Arc::new(disk.clone()), Path::new(FOLDER), options);
    let store = store.unwrap_or_else(|error| panic!("a store does not open after a power cut: {error}"));
    Kind::Disk { disk, store }
}
