//! What is still known of events that were archived and taken away.
//!
//! In: questions of which the answer reaches back behind the beginning of the log. Out: how many events of a tag, of a type
//! and of a correlation were archived, where an id was and what its record was, and the marks that were set there. That is
//! what revisions, conditions, repeated appends and checkpoints need; the events themselves are in the archive only.
//!
//! | key | value |
//! |---|---|
//! | 1, tag | how many events: 8 |
//! | 2, type | how many events: 8 |
//! | 3, correlation: 16 | how many events: 8 |
//! | 4, id: 16 | position 8; recorded 8, signed; the first 8 bytes of its record: length and checksum |
//! | 5, bytes of the space (2, big endian), space, name | the value of a mark |
//!
//! It is no hint: it is the truth about what is no longer in the log, and lies beside it in a file of its own. It knows no
//! index and no reader.

use std::path::Path;

use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_log::disk::Disk;
use annals_log::{Beginning, RECORD_HEADER_BYTES};
use bytes::{Buf, Bytes};
use smol_str::SmolStr;

mod table;

pub(crate) use table::{CarriedError, Entries, Header, Table, TableWriter};

pub(crate) const TAG: u8 = 1;
pub(crate) const TYPE: u8 = 2;
pub(crate) const CORRELATION: u8 = 3;
pub(crate) const ID: u8 = 4;
pub(crate) const MARK: u8 = 5;
const ENDING: &str = ".carried";
/// What the name of a file ends with until it is finished, and of files that are needed only to make one.
pub(crate) const UNFINISHED_ENDING: &str = ".carried.tmp";

/// Everything that is known, with where it is kept.
#[derive(Debug)]
pub(crate) struct Carried {
    table: Table,
    archives: Vec<String>,
}

/// Where an archived event was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) position: u64,
    pub(crate) recorded: Timestamp,
    /// Length and checksum of its record.
    pub(crate) head: [u8; RECORD_HEADER_BYTES],
}

/// The name of the file of a log that begins with this segment.
pub(crate) fn file_name(segment: u32) -> String {
    format!("{segment:010}{ENDING}")
}

/// Whether an id tells its time.
pub(crate) fn is_timed(id: &[u8; 16]) -> bool {
    id[6] >> 4 == 7
}

/// Whether a name is one of ours, finished or not.
pub(crate) fn is_ours(name: &str) -> bool {
    name.ends_with(ENDING) || name.ends_with(UNFINISHED_ENDING)
}

/// What is noted beside the beginning of a log.
pub(crate) fn note(archives: &[String]) -> String {
    archives
        .iter()
        .map(|archive| format!("archive {archive}\n"))
        .collect()
}

/// The archives named in a note, oldest first.
pub(crate) fn archives_of(note: &str) -> Vec<String> {
    let archives = note.lines().filter_map(|line| line.strip_prefix("archive "));
    archives.map(str::to_owned).collect()
}

/// The key of what is counted, or of an id.
pub(crate) fn key(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + bytes.len());
    key.push(kind);
    key.extend_from_slice(bytes);
    key
}

/// The key of a mark.
pub(crate) fn mark_key(space: &str, name: &str) -> Vec<u8> {
    let mut key = vec![MARK];
    key.extend_from_slice(&(space.len() as u16).to_be_bytes());
    key.extend_from_slice(space.as_bytes());
    key.extend_from_slice(name.as_bytes());
    key
}

impl Carried {
    /// Opens what is carried by a log that begins here.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, beginning: &Beginning) -> Result<Self, CarriedError> {
        let path = dir.join(file_name(beginning.segment));
        let table = Table::open(disk, &path, beginning.salt)?;
        let carried = Self {
            table,
            archives: archives_of(&beginning.note),
        };
        if carried.first() == beginning.first {
            return Ok(carried);
        }
        let found = carried.first();
        Err(carried.senseless(&format!(
            "expected what is before position {}, found {found}",
            beginning.first
        )))
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    fn senseless(&self, what: &str) -> CarriedError {
        CarriedError::Damaged {
            file: self.table.path().to_owned(),
            at: 0,
            what: what.to_owned(),
        }
    }

