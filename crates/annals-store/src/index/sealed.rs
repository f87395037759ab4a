//! Parts of the index in files: written once, checked page by page, read a few pages at a time.
//!
//! In: a part in memory, or files to merge. Out: one immutable file of its stretch of the log, and its answers. A file
//! is a hint: whatever is wrong with it is told as trouble, and it can always be made again from the log.

mod varint;
mod beside;
mod page;
mod cache;
mod file;
mod writer;
mod block;
mod table;
mod filter;
mod runs;
mod lists;
mod places;
mod marks;
mod header;
mod assembly;
mod part;
mod census;
mod build;
mod merge;

pub(crate) use assembly::{Workshop, is_timed};
pub(crate) use build::write;
pub(crate) use cache::Cache;
pub(crate) use census::Census;
pub(crate) use file::COLD;
pub(crate) use merge::{MergeError, joined, merge};
pub(crate) use part::SealedPart;
pub(crate) use writer::Pause;

/// Lets the pages of a file pass their checksums, whatever they hold.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn repair(bytes: &mut [u8], identity: u64) {
    for (number, page) in (0..).zip(bytes.chunks_exact_mut(page::PAGE_BYTES)) {
        page::repair(page, identity, number);
    }
}
