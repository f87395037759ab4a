//! Sorted keys with values over many pages.
//!
//! In: keys in order. Out: a tree of pages, written once: leaves with the entries, above them pages that lead to them,
//! up to one root. A key is found by reading one page of each level.

use std::io;
use std::sync::Arc;

use super::super::trouble::Trouble;
use super::block::{self, BlockBuilder, Entries, shared_bytes};
use super::file::PageFile;
use super::page::{Kind, Page};
use super::varint;
use super::writer::PageWriter;

/// Where a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Root {
    /// The root's page; none if there are no entries.
    pub(super) page: u32,
    /// Levels above the leaves.
    pub(super) depth: u8,
    pub(super) entries: u64,
}

/// Writes one table.
#[derive(Debug, Default)]
pub(super) struct TableWriter {
    leaf: BlockBuilder,
    last: Vec<u8>,
    /// For each level above the leaves: the pages below it, each with a key that no earlier page reaches.
    children: Vec<(Vec<u8>, u32)>,
    entries: u64,
}

impl TableWriter {
    /// Adds a key behind all others.
    pub(super) fn push(&mut self, pages: &mut PageWriter<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
        if !self.leaf.push(key, value) {
            self.end_leaf(pages, Some(key))?;
            self.leaf.push(key, value);
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        self.entries += 1;
        Ok(())
    }

    fn end_leaf(&mut self, pages: &mut PageWriter<'_>, next: Option<&[u8]>) -> io::Result<()> {
        let (content, end) = self.leaf.page();
        let number = pages.push(Kind::Leaf, content, &end)?;
        match self.children.last_mut() {
            None => self.children.push((Vec::new(), number)),
            Some((_, page)) => *page = number,
        }
        self.leaf.clear();
        if let Some(next) = next {
            // As much of the next key as tells it from the last one here.
            let enough = (shared_bytes(&self.last, next) + 1).min(next.len());
            self.children.push((next[..enough].to_vec(), 0));
        }
        Ok(())
    }

    /// Writes what is left, and says where the table is.
    pub(super) fn finish(mut self, pages: &mut PageWriter<'_>) -> io::Result<Root> {
        if self.leaf.is_empty() {
            return Ok(Root::default());
        }
        self.end_leaf(pages, None)?;
        let (mut level, mut depth) = (self.children, 0);
        while level.len() > 1 {
            level = branches(pages, &level)?;
            depth += 1;
        }
        Ok(Root {
            page: level[0].1,
            depth,
            entries: self.entries,
        })
    }
}

/// Writes the pages that lead to these.
fn branches(pages: &mut PageWriter<'_>, below: &[(Vec<u8>, u32)]) -> io::Result<Vec<(Vec<u8>, u32)>> {
    let (mut above, mut block, mut value) = (Vec::new(), BlockBuilder::default(), Vec::new());
    let mut end = |block: &mut BlockBuilder| {
        let (content, table) = block.page();
        let number = pages.push(Kind::Branch, content, &table)?;
        above.push((block.first().to_vec(), number));
        block.clear();
        io::Result::Ok(())
    };
    for (key, page) in below {
        value.clear();
        varint::put(&mut value, u64::from(*page));
        if !block.push(key, &value) {
            end(&mut block)?;
            block.push(key, &value);
        }
    }
    end(&mut block)?;
    Ok(above)
}

/// A table that is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) file: &'a PageFile,
    pub(super) root: Root,
}

impl Table<'_> {
    /// What `read` makes of the value of a key.
    pub(super) fn get<T>(
        &self,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Trouble> {
        let Some(number) = self.leaf(key)? else {
            return Ok(None);
        };
        let page = self.file.page(number, Kind::Leaf)?;
        let found = block::find(&page, key).ok_or_else(|| senseless(self.file, number))?;
        let Some(value) = found else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| senseless(self.file, number))
    }

    /// Says that a key will be looked for.
    pub(super) fn hint(&self, key: &[u8]) -> Result<(), Trouble> {
        if let Some(number) = self.leaf(key)? {
            self.file.hint(number);
        }
        Ok(())
    }

    /// The leaf in which a key is, if it is anywhere.
    fn leaf(&self, key: &[u8]) -> Result<Option<u32>, Trouble> {
        if self.root.entries == 0 {
            return Ok(None);
        }
        let mut number = self.root.page;
        for _ in 0..self.root.depth {
            let page = self.file.page(number, Kind::Branch)?;
            number = child(&page, key).ok_or_else(|| senseless(self.file, number))?;
        }
        Ok(Some(number))
    }
}

