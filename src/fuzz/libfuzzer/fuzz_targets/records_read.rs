#![no_main]
//! See `ottla_fuzz::records_read`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::records_read::run(data));
