//! Event ids to positions, exactly.
//!
//! In: ids in order of position. Out: the position of an id. Hashes only find candidates; all sixteen bytes decide.
//! An event costs sixteen bytes and its share of a table of four-byte slots.

use annals_log::bug::is_planted;

use super::super::term::{Salt, TermKind};
use super::chunked::Chunked;
use crate::bug::Bug;

const FREE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(crate) struct Ids {
    by_position: Chunked<[u8; 16]>,
    /// Open addressing, a power of two, at most three quarters full.
    slots: Vec<u32>,
    salt: Salt,
}

impl Ids {
    /// The id at a position.
    pub(crate) fn get(&self, position: u32) -> Option<&[u8; 16]> {
        self.by_position.get(position as usize)
    }

    pub(crate) fn find(&self, id: &[u8; 16]) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let found = self.slots[self.slot_of(id)];
        (found != FREE).then_some(found)
    }

    /// Adds the id of the next position; it must be new.
    pub(crate) fn push(&mut self, id: [u8; 16]) {
        if (self.by_position.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let slot = self.slot_of(&id);
        self.slots[slot] = self.by_position.len() as u32;
        self.by_position.push(id);
    }

    /// Takes the last id away again. Nothing was placed because of it, so its slot simply becomes free.
    pub(crate) fn pop(&mut self) {
        if let Some(id) = self.by_position.last().copied() {
            let slot = self.slot_of(&id);
            self.slots[slot] = FREE;
            self.by_position.pop();
        }
    }

    /// Where the id is, or where it belongs.
    fn slot_of(&self, id: &[u8; 16]) -> usize {
        let last = self.slots.len() - 1;
        let mut slot = self.salt.hash(TermKind::Id, id) as usize & last;
        while self.slots[slot] != FREE && self.get(self.slots[slot]) != Some(id) {
            if is_planted(Bug::UncomparedId) {
                break;
            }
            slot = (slot + 1) & last;
        }
        slot
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        self.slots.clear();
        self.slots.resize(size, FREE);
        for position in 0..self.by_position.len() as u32 {
            let id = *self
                .get(position)
                .expect("every position below the length has an id");
            let slot = self.slot_of(&id);
            self.slots[slot] = position;
        }
    }
}

#[cfg(test)]
mod tests;
