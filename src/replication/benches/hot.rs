//! What one small produce and one small fetch cost below the handlers:
//! `cargo bench -p ottla-replication`.
//!
//! The sketch: a produce is a look-up, two short locks of the partition, the checksum of the batch
//! and one `pwritev`; a fetch at the end of the log is a look-up, one short lock and no system call.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use ottla_replication::RequiredAcks;
use support::{Broker, batch, ready, spec};

const ROUNDS: u32 = 200_000;

fn measure(name: &str, mut step: impl FnMut(u32)) {
    (0..ROUNDS / 10).for_each(&mut step);
    let start = Instant::now();
    (0..ROUNDS).for_each(&mut step);
    println!(
        "{name:32} {:>6} ns",
        start.elapsed().as_nanos() / u128::from(ROUNDS)
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let broker = Broker::start(&[]);
    broker.lead();
    let rules = ottla_replication::record_rules(&broker.topic_config());
    for size in [100, 1000, 16_000] {
        let records = batch(1, size);
        measure(&format!("validate {size} B"), |_| {
            ottla_records::validate(records.clone(), &rules).unwrap();
        });
        measure(&format!("produce {size} B, acks=all"), |_| {
            ready(broker.begin(RequiredAcks::All, records.clone()))
                .pop()
                .unwrap()
                .unwrap();
        });
    }
    let end = broker.read_end();
    measure("fetch of the last batch", |_| {
        ready(broker.fetch(spec(end - 1))).1.pop().unwrap().unwrap();
    });
    measure("fetch of nothing", |_| {
        ready(broker.fetch(spec(end))).1.pop().unwrap().unwrap();
    });
    measure("fetch of the middle", |i| {
        ready(broker.fetch(spec(i64::from(i) * 7 % end)))
            .1
            .pop()
            .unwrap()
            .unwrap();
    });
}
