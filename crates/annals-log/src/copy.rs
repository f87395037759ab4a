//! Copies a log up to its durable end, also while somebody writes it.
//!
//! In: a reader, and an empty folder. Out: the same segments there, flushed, with zeros behind the last durable frame, and
//! the checksum of each. What became durable after the reader was asked for its end is not among them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::checksum::Checksum;
use crate::disk::{Disk, File};
use crate::reader::Reader;
use crate::segment::{Segment, path_of};

/// Read and written at once, in bytes.
const PIECE_BYTES: usize = 1 << 20;

/// One segment that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The name of its file.
    pub name: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// CRC-32/ISCSI of all of it.
    pub checksum: u32,
}

/// Copies every segment up to the durable end into a folder, which must be there and hold none of that name.
///
/// # Errors
/// What the disk said; the folder holds what was copied before.
pub fn copy(reader: &Reader, disk: &dyn Disk, to: &Path) -> io::Result<Vec<Copied>> {
    let end = reader.end();
    let mut copied = Vec::new();
    for number in reader.start().segment..=end.segment {
        // A log without a frame has no segment, or one that is not needed.
        let Some(segment) = reader.segment(number) else {
            break;
        };
        let valid = if number == end.segment {
            end.at
        } else {
            segment.size
        };
        copied.push(copy_one(&segment, valid, disk, to)?);
    }
    disk.flush_dir(to)?;
    Ok(copied)
}

fn copy_one(segment: &Segment, valid: u64, disk: &dyn Disk, to: &Path) -> io::Result<Copied> {
    let from = segment.file()?;
    let path = path_of(to, segment.number);
    let target = disk.create(&path)?;
    let mut checksum = Checksum::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = 0;
    while at < segment.size {
        let bytes = (segment.size - at).min(PIECE_BYTES as u64) as usize;
        let piece = &mut piece[..bytes];
        piece.fill(0);
        let wanted = valid.saturating_sub(at).min(bytes as u64) as usize;
        fill(&from, &mut piece[..wanted], at)?;
        target.write_at(piece, at)?;
        checksum = checksum.with(piece);
        at += bytes as u64;
    }
    target.flush()?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Copied {
        name,
        bytes: segment.size,
        checksum: checksum.finish(),
    })
}

fn fill(from: &Arc<dyn File>, mut piece: &mut [u8], mut at: u64) -> io::Result<()> {
    while !piece.is_empty() {
        match from.read_at(piece, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                piece = &mut piece[read..];
                at += read as u64;
            }
        }
    }
    Ok(())
}
