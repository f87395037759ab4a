//! Sorted keys with values in one page.
//!
//! In: keys in order, each with a few bytes. Out: a page in which a key is found by halving and a short walk. What a key
//! shares with the one before it is left out; every sixteenth stands whole.
//!
//! An entry: bytes shared, bytes that follow, bytes of the value (each a varint), what follows, the value. At the end
//! of the page: where the whole keys begin (2 each), and how many there are (2).

use std::ops::Range;

use super::page::{Page, ROOM};
use super::varint;

/// Every so many entries a key stands whole.
const WHOLE_EVERY: u32 = 16;

/// The longest key with its value, in bytes; a page holds at least one.
pub(super) const ENTRY_BYTES_MAX: usize = 3_800;

/// Fills one page.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    content: Vec<u8>,
    whole: Vec<u16>,
    first: Vec<u8>,
    last: Vec<u8>,
    entries: u32,
}

impl BlockBuilder {
    /// Adds an entry; `false` if there is no room for it. Keys come in order, each once.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> bool {
        assert!(
            key.len() + value.len() <= ENTRY_BYTES_MAX,
            "a key of {} bytes and a value of {} fit a page",
            key.len(),
            value.len()
        );
        let stands_whole = self.entries.is_multiple_of(WHOLE_EVERY);
        let shared = if stands_whole {
            0
        } else {
            shared_bytes(&self.last, key)
        };
        let needed = 9 + key.len() - shared + value.len();
        let table = 2 * (self.whole.len() + usize::from(stands_whole) + 1);
        if self.entries > 0 && self.content.len() + needed + table > ROOM {
            return false;
        }
        if stands_whole {
            self.whole.push(self.content.len() as u16);
        }
        for number in [shared, key.len() - shared, value.len()] {
            varint::put(&mut self.content, number as u64);
        }
        self.content.extend_from_slice(&key[shared..]);
        self.content.extend_from_slice(value);
        if self.entries == 0 {
            self.first.extend_from_slice(key);
        }
        self.last.truncate(shared);
        self.last.extend_from_slice(&key[shared..]);
        self.entries += 1;
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The first key.
    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    /// Content and end of the page.
    pub(super) fn page(&self) -> (&[u8], Vec<u8>) {
        let count = self.whole.len() as u16;
        let table = self.whole.iter().chain([&count]);
        (
            &self.content,
            table.flat_map(|number| number.to_le_bytes()).collect(),
        )
    }

    pub(super) fn clear(&mut self) {
        self.content.clear();
        self.whole.clear();
        self.first.clear();
        self.last.clear();
        self.entries = 0;
    }
}

/// How many first bytes two keys have in common.
pub(super) fn shared_bytes(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// A walk over the entries of a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    at: usize,
    key: Vec<u8>,
    value: Range<usize>,
}

impl Entries {
    /// Moves to the next entry; `None`: the page makes no sense; `Some(false)`: there is none.
    pub(super) fn step(&mut self, page: &Page) -> Option<bool> {
        let content = page.content();
        if self.at >= content.len() {
            return Some(false);
        }
        let mut at = self.at;
        let [shared, rest, value] = head(content, &mut at)?;
        let suffix = content.get(at..)?.get(..rest)?;
        if shared > self.key.len() {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        at += rest;
        self.value = at..at.checked_add(value).filter(|end| *end <= content.len())?;
        self.at = self.value.end;
        Some(true)
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn value<'a>(&self, page: &'a Page) -> &'a [u8] {
        &page.content()[self.value.clone()]
    }

    /// A walk whose next entry is the last whole one not behind a key, or the first of all.
    pub(super) fn near(page: &Page, key: &[u8]) -> Option<Self> {
        Some(Self {
            at: whole_before(page, key)?,
            ..Self::default()
        })
    }
}

/// Where the last entry begins that stands whole and is not behind a key, or the first of all.
fn whole_before(page: &Page, key: &[u8]) -> Option<usize> {
    let body = page.body();
    let count = usize::from(u16::from_le_bytes(body.last_chunk::<2>().copied()?));
    let table = body.len().checked_sub(2 * (count + 1))?;
    let whole = |number: usize| {
        let at = table + 2 * number;
        usize::from(u16::from_le_bytes([body[at], body[at + 1]]))
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        match whole_key(page.content(), whole(middle))? <= key {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Some(if low == 0 { 0 } else { whole(low - 1) })
}

/// The key of an entry that stands whole.
fn whole_key(content: &[u8], mut at: usize) -> Option<&[u8]> {
    let [shared, bytes, _] = head(content, &mut at)?;
    (shared == 0).then_some(())?;
    content.get(at..)?.get(..bytes)
}

/// The three numbers an entry begins with: bytes shared, bytes that follow, bytes of the value.
#[inline]
fn head(content: &[u8], at: &mut usize) -> Option<[usize; 3]> {
    // Nearly always each of them takes one byte.
    if let Some([shared, rest, value]) = content.get(*at..*at + 3)
        && (*shared | *rest | *value) < 0x80
    {
        *at += 3;
        return Some([shared, rest, value].map(|byte| usize::from(*byte)));
    }
    let mut next = || varint::take(content, at).map(|number| number as usize);
    Some([next()?, next()?, next()?])
}

/// The value of a key: `None`: the page makes no sense.
pub(super) fn find<'a>(page: &'a Page, key: &[u8]) -> Option<Option<&'a [u8]>> {
    let (value, is_it) = last_value(page, key)?;
    Some(value.filter(|_| is_it))
}

/// The value of the last entry not behind a key, and whether it has this key. No key is put together on the way: it is
/// enough to know how much of the wanted key the one before has.
pub(super) fn last_value<'a>(page: &'a Page, key: &[u8]) -> Option<(Option<&'a [u8]>, bool)> {
    let (content, mut at) = (page.content(), whole_before(page, key)?);
    let (mut known, mut last) = (0, None);
    while at < content.len() {
        let [shared, rest, value] = head(content, &mut at)?;
        let suffix = content.get(at..)?.get(..rest)?;
        let end = (at + rest)
            .checked_add(value)
            .filter(|end| *end <= content.len())?;
        // One that shares less is behind the key; one that shares more is before it, as the one before.
        if shared < known {
            break;
        }
        let value = &content[at + rest..end];
        if shared == known {
            let wanted = &key[known..];
            let same = shared_bytes(suffix, wanted);
            match (suffix.get(same), wanted.get(same)) {
                (None, None) => return Some((Some(value), true)),
                (None, Some(_)) => {}
                (Some(found), Some(wanted)) if found < wanted => {}
                _ => break,
            }
            known += same;
        }
        (last, at) = (Some(value), end);
    }
    Some((last, false))
}

/// A walk that stands at the last entry not behind a key, or at the first of all. `None`: the page makes no sense.
pub(super) fn floor(page: &Page, key: &[u8]) -> Option<Entries> {
    let mut next = Entries::near(page, key)?;
    next.step(page)?.then_some(())?;
    let mut entries = next.clone();
    while next.step(page)? && next.key() <= key {
        entries.clone_from(&next);
    }
    Some(entries)
}

#[cfg(test)]
mod tests;
