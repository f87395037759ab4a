//! Positions to places in the log, and to times, in a file.
//!
//! In: records in order of position. Out: the record of a position from two pages, and how many a moment had seen. Blocks
//! of 128 records lie on pages, several on one; where each begins is told by a directory of six bytes for each.
//!
//! A block: the first place (segment and byte, 4 each) and time (8), how many bytes a place, a length and a time take (1
//! each), a zero; then the places and lengths of all its records, their times and their checksums. Places and times are
//! stored as distances to the first.

use std::io;
use std::sync::Arc;

use annals_core::time::Timestamp;
use annals_log::Place;

use super::super::span::Span;
use super::super::trouble::Trouble;
use super::file::PageFile;
use super::page::{Kind, Page, ROOM};
use super::writer::PageWriter;

const BLOCK: u32 = 128;
const BLOCK_HEAD_BYTES: usize = 20;
const ENTRY_BYTES: usize = 6;
const ENTRIES_PER_PAGE: u32 = (ROOM / ENTRY_BYTES) as u32;

/// Where the places are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PlacesRoot {
    pub(super) directory: u32,
    pub(super) records: u32,
}

#[derive(Debug, Default)]
pub(super) struct PlacesWriter {
    block: Vec<Span>,
    content: Vec<u8>,
    /// Where each block begins; those of the page that is filled have no page yet.
    directory: Vec<(u32, u16)>,
    /// How many blocks have a page.
    written: usize,
    records: u32,
}

impl PlacesWriter {
    /// Adds the record of the next position.
    pub(super) fn push(&mut self, pages: &mut PageWriter<'_>, span: Span) -> io::Result<()> {
        self.block.push(span);
        self.records += 1;
        if self.block.len() == BLOCK as usize {
            self.end_block(pages)?;
        }
        Ok(())
    }

    fn end_block(&mut self, pages: &mut PageWriter<'_>) -> io::Result<()> {
        let block = encode(&self.block);
        self.block.clear();
        if self.content.len() + block.len() > ROOM {
            self.end_page(pages)?;
        }
        self.directory.push((0, self.content.len() as u16));
        self.content.extend_from_slice(&block);
        Ok(())
    }

    fn end_page(&mut self, pages: &mut PageWriter<'_>) -> io::Result<()> {
        let number = pages.push(Kind::Places, &self.content, &[])?;
        self.content.clear();
        self.directory[self.written..]
            .iter_mut()
            .for_each(|(page, _)| *page = number);
        self.written = self.directory.len();
        Ok(())
    }

    pub(super) fn finish(mut self, pages: &mut PageWriter<'_>) -> io::Result<PlacesRoot> {
        if !self.block.is_empty() {
            self.end_block(pages)?;
        }
        if !self.content.is_empty() {
            self.end_page(pages)?;
        }
        let root = PlacesRoot {
            directory: pages.next(),
            records: self.records,
        };
        for entries in self.directory.chunks(ENTRIES_PER_PAGE as usize) {
            let bytes = entries.iter().flat_map(|(page, at)| {
                let (page, at) = (page.to_le_bytes(), at.to_le_bytes());
                page.into_iter().chain(at)
            });
            pages.push(Kind::Directory, &bytes.collect::<Vec<u8>>(), &[])?;
        }
        Ok(root)
    }
}

fn address(place: Place) -> u64 {
    u64::from(place.segment) << 32 | place.at
}

fn width(largest: u64) -> usize {
    (u64::BITS - largest.leading_zeros()).div_ceil(8) as usize
}

fn encode(spans: &[Span]) -> Vec<u8> {
    let (place, time) = (address(spans[0].place), spans[0].recorded.as_micros());
    let columns: [Vec<u64>; 3] = [
        spans
            .iter()
            .map(|span| address(span.place).wrapping_sub(place))
            .collect(),
        spans.iter().map(|span| u64::from(span.bytes)).collect(),
        spans
            .iter()
            .map(|span| span.recorded.as_micros().wrapping_sub(time).cast_unsigned())
            .collect(),
    ];
    let widths = columns
        .each_ref()
        .map(|column| width(column.iter().copied().max().unwrap_or(0)));
    let mut bytes = Vec::with_capacity(BLOCK_HEAD_BYTES + spans.len() * 24);
    bytes.extend_from_slice(&place.to_le_bytes());
    bytes.extend_from_slice(&time.to_le_bytes());
    bytes.extend(widths.map(|width| width as u8));
    bytes.push(0);
    for (column, width) in columns.iter().zip(widths) {
        for number in column {
            bytes.extend_from_slice(&number.to_le_bytes()[..width]);
        }
    }
    for span in spans {
        bytes.extend_from_slice(&span.checksum.to_le_bytes());
    }
    bytes
}

