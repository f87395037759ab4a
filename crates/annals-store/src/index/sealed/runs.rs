//! Long posting lists: runs of pages that hold nothing but the positions of one term.
//!
//! In: positions in order, with or without the places of their events. Out: pages; and walks over them that read few. A
//! page holds groups of 64 positions. The first of a group is not in the content but in the table at the end of the page:
//! for each group its first position (4) and where its content begins (2); then how many positions are before the page (4),
//! and how many groups there are (2). The others are distances to the one before, as varints. A place stands behind its
//! position, the first of a group told from the base. So a place in a run is found by halving, twice.

use std::io;
use std::sync::Arc;

use super::super::list::gallop;
use super::super::span::Span;
use super::super::trouble::Trouble;
use super::beside::{BESIDE_BYTES_MAX, Base, Listed};
use super::file::PageFile;
use super::page::{Kind, Page, ROOM};
use super::varint;
use super::writer::PageWriter;

/// Positions of a group.
const GROUP: u32 = 64;
const ENTRY_BYTES: usize = 6;
const TABLE_END_BYTES: usize = 6;

/// Where a run is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    pub(super) count: u32,
    pub(super) page: u32,
    pub(super) pages: u32,
    pub(super) last: u32,
    /// What places are told from, if they stand beside the positions.
    pub(super) placed: Option<Base>,
}

/// Writes one run.
#[derive(Debug)]
pub(super) struct RunWriter {
    run: Run,
    base: Base,
    /// The place before.
    before: Base,
    content: Vec<u8>,
    table: Vec<u8>,
    /// Of the page that is filled.
    positions: u32,
}

impl RunWriter {
    /// Begins a run; no other page may be written until it ends.
    pub(super) fn begin(pages: &PageWriter<'_>, base: Base, placed: bool) -> Self {
        Self {
            run: Run {
                page: pages.next(),
                placed: placed.then_some(base),
                ..Run::default()
            },
            base,
            before: base,
            content: Vec::with_capacity(ROOM),
            table: Vec::new(),
            positions: 0,
        }
    }

    /// Adds a position behind all others.
    pub(super) fn push(
        &mut self,
        pages: &mut PageWriter<'_>,
        position: u32,
        span: Option<&Span>,
    ) -> io::Result<()> {
        let needed = 5 + span.map_or(0, |_| BESIDE_BYTES_MAX) + ENTRY_BYTES + TABLE_END_BYTES;
        if self.content.len() + self.table.len() + needed > ROOM {
            self.end_page(pages)?;
        }
        if self.positions.is_multiple_of(GROUP) {
            self.table.extend_from_slice(&position.to_le_bytes());
            let at = self.content.len() as u16;
            self.table.extend_from_slice(&at.to_le_bytes());
            self.before = self.base;
        } else {
            varint::put(&mut self.content, u64::from(position - self.run.last));
        }
        if let Some(span) = span {
            self.before.put(&mut self.content, span);
        }
        self.run.last = position;
        self.run.count += 1;
        self.positions += 1;
        Ok(())
    }

    fn end_page(&mut self, pages: &mut PageWriter<'_>) -> io::Result<()> {
        let before = self.run.count - self.positions;
        let groups = self.positions.div_ceil(GROUP) as u16;
        self.table.extend_from_slice(&before.to_le_bytes());
        self.table.extend_from_slice(&groups.to_le_bytes());
        pages.push(Kind::List, &self.content, &self.table)?;
        self.content.clear();
        self.table.clear();
        self.positions = 0;
        self.run.pages += 1;
        Ok(())
    }

    pub(super) fn finish(mut self, pages: &mut PageWriter<'_>) -> io::Result<Run> {
        self.end_page(pages)?;
        Ok(self.run)
    }
}

impl Run {
    /// How many positions are before this one.
    pub(super) fn count_before(&self, file: &PageFile, position: u32) -> Result<usize, Trouble> {
        if position > self.last {
            return Ok(self.count as usize);
        }
        let Some(number) = self.page_with(file, 0, self.pages, position)? else {
            return Ok(0);
        };
        let page = self.read(file, number)?;
        let (group, mut listed) = (page.group_with(position).unwrap_or(0), Listed::default());
        page.read_group(file, group, self.placed, &mut listed)?;
        let inside = listed.positions.partition_point(|at| *at < position);
        Ok((page.before() + group * GROUP) as usize + inside)
    }

