//! The dictionary: terms to small numbers.
//!
//! In: a kind and bytes. Out: the term's number, the same for the same kind and bytes as long as the index lives.
//! Hashes only find candidates; the bytes decide. Texts lie side by side in chunks; a slot holds half of the hash, so
//! that a wrong candidate is passed over without looking at its bytes, and growing needs no bytes at all.

use super::super::term::{Salt, TermKind};
use super::chunked::Chunked;

/// A term's number.
pub(crate) type TermId = u32;

const FREE: Slot = Slot {
    term: u32::MAX,
    hash: 0,
};
const TEXT_CHUNK: usize = 64 << 10;

#[derive(Debug, Clone, Copy)]
struct Entry {
    chunk: u32,
    at: u16,
    bytes: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    term: TermId,
    hash: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    entries: Chunked<Entry>,
    texts: Vec<Vec<u8>>,
    /// Open addressing, a power of two, at most three quarters full.
    slots: Vec<Slot>,
    salt: Salt,
}

impl Dictionary {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn find(&self, kind: TermKind, bytes: &[u8]) -> Option<TermId> {
        self.probe(kind, bytes, self.hash(kind, bytes)).ok()
    }

    /// The term's number, a new one if it is new.
    pub(crate) fn intern(&mut self, kind: TermKind, bytes: &[u8]) -> TermId {
        if (self.entries.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let hash = self.hash(kind, bytes);
        match self.probe(kind, bytes, hash) {
            Ok(term) => term,
            Err(slot) => {
                let term = self.entries.len() as TermId;
                let entry = self.store(kind, bytes);
                self.entries.push(entry);
                self.slots[slot] = Slot { term, hash };
                term
            }
        }
    }

    /// A term's kind and bytes, as one.
    pub(crate) fn stored(&self, term: TermId) -> &[u8] {
        let Some(entry) = self.entries.get(term as usize) else {
            return &[0];
        };
        &self.texts[entry.chunk as usize][usize::from(entry.at)..][..usize::from(entry.bytes)]
    }

    /// The bytes of a term, without its kind.
    pub(crate) fn bytes(&self, term: TermId) -> &[u8] {
        &self.stored(term)[1..]
    }

    /// The term, or the slot where it belongs.
    fn probe(&self, kind: TermKind, bytes: &[u8], hash: u32) -> Result<TermId, usize> {
        let Some(last) = self.slots.len().checked_sub(1) else {
            return Err(0);
        };
        let mut at = hash as usize & last;
        loop {
            match self.slots[at] {
                FREE => return Err(at),
                slot if slot.hash == hash && self.is(slot.term, kind, bytes) => return Ok(slot.term),
                _ => at = (at + 1) & last,
            }
        }
    }

    fn hash(&self, kind: TermKind, bytes: &[u8]) -> u32 {
        self.salt.hash(kind, bytes) as u32
    }

    fn is(&self, term: TermId, kind: TermKind, bytes: &[u8]) -> bool {
        matches!(self.stored(term).split_first(), Some((first, rest)) if *first == kind as u8 && rest == bytes)
    }

    fn store(&mut self, kind: TermKind, bytes: &[u8]) -> Entry {
        let needed = bytes.len() + 1;
        if self
            .texts
            .last()
            .is_none_or(|chunk| chunk.len() + needed > TEXT_CHUNK)
        {
            // The first chunk stays small: many stores hold few terms.
            let room = if self.texts.is_empty() { 0 } else { TEXT_CHUNK };
            self.texts.push(Vec::with_capacity(room));
        }
        let chunk = self.texts.len() - 1;
        let text = &mut self.texts[chunk];
        let at = text.len() as u16;
        text.push(kind as u8);
        text.extend_from_slice(bytes);
        Entry {
            chunk: chunk as u32,
            at,
            bytes: needed as u16,
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        let old = std::mem::replace(&mut self.slots, vec![FREE; size]);
        for slot in old.into_iter().filter(|slot| *slot != FREE) {
            let mut at = slot.hash as usize & (size - 1);
            while self.slots[at] != FREE {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests;
