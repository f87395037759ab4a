//! A slice of the fuzzing for every run of the tests: good bytes, mutated. `ANNALS_FUZZ_ROUNDS` says how often (20,000).

use super::*;

fn rounds() -> u64 {
    match std::env::var("ANNALS_FUZZ_ROUNDS") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => 20_000,
    }
}

/// Mutates good bytes, and answers how many of the mutants were still taken.
fn taken(good: &[Vec<u8>], takes: impl Fn(&[u8]) -> bool) -> u64 {
    let mut chance = Chance::new(1);
    let mut taken = 0;
    for round in 0..rounds() {
        let mut bytes = good[round as usize % good.len()].clone();
        mutate(&mut bytes, &mut chance);
        taken += u64::from(takes(&bytes));
    }
    taken
}

/// Mutants have to come through the checksum, or nothing behind it is tried.
#[track_caller]
fn many(taken: u64) {
    assert!(
        taken * 20 > rounds(),
        "{taken} of {} mutants were taken",
        rounds()
    );
    assert!(taken < rounds(), "none of {} mutants was refused", rounds());
}

#[test]
fn no_frame_makes_its_decoder_stumble() {
    let long = vec![b'x'; 3_000];
    let good = [
        good_frame(&[]),
        good_frame(&[b"one"]),
        good_frame(&[b"", b"two", b"three", &long]),
    ];
    assert!(
        good.iter().all(|bytes| look(bytes)),
        "they are good to begin with"
    );
    many(taken(&good, frame));
}

#[test]
fn no_header_of_a_segment_makes_its_decoder_stumble() {
    many(taken(&[good_segment_header()], segment_header));
}

#[test]
fn no_records_make_their_decoder_stumble() {
    let good = good_frame(&[b"one", b"", b"three"])[FRAME_HEADER_BYTES..].to_vec();
    many(taken(&[good], |bytes| records(bytes) > 1));
}

#[test]
fn a_repaired_segment_passes_its_checksums() {
    let mut bytes = good_segment_header();
    bytes.extend(good_frame(&[b"one", b"two"]));
    let good = bytes.clone();
    // The time of the segment and a byte of content.
    bytes[33] ^= 1;
    bytes[FIRST_FRAME as usize + FRAME_HEADER_BYTES + RECORD_HEADER_BYTES] ^= 1;
    let look = |bytes: &[u8]| look_at_header(bytes) && look(&bytes[FIRST_FRAME as usize..]);
    assert!(look(&good) && !look(&bytes));
    repair_segment(&mut bytes, SALT);
    assert!(look(&bytes));
    repair_segment(&mut bytes, SALT);
    bytes[33] ^= 1;
    bytes[FIRST_FRAME as usize + FRAME_HEADER_BYTES + RECORD_HEADER_BYTES] ^= 1;
    repair_segment(&mut bytes, SALT);
    assert_eq!(bytes, good);
}

#[test]
fn what_fuzzers_kept_makes_no_decoder_of_the_log_stumble() {
    feed_kept("frame", frame);
    feed_kept("segment_header", segment_header);
    feed_kept("records", |input| records(input) > 0);
}