    /// All of one of its pages.
    pub(super) fn listed(&self, file: &PageFile, number: u32) -> Result<Listed, Trouble> {
        let page = self.read(file, number)?;
        let mut listed = Listed::default();
        for group in 0..page.groups() {
            page.read_group(file, group, self.placed, &mut listed)?;
        }
        Ok(listed)
    }

    /// Of some of its pages, the last one that does not begin behind a position.
    fn page_with(&self, file: &PageFile, from: u32, to: u32, position: u32) -> Result<Option<u32>, Trouble> {
        let (mut low, mut high) = (from, to);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.read(file, middle)?.first(0) <= position {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low.checked_sub(1).filter(|found| *found >= from))
    }

    fn read(&self, file: &PageFile, number: u32) -> Result<ListPage, Trouble> {
        let at = self.page.saturating_add(number);
        let page = file.page(at, Kind::List)?;
        ListPage::new(page, number, at).ok_or_else(|| senseless(file, at))
    }
}

fn senseless(file: &PageFile, page: u32) -> Trouble {
    file.damaged(
        page,
        "expected positions in order, found bytes that make no sense",
    )
}

/// A page of a run.
#[derive(Debug)]
struct ListPage {
    page: Arc<Page>,
    /// Its place in the run.
    number: u32,
    /// Its place in the file.
    at: u32,
    groups: u16,
    /// Where the table begins.
    table: usize,
}

impl ListPage {
    /// `None` if the page makes no sense.
    fn new(page: Arc<Page>, number: u32, at: u32) -> Option<Self> {
        let body = page.body();
        let groups = u16::from_le_bytes(body.last_chunk().copied()?);
        let table = (body.len() - TABLE_END_BYTES).checked_sub(usize::from(groups) * ENTRY_BYTES)?;
        (groups > 0).then_some(Self {
            page,
            number,
            at,
            groups,
            table,
        })
    }

    fn groups(&self) -> u32 {
        u32::from(self.groups)
    }

    fn word(&self, at: usize) -> u32 {
        let body = self.page.body();
        u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]])
    }

    /// How many positions of the run are before the page.
    fn before(&self) -> u32 {
        self.word(ROOM - TABLE_END_BYTES)
    }

    /// The first position of a group.
    fn first(&self, group: u32) -> u32 {
        self.word(self.table + group as usize * ENTRY_BYTES)
    }

    /// Where the content of a group begins.
    fn begins_at(&self, group: u32) -> usize {
        let at = self.table + group as usize * ENTRY_BYTES + 4;
        usize::from(u16::from_le_bytes([
            self.page.body()[at],
            self.page.body()[at + 1],
        ]))
    }

    /// The last group that does not begin behind a position.
    fn group_with(&self, position: u32) -> Option<u32> {
        let (mut low, mut high) = (0, self.groups());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.first(middle) <= position {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low.checked_sub(1)
    }

    /// Adds a group.
    fn read_group(
        &self,
        file: &PageFile,
        group: u32,
        placed: Option<Base>,
        listed: &mut Listed,
    ) -> Result<(), Trouble> {
        let content = self.page.content();
        let to = match group + 1 < self.groups() {
            true => self.begins_at(group + 1).min(content.len()),
            false => content.len(),
        };
        let (content, at) = (&content[..to], self.begins_at(group));
        read(content, at, self.first(group), placed, listed).ok_or_else(|| senseless(file, self.at))
    }
}

/// Adds a first position and those that are told behind it; `None` if they make no sense.
fn read(
    content: &[u8],
    mut at: usize,
    mut position: u32,
    mut placed: Option<Base>,
    listed: &mut Listed,
) -> Option<()> {
    loop {
        listed.positions.push(position);
        if let Some(before) = &mut placed {
            listed.spans.push(before.take(content, &mut at)?);
        }
        if at >= content.len() {
            return Some(());
        }
        position = position.checked_add(varint::take_u32(content, &mut at)?)?;
    }
}

