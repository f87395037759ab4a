//! Any bytes where a frame of the log should be.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annals_log::fuzz::frame(input);
});
