#![no_main]
//! See `ottla_fuzz::records_down_convert`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::records_down_convert::run(data));
