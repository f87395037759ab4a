//! Any bytes where records of the log should be.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annals_log::fuzz::records(input);
});
