//! What is not there any more needs no mending.

use std::path::Path;

use annals_log::disk::sim::SimDisk;

use super::*;
use crate::embedded::EmbeddedStore;
use crate::options::{Options, WriterThread};

#[test]
fn a_file_that_somebody_else_has_replaced_is_left_alone() {
    let disk = SimDisk::new(1);
    let options = Options {
        writer: WriterThread::Stepped,
        ..Options::default()
    };
    let store = EmbeddedStore::open_on(Arc::new(disk.clone()), Path::new("store"), options).unwrap();
    let before = disk.operations();
    assert!(store.core().mend(u32::MAX).is_ok());
    assert_eq!(disk.operations(), before);
}
