#![no_main]
//! See `ottla_fuzz::zk_znodes`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::zk_znodes::run(data));