/// A block as it lies on a page.
struct Block<'a> {
    bytes: &'a [u8],
    records: usize,
    widths: [usize; 3],
}

impl<'a> Block<'a> {
    fn new(content: &'a [u8], at: usize, records: usize) -> Option<Self> {
        let bytes = content.get(at..)?;
        let head = bytes.get(..BLOCK_HEAD_BYTES)?;
        let widths = [head[16], head[17], head[18]].map(usize::from);
        let needed = BLOCK_HEAD_BYTES + records * (widths.iter().sum::<usize>() + 4);
        (widths.iter().all(|width| *width <= 8) && bytes.len() >= needed).then_some(Self {
            bytes,
            records,
            widths,
        })
    }

    fn number(&self, at: usize, width: usize) -> u64 {
        let mut word = [0; 8];
        word[..width].copy_from_slice(&self.bytes[at..at + width]);
        u64::from_le_bytes(word)
    }

    /// The number of a record in a column.
    fn cell(&self, column: usize, record: usize) -> u64 {
        let before: usize = self.widths[..column].iter().sum();
        let at = BLOCK_HEAD_BYTES + self.records * before + record * self.widths[column];
        self.number(at, self.widths[column])
    }

    fn time(&self, record: usize) -> i64 {
        let first = self.number(8, 8).cast_signed();
        first.wrapping_add(self.cell(2, record).cast_signed())
    }

    fn span(&self, record: usize) -> Span {
        let address = self.number(0, 8).wrapping_add(self.cell(0, record));
        let checksums = BLOCK_HEAD_BYTES + self.records * self.widths.iter().sum::<usize>();
        Span {
            place: Place {
                segment: (address >> 32) as u32,
                at: address & u64::from(u32::MAX),
            },
            bytes: self.cell(1, record) as u32,
            checksum: self.number(checksums + 4 * record, 4) as u32,
            recorded: Timestamp::from_micros(self.time(record)),
        }
    }
}

impl PlacesRoot {
    fn blocks(&self) -> u32 {
        self.records.div_ceil(BLOCK)
    }

    /// The place of a block's entry in the directory.
    fn entry_at(&self, block: u32) -> (u32, usize) {
        let number = self.directory.saturating_add(block / ENTRIES_PER_PAGE);
        (number, (block % ENTRIES_PER_PAGE) as usize * ENTRY_BYTES)
    }

    /// The page and the byte in it where a block begins.
    fn entry(&self, file: &PageFile, block: u32) -> Result<(u32, usize), Trouble> {
        let (number, at) = self.entry_at(block);
        entry(&*file.page(number, Kind::Directory)?, at).ok_or_else(|| no_entry(file, number))
    }

    /// How many records a block has.
    fn records_in(&self, block: u32) -> usize {
        (self.records - block * BLOCK).min(BLOCK) as usize
    }

