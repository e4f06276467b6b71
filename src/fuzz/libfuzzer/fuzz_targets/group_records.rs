#![no_main]
//! See `ottla_fuzz::group_records`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::group_records::run(data));
