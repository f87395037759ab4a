//! A part of the index that is read from its file.
//!
//! In: questions about a stretch of the log. Out: answers, from a few pages each, or trouble: what is damaged is told and
//! never guessed. Terms and ids that are not here are mostly recognized by one page of the filter, ids that tell their
//! time by the time alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_log::disk::{Access, Disk};
use bytes::Bytes;

use super::super::active::TypeCounts;
use super::super::list::Local;
use super::super::select::Lists;
use super::super::stretch::{Frames, Stretch};
use super::super::term::{TermKind, hash};
use super::super::trouble::Trouble;
use super::assembly::is_timed;
use super::beside::Base;
use super::cache::Cache;
use super::file::PageFile;
use super::header::Header;
use super::lists::{SealedList, Stored};
use super::marks::{self, Written};
use super::page::{Kind, PAGE_BYTES, Page};
use super::places::PlacesReader;
use super::table::{Scan, Table};
use super::varint;

/// An open index file.
#[derive(Debug)]
pub(crate) struct SealedPart {
    pub(super) header: Header,
    pub(super) file: Arc<PageFile>,
    salt: u64,
}

impl SealedPart {
    /// Opens the file of these frames: reads its first page and nothing else.
    ///
    /// # Errors
    /// [`Trouble`] if there is none, if it is not of this log, or if it was not finished.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        frames: Frames,
        salt: u64,
        cache: &Arc<Cache>,
    ) -> Result<Self, Trouble> {
        let path = dir.join(frames.name());
        let io = |source| Trouble::Io {
            file: path.clone(),
            at: 0,
            source,
        };
        let damaged = |what: String| Trouble::Damaged {
            file: path.clone(),
            at: 0,
            what,
            opened: None,
        };
        let file = disk.open(&path, Access::Read).map_err(io)?;
        let size = file.size().map_err(io)?;
        let mut first = vec![0; PAGE_BYTES];
        let read = file.read_at(&mut first, 0).map_err(io)?;
        first.truncate(read);
        let identity = frames.identity(salt);
        let page = Page::checked(&first, identity, 0).map_err(damaged)?;
        let header = Header::decode(page.content()).filter(|_| page.is(Kind::Header));
        let header =
            header.ok_or_else(|| damaged("expected the first page of an index of this format".into()))?;
        let expected = u64::from(header.pages) * PAGE_BYTES as u64;
        if size != expected || header.stretch.frames() != frames {
            let found = format!("{size} bytes and frames {:?}", header.stretch.frames());
            return Err(damaged(format!(
                "expected {expected} bytes and frames {frames:?}, found {found}"
            )));
        }
        let file = PageFile::new(path, file, identity, header.pages, cache.clone());
        Ok(Self {
            header,
            file: Arc::new(file),
            salt,
        })
    }

    /// What it is of.
    pub(crate) fn stretch(&self) -> &Stretch {
        &self.header.stretch
    }

    /// How often it was made of others while the store was busy.
    pub(crate) fn level(&self) -> u8 {
        self.header.level
    }

    pub(crate) fn path(&self) -> &PathBuf {
        self.file.path()
    }

    /// What tells it from every other file this process has opened.
    pub(crate) fn opened(&self) -> u32 {
        self.file.opened()
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.file.pages()) * PAGE_BYTES as u64
    }

    /// The highest of its ids that tell their time; zeros if there are none.
    pub(crate) fn highest_timed(&self) -> [u8; 16] {
        self.header.timed_ids.1
    }

    /// How many different terms it holds.
    pub(crate) fn terms(&self) -> u64 {
        self.header.terms.entries
    }

    /// How many marks are set where it ends, from the beginning of the log.
    pub(crate) fn marks_set(&self) -> u64 {
        self.header.marks_set
    }

    /// How many keys of marks were written in it.
    pub(crate) fn mark_keys(&self) -> u64 {
        self.header.marks.entries
    }

    /// The types of all events from the beginning of the log to its end, with their counts.
    pub(crate) fn types(&self) -> Result<TypeCounts, Trouble> {
        let (page, bytes) = self.header.types;
        let bytes = self.file.bytes(page, bytes as usize)?;
        let senseless = || {
            self.file
                .damaged(page, "expected names with counts, found bytes that make no sense")
        };
        let (mut types, mut at) = (TypeCounts::new(), 0);
        while at < bytes.len() {
            let (name, events) = type_at(&bytes, &mut at).ok_or_else(senseless)?;
            types.insert(name, events);
        }
        Ok(types)
    }

    pub(super) fn may_hold(&self, kind: TermKind, bytes: &[u8]) -> Result<bool, Trouble> {
        let hash = hash(self.salt, kind, bytes);
        self.header.filter.may_hold(&self.file, hash)
    }

    fn stored(&self, kind: TermKind, bytes: &[u8]) -> Result<Option<Stored>, Trouble> {
        if !self.may_hold(kind, bytes)? {
            return Ok(None);
        }
        let (file, root) = (&*self.file, self.header.terms);
        let base = Base::of(&self.header.stretch);
        Table { file, root }.get(&term_bytes(kind, bytes), |value| Stored::read(value, base))
    }

    /// Says that a term will be asked about: first for its page of the filter, then, once that is there, for the rest.
    pub(crate) fn hint(&self, kind: TermKind, bytes: &[u8], filter: bool) -> Result<(), Trouble> {
        if filter {
            let hash = hash(self.salt, kind, bytes);
            self.file.hint(self.header.filter.page_of(hash));
        } else if self.may_hold(kind, bytes)? {
            let (file, root) = (&*self.file, self.header.terms);
            Table { file, root }.hint(&term_bytes(kind, bytes))?;
        }
        Ok(())
    }

    /// How many events of a tag are before one of its positions.
    pub(crate) fn tagged(&self, tag: &Tag, before: u32) -> Result<usize, Trouble> {
        match self.stored(TermKind::Tag, tag.as_str().as_bytes())? {
            Some(stored) if before >= self.header.stretch.events => Ok(stored.count()),
            Some(stored) => stored.count_before(&self.file, before),
            None => Ok(0),
        }
    }

    /// Where an id is.
    pub(crate) fn position_of(&self, id: EventId) -> Result<Option<u32>, Trouble> {
        let bytes = id.as_uuid().into_bytes();
        let (lowest, highest) = self.header.timed_ids;
        let may_be_here = match is_timed(&bytes) {
            true => (lowest..=highest).contains(&bytes),
            false => self.may_hold(TermKind::Id, &bytes)?,
        };
        if !may_be_here {
            return Ok(None);
        }
        let (file, root) = (&*self.file, self.header.ids);
        Table { file, root }.get(&bytes, |value| varint::take_u32(value, &mut 0))
    }

    /// Tells where events lie, one after the other.
    pub(crate) fn places(&self) -> PlacesReader<'_> {
        PlacesReader::new(&self.file, self.header.places)
    }

    /// How many events were recorded at or before a moment.
    pub(crate) fn count_at(&self, moment: Timestamp) -> Result<u32, Trouble> {
        self.header.places.count_at(&self.file, moment)
    }

    /// What was written last of a mark here; the outer `None`: nothing.
    pub(crate) fn mark(&self, key: &MarkKey) -> Result<Option<Option<Bytes>>, Trouble> {
        let key = marks::key_bytes(key);
        if self.header.marks.entries == 0 || !self.may_hold(TermKind::Mark, &key)? {
            return Ok(None);
        }
        let (file, root) = (&*self.file, self.header.marks);
        match (Table { file, root }).get(&key, Written::read)? {
            Some(written) => written.value(file).map(Some),
            None => Ok(None),
        }
    }

    /// Shows what was written last of every mark from a key on, as long as the caller wants to see more.
    pub(crate) fn marks_from(
        &self,
        from: &MarkKey,
        see: &mut dyn FnMut(MarkKey, Option<Bytes>) -> bool,
    ) -> Result<(), Trouble> {
        let mut scan = Scan::new(self.file.clone(), self.header.marks, &marks::key_bytes(from))?;
        while scan.step()? {
            let entry = marks::key(scan.key()).zip(Written::read(scan.value()));
            let (key, written) = entry.ok_or_else(|| scan.senseless())?;
            if !see(key, written.value(&self.file)?) {
                break;
            }
        }
        Ok(())
    }
}

/// The key of a term in its table.
fn term_bytes(kind: TermKind, bytes: &[u8]) -> Vec<u8> {
    let mut term = Vec::with_capacity(bytes.len() + 1);
    term.push(kind as u8);
    term.extend_from_slice(bytes);
    term
}

fn type_at(bytes: &[u8], at: &mut usize) -> Option<(EventType, u64)> {
    let length = varint::take(bytes, at)? as usize;
    let name = std::str::from_utf8(bytes.get(*at..)?.get(..length)?).ok()?;
    *at += length;
    Some((EventType::new(name), varint::take(bytes, at)?))
}

impl Lists for &SealedPart {
    type List = SealedList;

    fn list(&self, kind: TermKind, bytes: &[u8], range: Local) -> Result<Option<SealedList>, Trouble> {
        let stored = self.stored(kind, bytes)?;
        Ok(stored.and_then(|stored| SealedList::new(&self.file, stored, range, self.header.stretch.events)))
    }
}
