#![no_main]
//! See `ottla_fuzz::records_validate`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::records_validate::run(data));
