//! What reading allows: the file in large pieces, or the events of a tag one by one; every event checked.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use annals_bench_workload::{Digest, KINDS, Shape, decode, print, print_rate, settled_rate};
use anyhow::{Result, ensure};

use crate::file::{checked, record_bytes};

const RECORDS_A_PIECE: u64 = 3_000;
const REPEATS_MIN: usize = 3;

struct Source {
    file: File,
    shape: Shape,
    record: usize,
}

/// Everything, tags and a type.
pub(crate) fn rows(dir: &Path, shape: Shape, time: Duration) -> Result<()> {
    let record = record_bytes(shape);
    let file = File::open(dir.join("events"))?;
    let source = Source { file, shape, record };
    source.verify()?;
    let scan = |_: usize| source.each(|_, record| checked(record).map(|_| ()));
    print("scan", settled_rate(shape.events, repeat(time, scan)?));
    source.tags("tag-10", shape.orders(), Shape::order, time)?;
    source.tags("tag-1000", shape.customers(), Shape::customer, time)?;
    let types = |run: usize| {
        let kind = run % KINDS.len();
        let mut found = 0;
        source.each(|number, record| {
            if shape.kind(number) == kind {
                checked(record)?;
                found += 1;
            }
            Ok(())
        })?;
        ensure!(
            found == shape.events / 10,
            "expected a tenth of the events, found {found}"
        );
        Ok(())
    };
    print("type-ms", 1e3 / settled_rate(1, repeat(time, types)?));
    Ok(())
}

fn repeat(time: Duration, run: impl Fn(usize) -> Result<()>) -> Result<Vec<Duration>> {
    let (mut runs, began) = (Vec::new(), Instant::now());
    while runs.len() < REPEATS_MIN || began.elapsed() < time {
        let start = Instant::now();
        run(runs.len())?;
        runs.push(start.elapsed());
    }
    Ok(runs)
}

impl Source {
    /// Calls with every number and its record.
    fn each(&self, mut visit: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let mut piece = vec![0; RECORDS_A_PIECE as usize * self.record];
        for first in (0..self.shape.events).step_by(RECORDS_A_PIECE as usize) {
            let records = RECORDS_A_PIECE.min(self.shape.events - first) as usize;
            let piece = &mut piece[..records * self.record];
            self.file.read_exact_at(piece, first * self.record as u64)?;
            for (number, record) in (first..).zip(piece.chunks_exact(self.record)) {
                visit(number, record)?;
            }
        }
        Ok(())
    }

    /// What lies there is what was written.
    fn verify(&self) -> Result<()> {
        let (mut expected, mut found) = (Digest::default(), Digest::default());
        self.shape.facts_of_full(|fact| expected.expect(fact));
        self.each(|_, record| {
            found.see(decode(checked(record)?)?);
            Ok(())
        })?;
        ensure!(expected == found, "expected {expected:?}, found {found:?}");
        Ok(())
    }

    /// The events of one tag after another, one read each.
    fn tags(&self, row: &str, tags: u64, of: fn(Shape, u64) -> u64, time: Duration) -> Result<()> {
        let mut places = vec![Vec::new(); tags as usize];
        for number in 0..self.shape.events {
            places[of(self.shape, number) as usize].push(number * self.record as u64);
        }
        let mut record = vec![0; self.record];
        let (mut reads, began) = (0, Instant::now());
        while began.elapsed() < time {
            for place in &places[(reads * 7_919 % tags) as usize] {
                self.file.read_exact_at(&mut record, *place)?;
                checked(&record)?;
            }
            reads += 1;
        }
        print_rate(row, reads, began.elapsed());
        Ok(())
    }
}