/// A walk over a run, with the group it stands in.
#[derive(Debug)]
pub(super) struct RunWalk {
    file: Arc<PageFile>,
    run: Run,
    page: Option<ListPage>,
    group: u32,
    listed: Listed,
    /// The place in the group that was answered last.
    stood: usize,
}

impl RunWalk {
    pub(super) fn new(file: Arc<PageFile>, run: Run) -> Self {
        Self {
            file,
            run,
            page: None,
            group: 0,
            listed: Listed::default(),
            stood: 0,
        }
    }

    /// Where one of the positions lies that were found last, if that is known.
    pub(super) fn span(&self, position: u32) -> Option<Span> {
        self.listed.span(position)
    }

    fn stand(&mut self, page: ListPage, group: u32) -> Result<(), Trouble> {
        self.listed.clear();
        page.read_group(&self.file, group, self.run.placed, &mut self.listed)?;
        (self.page, self.group, self.stood) = (Some(page), group, 0);
        Ok(())
    }

    /// The first position not before `bound`.
    pub(super) fn forward(&mut self, bound: u32) -> Result<Option<u32>, Trouble> {
        if bound > self.run.last {
            return Ok(None);
        }
        if self.listed.positions.last().is_none_or(|last| *last < bound) {
            let page = match self.page.take() {
                Some(page) => page,
                None => self.run.read(&self.file, 0)?,
            };
            let page = self.page_forward(page, bound)?;
            let group = page.group_with(bound).unwrap_or(0);
            self.stand(page, group)?;
        }
        // Mostly it is the next one.
        let rest = self.listed.positions.get(self.stood..).unwrap_or_default();
        let place = self.stood + gallop(rest.len(), |place| rest[place] < bound);
        self.stood = place;
        if place == self.listed.positions.len() {
            self.next_group()?;
            return Ok(self.listed.positions.first().copied());
        }
        Ok(Some(self.listed.positions[place]))
    }

    /// From a page on, the last one that does not begin behind `bound`; most walks go on to one that is near.
    fn page_forward(&self, page: ListPage, bound: u32) -> Result<ListPage, Trouble> {
        if page.group_with(bound) != Some(page.groups() - 1) {
            return Ok(page);
        }
        let (mut low, mut step) = (page.number, 1);
        while low + step < self.run.pages && self.run.read(&self.file, low + step)?.first(0) <= bound {
            low += step;
            step *= 2;
        }
        let high = low.saturating_add(step).min(self.run.pages);
        match self.run.page_with(&self.file, low + 1, high, bound)? {
            Some(number) => self.run.read(&self.file, number),
            None if low == page.number => Ok(page),
            None => self.run.read(&self.file, low),
        }
    }

    fn next_group(&mut self) -> Result<(), Trouble> {
        let Some(page) = self.page.take() else {
            return Ok(());
        };
        if self.group + 1 < page.groups() {
            let group = self.group + 1;
            return self.stand(page, group);
        }
        let next = self.run.read(&self.file, page.number + 1)?;
        self.stand(next, 0)
    }

    /// The last position not behind `bound`.
    pub(super) fn backward(&mut self, bound: u32) -> Result<Option<u32>, Trouble> {
        if self.listed.positions.first().is_none_or(|first| *first > bound) {
            let page = match self.page.take() {
                Some(page) if page.first(0) <= bound => page,
                before => {
                    let to = before.map_or(self.run.pages, |page| page.number);
                    let Some(number) = self.run.page_with(&self.file, 0, to, bound)? else {
                        return Ok(None);
                    };
                    self.run.read(&self.file, number)?
                }
            };
            let group = page.group_with(bound).unwrap_or(0);
            self.stand(page, group)?;
        }
        let after = self.listed.positions.partition_point(|at| *at <= bound);
        Ok(after.checked_sub(1).map(|place| self.listed.positions[place]))
    }
}
