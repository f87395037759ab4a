//! Writing an index file, page after page.
//!
//! In: pages in any order of kinds; what the header says comes last. Out: numbers of pages, and in the end a flushed
//! file. The first page is written last, so a file whose writing was cut short has none.

use std::io;
use std::sync::Arc;

use annals_log::disk::File;

use super::page::{self, Kind, PAGE_BYTES, ROOM};

/// Bytes written at once.
const CHUNK_BYTES: usize = 64 * PAGE_BYTES;

/// Asked between pages, which are some tens of microseconds of work; an `Err` ends the work.
pub(crate) type Pause<'a> = &'a mut dyn FnMut() -> io::Result<()>;

pub(super) struct PageWriter<'a> {
    file: Arc<dyn File>,
    identity: u64,
    buffer: Vec<u8>,
    /// The number of the next page.
    next: u32,
    pause: Pause<'a>,
}

impl<'a> PageWriter<'a> {
    pub(super) fn new(file: Arc<dyn File>, identity: u64, pause: Pause<'a>) -> Self {
        Self {
            file,
            identity,
            buffer: Vec::with_capacity(CHUNK_BYTES),
            next: 1,
            pause,
        }
    }

    /// The number the next page will have.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Adds a page and returns its number.
    pub(super) fn push(&mut self, kind: Kind, content: &[u8], end: &[u8]) -> io::Result<u32> {
        let number = self.next;
        page::append(&mut self.buffer, (self.identity, number), kind, content, end);
        self.next = number.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        if self.buffer.len() >= CHUNK_BYTES {
            self.drain()?;
        }
        (self.pause)()?;
        Ok(number)
    }

    /// Adds pages that hold these bytes and returns the number of the first.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<u32> {
        let first = self.next;
        for piece in bytes.chunks(ROOM) {
            self.push(Kind::Bytes, piece, &[])?;
        }
        Ok(first)
    }

    fn drain(&mut self) -> io::Result<()> {
        let first = u64::from(self.next) - (self.buffer.len() / PAGE_BYTES) as u64;
        self.file.write_at(&self.buffer, first * PAGE_BYTES as u64)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the rest and the first page, and flushes. `header` is told how many pages there are.
    pub(super) fn finish(mut self, header: impl FnOnce(u32) -> Vec<u8>) -> io::Result<()> {
        self.drain()?;
        let header = header(self.next);
        page::append(&mut self.buffer, (self.identity, 0), Kind::Header, &header, &[]);
        self.file.write_at(&self.buffer, 0)?;
        self.file.flush()
    }
}
