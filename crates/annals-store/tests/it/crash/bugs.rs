//! The harness must be able to fail: each of these bugs, planted one at a time, is found within a bounded number of
//! images. Without a bug the same search finds nothing, as the test above shows.

use std::panic::{AssertUnwindSafe, catch_unwind};

use annals_log::bug::{Bug, plant};

use super::search;

/// Images that may be looked at before a bug must have been found.
const IMAGES: u64 = 1_500;

fn found_after(bug: Bug) -> Option<String> {
    plant(Some(bug));
    // A bug may also break an assertion inside the store: that counts as found.
    let searched = catch_unwind(AssertUnwindSafe(|| search(1, IMAGES)));
    plant(None);
    match searched {
        Ok(Ok(_)) => None,
        Ok(Err(wrong)) => Some(wrong),
        Err(_) => Some("an assertion of the store failed".to_owned()),
    }
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        match found_after(bug) {
            Some(wrong) => println!("{bug:?}: {wrong}"),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found within {IMAGES} images: {missed:?}");
}
