//! Reading one place after the other.
//!
//! In: places. Out: their bytes, lent until the next ones are read. One buffer and one open file serve for all, so that
//! a short read costs little more than the call that reads.

use std::sync::Arc;

use bytes::Bytes;

use crate::disk::File;
use crate::place::Place;
use crate::reader::{ReadError, Reader, io_error};
use crate::segment::Segment;

/// Memory that is not used again for smaller pieces, in bytes.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Reads pieces of a log, see [`Reader::pieces`].
#[derive(Debug)]
pub struct Pieces {
    reader: Reader,
    open: Option<(Arc<Segment>, Arc<dyn File>)>,
    buffer: Vec<u8>,
    /// How many bytes of it were read last.
    filled: usize,
}

impl Reader {
    /// Bytes as they are stored, not checked.
    ///
    /// # Errors
    /// [`ReadError::NotDurable`] beyond the durable end, [`ReadError::Damaged`] if the file is too short,
    /// [`ReadError::Io`] if the disk fails.
    pub fn bytes(&self, place: Place, bytes: u64) -> Result<Bytes, ReadError> {
        self.pieces().give(place, bytes)
    }

    /// Reads one place after the other into one buffer.
    pub fn pieces(&self) -> Pieces {
        Pieces {
            reader: self.clone(),
            open: None,
            buffer: Vec::new(),
            filled: 0,
        }
    }
}

impl Pieces {
    /// The log that is read.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Reads bytes as they are stored, not checked; they are lent until the next read.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn read(&mut self, place: Place, bytes: u64) -> Result<&[u8], ReadError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() > KEPT_BYTES_MAX && bytes <= KEPT_BYTES_MAX as u64 {
            buffer = Vec::new();
        }
        if (buffer.len() as u64) < bytes {
            buffer.resize(bytes as usize, 0);
        }
        self.filled = 0;
        self.fill(place, &mut buffer[..bytes as usize])?;
        (self.buffer, self.filled) = (buffer, bytes as usize);
        Ok(self.lent())
    }

    /// What was read last; nothing after an error.
    pub fn lent(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Bytes as they are stored, not checked, in memory of their own.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn give(&mut self, place: Place, bytes: u64) -> Result<Bytes, ReadError> {
        let mut buffer = vec![0; bytes as usize];
        self.fill(place, &mut buffer)?;
        Ok(buffer.into())
    }

    fn fill(&mut self, place: Place, buffer: &mut [u8]) -> Result<(), ReadError> {
        let bytes = buffer.len() as u64;
        let known = self.open.take().filter(|(segment, _)| {
            segment.number == place.segment && place.at.saturating_add(bytes) <= self.reader.end_in(segment)
        });
        let (segment, file) = match known {
            Some(known) => known,
            None => {
                let segment = self.reader.check(place, bytes)?;
                let file = segment.file();
                let file = file.map_err(|source| io_error(&segment, place.at, source))?;
                (segment, file)
            }
        };
        let read = file.read_at(buffer, place.at);
        let read = read.map_err(|source| io_error(&segment, place.at, source))?;
        if (read as u64) < bytes {
            let (expected, found) = (format!("{bytes} bytes"), format!("{read}, where the file ends"));
            return Err(self.reader.damaged(place, expected, found));
        }
        self.open = Some((segment, file));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
