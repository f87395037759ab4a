//! Power cuts: thousands of images of a simulated disk, each opened and judged.
//!
//! A run is a seeded workload of appends with conditions, marks and repeats, with faults of the disk, reopenings and
//! full disks in between. The disk is copied in the middle of its operations; each copy is cut in several ways; each
//! image is opened, some of them cut once more during recovery, and what they hold is compared with a model that is
//! a plain list (see [`oracle`]).
//!
//! `ANNALS_CRASH_IMAGES` says how many images (10,000), `ANNALS_CRASH_SEED` with which seed the first run begins (1).
//! A failure names the seed of its run; that run alone is repeated with the seed and few images.

/// What must be there: a list and filters.
mod oracle;
/// The workload and where its cuts are taken.
mod workload;
/// What is asked of an image.
mod judge;
/// Bugs that the harness must find.
mod bugs;
/// Every byte of a small store turned over.
mod rot;

use workload::Run;

pub(crate) fn number_from(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}: expected a number, found {text:?}")),
        Err(_) => default,
    }
}

/// Runs until so many images were judged; says what was wrong with the first bad one.
fn search(first_seed: u64, images: u64) -> Result<u64, String> {
    let mut judged = 0;
    for seed in first_seed.. {
        if judged >= images {
            return Ok(judged);
        }
        let repeat = format!("repeat with ANNALS_CRASH_SEED={seed} ANNALS_CRASH_IMAGES=1");
        judged += Run::new(seed)
            .judge_all()
            .map_err(|wrong| format!("seed {seed}: {wrong}; {repeat}"))?;
    }
    Ok(judged)
}

#[test]
fn every_image_of_a_power_cut_keeps_what_was_acknowledged() {
    let images = number_from("ANNALS_CRASH_IMAGES", 10_000);
    let seed = number_from("ANNALS_CRASH_SEED", 1);
    let began = std::time::Instant::now();
    match search(seed, images) {
        Ok(judged) => println!(
            "{judged} images judged in {:.1} s, seed {seed}",
            began.elapsed().as_secs_f32()
        ),
        Err(wrong) => panic!("{wrong}"),
    }
}
