//! Lanes: commands of one process that share a key wait for each other instead of racing.
//!
//! Locks are taken in the order of their tags, so two commands never wait for each other. First come, first served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use annals_core::tag::Tag;
use tokio::sync::{Mutex as Lane, OwnedMutexGuard};

/// One waiting line per key that is in use just now.
#[derive(Clone, Default)]
pub struct Lanes {
    lanes: Arc<Mutex<HashMap<Tag, Arc<Lane<()>>>>>,
}

/// The keys of one command, held until dropped.
pub struct Held {
    lanes: Lanes,
    places: Vec<Place>,
}

/// A place in one line, and in the end its head. Kept from the moment the line is joined, so that whoever leaves
/// early also tidies up.
struct Place {
    tag: Tag,
    lane: Arc<Lane<()>>,
    head: Option<OwnedMutexGuard<()>>,
}

impl Lanes {
    /// Waits for all of these keys.
    ///
    /// # Cancel safety
    /// Dropping the future lets go of the keys it had and of its places in line.
    pub async fn hold(&self, mut tags: Vec<Tag>) -> Held {
        tags.sort_unstable();
        tags.dedup();
        let mut held = Held {
            lanes: self.clone(),
            places: Vec::with_capacity(tags.len()),
        };
        for tag in tags {
            let lane = self.lane(&tag);
            let at_head = Arc::clone(&lane).lock_owned();
            held.places.push(Place {
                tag,
                lane,
                head: None,
            });
            let head = at_head.await;
            if let Some(place) = held.places.last_mut() {
                place.head = Some(head);
            }
        }
        held
    }

    fn lane(&self, tag: &Tag) -> Arc<Lane<()>> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(tag.clone()).or_default())
    }

    /// How many keys are in use.
    pub fn len(&self) -> usize {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no key is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for Place { tag, lane, head } in self.places.drain(..) {
            drop((head, lane));
            // Whoever waits for this lane holds a second reference to it.
            if lanes.get(&tag).is_some_and(|lane| Arc::strong_count(lane) == 1) {
                lanes.remove(&tag);
            }
        }
    }
}

#[cfg(test)]
mod tests;