/// The page that leads to a key. The first one of all begins with the empty key, so there always is one.
fn child(page: &Page, key: &[u8]) -> Option<u32> {
    varint::take_u32(block::last_value(page, key)?.0?, &mut 0)
}

/// The entry that leads to a key, and the page it leads to.
fn lead(page: &Page, key: &[u8]) -> Option<(Entries, u32)> {
    let entries = block::floor(page, key)?;
    let child = varint::take_u32(entries.value(page), &mut 0)?;
    Some((entries, child))
}

fn senseless(file: &PageFile, page: u32) -> Trouble {
    file.damaged(page, "expected sorted keys, found bytes that make no sense")
}

/// A walk over a table from a key on.
#[derive(Debug)]
pub(super) struct Scan {
    file: Arc<PageFile>,
    depth: usize,
    /// From the root down; the last one is a leaf.
    levels: Vec<(u32, Arc<Page>, Entries)>,
}

impl Scan {
    /// A walk whose first entry is the first one not before `from`.
    pub(super) fn new(file: Arc<PageFile>, root: Root, from: &[u8]) -> Result<Self, Trouble> {
        let mut scan = Self {
            file,
            depth: usize::from(root.depth),
            levels: Vec::new(),
        };
        if root.entries > 0 {
            scan.descend(root.page, from)?;
        }
        Ok(scan)
    }

    fn descend(&mut self, mut number: u32, from: &[u8]) -> Result<(), Trouble> {
        while self.levels.len() < self.depth {
            let page = self.file.page(number, Kind::Branch)?;
            let (entries, child) = lead(&page, from).ok_or_else(|| senseless(&self.file, number))?;
            self.levels.push((number, page, entries));
            number = child;
        }
        let page = self.file.page(number, Kind::Leaf)?;
        let mut entries = Entries::near(&page, from).ok_or_else(|| senseless(&self.file, number))?;
        loop {
            let before = entries.clone();
            let more = entries.step(&page).ok_or_else(|| senseless(&self.file, number))?;
            if !more || entries.key() >= from {
                self.levels.push((number, page, before));
                return Ok(());
            }
        }
    }

    /// Moves to the next entry, if there is one.
    pub(super) fn step(&mut self) -> Result<bool, Trouble> {
        let Some((number, page, entries)) = self.levels.last_mut() else {
            return Ok(false);
        };
        if entries.step(page).ok_or_else(|| senseless(&self.file, *number))? {
            return Ok(true);
        }
        // The next leaf is found from the lowest level above that has another page.
        loop {
            self.levels.pop();
            let Some((number, page, entries)) = self.levels.last_mut() else {
                return Ok(false);
            };
            let number = *number;
            if entries.step(page).ok_or_else(|| senseless(&self.file, number))? {
                let child = varint::take_u32(entries.value(page), &mut 0);
                let child = child.ok_or_else(|| senseless(&self.file, number))?;
                self.descend(child, &[])?;
                return self.step();
            }
        }
    }

    /// The key it stands at.
    pub(super) fn key(&self) -> &[u8] {
        self.levels.last().map_or(&[], |(_, _, entries)| entries.key())
    }

    /// The value it stands at.
    pub(super) fn value(&self) -> &[u8] {
        self.levels
            .last()
            .map_or(&[], |(_, page, entries)| entries.value(page))
    }

    /// An error about the entry it stands at.
    pub(super) fn senseless(&self) -> Trouble {
        senseless(&self.file, self.levels.last().map_or(0, |(number, ..)| *number))
    }
}

#[cfg(test)]
mod tests;
