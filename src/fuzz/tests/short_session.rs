//! A short session of every target, always with the same inputs.

use ottla_fuzz::{TARGETS, session};

/// Fixed, so that a red run is red again. `OTTLA_FUZZ_SEED` and `OTTLA_FUZZ_TIMES` ask for other
/// and longer sessions.
fn from_environment(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("the list below is checked against the targets");
    let seed = from_environment("OTTLA_FUZZ_SEED", 1);
    let times = from_environment("OTTLA_FUZZ_TIMES", 1);
    session::run(target, seed, target.inputs * times);
}

macro_rules! short_session {
    ($($target:ident)*) => {
        mod short_session {
            $(#[test]
            fn $target() {
                super::check(stringify!($target));
            })*

            #[test]
            fn is_held_of_every_target() {
                let held = [$(stringify!($target)),*];
                let known: Vec<&str> = super::TARGETS.iter().map(|target| target.name).collect();
                assert_eq!(held[..], known[..]);
            }
        }
    };
}

short_session! {
    config_properties
    config_toml
    group_records
    log_directory
    log_open
    protocol_fetch
    protocol_headers
    protocol_messages
    protocol_produce
    records_down_convert
    records_read
    records_validate
    zk_znodes
}

/// Runs the input that a failed session printed.
#[test]
fn replay() {
    if let Ok(input) = std::env::var("OTTLA_FUZZ_INPUT") {
        session::replay(&input).expect("an input as it was printed");
    }
}
