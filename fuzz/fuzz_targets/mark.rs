//! Any bytes where a mark should be.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annals_store::fuzz::mark(input);
});
