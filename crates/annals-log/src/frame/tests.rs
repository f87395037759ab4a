use super::*;
use crate::disk::sim::chance::Chance;

const SPOT: Spot = Spot {
    salt: 99,
    segment: 3,
    place: 512,
    room: 4_096,
};

fn header(payload: &Batch) -> FrameHeader {
    FrameHeader {
        kind: FrameKind::Records,
        payload_bytes: payload.bytes().len() as u32,
        segment: 3,
        place: 512,
        number: 7,
        first: 40,
        numbered: payload.numbered(),
        unnumbered: payload.unnumbered(),
        time: -5,
        durable_to: 512,
        previous: 0xABCD,
    }
}

fn sample() -> (FrameHeader, Vec<u8>) {
    let mut batch = Batch::default();
    batch.push_numbered(|body| body.extend_from_slice(b"hello"));
    batch.push_unnumbered(|body| body.extend_from_slice(b"mark"));
    let header = header(&batch);
    (header, laid_out(&header, batch.bytes()))
}

fn laid_out(header: &FrameHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    bytes.extend_from_slice(payload);
    seal_bytes(header, SPOT.salt, &mut bytes);
    bytes
}

fn read(bytes: &[u8], spot: &Spot) -> Look {
    match wanted_bytes(&bytes[..FRAME_HEADER_BYTES], spot) {
        Ok(wanted) if wanted <= bytes.len() => look(&bytes[..wanted], spot),
        Ok(wanted) => bad("all bytes", format!("{wanted} wanted")),
        Err(look) => look,
    }
}

#[test]
fn a_frame_comes_back_as_it_went_out() {
    let (header, bytes) = sample();
    assert_eq!(bytes.len() % ALIGNMENT, 0);
    match read(&bytes, &SPOT) {
        Look::Frame(found, _) => assert_eq!(found, header),
        other => panic!("{other:?}"),
    }
    assert_eq!(header.end(), 41);
    assert_eq!(header.frame_bytes(), bytes.len() as u64);
}

#[test]
fn the_bytes_are_the_documented_ones() {
    let (_, bytes) = sample();
    assert_eq!(&bytes[0..8], b"aFrm\x01\0\0\0");
    assert_eq!(&bytes[12..16], &25_u32.to_le_bytes());
    assert_eq!(&bytes[24..32], &512_u64.to_le_bytes());
    assert_eq!(&bytes[56..64], &(-5_i64).to_le_bytes());
    assert_eq!(&bytes[88..93], b"hello");
}

#[test]
fn every_flipped_bit_is_seen() {
    let (_, bytes) = sample();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let found = read(&flipped, &SPOT);
        assert!(!matches!(found, Look::Frame(..)), "bit {bit}: {found:?}");
    }
}

#[test]
fn a_frame_of_another_place_segment_or_log_is_none() {
    let (_, bytes) = sample();
    for spot in [
        Spot { place: 520, ..SPOT },
        Spot { segment: 4, ..SPOT },
        Spot { salt: 1, ..SPOT },
    ] {
        assert!(matches!(read(&bytes, &spot), Look::Bad(..)), "{spot:?}");
    }
}

#[test]
fn a_newer_format_is_named() {
    let (_, mut bytes) = sample();
    bytes[4] = 9;
    assert!(matches!(read(&bytes, &SPOT), Look::Foreign(Foreign::Format(9))));
}

/// The same bytes with another field and a right checksum.
fn with_field(at: usize, field: u8) -> Vec<u8> {
    let (_, mut bytes) = sample();
    bytes[at] = field;
    let right = checksum(SPOT.salt, &bytes);
    bytes[8..12].copy_from_slice(&right.to_le_bytes());
    bytes
}

#[test]
fn what_format_1_does_not_know_is_told_from_a_torn_frame() {
    for (at, said) in [(6, "kind 2"), (76, "flags 0x2"), (79, "flags 0x2000000")] {
        match read(&with_field(at, 2), &SPOT) {
            Look::Foreign(Foreign::Feature(feature)) => assert!(feature.ends_with(said), "{feature}"),
            other => panic!("byte {at}: {other:?}"),
        }
    }
    assert!(
        matches!(read(&with_field(4, 0), &SPOT), Look::Bad(..)),
        "format 0"
    );
}

#[test]
fn a_valid_checksum_does_not_make_nonsense_valid() {
    let (header, bytes) = sample();
    let payload = &bytes[FRAME_HEADER_BYTES..][..header.payload_bytes as usize];
    for nonsense in [
        FrameHeader {
            numbered: 2,
            ..header
        },
        FrameHeader {
            unnumbered: 0,
            ..header
        },
        FrameHeader {
            first: u64::MAX,
            ..header
        },
        FrameHeader {
            durable_to: 513,
            ..header
        },
    ] {
        assert!(
            matches!(read(&laid_out(&nonsense, payload), &SPOT), Look::Bad(..)),
            "{nonsense:?}"
        );
    }
    let mut broken = payload.to_vec();
    broken[0] = 200;
    assert!(matches!(read(&laid_out(&header, &broken), &SPOT), Look::Bad(..)));
    let room = Spot { room: 90, ..SPOT };
    assert!(matches!(read(&bytes, &room), Look::Bad(..)));
}

#[test]
fn no_bytes_make_it_panic() {
    let mut chance = Chance::new(5);
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..80 + chance.below(200))
            .map(|_| chance.number() as u8)
            .collect();
        if chance.one_in(2) {
            bytes[..4].copy_from_slice(&MAGIC);
            bytes[4..8].copy_from_slice(&[1, 0, 0, 0]);
            bytes[76..80].fill(0);
            bytes[13..16].fill(0);
        }
        if let Ok(wanted) = wanted_bytes(&bytes[..FRAME_HEADER_BYTES], &SPOT)
            && wanted <= bytes.len()
        {
            // A right checksum over nonsense, as a fuzzer would find one.
            let right = checksum(SPOT.salt, &bytes[..wanted]);
            bytes[8..12].copy_from_slice(&right.to_le_bytes());
            assert!(!matches!(look(&bytes[..wanted], &SPOT), Look::Frame(..)));
        }
    }
}

#[test]
fn the_padding_of_a_frame_ends_inside_its_file_too() {
    let mut padded = 0;
    for bytes in 0..16 {
        let mut batch = Batch::default();
        batch.push_numbered(|body| body.resize(body.len() + bytes, 1));
        let (header, frame) = (header(&batch), laid_out(&header(&batch), batch.bytes()));
        let whole = header.frame_bytes();
        let without = (FRAME_HEADER_BYTES + batch.bytes().len()) as u64;
        assert!(wanted_bytes(&frame[..FRAME_HEADER_BYTES], &Spot { room: whole, ..SPOT }).is_ok());
        for room in without..whole {
            padded += 1;
            let look = wanted_bytes(&frame[..FRAME_HEADER_BYTES], &Spot { room, ..SPOT });
            assert!(
                matches!(look, Err(Look::Bad(..))),
                "{bytes} bytes in {room} of {whole}"
            );
        }
    }
    assert!(padded > 20);
}

#[test]
fn what_is_of_a_newer_build_is_named_in_words() {
    assert_eq!(Foreign::Format(9).to_string(), "format 9");
    assert_eq!(
        Foreign::Feature("a frame of kind 2".into()).to_string(),
        "a frame of kind 2"
    );
}
