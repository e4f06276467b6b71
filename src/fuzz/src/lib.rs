//! Fuzz targets of every decoder that reads from the network, from disk or from ZooKeeper.
//!
//! A target is a function that takes any bytes; what it promises is said at its file. It fails by
//! panicking. Two ways to run them:
//!
//! - `cargo test -p ottla-fuzz`: a short session of each, on stable Rust, always the same inputs
//!   ([`session`]). What fails is printed with the line that replays it.
//! - `cd src/fuzz && cargo +nightly fuzz run --fuzz-dir libfuzzer records_read`: coverage-guided, for hours.

mod batches;
pub mod config_properties;
pub mod config_toml;
pub mod group_records;
pub mod log_directory;
pub mod log_open;
mod mutator;
pub mod protocol_fetch;
pub mod protocol_headers;
pub mod protocol_messages;
pub mod protocol_produce;
mod random;
pub mod records_down_convert;
pub mod records_read;
pub mod records_validate;
pub mod session;
pub mod zk_znodes;

/// A target with what its short session needs.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name, as the file's and libFuzzer's.
    pub name: &'static str,
    /// Feeds one input; panics if the decoder breaks a promise.
    pub run: fn(&[u8]),
    /// Valid inputs to begin with.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// Inputs of a short session: what takes about a second without optimisation.
    pub inputs: u64,
}

macro_rules! targets {
    ($($name:ident: $inputs:literal),* $(,)?) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: $name::run,
            corpus: $name::corpus,
            inputs: $inputs,
        }),*];
    };
}

targets! {
    config_properties: 3000,
    config_toml: 3000,
    group_records: 5000,
    log_directory: 150,
    log_open: 300,
    protocol_fetch: 5000,
    protocol_headers: 5000,
    protocol_messages: 20_000,
    protocol_produce: 5000,
    records_down_convert: 3000,
    records_read: 5000,
    records_validate: 3000,
    zk_znodes: 5000,
}
