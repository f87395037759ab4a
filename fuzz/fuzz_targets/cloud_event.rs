//! Any message of a broker, its headers and its content.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annals_transport::wire::fuzz::message(input);
});
