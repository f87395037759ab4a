//! Edits of the files of a good store, which is then opened and asked.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annals_store::fuzz::folder(input);
});
