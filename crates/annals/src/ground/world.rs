//! The world of a service: its clock and its source of ids.

use std::sync::{Arc, Mutex, PoisonError};

use annals_core::id::{EventId, IdSource, uuid_v7};
use annals_core::time::{Clock, SystemClock, Timestamp};
use uuid::Uuid;

/// Where time and names come from. The machine's in production; virtual and seeded in tests.
#[derive(Clone)]
pub struct World {
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn IdSource>,
}

impl Default for World {
    /// The machine's clock and the operating system's randomness.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds::default()),
        }
    }
}

impl World {
    /// The present.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new event id.
    pub fn event_id(&self) -> EventId {
        EventId::from_uuid(self.ids.next(self.now()))
    }
}

const BLOCK_BYTES: usize = 4_000;

/// Ids from the operating system's randomness, fetched a block at a time.
pub struct RandomIds {
    block: Mutex<Block>,
}

struct Block {
    bytes: [u8; BLOCK_BYTES],
    used: usize,
}

impl Default for RandomIds {
    fn default() -> Self {
        Self {
            block: Mutex::new(Block {
                bytes: [0; BLOCK_BYTES],
                used: BLOCK_BYTES,
            }),
        }
    }
}

impl IdSource for RandomIds {
    /// # Panics
    /// If the operating system has no randomness to give; no id is better than a guessable repetition.
    fn next(&self, at: Timestamp) -> Uuid {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.used + 10 > BLOCK_BYTES {
            getrandom::fill(&mut block.bytes).expect("the operating system provides randomness");
            block.used = 0;
        }
        let mut randomness = [0; 10];
        randomness.copy_from_slice(&block.bytes[block.used..block.used + 10]);
        block.used += 10;
        uuid_v7(at, randomness)
    }
}
