//! Doors for fuzzers: every decoder of the log, fed with any bytes, and a mutator that knows where checksums are.
//!
//! In: bytes. Out: nothing, or a panic that is a finding. A checksum keeps a fuzzer from what is behind it, so every door
//! tries the bytes as they are and once more with the checksums repaired. In a build that is used none of this exists: it
//! takes the feature `fuzz`.

use std::path::Path;
use std::{fs, io};

use crate::batch::{self, Batch, RECORD_HEADER_BYTES};
use crate::checksum::Checksum;
use crate::disk::sim::chance::Chance;
use crate::frame::{self, FRAME_HEADER_BYTES, FrameHeader, FrameKind, Look, Spot, frame_bytes};
use crate::segment::{FIRST_FRAME, HEADER_BYTES, HeaderLook, SegmentHeader};

/// The salt of everything that is decoded here.
const SALT: u64 = 7;
/// Where frames are looked for here.
const SPOT: Spot = Spot {
    salt: SALT,
    segment: 3,
    place: FIRST_FRAME,
    room: 1 << 16,
};

/// Any bytes where a frame should be. Answers whether they were taken for one.
pub fn frame(input: &[u8]) -> bool {
    let mut bytes = input.to_vec();
    let as_it_is = look(&bytes);
    repair_frame(&mut bytes, SALT);
    look(&bytes) || as_it_is
}

fn look(bytes: &[u8]) -> bool {
    let Some(head) = bytes.get(..FRAME_HEADER_BYTES) else {
        return false;
    };
    let wanted = match frame::wanted_bytes(head, &SPOT) {
        Ok(wanted) => wanted,
        Err(_) => return false,
    };
    let Some(whole) = bytes.get(..wanted) else {
        return false;
    };
    let Look::Frame(header, _) = frame::look(whole, &SPOT) else {
        return false;
    };
    assert_eq!((header.segment, header.place), (SPOT.segment, SPOT.place));
    assert_eq!(
        header.frame_bytes(),
        wanted as u64,
        "a frame is as long as its header says"
    );
    assert!(header.durable_to <= header.place && header.end() >= header.first);
    let payload = &whole[FRAME_HEADER_BYTES..][..header.payload_bytes as usize];
    let numbered = Batch::records(payload)
        .filter(|record| record.is_numbered)
        .count();
    assert_eq!(
        numbered, header.numbered as usize,
        "a frame holds the records it says"
    );
    true
}

/// Any bytes where a segment's header should be. Answers whether they were taken for one; then they say the same again.
pub fn segment_header(input: &[u8]) -> bool {
    let mut bytes = input.to_vec();
    let as_it_is = look_at_header(&bytes);
    repair_header(&mut bytes);
    look_at_header(&bytes) || as_it_is
}

fn look_at_header(bytes: &[u8]) -> bool {
    let HeaderLook::Header(header) = SegmentHeader::look(bytes) else {
        return false;
    };
    assert_eq!(
        SegmentHeader::look(&header.encode()),
        HeaderLook::Header(header),
        "a header is read as it was written"
    );
    true
}

/// Any bytes where records should be. Answers how many were taken for records.
pub fn records(input: &[u8]) -> usize {
    let mut bytes = input.to_vec();
    let as_it_is = walk(&bytes);
    repair_records(&mut bytes);
    walk(&bytes).max(as_it_is)
}

fn walk(bytes: &[u8]) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Ok(record) = batch::record(bytes, at) {
        assert!(record.body <= record.end && record.end <= bytes.len());
        assert_eq!(record.body, at + RECORD_HEADER_BYTES, "records follow each other");
        (at, count) = (record.end, count + 1);
    }
    count
}

/// Bytes of a good frame, to be mutated.
pub fn good_frame(bodies: &[&[u8]]) -> Vec<u8> {
    let mut batch = Batch::default();
    for (number, body) in bodies.iter().enumerate() {
        let write = |out: &mut Vec<u8>| out.extend_from_slice(body);
        match number % 3 {
            2 => batch.push_unnumbered(write),
            _ => batch.push_numbered(write),
        }
    }
    let kind = match bodies {
        [] => FrameKind::Seal,
        _ => FrameKind::Records,
    };
    let header = FrameHeader {
        kind,
        payload_bytes: batch.bytes().len() as u32,
        segment: SPOT.segment,
        place: SPOT.place,
        number: 9,
        first: 70,
        numbered: batch.numbered(),
        unnumbered: batch.unnumbered(),
        time: 1,
        durable_to: SPOT.place,
        previous: 5,
    };
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    bytes.extend_from_slice(batch.bytes());
    frame::seal_bytes(&header, SALT, &mut bytes);
    bytes
}

