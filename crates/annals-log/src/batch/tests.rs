use super::*;
use crate::disk::sim::chance::Chance;

fn sample() -> Batch {
    let mut batch = Batch::default();
    batch.push_numbered(|body| body.extend_from_slice(b"first"));
    batch.push_unnumbered(|_| {});
    batch.push_numbered(|body| body.extend_from_slice(&[7; 300]));
    batch
}

#[test]
fn records_come_back_as_they_went_in() {
    let batch = sample();
    assert_eq!((batch.numbered(), batch.unnumbered()), (2, 1));
    let found: Vec<_> = Batch::records(batch.bytes()).collect();
    let bodies: Vec<_> = found
        .iter()
        .map(|record| &batch.bytes()[record.body..record.end])
        .collect();
    assert_eq!(bodies, [&b"first"[..], b"", &[7; 300]]);
    assert_eq!(
        found.iter().map(|record| record.is_numbered).collect::<Vec<_>>(),
        [true, false, true]
    );
    let mut at = 0;
    for expected in &found {
        assert_eq!(record(batch.bytes(), at).as_ref(), Ok(expected));
        at = expected.end;
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let batch = sample();
    let first_end = Batch::records(batch.bytes()).next().unwrap().end;
    for bit in 0..first_end * 8 {
        let mut bytes = batch.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(record(&bytes, 0).is_err(), "bit {bit}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut chance = Chance::new(11);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..chance.below(40)).map(|_| chance.number() as u8).collect();
        let at = chance.below(48) as usize;
        if let Ok(found) = record(&bytes, at) {
            assert!(found.end <= bytes.len());
        }
        assert!(Batch::records(&bytes).count() <= bytes.len());
    }
}

#[test]
fn a_record_that_is_not_whole_is_told_with_the_bytes_there_are() {
    let batch = sample();
    let first_end = Batch::records(batch.bytes()).next().unwrap().end;
    let told = |bytes: &[u8], at: usize| record(bytes, at).unwrap_err();
    let whole = &batch.bytes()[..first_end];
    assert_eq!(
        told(&whole[..first_end - 1], 0),
        ("a record of at most 4 bytes".into(), "a length of 5".into())
    );
    let header = "a record header of 8 bytes".to_owned();
    assert_eq!(told(&whole[..7], 0), (header.clone(), "7 bytes".into()));
    assert_eq!(told(whole, first_end + 1), (header, "0 bytes".into()));
}

#[test]
fn a_batch_has_the_room_it_was_asked_for() {
    let batch = Batch::with_capacity(1_000);
    assert!(batch.bytes.capacity() >= 1_000);
    assert_eq!((batch.bytes(), batch.numbered()), (&b""[..], 0));
}
