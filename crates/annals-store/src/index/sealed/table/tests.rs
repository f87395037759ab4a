//! Tables of keys over several levels.

use std::path::Path;

use annals_log::disk::sim::SimDisk;
use annals_log::disk::{Access, Disk};

use super::super::cache::Cache;
use super::*;

fn written(pairs: &[(Vec<u8>, Vec<u8>)]) -> (Arc<PageFile>, Root) {
    let (disk, path) = (SimDisk::new(1), Path::new("table"));
    let mut pause = || Ok(());
    let mut pages = PageWriter::new(disk.create(path).unwrap(), 5, &mut pause);
    let mut table = TableWriter::default();
    for (key, value) in pairs {
        table.push(&mut pages, key, value).unwrap();
    }
    let root = table.finish(&mut pages).unwrap();
    let mut count = 0;
    pages
        .finish(|pages| {
            count = pages;
            Vec::new()
        })
        .unwrap();
    let file = disk.open(path, Access::Read).unwrap();
    let cache = Arc::new(Cache::new(1 << 20));
    (
        Arc::new(PageFile::new(path.to_owned(), file, 5, count, cache)),
        root,
    )
}

fn rest(mut scan: Scan) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    while scan.step().unwrap() {
        found.push((scan.key().to_vec(), scan.value().to_vec()));
    }
    found
}

#[test]
fn every_key_is_found_through_every_level_and_walked_from_anywhere() {
    for (count, depth) in [(0, 0), (1, 0), (40, 0), (1_500, 1), (60_000, 2)] {
        let pairs: Vec<_> = (0..count)
            .map(|n: u64| ((n * 2).to_be_bytes().to_vec(), n.to_string().into_bytes()))
            .map(|(key, value)| {
                (
                    if count > 2_000 {
                        [key, vec![7; 60]].concat()
                    } else {
                        key
                    },
                    value,
                )
            })
            .collect();
        let (file, root) = written(&pairs);
        assert_eq!((root.entries, root.depth), (count, depth));
        let table = Table { file: &file, root };
        for absent in [&[][..], &[0xff; 9]] {
            assert_eq!(table.get(absent, |_| Some(())).unwrap(), None);
            table.hint(absent).unwrap();
            Table {
                file: &file.streaming(),
                root,
            }
            .hint(absent)
            .unwrap();
        }
        let more = file.bytes(0, 1 << 30);
        assert!(
            matches!(more, Err(Trouble::Damaged { .. })),
            "more bytes than the file has"
        );
        for (key, value) in pairs.iter().step_by(7) {
            assert_eq!(
                table.get(key, |value| Some(value.to_vec())).unwrap().as_ref(),
                Some(value)
            );
        }
        for number in (0..count * 2).step_by(501) {
            let odd = (number | 1).to_be_bytes();
            assert_eq!(table.get(&odd, |_| Some(())).unwrap(), None);
            let from = pairs.partition_point(|(key, _)| key[..] < odd[..]);
            let found = rest(Scan::new(file.clone(), root, &odd).unwrap());
            assert_eq!(found.len(), pairs.len() - from);
            assert_eq!(found.first(), pairs.get(from));
        }
        let streamed = Scan::new(Arc::new(file.streaming()), root, &[]).unwrap();
        assert!(rest(streamed) == pairs);
    }
}

#[test]
fn a_value_that_cannot_be_read_is_damage() {
    let (file, root) = written(&[(b"key".to_vec(), b"value".to_vec())]);
    let found = Table { file: &file, root }.get(b"key", |_| None::<()>);
    assert!(matches!(found, Err(Trouble::Damaged { .. })), "{found:?}");
}
