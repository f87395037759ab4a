//! A filter: which terms are surely not here.
//!
//! In: hashes of terms. Out: no, or perhaps: about one absent term in a hundred is not recognized. A block Bloom filter
//! of about ten bits for each term: a term touches eight words of one block of 32 bytes, so it is answered from one
//! page. The number of pages is known from the number of blocks.

use std::io;

use super::super::trouble::Trouble;
use super::file::PageFile;
use super::page::{Kind, ROOM};
use super::writer::PageWriter;

const BLOCK_BYTES: usize = 32;
const BLOCKS_PER_PAGE: usize = ROOM / BLOCK_BYTES;
/// Bits for each term.
const BITS_PER_TERM: u64 = 10;
/// One odd number for each word of a block.
const SPREADS: [u32; 8] = [
    0x47B6_137B,
    0x4497_4D91,
    0x8824_AD5B,
    0xA2B7_289D,
    0x7054_95C7,
    0x2DF1_424B,
    0x9EFC_4947,
    0x5C6B_FB31,
];

/// Where a filter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FilterRoot {
    pub(super) page: u32,
    pub(super) blocks: u32,
}

/// A filter that is filled.
#[derive(Debug)]
pub(super) struct FilterBuilder(Vec<[u32; 8]>);

impl FilterBuilder {
    /// For so many terms.
    pub(super) fn new(terms: u64) -> Self {
        let blocks = (terms * BITS_PER_TERM).div_ceil(8 * BLOCK_BYTES as u64).max(1);
        Self(vec![[0; 8]; blocks.min(u64::from(u32::MAX)) as usize])
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let block = block_of(hash, self.0.len() as u32);
        for (word, bit) in self.0[block as usize].iter_mut().zip(bits(hash)) {
            *word |= bit;
        }
    }

    pub(super) fn write(self, pages: &mut PageWriter<'_>) -> io::Result<FilterRoot> {
        let root = FilterRoot {
            page: pages.next(),
            blocks: self.0.len() as u32,
        };
        let mut content = Vec::with_capacity(ROOM);
        for blocks in self.0.chunks(BLOCKS_PER_PAGE) {
            content.clear();
            blocks
                .iter()
                .flatten()
                .for_each(|word| content.extend_from_slice(&word.to_le_bytes()));
            pages.push(Kind::Filter, &content, &[])?;
        }
        Ok(root)
    }
}

/// The bit of each word.
fn bits(hash: u64) -> [u32; 8] {
    SPREADS.map(|spread| 1 << ((hash as u32).wrapping_mul(spread) >> 27))
}

fn block_of(hash: u64, blocks: u32) -> u32 {
    (((hash >> 32) * u64::from(blocks)) >> 32) as u32
}

impl FilterRoot {
    /// The page that answers for a term.
    pub(super) fn page_of(&self, hash: u64) -> u32 {
        let place = block_of(hash, self.blocks) as usize / BLOCKS_PER_PAGE;
        self.page.saturating_add(place as u32)
    }

    /// Whether a term may be here.
    pub(super) fn may_hold(&self, file: &PageFile, hash: u64) -> Result<bool, Trouble> {
        if self.blocks == 0 {
            return Ok(false);
        }
        let number = self.page_of(hash);
        let page = file.page(number, Kind::Filter)?;
        let place = block_of(hash, self.blocks) as usize % BLOCKS_PER_PAGE * BLOCK_BYTES;
        let block = page.content().get(place..place + BLOCK_BYTES);
        let block =
            block.ok_or_else(|| file.damaged(number, "expected a block of the filter, found none"))?;
        let words = block.chunks_exact(4).zip(bits(hash));
        Ok(words
            .map(|(word, bit)| u32::from_le_bytes([word[0], word[1], word[2], word[3]]) & bit)
            .all(|found| found != 0))
    }
}

#[cfg(test)]
mod tests;
