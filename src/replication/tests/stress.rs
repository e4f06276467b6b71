//! Many producers and readers at once on a runtime with several threads: what was acknowledged is
//! read once and in order, and nobody waits for ever.

#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use std::sync::Arc;
use std::time::Duration;

use ottla_replication::{FetchSpec, RequiredAcks};
use support::{Broker, batch, offsets, spec};

const PRODUCERS: usize = 4;
const BATCHES: usize = 100;

async fn check(topic: &[(&str, &str)], min_bytes: usize) {
    let broker = Arc::new(Broker::start(topic));
    broker.lead();
    let readers: Vec<_> = (0..3)
        .map(|_| tokio::spawn(read_all(Arc::clone(&broker), min_bytes)))
        .collect();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|i| tokio::spawn(produce_all(Arc::clone(&broker), i)))
        .collect();
    for task in producers.into_iter().chain(readers) {
        tokio::time::timeout(Duration::from_secs(60), task)
            .await
            .unwrap()
            .unwrap();
    }
}

async fn produce_all(broker: Arc<Broker>, producer: usize) {
    for i in 0..BATCHES {
        let acks = [RequiredAcks::All, RequiredAcks::Leader][(producer + i) % 2];
        let produced = broker
            .begin(acks, batch(2, 20))
            .wait()
            .await
            .pop()
            .unwrap()
            .unwrap();
        if acks == RequiredAcks::All {
            assert!(
                broker
                    .read(produced.first_offset)
                    .contains(&produced.first_offset)
            );
        }
    }
}

/// Reads until everything has come; each wait is far longer than the test may take.
async fn read_all(broker: Arc<Broker>, min_bytes: usize) {
    let end = (PRODUCERS * BATCHES * 2) as i64;
    let mut next = 0;
    while next < end {
        let left = usize::try_from(end - next).unwrap() / 2;
        let min_bytes = min_bytes.min(left * batch(2, 20).len());
        let max_wait = Duration::from_secs(600);
        let fetch = FetchSpec {
            max_wait,
            min_bytes,
            ..spec(next)
        };
        let (_, mut results) = broker.fetch(fetch).wait().await;
        for offset in offsets(results.pop().unwrap().unwrap()) {
            if offset >= next {
                assert_eq!(offset, next);
                next += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn plain() {
    check(&[], 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_many_segments_and_a_minimum() {
    check(&[("segment.bytes", "4000")], 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_a_flush_after_every_message() {
    check(&[("flush.messages", "1")], 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_a_flush_now_and_then() {
    check(&[("flush.messages", "7")], 300).await;
}
