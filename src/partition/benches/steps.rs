//! Single steps of a partition that leads two followers: `cargo bench -p ottla-partition`.
//!
//! They are taken for every produce and every fetch of a follower, so each should cost some tens of
//! nanoseconds and allocate nothing.
#![allow(clippy::unwrap_used, missing_docs)]

use divan::Bencher;
use ottla_metadata::BrokerId;
use ottla_partition::{Actions, Event, Leadership, Partition, Rules, Truncation, Waiter, WaiterId};
use smallvec::smallvec;

const LOCAL: BrokerId = BrokerId(0);
const FOLLOWERS: [BrokerId; 2] = [BrokerId(1), BrokerId(2)];
const RULES: Rules = Rules {
    min_insync_replicas: 1,
    lag_max_ms: 30_000,
    lag_max_messages: None,
    truncation: Truncation::OnFetch,
    fetch_backoff_ms: 1000,
};

fn main() {
    divan::main();
}

/// A leader with 1000 records, which its followers have.
fn leader() -> Partition {
    let mut partition = Partition::new(LOCAL, RULES, 1000, 1000);
    let leadership = Leadership {
        leader_epoch: 1,
        partition_epoch: 1,
        replicas: smallvec![LOCAL, FOLLOWERS[0], FOLLOWERS[1]],
        isr: smallvec![LOCAL, FOLLOWERS[0], FOLLOWERS[1]],
    };
    let made = Event::MadeLeader {
        leadership,
        log_start: 0,
        log_end: 1000,
    };
    step(&mut partition, 0, made);
    for from in FOLLOWERS {
        step(&mut partition, 0, fetched(from, 1000));
    }
    partition
}

fn fetched(from: BrokerId, at: i64) -> Event {
    Event::FollowerFetched {
        from,
        at,
        log_start: 0,
    }
}

fn step(partition: &mut Partition, now: i64, event: Event) -> Actions {
    let mut actions = Actions::new();
    partition.step(now, event, &mut actions);
    actions
}

#[divan::bench]
fn a_record_is_appended(bencher: Bencher<'_, '_>) {
    let mut partition = leader();
    let mut log_end = 1000;
    bencher.bench_local(move || {
        log_end += 1;
        step(&mut partition, log_end, Event::Appended { log_end })
    });
}

/// The follower has nothing new, as in an idle cluster.
#[divan::bench]
fn a_follower_fetches_again(bencher: Bencher<'_, '_>) {
    let mut partition = leader();
    let mut now = 0;
    bencher.bench_local(move || {
        now += 1;
        step(&mut partition, now, fetched(FOLLOWERS[0], 1000))
    });
}

/// Append, fetches of both followers, the high watermark moves, acks=all is answered.
#[divan::bench]
fn a_record_is_committed(bencher: Bencher<'_, '_>) {
    let mut partition = leader();
    let mut log_end = 1000;
    bencher.bench_local(move || {
        log_end += 1;
        step(&mut partition, log_end, Event::Appended { log_end });
        let waiter = Waiter {
            id: WaiterId(1),
            required: log_end,
            deadline: i64::MAX,
        };
        step(&mut partition, log_end, Event::AwaitHighWatermark(waiter));
        step(&mut partition, log_end, fetched(FOLLOWERS[0], log_end));
        step(&mut partition, log_end, fetched(FOLLOWERS[1], log_end))
    });
}

/// What every partition costs every 15 seconds.
#[divan::bench]
fn nobody_lags(bencher: Bencher<'_, '_>) {
    let mut partition = leader();
    bencher.bench_local(move || step(&mut partition, 1000, Event::Tick));
}

#[divan::bench]
fn an_isr_shrinks(bencher: Bencher<'_, '_>) {
    let mut start = leader();
    step(&mut start, 0, Event::Appended { log_end: 2000 });
    step(&mut start, 60_000, fetched(FOLLOWERS[0], 2000));
    bencher
        .with_inputs(|| start.clone())
        .bench_values(|mut partition| {
            let actions = step(&mut partition, 60_000, Event::Tick);
            (actions, partition)
        });
}
