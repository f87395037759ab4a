//! Marks in a file: for each key that was written in its stretch of the log, what was written last.
//!
//! A key becomes bytes that sort as keys do: the space, with every zero byte followed by 255, then zero and one, then
//! the name. A value: 0 for a mark that was removed; 1 and its bytes; or 2, the first of the pages that hold it, and
//! its bytes.

use std::io;

use annals_core::mark::MarkKey;
use bytes::Bytes;
use smol_str::SmolStr;

use super::super::trouble::Trouble;
use super::file::PageFile;
use super::varint;
use super::writer::PageWriter;

/// Values up to this stand beside their key, in bytes.
const NEAR_BYTES_MAX: usize = 512;

const REMOVED: u8 = 0;
const NEAR: u8 = 1;
const FAR: u8 = 2;

/// The bytes of a key.
pub(super) fn key_bytes(key: &MarkKey) -> Vec<u8> {
    let mut bytes = space_bytes(&key.space);
    bytes.extend_from_slice(key.name.as_bytes());
    bytes
}

/// What the keys of a space begin with.
fn space_bytes(space: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(space.len() + 2);
    for byte in space.bytes() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xFF);
        }
    }
    bytes.extend_from_slice(&[0, 1]);
    bytes
}

/// The key of these bytes, if they are one.
pub(super) fn key(bytes: &[u8]) -> Option<MarkKey> {
    let (mut space, mut at) = (Vec::new(), 0);
    loop {
        let (byte, next) = (*bytes.get(at)?, bytes.get(at + 1));
        at += match (byte, next) {
            (0, Some(1)) => break,
            (0, Some(0xFF)) => 2,
            (0, _) => return None,
            _ => 1,
        };
        space.push(byte);
    }
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(SmolStr::new);
    Some(MarkKey {
        space: text(&space)?,
        name: text(&bytes[at + 2..])?,
    })
}

/// Appends the value of a key, writing pages for what is large.
pub(super) fn write(pages: &mut PageWriter<'_>, value: Option<&[u8]>, out: &mut Vec<u8>) -> io::Result<()> {
    match value {
        None => out.push(REMOVED),
        Some(value) if value.len() <= NEAR_BYTES_MAX => {
            out.push(NEAR);
            out.extend_from_slice(value);
        }
        Some(value) => {
            out.push(FAR);
            varint::put(out, u64::from(pages.bytes(value)?));
            varint::put(out, value.len() as u64);
        }
    }
    Ok(())
}

/// A value as it stands beside its key.
#[derive(Debug)]
pub(super) enum Written {
    Removed,
    Near(Bytes),
    Far { page: u32, bytes: usize },
}

impl Written {
    /// `None` if the bytes make no sense.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        match value.split_first()? {
            (&REMOVED, []) => Some(Self::Removed),
            (&NEAR, rest) => Some(Self::Near(Bytes::copy_from_slice(rest))),
            (&FAR, rest) => {
                let mut at = 0;
                let page = varint::take_u32(rest, &mut at)?;
                let bytes = varint::take_u32(rest, &mut at)? as usize;
                Some(Self::Far { page, bytes })
            }
            _ => None,
        }
    }

    /// The value; `None`: the mark was removed.
    pub(super) fn value(self, file: &PageFile) -> Result<Option<Bytes>, Trouble> {
        match self {
            Self::Removed => Ok(None),
            Self::Near(value) => Ok(Some(value)),
            Self::Far { page, bytes } => file.bytes(page, bytes).map(|value| Some(value.into())),
        }
    }
}

#[cfg(test)]
mod tests;
