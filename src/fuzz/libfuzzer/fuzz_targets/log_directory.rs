#![no_main]
//! See `ottla_fuzz::log_directory`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::log_directory::run(data));
