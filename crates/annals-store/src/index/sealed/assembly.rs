//! Putting an index file together.
//!
//! In, in this order: each term's positions and then the term, terms in order; ids in order; keys of marks in order; the
//! places of all records; and what the header says. Out: a finished file under its name. Where all this comes from is
//! not known here.

use std::io;
use std::path::Path;

use annals_log::disk::Disk;

use super::super::active::TypeCounts;
use super::super::span::Span;
use super::super::stretch::Stretch;
use super::super::term::{TermKind, hash};
use super::beside::Base;
use super::filter::FilterBuilder;
use super::header::Header;
use super::lists::ListWriter;
use super::marks;
use super::places::PlacesWriter;
use super::table::{Root, TableWriter};
use super::varint;
use super::writer::{PageWriter, Pause};

/// Where index files are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workshop<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) dir: &'a Path,
    /// The log's.
    pub(crate) salt: u64,
}

pub(super) struct Assembly<'a> {
    pages: PageWriter<'a>,
    salt: u64,
    filter: FilterBuilder,
    filtered: u64,
    table: TableWriter,
    list: ListWriter,
    places: PlacesWriter,
    value: Vec<u8>,
    roots: [Root; 3],
    timed_ids: Option<([u8; 16], [u8; 16])>,
}

/// Which tables are done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Terms = 0,
    Ids = 1,
    Marks = 2,
}

/// Whether an id is of version 7 and tells its time.
pub(crate) fn is_timed(id: &[u8; 16]) -> bool {
    id[6] >> 4 == 7
}

impl<'a> Assembly<'a> {
    /// A file of this stretch with at most so many terms, ids and keys in its filter.
    pub(super) fn begin(
        workshop: &Workshop<'_>,
        stretch: &Stretch,
        filtered: u64,
        pause: Pause<'a>,
    ) -> io::Result<Self> {
        let path = workshop.dir.join(stretch.frames().unfinished_name());
        let file = match workshop.disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                workshop.disk.remove(&path)?;
                workshop.disk.create(&path)
            }
            other => other,
        }?;
        let identity = stretch.frames().identity(workshop.salt);
        Ok(Self {
            pages: PageWriter::new(file, identity, pause),
            salt: workshop.salt,
            filter: FilterBuilder::new(filtered),
            filtered: 0,
            table: TableWriter::default(),
            list: ListWriter::new(Base::of(stretch)),
            places: PlacesWriter::default(),
            value: Vec::new(),
            roots: [Root::default(); 3],
            timed_ids: None,
        })
    }

    fn note(&mut self, kind: TermKind, bytes: &[u8]) {
        self.filter.insert(hash(self.salt, kind, bytes));
        self.filtered += 1;
    }

    /// A position of the term that comes next, and where its event lies, if the list shall know.
    pub(super) fn position(&mut self, position: u32, span: Option<&Span>) -> io::Result<()> {
        self.list.push(&mut self.pages, position, span)
    }

    /// The term of the positions since the last one: its kind and its bytes, as one.
    pub(super) fn term(&mut self, term: &[u8]) -> io::Result<()> {
        self.value.clear();
        self.list.finish(&mut self.pages, &mut self.value)?;
        let kinds = [TermKind::Type, TermKind::Tag, TermKind::Correlation];
        let kind = kinds
            .into_iter()
            .find(|kind| term.first() == Some(&(*kind as u8)));
        if let Some(kind) = kind {
            self.note(kind, &term[1..]);
        }
        self.table.push(&mut self.pages, term, &self.value)
    }

    pub(super) fn id(&mut self, id: &[u8; 16], position: u32) -> io::Result<()> {
        if is_timed(id) {
            let (lowest, _) = self.timed_ids.unwrap_or((*id, *id));
            self.timed_ids = Some((lowest, *id));
        } else {
            self.note(TermKind::Id, id);
        }
        self.value.clear();
        varint::put(&mut self.value, u64::from(position));
        self.table.push(&mut self.pages, id, &self.value)
    }

    /// A mark by the bytes of its key.
    pub(super) fn mark(&mut self, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
        self.note(TermKind::Mark, key);
        self.value.clear();
        marks::write(&mut self.pages, value, &mut self.value)?;
        self.table.push(&mut self.pages, key, &self.value)
    }

    /// All of this kind were told.
    pub(super) fn end(&mut self, part: Part) -> io::Result<()> {
        self.roots[part as usize] = std::mem::take(&mut self.table).finish(&mut self.pages)?;
        Ok(())
    }

    /// The record of the next position.
    pub(super) fn span(&mut self, span: Span) -> io::Result<()> {
        self.places.push(&mut self.pages, span)
    }

    /// Writes the rest and gives the file its name. `types` and `marks_set` are counted from the beginning of the log
    /// to the end of the stretch.
    pub(super) fn finish(
        mut self,
        workshop: &Workshop<'_>,
        stretch: Stretch,
        level: u8,
        types: &TypeCounts,
        marks_set: u64,
    ) -> io::Result<()> {
        let places = self.places.finish(&mut self.pages)?;
        let filter = self.filter.write(&mut self.pages)?;
        let types = type_bytes(types);
        let types = (self.pages.bytes(&types)?, types.len() as u32);
        let [terms, ids, marks] = self.roots;
        let header = |pages| Header {
            stretch,
            level,
            pages,
            timed_ids: self.timed_ids.unwrap_or(([0xFF; 16], [0; 16])),
            filtered: self.filtered,
            marks_set,
            terms,
            ids,
            marks,
            places,
            filter,
            types,
        };
        self.pages.finish(|pages| header(pages).encode())?;
        let frames = stretch.frames();
        let unfinished = workshop.dir.join(frames.unfinished_name());
        workshop
            .disk
            .rename(&unfinished, &workshop.dir.join(frames.name()))
    }
}

fn type_bytes(types: &TypeCounts) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, events) in types {
        varint::put(&mut bytes, name.as_str().len() as u64);
        bytes.extend_from_slice(name.as_str().as_bytes());
        varint::put(&mut bytes, *events);
    }
    bytes
}
