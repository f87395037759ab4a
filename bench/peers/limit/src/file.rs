//! A file of events that all take the same room: a CRC-32, then the event.

use std::fs::{File, OpenOptions};
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::path::Path;

use annals_bench_workload::{Fact, Shape, encode};
use anyhow::{Context, Result, ensure};
use rustix::io::{ReadWriteFlags, pwritev2};

const PIECE: usize = 1 << 20;

/// Bytes that every event takes.
pub(crate) fn record_bytes(shape: Shape) -> usize {
    let mut bytes = Vec::new();
    record(&shape.fact(0), &mut bytes);
    bytes.len()
}

/// Appends an event with its CRC.
pub(crate) fn record(fact: &Fact, out: &mut Vec<u8>) {
    let from = out.len();
    out.extend([0; 4]);
    encode(fact, out);
    let crc = crc32fast::hash(&out[from + 4..]);
    out[from..from + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The event of a record whose CRC is right.
pub(crate) fn checked(record: &[u8]) -> Result<&[u8]> {
    let (crc, event) = record
        .split_first_chunk::<4>()
        .context("a record of less than four bytes")?;
    let (stated, found) = (u32::from_le_bytes(*crc), crc32fast::hash(event));
    ensure!(stated == found, "expected CRC {stated:08x}, found {found:08x}");
    Ok(event)
}

/// A file full of durable zeros.
pub(crate) fn zeroed(dir: &Path, bytes: u64) -> Result<File> {
    let path = dir.join("events");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    let zeros = vec![0; PIECE];
    for at in (0..bytes).step_by(PIECE) {
        let piece = (bytes - at).min(PIECE as u64) as usize;
        file.write_all_at(&zeros[..piece], at)?;
    }
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}

/// One write that returns when its bytes are durable.
pub(crate) fn write_durably(file: &File, bytes: &[u8], at: u64) -> Result<()> {
    let written = pwritev2(file, &[IoSlice::new(bytes)], at, ReadWriteFlags::DSYNC)?;
    ensure!(
        written == bytes.len(),
        "expected to write {} bytes, wrote {written}",
        bytes.len()
    );
    Ok(())
}
