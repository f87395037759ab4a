//! Pages kept in memory, a bounded number of them.
//!
//! In: pages that were read and checked. Out: the same, without reading. Which ones stay is decided by whether they
//! were asked for since the hand last came by (a clock). Shared by all index files of a store.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::page::{PAGE_BYTES, Page};

/// Readers of different pages seldom wait for each other.
const SHARDS: usize = 16;

/// Names a page: the number of its open file, and its own.
pub(super) type Key = (u32, u32);

/// The pages kept.
#[derive(Debug)]
pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
    pages_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    slots: Vec<Slot>,
    place: HashMap<Key, usize, BuildHasherDefault<Spread>>,
    hand: usize,
}

#[derive(Debug)]
struct Slot {
    key: Key,
    page: Arc<Page>,
    asked: bool,
}

/// Keys are small numbers; they only have to be spread.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 29;
    }
}

impl Cache {
    /// Keeps at most so many bytes, but at least some pages.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            pages_max: (bytes_max / PAGE_BYTES / SHARDS).max(2),
        }
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[(key.0 as usize).wrapping_mul(7).wrapping_add(key.1 as usize) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: Key) -> Option<Arc<Page>> {
        let mut shard = self.shard(key);
        let place = *shard.place.get(&key)?;
        let slot = &mut shard.slots[place];
        slot.asked = true;
        Some(slot.page.clone())
    }

    pub(super) fn put(&self, key: Key, page: Arc<Page>) {
        let mut shard = self.shard(key);
        if shard.place.contains_key(&key) {
            return;
        }
        let slot = Slot {
            key,
            page,
            asked: false,
        };
        let place = if shard.slots.len() < self.pages_max {
            shard.slots.push(slot);
            shard.slots.len() - 1
        } else {
            let place = shard.victim();
            let old = std::mem::replace(&mut shard.slots[place], slot);
            shard.place.remove(&old.key);
            place
        };
        shard.place.insert(key, place);
    }
}

impl Shard {
    /// The next slot nobody asked for since the hand came by.
    fn victim(&mut self) -> usize {
        loop {
            let place = self.hand;
            self.hand = (place + 1) % self.slots.len();
            if !std::mem::take(&mut self.slots[place].asked) {
                return place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::{Kind, append};
    use super::*;

    fn page(content: &[u8]) -> Arc<Page> {
        let mut bytes = Vec::new();
        append(&mut bytes, (0, 0), Kind::Bytes, content, &[]);
        Arc::new(Page::checked(&bytes, 0, 0).unwrap())
    }

    #[test]
    fn what_is_asked_for_stays_and_there_is_never_too_much() {
        let cache = Cache::new(SHARDS * 4 * PAGE_BYTES);
        for number in 0..10_000 {
            cache.put((1, number), page(&number.to_le_bytes()));
            if number > 0 {
                let kept = cache.get((1, 0)).map(|page| page.content().to_vec());
                assert_eq!(kept, Some(vec![0; 4]), "after {number}");
            }
        }
        let kept: usize = cache
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().slots.len())
            .sum();
        assert_eq!(kept, SHARDS * 4);
        let found = (0..10_000)
            .filter(|number| cache.get((1, *number)).is_some())
            .count();
        assert_eq!((found, cache.get((2, 0)).is_none()), (kept, true));
        cache.put((1, 0), page(b"other"));
        assert_eq!(
            cache.get((1, 0)).unwrap().content(),
            [0; 4],
            "the same page is the same"
        );
    }
}
