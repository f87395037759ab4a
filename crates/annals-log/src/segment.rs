//! Segments: the files of the log.
//!
//! In: a segment's number, size and the log's salt. Out: an open file of zeros with a header, whose name and content
//! are durable before anybody learns of it.
//!
//! | byte | bytes | field, little endian |
//! |---|---|---|
//! | 0 | 8 | magic `annalog\0` |
//! | 8 | 2 | format, 1 |
//! | 10 | 2 | flags; format 1 knows none, so they are zero |
//! | 12 | 4 | CRC-32/ISCSI of bytes 0–11 and 16–63 |
//! | 16 | 8 | segment |
//! | 24 | 8 | the log's salt, the same in every segment |
//! | 32 | 8 | size of the file |
//! | 40 | 24 | zero; anything else is of a newer build |
//! | 64 | … | zeros up to byte 512, where the first frame may begin |
//!
//! Invariants: a file bears a segment's name only after its header and all its zeros were flushed; files are never
//! used twice.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bug::{self, Bug};
use crate::checksum::Checksum;
use crate::disk::{Disk, File};
use crate::frame::{FORMAT, Foreign};
use crate::handles::Handles;

/// Where the first frame may begin, in bytes.
pub(crate) const FIRST_FRAME: u64 = 512;

/// Segments end below this, so that places inside fit 32 bits.
pub(crate) const SEGMENT_BYTES_LIMIT: u64 = 1 << 31;

/// Zeros are flushed in steps of this, so that preparing a segment disturbs commits little.
const ZEROING_STEP_BYTES: u64 = 1 << 20;

const MAGIC: [u8; 8] = *b"annalog\0";
/// Bytes of the header that hold something.
pub(crate) const HEADER_BYTES: usize = 64;
const ENDING: &str = ".seg";
const UNFINISHED_ENDING: &str = ".seg.tmp";

/// A segment. Its file is opened when it is read.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    /// Bytes of the file.
    pub(crate) size: u64,
    pub(crate) handles: Arc<Handles>,
}

/// A segment open to be written.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn File>,
}

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u32,
    pub(crate) salt: u64,
    pub(crate) size: u64,
}

/// What the first bytes of a segment's file turn out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderLook {
    Header(SegmentHeader),
    /// Nothing was ever written, or not enough.
    Blank,
    /// What a newer build wrote.
    Foreign(Foreign),
    /// Format 0, which was never released.
    Unreleased,
    Bad(String, String),
}

/// What a file name in the log's directory means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    Segment(u32),
    /// A segment whose making was interrupted.
    Unfinished,
    Other,
}

/// Why a segment could not be made.
#[derive(Debug)]
pub(crate) enum CreateError {
    /// The file could not be made or filled; it was taken away again. Trying again is safe.
    Allocate(io::Error),
    /// Its name could not be made durable.
    FlushDir(io::Error),
}

impl Segment {
    /// Its file, to read from.
    pub(crate) fn file(&self) -> io::Result<Arc<dyn File>> {
        self.handles.get(self.number, &self.path)
    }
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; FIRST_FRAME as usize];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..24].copy_from_slice(&u64::from(self.number).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.size.to_le_bytes());
        let checksum = header_checksum(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// What these bytes, the first of a file, are.
    pub(crate) fn look(bytes: &[u8]) -> HeaderLook {
        if bytes.iter().all(|byte| *byte == 0) {
            return HeaderLook::Blank;
        }
        if bytes.len() < HEADER_BYTES {
            return HeaderLook::Bad(
                format!("a header of {HEADER_BYTES} bytes"),
                format!("{} bytes", bytes.len()),
            );
        }
        if bytes[..8] != MAGIC {
            return HeaderLook::Bad(
                "a header beginning with annalog".into(),
                format!("{:02x?}", &bytes[..8]),
            );
        }
        let format = u16::from_le_bytes([bytes[8], bytes[9]]);
        if format > FORMAT {
            return HeaderLook::Foreign(Foreign::Format(format));
        }
        let word =
            |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were sliced"));
        let stored = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        let actual = header_checksum(bytes);
        if stored != actual {
            let found = format!("bytes with checksum {actual:08x}");
            return HeaderLook::Bad(format!("a header with checksum {stored:08x}"), found);
        }
        if format < FORMAT {
            return HeaderLook::Unreleased;
        }
        let flags = u16::from_le_bytes([bytes[10], bytes[11]]);
        if flags != 0 || bytes[40..HEADER_BYTES].iter().any(|byte| *byte != 0) {
            let feature = format!("a segment with flags {flags:#x} and unknown fields");
            return HeaderLook::Foreign(Foreign::Feature(feature));
        }
        match u32::try_from(word(16)) {
            Ok(number) => HeaderLook::Header(Self {
                number,
                salt: word(24),
                size: word(32),
            }),
            Err(_) => HeaderLook::Bad("a segment number of 32 bits".into(), format!("{}", word(16))),
        }
    }
}

fn header_checksum(bytes: &[u8]) -> u32 {
    Checksum::new()
        .with(&bytes[..12])
        .with(&bytes[16..HEADER_BYTES])
        .finish()
}

impl FileName {
    pub(crate) fn of(name: &str) -> Self {
        if name.ends_with(UNFINISHED_ENDING) {
            return Self::Unfinished;
        }
        match name
            .strip_suffix(ENDING)
            .filter(|digits| digits.len() == 10)
            .map(str::parse)
        {
            Some(Ok(number)) => Self::Segment(number),
            _ => Self::Other,
        }
    }
}

/// The path of a segment's file.
pub(crate) fn path_of(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}{ENDING}"))
}

/// Makes a segment: zeros, header, flush, name, flush of the directory.
pub(crate) fn create(
    handles: &Arc<Handles>,
    dir: &Path,
    header: &SegmentHeader,
) -> Result<OpenSegment, CreateError> {
    let disk = &*handles.disk;
    let unfinished = dir.join(format!("{:010}{UNFINISHED_ENDING}", header.number));
    let path = path_of(dir, header.number);
    let named =
        fill(disk, &unfinished, header).and_then(|file| disk.rename(&unfinished, &path).map(|()| file));
    let file = match named {
        Ok(file) => file,
        Err(error) => {
            // Best effort: a leftover is taken away at the next opening.
            disk.remove(&unfinished).ok();
            return Err(CreateError::Allocate(error));
        }
    };
    if !bug::is_planted(Bug::SkipDirectoryFlush) {
        let flushed = disk.flush_dir(dir).map_err(CreateError::FlushDir);
        if !bug::is_planted(Bug::IgnoreDirectoryFlushError) {
            flushed?;
        }
    }
    if !bug::is_planted(Bug::KeepStaleHandle) {
        // An empty segment of this number may have been looked at and taken away before.
        handles.forget(header.number);
    }
    let segment = Arc::new(Segment {
        number: header.number,
        path,
        size: header.size,
        handles: handles.clone(),
    });
    Ok(OpenSegment { segment, file })
}

fn fill(disk: &dyn Disk, path: &Path, header: &SegmentHeader) -> io::Result<Arc<dyn File>> {
    let file = match disk.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(path)?;
            disk.create(path)?
        }
        other => other?,
    };
    let mut filled = 0;
    while filled < header.size {
        let step = ZEROING_STEP_BYTES.min(header.size - filled);
        file.allocate(filled, step)?;
        filled += step;
        if filled < header.size {
            file.flush()?;
        }
    }
    file.write_at(&header.encode(), 0)?;
    if !bug::is_planted(Bug::NameUnflushedSegment) {
        file.flush()?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
