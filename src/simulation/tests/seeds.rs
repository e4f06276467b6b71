//! Runs of many seeds, and the replay of one.

#![allow(clippy::unwrap_used, clippy::panic)]

use ottla_simulation::{Counts, Options, run};

/// How many seeds the suite runs; chosen for the time they take.
const SEEDS: u64 = 600;

/// Longer by hand: `OTTLA_SIM_SEEDS=600..10000 cargo test -p ottla-simulation seeds`.
fn chosen() -> std::ops::Range<u64> {
    let wanted = std::env::var("OTTLA_SIM_SEEDS").unwrap_or_default();
    let range = wanted
        .split_once("..")
        .and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.unwrap_or(0..SEEDS)
}

#[test]
fn seeds() {
    let mut all = Counts::default();
    let seeds = chosen();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let report = run(seed, Options::default());
        let counts = report
            .unwrap_or_else(|violation| panic!("{violation}"))
            .counts;
        all.committed += counts.committed;
        all.leaderships += counts.leaderships;
        all.controllers += counts.controllers;
        all.isr_changes += counts.isr_changes;
        all.truncations += counts.truncations;
    }
    // A run that shows nothing proves nothing.
    assert!(all.committed > 100 * count, "{all:?}");
    assert!(
        all.leaderships > 10 * count && all.controllers > 2 * count,
        "{all:?}"
    );
    assert!(
        all.isr_changes > 10 * count && all.truncations > 5 * count,
        "{all:?}"
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    let once = run(7, Options::default()).unwrap();
    let again = run(
        7,
        Options {
            traced: true,
            ..Options::default()
        },
    )
    .unwrap();
    assert_eq!(
        (once.fingerprint, once.events),
        (again.fingerprint, again.events)
    );
}

/// `OTTLA_SIM_SEED=n cargo test -p ottla-simulation replay -- --nocapture`
#[test]
fn replay() {
    let Some(seed) = std::env::var("OTTLA_SIM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    else {
        return;
    };
    match run(
        seed,
        Options {
            traced: true,
            ..Options::default()
        },
    ) {
        Ok(report) => println!("{}\nfine: {:?}", report.trace.join("\n"), report.counts),
        Err(violation) => panic!("{violation}"),
    }
}
