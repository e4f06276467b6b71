#![no_main]
//! See `ottla_fuzz::protocol_fetch`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::protocol_fetch::run(data));
