#![no_main]
//! See `ottla_fuzz::protocol_produce`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::protocol_produce::run(data));
