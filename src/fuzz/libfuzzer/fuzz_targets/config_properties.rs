#![no_main]
//! See `ottla_fuzz::config_properties`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::config_properties::run(data));
