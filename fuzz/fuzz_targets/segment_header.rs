//! Any bytes where the header of a segment should be.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annals_log::fuzz::segment_header(input);
});
