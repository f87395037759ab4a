//! A slice of the fuzzing for every run of the tests: good bytes, mutated. `ANNALS_FUZZ_ROUNDS` says how often (20,000;
//! folders a hundredth).

use annals_log::disk::sim::chance::Chance;
use annals_log::fuzz::{feed_kept, kept, mutate};

use super::*;

fn rounds() -> u64 {
    match std::env::var("ANNALS_FUZZ_ROUNDS") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => 20_000,
    }
}

/// Mutates good bytes; some of the mutants must be taken, and not all.
#[track_caller]
fn mutants(good: impl Fn(u64) -> Vec<u8>, takes: impl Fn(&[u8]) -> bool) {
    let mut chance = Chance::new(1);
    let mut taken = 0;
    for round in 0..rounds() {
        let mut bytes = good(round % 256);
        assert!(round > 256 || takes(&bytes), "it is good to begin with");
        mutate(&mut bytes, &mut chance);
        taken += u64::from(takes(&bytes));
    }
    assert!(
        taken * 20 > rounds() && taken < rounds(),
        "{taken} of {} mutants were taken",
        rounds()
    );
}

#[test]
fn no_event_makes_its_decoder_stumble() {
    mutants(good_event, event);
}

#[test]
fn no_mark_makes_its_decoder_stumble() {
    mutants(good_mark, mark);
}

#[test]
fn no_damaged_folder_makes_the_store_stumble() {
    assert_eq!(folder(&[]), Outcome::Answered);
    let mut chance = Chance::new(1);
    let mut seen = [0; 3];
    for _ in 0..rounds() / 100 {
        let mut input = vec![chance.number() as u8];
        for _ in 0..=chance.below(3) {
            input.extend(chance.number().to_le_bytes());
        }
        seen[folder(&input) as usize] += 1;
    }
    println!("refused, failed, answered: {seen:?}");
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn what_fuzzers_kept_makes_no_decoder_of_the_store_stumble() {
    feed_kept("event", event);
    feed_kept("mark", mark);
}

#[test]
fn what_fuzzers_kept_of_damaged_folders_makes_the_store_stumble_no_more() {
    let kept = kept("folder").unwrap();
    let mut seen = [0; 3];
    for input in &kept {
        seen[folder(input) as usize] += 1;
    }
    assert!(
        seen.iter().all(|count| *count > 0),
        "refused, failed, answered: {seen:?}"
    );
}

/// The doors must be able to find something.
#[test]
#[should_panic(expected = "events are those that were written")]
fn what_was_never_written_is_a_finding() {
    let good = good();
    let disk = good.disk.crash(0, Survival::Everything);
    let store = open(&disk).unwrap();
    let mut written = good.events.clone();
    written[5].event.version ^= 1;
    ask(&store, Some(&written));
}
