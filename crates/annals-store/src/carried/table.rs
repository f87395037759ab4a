//! A file of sorted keys with values, found by few reads.
//!
//! In: keys in ascending order. Out: a file; and from it single values, or all keys from one on. It is a tree of blocks that
//! was written from its leaves up: leaves follow each other in the order of their keys, and between them lie the blocks
//! that say where leaves begin.
//!
//! The first 128 bytes, all numbers little endian:
//!
//! | byte | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `annalcar` |
//! | 8 | 2 | format, 1 |
//! | 10 | 2 | flags; none is known, so zero |
//! | 12 | 4 | CRC-32/ISCSI of bytes 0–11 and 16–127 |
//! | 16 | 8 | the log's salt |
//! | 24 | 8 | the position of the first event that is not carried |
//! | 32 | 8 | when the newest carried commit was recorded, signed |
//! | 40 | 8 | entries |
//! | 48 | 8 | marks among them |
//! | 56 | 8 | where the root block begins |
//! | 64 | 16 | the highest id of version 7; zeros if there is none |
//! | 80 | 48 | zero |
//!
//! A block, one behind the other from byte 128 on:
//!
//! | byte | bytes | field |
//! |---|---|---|
//! | 0 | 4 | CRC-32/ISCSI of the log's salt, the block's place (8 bytes) and bytes 4 to its end |
//! | 4 | 4 | bytes of its entries |
//! | 8 | 1 | level: 0 a leaf, else one more than the blocks it names |
//! | 9 | 3 | zero |
//! | 12 | … | entries: 2 bytes of length of the key, 4 of the value, key, value |
//!
//! In a block that is no leaf a value is the place of a block (8 bytes), and the key is the first one in it.
//!
//! Invariant: bytes that are not as they were written are told and never taken for an answer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_log::Checksum;
use annals_log::disk::{Access, Disk, File};
use bytes::{Buf, Bytes};
use thiserror::Error;

const MAGIC: [u8; 8] = *b"annalcar";
const FORMAT: u16 = 1;
const HEADER_BYTES: usize = 128;
const BLOCK_HEADER_BYTES: usize = 12;
/// A block with as many bytes of entries takes no further one.
const BLOCK_BYTES: usize = 4_096;
/// The longest block: one entry may be longer than a block usually is.
const BLOCK_BYTES_MAX: usize = 1 << 20;
/// No file has more levels; it would have more entries than there are positions.
const LEVELS_MAX: u8 = 32;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum CarriedError {
    /// It is not as it was written.
    #[error("{} at byte {at}: {what}; restore it from the archive", file.display())]
    Damaged { file: PathBuf, at: u64, what: String },
    /// A newer build wrote it.
    #[error("{} has format {found}", file.display())]
    Newer { file: PathBuf, found: u16 },
    /// The disk did not answer.
    #[error("{}: {source}", file.display())]
    Io { file: PathBuf, source: io::Error },
}

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Header {
    pub(crate) salt: u64,
    pub(crate) first: u64,
    pub(crate) newest: i64,
    pub(crate) entries: u64,
    pub(crate) marks: u64,
    pub(crate) root: u64,
    pub(crate) highest_timed: [u8; 16],
}

/// A file that is read.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    file: Arc<dyn File>,
    pub(crate) header: Header,
}

/// A file that is written.
pub(crate) struct TableWriter {
    path: PathBuf,
    file: Arc<dyn File>,
    header: Header,
    at: u64,
    /// What is not written yet, from the leaves up.
    levels: Vec<Open>,
}

/// A block that is not full yet.
#[derive(Default)]
struct Open {
    first: Vec<u8>,
    entries: Vec<u8>,
}

/// One entry.
pub(crate) type Entry = (Bytes, Bytes);

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        let words = [
            self.salt,
            self.first,
            self.newest.cast_unsigned(),
            self.entries,
            self.marks,
            self.root,
        ];
        for (place, word) in words.into_iter().enumerate() {
            bytes[16 + place * 8..24 + place * 8].copy_from_slice(&word.to_le_bytes());
        }
        bytes[64..80].copy_from_slice(&self.highest_timed);
        let checksum = header_checksum(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut rest = &bytes[12..];
        if bytes[..8] != MAGIC || rest.get_u32_le() != header_checksum(bytes) {
            return None;
        }
        Some(Self {
            salt: rest.get_u64_le(),
            first: rest.get_u64_le(),
            newest: rest.get_i64_le(),
            entries: rest.get_u64_le(),
            marks: rest.get_u64_le(),
            root: rest.get_u64_le(),
            highest_timed: rest[..16].try_into().ok()?,
        })
    }
}

fn header_checksum(bytes: &[u8; HEADER_BYTES]) -> u32 {
    Checksum::new().with(&bytes[..12]).with(&bytes[16..]).finish()
}

