#![no_main]
//! See `ottla_fuzz::config_toml`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::config_toml::run(data));
