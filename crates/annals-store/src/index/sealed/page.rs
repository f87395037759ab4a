//! Pages: the pieces in which an index file is written, checked, kept and read.
//!
//! | byte | bytes | field, little endian |
//! |---|---|---|
//! | 0 | 4 | CRC-32/ISCSI of the file's identity (8), the page's number (4) and bytes 4–4095 |
//! | 4 | 1 | kind |
//! | 5 | 1 | zero |
//! | 6 | 2 | bytes of content |
//! | 8 | … | content, then zeros; some kinds keep a table at the very end |
//!
//! Invariants: a page of another file or another place is not taken for this one; a page is used only after its
//! checksum was compared.

use annals_log::Checksum;

/// Bytes of a page.
pub(super) const PAGE_BYTES: usize = 4_096;
const HEAD_BYTES: usize = 8;
static BLANK: [u8; PAGE_BYTES] = [0; PAGE_BYTES];
/// Bytes of a page that hold content.
pub(super) const ROOM: usize = PAGE_BYTES - HEAD_BYTES;

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// What the file is, and where everything is in it. The first page.
    Header = 1,
    /// Sorted keys with their values.
    Leaf = 2,
    /// Sorted keys with the pages they lead to.
    Branch = 3,
    /// A piece of a long posting list.
    List = 4,
    /// A piece of the filter.
    Filter = 5,
    /// Where records lie.
    Places = 6,
    /// Where their blocks begin.
    Directory = 7,
    /// Bytes that had no room elsewhere.
    Bytes = 8,
}

/// A page whose checksum was compared.
///
/// Its bytes lie where it does, so that looking at one that is kept waits for memory once less.
#[derive(Debug)]
pub(super) struct Page([u8; PAGE_BYTES]);

impl Page {
    /// Takes bytes that were read; an `Err` says what is wrong with them.
    pub(super) fn checked(bytes: &[u8], identity: u64, number: u32) -> Result<Self, String> {
        let Ok(bytes) = <[u8; PAGE_BYTES]>::try_from(bytes) else {
            return Err(format!(
                "expected a page of {PAGE_BYTES} bytes, found {}",
                bytes.len()
            ));
        };
        let stored = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let actual = checksum(&bytes, identity, number);
        if stored != actual {
            return Err(format!(
                "expected a page with checksum {stored:08x}, found {actual:08x}"
            ));
        }
        let page = Self(bytes);
        match page.used() <= ROOM {
            true => Ok(page),
            false => Err(format!(
                "expected at most {ROOM} bytes of content, found {}",
                page.used()
            )),
        }
    }

    /// Whether it holds this kind of thing.
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.0[4] == kind as u8
    }

    fn used(&self) -> usize {
        usize::from(u16::from_le_bytes([self.0[6], self.0[7]]))
    }

    /// Its content.
    pub(super) fn content(&self) -> &[u8] {
        &self.0[HEAD_BYTES..HEAD_BYTES + self.used()]
    }

    /// Its content and everything behind it.
    pub(super) fn body(&self) -> &[u8] {
        &self.0[HEAD_BYTES..]
    }
}

/// Appends a page: content, then zeros, then `end`.
pub(super) fn append(
    out: &mut Vec<u8>,
    (identity, number): (u64, u32),
    kind: Kind,
    content: &[u8],
    end: &[u8],
) {
    assert!(
        content.len() + end.len() <= ROOM,
        "content of {} bytes and {} at the end fit a page",
        content.len(),
        end.len()
    );
    let start = out.len();
    out.extend_from_slice(&BLANK);
    let page = &mut out[start..];
    page[4] = kind as u8;
    page[6..8].copy_from_slice(&(content.len() as u16).to_le_bytes());
    page[HEAD_BYTES..HEAD_BYTES + content.len()].copy_from_slice(content);
    page[PAGE_BYTES - end.len()..].copy_from_slice(end);
    let checksum = checksum(page, identity, number);
    page[..4].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(page: &[u8], identity: u64, number: u32) -> u32 {
    Checksum::new()
        .with(&identity.to_le_bytes())
        .with(&number.to_le_bytes())
        .with(&page[4..])
        .finish()
}

/// Lets a page pass its checksum, whatever it holds.
#[cfg(any(test, feature = "fuzz"))]
pub(super) fn repair(page: &mut [u8], identity: u64, number: u32) {
    let checksum = checksum(page, identity, number);
    page[..4].copy_from_slice(&checksum.to_le_bytes());
}

#[cfg(test)]
mod tests;
