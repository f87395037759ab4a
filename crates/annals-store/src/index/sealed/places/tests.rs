//! Every record comes back, over segments and long times.

use std::path::Path;
use std::sync::Arc;

use annals_log::disk::Disk;
use annals_log::disk::sim::SimDisk;
use annals_log::disk::sim::chance::Chance;

use super::super::cache::Cache;
use super::*;

fn spans(chance: &mut Chance, count: usize) -> Vec<Span> {
    let (mut segment, mut at, mut time) = (chance.below(9) as u32, 512, chance.below(99) as i64 - 50);
    let spans = (0..count).map(|_| {
        if chance.one_in(300) {
            (segment, at) = (segment + 1 + chance.below(3) as u32, 512);
        }
        time += match chance.below(20) {
            0 => chance.below(1 << 40) as i64,
            1..9 => chance.below(100) as i64,
            _ => 0,
        };
        let most = if chance.one_in(50) { 1 << 22 } else { 300 };
        let bytes = 40 + chance.below(most) as u32;
        let span = Span {
            place: Place { segment, at },
            bytes,
            checksum: chance.number() as u32,
            recorded: Timestamp::from_micros(time),
        };
        at = (at + u64::from(bytes) + chance.below(9)) % (1 << 31);
        span
    });
    spans.collect()
}

#[test]
fn every_record_and_every_moment_is_found() {
    let mut chance = Chance::new(7);
    for count in [0, 1, 127, 128, 129, 5_000, 100_000] {
        let spans = spans(&mut chance, count);
        let (disk, path) = (SimDisk::new(1), Path::new("places"));
        let (file, mut pause) = (disk.create(path).unwrap(), || Ok(()));
        let mut pages = PageWriter::new(file.clone(), 5, &mut pause);
        let mut writer = PlacesWriter::default();
        for span in &spans {
            writer.push(&mut pages, *span).unwrap();
        }
        let root = writer.finish(&mut pages).unwrap();
        let written = pages.next();
        pages.finish(|_| Vec::new()).unwrap();
        let cache = Arc::new(Cache::new(1 << 20));
        let file = PageFile::new(path.to_owned(), file, 5, written, cache);
        let mut reader = PlacesReader::new(&file, root);
        for _ in 0..2_000.min(count) {
            let position = chance.below(count as u64) as u32;
            assert_eq!(reader.span(position).unwrap(), Some(spans[position as usize]));
            let moment = spans[position as usize].recorded;
            for moment in [moment.as_micros() - 1, moment.as_micros(), moment.as_micros() + 1] {
                let expected = spans.partition_point(|span| span.recorded.as_micros() <= moment);
                let found = root.count_at(&file, Timestamp::from_micros(moment)).unwrap();
                assert_eq!(found as usize, expected);
            }
        }
        assert_eq!(reader.span(count as u32).unwrap(), None);
        let (mut scan, mut all) = (PlacesScan::new(&file, root), Vec::new());
        loop {
            let more = scan.next().unwrap();
            if more.is_empty() {
                break;
            }
            all.extend(more);
        }
        assert!(all == spans);
    }
}
