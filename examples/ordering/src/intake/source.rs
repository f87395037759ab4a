//! The text of a file, decompressed if need be.
//!
//! In comes any reader; out go the bytes of the text. Invariants:
//!
//! 1. What the content is, is decided by its first bytes, never by the name.
//! 2. Never more than the limit is handed out, however small the compressed file: memory is bounded by the
//!    decompressor's window (at most 128 MiB, 8 MiB for the usual levels).
//! 3. Cut or damaged compressed data is a fault, never a short text.
//!
//! It does not know CSV.

use std::io::{self, BufReader, Cursor, Read};

use super::error::Fault;

#[cfg(test)]
mod tests;

const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
const WINDOW_LOG_MAX: u32 = 27;

/// Other contents that are met in practice, by their first bytes, and what to do with them.
const FOREIGN: &[(&[u8], &str, &str)] = &[
    (&[0x1F, 0x8B], "gzip data", "unpack it with gunzip first"),
    (
        b"PK\x03\x04",
        "a zip archive or a spreadsheet",
        "unpack it, or export the sheet as CSV in UTF-8",
    ),
    (&[0xFF, 0xFE], "UTF-16 text", "save it as UTF-8"),
    (&[0xFE, 0xFF], "UTF-16 text", "save it as UTF-8"),
    (b"BZh", "bzip2 data", "unpack it with bunzip2 first"),
    (
        &[0xFD, b'7', b'z', b'X', b'Z'],
        "xz data",
        "unpack it with unxz first",
    ),
    (b"%PDF", "a PDF document", "ask for the data as CSV"),
];

/// The text of one file, front to back.
pub(super) struct Source<'a> {
    input: Box<dyn Read + 'a>,
    compressed: bool,
    taken: u64,
    limit: u64,
}

impl<'a> Source<'a> {
    /// Looks at the first bytes of `input` and prepares to read its text, of at most `limit` bytes.
    pub(super) fn open(mut input: impl Read + 'a, limit: u64) -> Result<Self, Fault> {
        let mut head = Vec::with_capacity(8);
        (&mut input)
            .take(8)
            .read_to_end(&mut head)
            .map_err(|source| Fault::Read { byte: 0, source })?;
        if head.is_empty() {
            return Err(Fault::Empty);
        }
        if let Some(&(_, found, advice)) = FOREIGN.iter().find(|(magic, ..)| head.starts_with(magic)) {
            return Err(Fault::Foreign { found, advice });
        }
        let compressed = head.starts_with(&ZSTD);
        let whole = Cursor::new(head).chain(input);
        let input: Box<dyn Read + 'a> = if compressed {
            unpacked(whole)?
        } else {
            Box::new(whole)
        };
        Ok(Self {
            input,
            compressed,
            taken: 0,
            limit,
        })
    }

    /// Puts the next bytes of the text into `buffer`; 0 means the text is complete.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let count = loop {
            match self.input.read(buffer) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) if self.compressed => {
                    return Err(Fault::Compressed {
                        byte: self.taken,
                        source,
                    });
                }
                Err(source) => {
                    return Err(Fault::Read {
                        byte: self.taken,
                        source,
                    });
                }
            }
        };
        self.taken += count as u64;
        if self.taken > self.limit {
            return Err(Fault::TooLarge { limit: self.limit });
        }
        Ok(count)
    }
}

fn unpacked<'a>(input: impl Read + 'a) -> Result<Box<dyn Read + 'a>, Fault> {
    let failed = |source| Fault::Compressed { byte: 0, source };
    let mut decoder =
        zstd::Decoder::with_buffer(BufReader::with_capacity(64 << 10, input)).map_err(failed)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(failed)?;
    Ok(Box::new(decoder))
}
