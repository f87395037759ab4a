//! The workload's bytes without any store: data-sync writes of what an append holds to a file that was filled with zeros
//! before, and reads whose every event is checked with a CRC-32. Where each event lies is known beforehand.
//!
//! What a store does beside that (a thread, an index, a condition, an answer) is what it costs over these figures.
//! Making and encoding the events is not counted.

mod file;
mod writing;
mod reading;

use annals_bench_workload::{Settings, Step, new_folder};
use anyhow::{Result, bail};

fn main() -> Result<()> {
    let settings = Settings::read()?;
    match settings.step {
        Step::One => writing::rows(
            &new_folder(&settings, "one")?,
            settings.shape,
            "one",
            1,
            settings.time,
        ),
        Step::Many => writing::rows(
            &new_folder(&settings, "many")?,
            settings.shape,
            "many",
            64,
            settings.time,
        ),
        Step::Batches => writing::rows(
            &new_folder(&settings, "batches")?,
            settings.shape,
            "batches",
            1_000,
            settings.time,
        ),
        Step::Fill => writing::fill(&new_folder(&settings, "full")?, settings.shape),
        Step::Read => reading::rows(&settings.dir.join("full"), settings.shape, settings.time),
        Step::Guarded => bail!("without a store there are no guards"),
    }
}
