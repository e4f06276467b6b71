#![no_main]
//! See `ottla_fuzz::log_open`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::log_open::run(data));
