//! The filter: what it may say, and how often it is wrong.

use std::path::Path;
use std::sync::Arc;

use annals_log::disk::Disk;
use annals_log::disk::sim::SimDisk;

use super::super::super::term::{TermKind, hash};
use super::super::cache::Cache;
use super::*;

#[test]
fn what_was_put_in_may_be_there_and_most_others_may_not() {
    for terms in [1, 100, 30_000_u64] {
        let (disk, path) = (SimDisk::new(1), Path::new("filter"));
        let (file, mut pause) = (disk.create(path).unwrap(), || Ok(()));
        let mut pages = PageWriter::new(file.clone(), 5, &mut pause);
        let mut builder = FilterBuilder::new(terms);
        let hashed = |number: u64| hash(9, TermKind::Tag, &number.to_le_bytes());
        (0..terms).for_each(|number| builder.insert(hashed(number)));
        let root = builder.write(&mut pages).unwrap();
        let mut count = 0;
        pages
            .finish(|pages| {
                count = pages;
                Vec::new()
            })
            .unwrap();
        assert_eq!(u64::from(count), 2 + (u64::from(root.blocks) - 1) / 127);
        let file = PageFile::new(path.to_owned(), file, 5, count, Arc::new(Cache::new(1 << 20)));
        assert!((0..terms).all(|number| root.may_hold(&file, hashed(number)).unwrap()));
        let others = terms..terms + 10_000;
        let wrong = others
            .filter(|number| root.may_hold(&file, hashed(*number)).unwrap())
            .count();
        assert!(
            wrong < 300,
            "{wrong} of 10,000 absent terms were not recognized among {terms}"
        );
    }
}

#[test]
fn a_filter_of_nothing_holds_nothing_and_is_not_read() {
    let (disk, path) = (SimDisk::new(1), Path::new("filter"));
    let file = disk.create(path).unwrap();
    let file = PageFile::new(path.to_owned(), file, 5, 0, Arc::new(Cache::new(1 << 20)));
    let nothing = FilterRoot { page: 7, blocks: 0 };
    assert!((0..100).all(|term| !nothing.may_hold(&file, term << 32 | term).unwrap()));
    let lost = FilterRoot { page: 7, blocks: 1 };
    assert!(
        lost.may_hold(&file, 1).is_err(),
        "a page that is not there is told"
    );
}
