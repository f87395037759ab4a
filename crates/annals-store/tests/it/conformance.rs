//! Both stores keep the one contract.

use std::sync::{Arc, Mutex};

use annals_store::{EmbeddedStore, MemoryStore, Options};
use annals_testkit::conformance;

#[test]
fn the_memory_store_keeps_the_contract() {
    conformance::store::run(|clock| Arc::new(MemoryStore::with_clock(clock)));
}

#[test]
fn the_embedded_store_keeps_the_contract() {
    let folders = Mutex::new(Vec::new());
    conformance::store::run(|clock| {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), Options::new().clock(clock)).unwrap();
        folders.lock().unwrap().push(folder);
        Arc::new(store)
    });
}