fn block_checksum(salt: u64, at: u64, behind: &[u8]) -> u32 {
    Checksum::new()
        .with(&salt.to_le_bytes())
        .with(&at.to_le_bytes())
        .with(behind)
        .finish()
}

impl TableWriter {
    /// Makes a new file; one of this name is taken away first.
    pub(crate) fn create(disk: &dyn Disk, path: &Path, salt: u64) -> io::Result<Self> {
        match disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self {
            path: path.to_owned(),
            file: disk.create(path)?,
            header: Header {
                salt,
                ..Header::default()
            },
            at: HEADER_BYTES as u64,
            levels: Vec::new(),
        })
    }

    /// Adds an entry, whose key is greater than the one before.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.header.entries += 1;
        self.add_at(0, key, value)
    }

    fn add_at(&mut self, level: usize, key: &[u8], value: &[u8]) -> io::Result<()> {
        if level == self.levels.len() {
            self.levels.push(Open::default());
        }
        if self.levels[level].entries.len() >= BLOCK_BYTES {
            self.write(level)?;
        }
        let open = &mut self.levels[level];
        if open.entries.is_empty() {
            open.first = key.to_vec();
        }
        open.entries.extend_from_slice(&(key.len() as u16).to_le_bytes());
        open.entries
            .extend_from_slice(&(value.len() as u32).to_le_bytes());
        open.entries.extend_from_slice(key);
        open.entries.extend_from_slice(value);
        Ok(())
    }

    /// Writes the block that is open on a level and names it on the one above.
    fn write(&mut self, level: usize) -> io::Result<u64> {
        let Open { first, entries } = std::mem::take(&mut self.levels[level]);
        let place = self.block(level, &entries)?;
        self.add_at(level + 1, &first, &place.to_le_bytes())?;
        Ok(place)
    }

    fn block(&mut self, level: usize, entries: &[u8]) -> io::Result<u64> {
        let mut block = vec![0; BLOCK_HEADER_BYTES];
        block[4..8].copy_from_slice(&(entries.len() as u32).to_le_bytes());
        block[8] = level as u8;
        block.extend_from_slice(entries);
        let checksum = block_checksum(self.header.salt, self.at, &block[4..]);
        block[..4].copy_from_slice(&checksum.to_le_bytes());
        let place = self.at;
        self.file.write_at(&block, place)?;
        self.at += block.len() as u64;
        Ok(place)
    }

    /// Writes what is left, and at last the first bytes; everything is flushed then, but not the name of the file.
    pub(crate) fn finish(mut self, header: Header) -> io::Result<()> {
        if self.levels.is_empty() {
            self.levels.push(Open::default());
        }
        let mut level = 0;
        let root = loop {
            if level + 1 == self.levels.len() {
                let entries = std::mem::take(&mut self.levels[level].entries);
                break self.block(level, &entries)?;
            }
            self.write(level)?;
            level += 1;
        };
        let header = Header {
            salt: self.header.salt,
            entries: self.header.entries,
            root,
            ..header
        };
        self.file.write_at(&header.encode(), 0)?;
        tracing::debug!(path = %self.path.display(), entries = header.entries, "wrote what is carried");
        self.file.flush()
    }
}