/// Bytes of a good header of a segment, to be mutated.
pub fn good_segment_header() -> Vec<u8> {
    let header = SegmentHeader {
        number: 3,
        salt: SALT,
        size: 1 << 20,
    };
    header.encode()
}

/// Lets a whole file of a segment pass every checksum in it, as far as its lengths lead.
pub fn repair_segment(bytes: &mut [u8], salt: u64) {
    repair_header(bytes);
    let mut at = FIRST_FRAME as usize;
    while let Some(rest) = bytes.get_mut(at..) {
        match repair_frame(rest, salt) {
            Some(length) => at += length,
            None => return,
        }
    }
}

fn repair_header(bytes: &mut [u8]) {
    if bytes.len() >= HEADER_BYTES {
        let checksum = Checksum::new()
            .with(&bytes[..12])
            .with(&bytes[16..HEADER_BYTES])
            .finish();
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Answers with the length of the frame, if there may be one.
fn repair_frame(bytes: &mut [u8], salt: u64) -> Option<usize> {
    let payload = bytes.get(12..16)?.try_into().ok().map(u32::from_le_bytes)? as usize;
    if !bytes.starts_with(&frame::MAGIC) || payload > bytes.len() {
        return None;
    }
    let length = frame_bytes(payload);
    let whole = bytes.get_mut(..length)?;
    repair_records(&mut whole[FRAME_HEADER_BYTES..][..payload]);
    let checksum = frame::checksum(salt, whole);
    whole[8..12].copy_from_slice(&checksum.to_le_bytes());
    Some(length)
}

fn repair_records(bytes: &mut [u8]) {
    let records: Vec<_> = Batch::records(bytes).collect();
    for record in records {
        let head = record.body - RECORD_HEADER_BYTES;
        let checksum = Checksum::new()
            .with(&bytes[head..head + 4])
            .with(&bytes[record.body..record.end])
            .finish();
        bytes[head + 4..record.body].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// What fuzzers kept of a target: the fewest inputs that reach what they ever reached. Out of the checkout this runs in.
///
/// # Errors
/// They cannot be read.
pub fn kept(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    fs::read_dir(all.join(target))?
        .map(|entry| fs::read(entry?.path()))
        .collect()
}

/// Feeds everything that was kept of a target; some of it must be taken, and not all, or it reaches only half of the code.
///
/// # Panics
/// The kept inputs cannot be read or are one-sided, or the target panics.
pub fn feed_kept(target: &str, takes: impl Fn(&[u8]) -> bool) {
    let kept = kept(target).expect("the checkout has a corpus of every target");
    let taken = kept.iter().filter(|input| takes(input)).count();
    let all = kept.len();
    assert!(
        0 < taken && taken < all,
        "{taken} of {all} kept inputs of {target}"
    );
}

/// Numbers at which decoders go wrong.
const ODD: [u64; 12] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    u64::MAX >> 1,
    u64::MAX,
];

/// Changes bytes in one to four places: bits, odd numbers where fields may be, pieces moved, cut off or put in.
pub fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let length = bytes.len() as u64;
        let at = chance.below(length) as usize;
        match chance.below(8) {
            0 | 1 if length > 0 => bytes[at] ^= 1 << chance.below(8),
            2 if length > 0 => bytes[at] = chance.number() as u8,
            3 | 4 => {
                let width = 1 << chance.below(4);
                let mut odd = ODD[chance.below(ODD.len() as u64) as usize];
                if chance.one_in(3) {
                    odd = odd.wrapping_add(chance.below(5)).wrapping_sub(2);
                }
                let end = (at + width).min(bytes.len());
                bytes[at..end].copy_from_slice(&odd.to_le_bytes()[..end - at]);
            }
            5 => {
                let end = (at + chance.below(64) as usize).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = chance.below(length.saturating_sub(piece.len() as u64) + 1) as usize;
                bytes[to..to + piece.len()].copy_from_slice(&piece);
            }
            6 if chance.one_in(4) => bytes.truncate(at),
            7 if chance.one_in(4) => {
                let added = vec![chance.number() as u8; chance.below(40) as usize];
                bytes.splice(at..at, added);
            }
            _ => {
                let end = (at + chance.below(40) as usize).min(bytes.len());
                bytes[at..end].fill(0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