    /// What `read` makes of a block.
    fn block<T>(
        &self,
        file: &PageFile,
        block: u32,
        read: impl FnOnce(&Block<'_>) -> T,
    ) -> Result<T, Trouble> {
        let (number, at) = self.entry(file, block)?;
        let page = file.page(number, Kind::Places)?;
        match Block::new(page.content(), at, self.records_in(block)) {
            Some(block) => Ok(read(&block)),
            None => Err(no_block(file, number)),
        }
    }

    /// How many records were recorded at or before a moment.
    pub(super) fn count_at(&self, file: &PageFile, moment: Timestamp) -> Result<u32, Trouble> {
        let moment = moment.as_micros();
        let (mut low, mut high) = (0, self.blocks());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.block(file, middle, |block| block.time(0))? <= moment {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let Some(last) = low.checked_sub(1) else {
            return Ok(0);
        };
        let inside = self.block(file, last, |block| {
            let records = (0..block.records).take_while(|record| block.time(*record) <= moment);
            records.count() as u32
        })?;
        Ok(last * BLOCK + inside)
    }
}

fn entry(page: &Page, at: usize) -> Option<(u32, usize)> {
    let entry = page.content().get(at..at + ENTRY_BYTES)?;
    let page = u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
    Some((page, usize::from(u16::from_le_bytes([entry[4], entry[5]]))))
}

fn no_entry(file: &PageFile, page: u32) -> Trouble {
    file.damaged(page, "expected an entry for every block of places, found fewer")
}

fn no_block(file: &PageFile, page: u32) -> Trouble {
    file.damaged(page, "expected a block of places, found fewer bytes")
}

/// Looks up one record after the other; those that are near each other cost little.
#[derive(Debug)]
pub(crate) struct PlacesReader<'a> {
    file: &'a PageFile,
    root: PlacesRoot,
    directory: Option<(u32, Arc<Page>)>,
    places: Option<(u32, Arc<Page>)>,
    /// The block that was looked at last, and where it begins.
    last: Option<(u32, (u32, usize))>,
}

impl<'a> PlacesReader<'a> {
    pub(super) fn new(file: &'a PageFile, root: PlacesRoot) -> Self {
        Self {
            file,
            root,
            directory: None,
            places: None,
            last: None,
        }
    }

    /// The record of a position.
    pub(crate) fn span(&mut self, position: u32) -> Result<Option<Span>, Trouble> {
        if position >= self.root.records {
            return Ok(None);
        }
        let block = position / BLOCK;
        let (number, at) = match self.last {
            Some((known, entry)) if known == block => entry,
            _ => self.entry(block)?,
        };
        self.last = Some((block, (number, at)));
        let page = kept(&mut self.places, self.file, number, Kind::Places)?;
        let block = Block::new(page.content(), at, self.root.records_in(block));
        let block = block.ok_or_else(|| no_block(self.file, number))?;
        Ok(Some(block.span((position % BLOCK) as usize)))
    }

    /// Says that the record of a position will be asked for.
    pub(crate) fn hint(&mut self, position: u32) -> Result<(), Trouble> {
        if position < self.root.records {
            let (number, _) = self.entry(position / BLOCK)?;
            self.file.hint(number);
        }
        Ok(())
    }

    fn entry(&mut self, block: u32) -> Result<(u32, usize), Trouble> {
        let (number, at) = self.root.entry_at(block);
        let page = kept(&mut self.directory, self.file, number, Kind::Directory)?;
        entry(page, at).ok_or_else(|| no_entry(self.file, number))
    }
}

/// A page, read only if it is not the one that was read last.
fn kept<'a>(
    last: &'a mut Option<(u32, Arc<Page>)>,
    file: &PageFile,
    number: u32,
    kind: Kind,
) -> Result<&'a Page, Trouble> {
    if last.as_ref().is_none_or(|(known, _)| *known != number) {
        *last = Some((number, file.page(number, kind)?));
    }
    last.as_ref()
        .map(|(_, page)| &**page)
        .ok_or_else(|| file.damaged(number, "expected a page"))
}

/// Every record of a file, block after block.
#[derive(Debug)]
pub(super) struct PlacesScan {
    root: PlacesRoot,
    /// Read apart, since directory and blocks lie apart.
    directory: PageFile,
    blocks: PageFile,
    block: u32,
}

impl PlacesScan {
    pub(super) fn new(file: &PageFile, root: PlacesRoot) -> Self {
        Self {
            root,
            directory: file.streaming(),
            blocks: file.streaming(),
            block: 0,
        }
    }

    /// The next records; none at the end.
    pub(super) fn next(&mut self) -> Result<Vec<Span>, Trouble> {
        if self.block >= self.root.blocks() {
            return Ok(Vec::new());
        }
        let (number, at) = self.root.entry(&self.directory, self.block)?;
        let page = self.blocks.page(number, Kind::Places)?;
        let records = (self.root.records - self.block * BLOCK).min(BLOCK) as usize;
        self.block += 1;
        match Block::new(page.content(), at, records) {
            Some(block) => Ok((0..records).map(|record| block.span(record)).collect()),
            None => Err(self
                .blocks
                .damaged(number, "expected a block of places, found fewer bytes")),
        }
    }
}

#[cfg(test)]
mod tests;