    /// The name of its file.
    pub(crate) fn file_name(&self) -> String {
        let name = self.table.path().file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Events before this position are archived.
    pub(crate) fn first(&self) -> u64 {
        self.table.header.first
    }

    pub(crate) fn boundary(&self) -> Position {
        Position::new(self.first())
    }

    /// When the newest archived commit was recorded.
    pub(crate) fn newest(&self) -> Timestamp {
        Timestamp::from_micros(self.table.header.newest)
    }

    /// How many marks were set at the boundary.
    pub(crate) fn marks_set(&self) -> u64 {
        self.table.header.marks
    }

    /// Where the events are, the newest archive last.
    pub(crate) fn archives(&self) -> &[String] {
        &self.archives
    }

    /// Where the newest of them are.
    pub(crate) fn archive(&self) -> String {
        self.archives.last().cloned().unwrap_or_default()
    }

    fn count(&self, kind: u8, bytes: &[u8]) -> Result<u64, CarriedError> {
        match self.table.get(&key(kind, bytes))? {
            None => Ok(0),
            Some(value) => value[..]
                .try_into()
                .map(u64::from_le_bytes)
                .map_err(|_| self.senseless("a count of other than 8 bytes")),
        }
    }

    /// How many events of a tag were archived.
    pub(crate) fn tagged(&self, tag: &Tag) -> Result<u64, CarriedError> {
        self.count(TAG, tag.as_str().as_bytes())
    }

    /// Whether an archived event may match. `false` is certain.
    pub(crate) fn may_match(&self, query: &Query) -> Result<bool, CarriedError> {
        if self.first() == 0 {
            return Ok(false);
        }
        let mut items = query.items().iter();
        if query.items().is_empty() {
            return Ok(true);
        }
        items.try_fold(false, |may, item| Ok(may || self.item_may_match(item)?))
    }

    fn item_may_match(&self, item: &QueryItem) -> Result<bool, CarriedError> {
        for tag in &item.tags {
            if self.tagged(tag)? == 0 {
                return Ok(false);
            }
        }
        if let Some(correlation) = item.correlation
            && self.count(CORRELATION, correlation.as_uuid().as_bytes())? == 0
        {
            return Ok(false);
        }
        let mut any = item.types.is_empty();
        for event_type in item.types.iter() {
            any = any || self.count(TYPE, event_type.as_str().as_bytes())? > 0;
        }
        Ok(any)
    }

    /// Where an id was.
    pub(crate) fn known(&self, id: EventId) -> Result<Option<Known>, CarriedError> {
        let bytes = id.as_uuid().into_bytes();
        if is_timed(&bytes) && bytes > self.table.header.highest_timed {
            return Ok(None);
        }
        let Some(mut value) = self.table.get(&key(ID, &bytes))? else {
            return Ok(None);
        };
        if value.len() != 16 + RECORD_HEADER_BYTES {
            return Err(self.senseless("an id whose event makes no sense"));
        }
        let (position, recorded) = (value.get_u64_le(), Timestamp::from_micros(value.get_i64_le()));
        let mut head = [0; RECORD_HEADER_BYTES];
        value.copy_to_slice(&mut head);
        Ok(Some(Known {
            position,
            recorded,
            head,
        }))
    }

    /// The value of a mark as it was at the boundary.
    pub(crate) fn mark(&self, key: &MarkKey) -> Result<Option<Bytes>, CarriedError> {
        self.table.get(&mark_key(&key.space, &key.name))
    }

    /// The marks of a space whose name begins with a prefix, as they were at the boundary.
    pub(crate) fn marks(&self, space: &str, prefix: &str) -> Result<Vec<(MarkKey, Bytes)>, CarriedError> {
        let (from, own) = (mark_key(space, prefix), mark_key(space, "").len());
        let mut marks = Vec::new();
        for entry in self.table.from(&from)? {
            let (key, value) = entry?;
            if !key.starts_with(&from) {
                break;
            }
            let name = std::str::from_utf8(&key[own..]);
            let name = name.map_err(|_| self.senseless("a mark whose name is no text"))?;
            marks.push((MarkKey::new(space, SmolStr::new(name)), value));
        }
        Ok(marks)
    }

    /// How many events of each type were archived.
    pub(crate) fn types(&self) -> Result<Vec<(EventType, u64)>, CarriedError> {
        let mut types = Vec::new();
        for entry in self.table.from(&[TYPE])? {
            let (key, value) = entry?;
            let Some(name) = key.strip_prefix(&[TYPE]) else {
                break;
            };
            let (name, count) = (std::str::from_utf8(name), value[..].try_into());
            let (Ok(name), Ok(count)) = (name, count.map(u64::from_le_bytes)) else {
                return Err(self.senseless("a type whose count makes no sense"));
            };
            types.push((EventType::new(name), count));
        }
        Ok(types)
    }

    /// Reads all of it.
    pub(crate) fn check(&self) -> Result<(), CarriedError> {
        self.table.check().map(drop)
    }
}