impl Table {
    /// Opens a file of this log: reads its first bytes.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, salt: u64) -> Result<Self, CarriedError> {
        let io = |source| CarriedError::Io {
            file: path.to_owned(),
            source,
        };
        let file = match disk.open(path, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = "there is no such file, but events were archived".to_owned();
                return Err(damaged(path, 0, what));
            }
            other => other.map_err(io)?,
        };
        let mut bytes = [0; HEADER_BYTES];
        let read = file.read_at(&mut bytes, 0).map_err(io)?;
        let format = u16::from_le_bytes([bytes[8], bytes[9]]);
        if bytes[..8] == MAGIC && format > FORMAT {
            let file = path.to_owned();
            return Err(CarriedError::Newer { file, found: format });
        }
        let header = Header::decode(&bytes).filter(|header| read == HEADER_BYTES && header.salt == salt);
        let known = bytes[10..12] == [0; 2] && bytes[80..] == [0; HEADER_BYTES - 80];
        let header = header.filter(|_| known && format == FORMAT);
        let header = header
            .ok_or_else(|| damaged(path, 0, "expected the first bytes of what is carried".to_owned()))?;
        let path = path.to_owned();
        Ok(Self { path, file, header })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The block at a place: its level, its entries, and where it ends.
    fn block(&self, at: u64) -> Result<(u8, Bytes, u64), CarriedError> {
        let io = |source| CarriedError::Io {
            file: self.path.clone(),
            source,
        };
        let mut bytes = vec![0; BLOCK_HEADER_BYTES + BLOCK_BYTES + BLOCK_BYTES / 2];
        let read = self.file.read_at(&mut bytes, at).map_err(io)?;
        if read < BLOCK_HEADER_BYTES {
            return Err(damaged(
                &self.path,
                at,
                "the file ends where a block should be".to_owned(),
            ));
        }
        let length = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
        if length > BLOCK_BYTES_MAX {
            return Err(damaged(&self.path, at, format!("a block of {length} bytes")));
        }
        let whole = BLOCK_HEADER_BYTES + length;
        if whole > bytes.len() {
            bytes.resize(whole, 0);
            let read = self.file.read_at(&mut bytes, at).map_err(io)?;
            bytes.truncate(read);
        } else {
            bytes.truncate(whole.min(read));
        }
        let stored = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let actual = block_checksum(self.header.salt, at, &bytes[4..]);
        if bytes.len() < whole || stored != actual {
            let what = format!("expected a block with checksum {stored:08x}, found {actual:08x}");
            return Err(damaged(&self.path, at, what));
        }
        let level = bytes[8];
        Ok((
            level,
            Bytes::from(bytes).slice(BLOCK_HEADER_BYTES..),
            at + whole as u64,
        ))
    }

    fn entries(&self, block: Bytes, at: u64) -> Result<Vec<Entry>, CarriedError> {
        let mut rest = block;
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let (entry, behind) = split(&rest)
                .ok_or_else(|| damaged(&self.path, at, "entries that make no sense".to_owned()))?;
            entries.push(entry);
            rest = behind;
        }
        Ok(entries)
    }

    /// The leaf that holds a key, if any does: its entries, and where it ends.
    fn leaf(&self, key: &[u8]) -> Result<(Vec<Entry>, u64), CarriedError> {
        let mut at = self.header.root;
        for _ in 0..LEVELS_MAX {
            let (level, block, end) = self.block(at)?;
            let entries = self.entries(block, at)?;
            if level == 0 {
                return Ok((entries, end));
            }
            let before = entries.partition_point(|(first, _)| first[..] <= *key);
            let place = entries.get(before.saturating_sub(1));
            let place = place.and_then(|(_, place)| place[..].try_into().ok());
            let place = place.ok_or_else(|| damaged(&self.path, at, "no place of a block".to_owned()))?;
            at = u64::from_le_bytes(place);
        }
        Err(damaged(&self.path, at, format!("more than {LEVELS_MAX} levels")))
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CarriedError> {
        let (entries, _) = self.leaf(key)?;
        let found = entries.binary_search_by(|(other, _)| other[..].cmp(key));
        Ok(found.ok().map(|place| entries[place].1.clone()))
    }

    /// Every entry from a key on, in order.
    pub(crate) fn from(&self, key: &[u8]) -> Result<Entries<'_>, CarriedError> {
        let (entries, next) = self.leaf(key)?;
        let skipped = entries.partition_point(|(other, _)| other[..] < *key);
        let mut entries = entries.into_iter();
        entries.by_ref().take(skipped).for_each(drop);
        Ok(Entries {
            table: self,
            entries,
            next,
            failed: false,
        })
    }

    /// Reads every block and says how many entries there are.
    pub(crate) fn check(&self) -> Result<u64, CarriedError> {
        let (mut count, mut last) = (0, Bytes::new());
        for entry in self.from(&[])? {
            let (key, _) = entry?;
            if count > 0 && key <= last {
                return Err(damaged(&self.path, 0, "keys that are not in order".to_owned()));
            }
            (last, count) = (key, count + 1);
        }
        if count == self.header.entries {
            return Ok(count);
        }
        let what = format!("expected {} entries, found {count}", self.header.entries);
        Err(damaged(&self.path, 0, what))
    }
}

fn damaged(path: &Path, at: u64, what: String) -> CarriedError {
    CarriedError::Damaged {
        file: path.to_owned(),
        at,
        what,
    }
}

fn split(rest: &Bytes) -> Option<(Entry, Bytes)> {
    let head = rest.get(..6)?;
    let key = usize::from(u16::from_le_bytes([head[0], head[1]]));
    let value = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
    let end = 6_usize.checked_add(key)?.checked_add(value)?;
    (end <= rest.len()).then(|| {
        let entry = (rest.slice(6..6 + key), rest.slice(6 + key..end));
        (entry, rest.slice(end..))
    })
}

/// A walk over entries; it ends after an error.
pub(crate) struct Entries<'a> {
    table: &'a Table,
    entries: std::vec::IntoIter<Entry>,
    /// Where the next block begins.
    next: u64,
    failed: bool,
}

impl Entries<'_> {
    fn advance(&mut self) -> Result<Option<Entry>, CarriedError> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            // The root is the last block.
            if self.next > self.table.header.root {
                return Ok(None);
            }
            let (level, block, end) = self.table.block(self.next)?;
            let at = std::mem::replace(&mut self.next, end);
            if level == 0 {
                self.entries = self.table.entries(block, at)?.into_iter();
            }
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, CarriedError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests;
