//! What the disk allows: one data-sync write per commit.

use std::path::Path;
use std::time::{Duration, Instant};

use annals_bench_workload::{Shape, end_as_killed, print_latencies, print_rate};
use anyhow::Result;

use crate::file;

/// Room for the steps that go on for a time; they begin again at its start.
const FILE_BYTES: u64 = 128 << 20;

/// Commits of `group` events each.
pub(crate) fn rows(dir: &Path, shape: Shape, row: &str, group: u64, time: Duration) -> Result<()> {
    let out = file::zeroed(dir, FILE_BYTES)?;
    let (mut latencies, mut bytes, mut at, mut number) = (Vec::new(), Vec::new(), 0, 0);
    let began = Instant::now();
    while began.elapsed() < time {
        bytes.clear();
        shape
            .facts(number, group)
            .iter()
            .for_each(|fact| file::record(fact, &mut bytes));
        number += group;
        if at + bytes.len() as u64 > FILE_BYTES {
            at = 0;
        }
        let start = Instant::now();
        file::write_durably(&out, &bytes, at)?;
        latencies.push(start.elapsed());
        at += bytes.len() as u64;
    }
    print_rate(row, number, latencies.iter().sum());
    if group < 1_000 {
        print_latencies(row, latencies);
    }
    Ok(())
}

/// A full file, in commits of 1,000 events.
pub(crate) fn fill(dir: &Path, shape: Shape) -> Result<()> {
    let out = file::zeroed(dir, shape.events * file::record_bytes(shape) as u64)?;
    let (mut busy, mut bytes, mut at) = (Duration::ZERO, Vec::new(), 0);
    for number in (0..shape.events).step_by(1_000) {
        bytes.clear();
        shape
            .facts(number, 1_000)
            .iter()
            .for_each(|fact| file::record(fact, &mut bytes));
        let start = Instant::now();
        file::write_durably(&out, &bytes, at)?;
        busy += start.elapsed();
        at += bytes.len() as u64;
    }
    print_rate("fill", shape.events, busy);
    end_as_killed()
}
