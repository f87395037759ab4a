//! What the handles of a store, its writer and the keeper of its index share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_core::port::store::ReadError;
use annals_core::position::Position;
use annals_log::Reader;
use tokio::sync::watch;

use crate::fetch::Weather;
use crate::options::IndexOptions;
use crate::queue::Queue;
use crate::shelf::Shelf;
use crate::state::SharedState;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) state: SharedState,
    pub(crate) reader: Reader,
    pub(crate) shelf: Shelf,
    pub(crate) index: IndexOptions,
    pub(crate) queue: Queue,
    pub(crate) end: watch::Receiver<Position>,
    pub(crate) weather: Weather,
    /// Held while damaged files of the index are made again.
    pub(crate) mending: Mutex<()>,
    /// Set once reads are refused.
    pub(crate) closed: AtomicBool,
    /// Set once the writer has stopped after a failure.
    pub(crate) failed: AtomicBool,
}

impl Core {
    pub(crate) fn check_open(&self) -> Result<(), ReadError> {
        if self.closed.load(Ordering::Acquire) {
            Err(ReadError::Closed)
        } else {
            Ok(())
        }
    }
}
