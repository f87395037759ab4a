//! A bounded cache of folded states.
//!
//! A state is taken out while a decision works with it and put back afterwards, so that it can be changed in place.
//! Two generations of entries, each at most half of the limit: what was used since the last turn survives the next.
//! Losing an entry costs a fold from the beginning, nothing else.

use std::any::TypeId;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use annals_core::position::Position;
use annals_core::tag::Tag;

use crate::define::boundary::AnyState;

/// A bounded map that forgets what was not used for longest, roughly.
pub struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    /// Keeps at most this many entries, at least two.
    pub fn new(entries_max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (entries_max / 2).max(1),
        }
    }

    /// Takes an entry out.
    pub fn take(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Whether there is one.
    pub fn holds(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    /// Puts an entry in.
    pub fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }
}

/// A folded state and how far it was folded.
pub struct Folded {
    /// The state.
    pub state: AnyState,
    /// Everything before this position that matches is in it.
    pub end: Position,
    /// How many events were folded since its snapshot, or since the beginning where it was not begun at one.
    pub newer: u64,
}

/// The states that decisions of one service start from.
pub struct StateCache {
    states: Mutex<Generations<(TypeId, Tag), Folded>>,
}

impl StateCache {
    /// Keeps at most this many states.
    pub fn new(states_max: usize) -> Self {
        Self {
            states: Mutex::new(Generations::new(states_max)),
        }
    }

    /// Takes a state out.
    pub fn take(&self, model: TypeId, tag: &Tag) -> Option<Folded> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(&(model, tag.clone()))
    }

    /// Puts a state in.
    pub fn put(&self, model: TypeId, tag: Tag, folded: Folded) {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put((model, tag), folded);
    }

    /// What these states look like, by key, in no order.
    pub fn look<T>(&self, mut look: impl FnMut(TypeId, &Tag, &Folded) -> T) -> Vec<T> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = states
            .iter()
            .map(|((model, tag), folded)| look(*model, tag, folded));
        looks.collect()
    }

    /// How many states it holds.
    pub fn len(&self) -> usize {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
