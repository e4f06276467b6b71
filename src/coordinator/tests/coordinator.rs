//! The driver over real logs.

mod support;

use std::time::Instant;

use ottla_coordinator::Unavailable;
use ottla_coordinator::group::GroupError;
use ottla_records::{BatchBuilder, BatchOptions, Compression, ControlRecord};
use ottla_replication::Completion;
use support::{Broker, commit, join};

#[tokio::test]
async fn offsets_are_there_after_the_leadership_has_come_back() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut broker = Broker::start(&[], compression).await;
        for offset in 1..=30 {
            let group = format!("g{}", offset % 3);
            assert_eq!(broker.commit(&group, 0, offset).await, Ok(Ok(())));
        }
        broker.resign();
        assert_eq!(broker.committed("g0", 0), Err(Unavailable::NotCoordinator));
        assert_eq!(
            broker.commit("g0", 0, 1).await,
            Err(Unavailable::NotCoordinator)
        );
        broker.lead().await;
        assert_eq!(broker.committed("g0", 0), Ok(Some(30)), "{compression:?}");
        assert_eq!(broker.committed("g1", 0), Ok(Some(28)));
        assert_eq!(broker.committed("g1", 1), Ok(None));
        assert_eq!(broker.coordinator.list().groups.len(), 3);
    }
}

#[tokio::test]
async fn whoever_waits_is_sent_away_when_the_leadership_ends() {
    let mut broker = Broker::start(&[], Compression::None).await;
    let Completion::Pending(joined) = broker.coordinator.join("g", join()) else {
        panic!("a new group waits for more members");
    };
    broker.resign();
    let answer = joined.await;
    let refused =
        matches!(&answer, Ok(Err(refused)) if refused.error == GroupError::NotCoordinator);
    assert!(refused || matches!(answer, Err(Unavailable::NotCoordinator)));
}

#[tokio::test]
async fn old_news_of_leadership_change_nothing() {
    let mut broker = Broker::start(&[], Compression::None).await;
    broker.commit("g", 0, 7).await.unwrap().unwrap();
    broker.coordinator.resigned(0, Some(0));
    broker.coordinator.elected(0, 1);
    assert_eq!(broker.committed("g", 0), Ok(Some(7)));
    // Elected again without a break: nothing is loaded, and the old epoch is over.
    broker.lead().await;
    broker.coordinator.resigned(0, Some(1));
    assert_eq!(broker.committed("g", 0), Ok(Some(7)));
    broker.coordinator.resigned(0, None);
    assert_eq!(broker.committed("g", 0), Err(Unavailable::NotCoordinator));
}

#[tokio::test]
async fn what_is_not_replicated_is_not_committed() {
    let broker = Broker::start(&[("min.insync.replicas", "2")], Compression::None).await;
    // One replica is all there is, so the effective minimum is one.
    assert_eq!(broker.commit("g", 0, 1).await, Ok(Ok(())));
    let broker = Broker::start(&[("max.message.bytes", "60")], Compression::None).await;
    let refused = Ok(Err(GroupError::InvalidCommitOffsetSize));
    assert_eq!(broker.commit("g", 0, 1).await, refused);
    assert_eq!(broker.committed("g", 0), Ok(None));
}

#[tokio::test]
async fn offsets_of_deleted_topics_go() {
    let mut broker = Broker::start(&[], Compression::None).await;
    broker.commit("g", 0, 7).await.unwrap().unwrap();
    broker.coordinator.topics_deleted(&["u".into()]);
    assert_eq!(broker.committed("g", 0), Ok(Some(7)));
    broker.coordinator.topics_deleted(&["t".into()]);
    assert_eq!(broker.committed("g", 0), Ok(None));
    broker.resign();
    broker.lead().await;
    assert_eq!(broker.committed("g", 0), Ok(None));
}

/// Key and value of an offset of group `g`, topic `t`, as Kafka writes them (versions 1 and 3).
fn offset_record(partition: i32, offset: i64) -> (Vec<u8>, Vec<u8>) {
    let mut key = vec![0, 1, 0, 1, b'g', 0, 1, b't'];
    key.extend(partition.to_be_bytes());
    let mut value = vec![0, 3];
    value.extend(offset.to_be_bytes());
    value.extend((-1i32).to_be_bytes());
    value.extend([0, 0]);
    value.extend(1_700_000_000_000i64.to_be_bytes());
    (key, value)
}

#[allow(clippy::unwrap_used)] // a helper of tests
fn batch(options: BatchOptions, records: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options).unwrap();
    for (key, value) in records {
        builder.append(0, Some(key), Some(value), &[]).unwrap();
    }
    builder.build().unwrap()
}

#[tokio::test]
async fn offsets_of_transactions_count_when_they_are_committed() {
    let mut broker = Broker::start(&[], Compression::None).await;
    let commit = ControlRecord::Commit {
        coordinator_epoch: 0,
    };
    let abort = ControlRecord::Abort {
        coordinator_epoch: 0,
    };
    for (partition, end) in [(0, Some(commit)), (1, Some(abort)), (2, None)] {
        let producer = i64::from(partition);
        let options = BatchOptions {
            producer_id: producer,
            producer_epoch: 0,
            base_sequence: 0,
            transactional: true,
            ..BatchOptions::default()
        };
        broker.append(batch(options, &[offset_record(partition, 50)]));
        if let Some(end) = end {
            broker.append_marker(BatchBuilder::end_transaction(0, 0, producer, 0, end));
        }
    }
    broker.resign();
    broker.lead().await;
    assert_eq!(broker.committed("g", 0), Ok(Some(50)));
    assert_eq!(broker.committed("g", 1), Ok(None));
    assert_eq!(broker.committed("g", 2), Ok(None));
}

#[tokio::test]
async fn records_that_cannot_be_read_are_left_out() {
    let mut broker = Broker::start(&[], Compression::None).await;
    let records = [
        (vec![0], vec![]),
        (vec![0, 99, 1, 2, 3], vec![1]),
        (vec![0, 1, 0x7f, 0xff, b'g'], vec![0, 3]),
        (offset_record(0, 0).0, vec![0, 3, 1]),
        offset_record(1, 9),
    ];
    broker.append(batch(BatchOptions::default(), &records));
    broker.resign();
    broker.lead().await;
    assert_eq!(broker.committed("g", 0), Ok(None));
    assert_eq!(broker.committed("g", 1), Ok(Some(9)));
}

/// A million in a release build, as the coordinator of a busy cluster has to load.
#[tokio::test]
async fn many_offsets_are_loaded_quickly() {
    let count = if cfg!(debug_assertions) {
        20_000
    } else {
        1_000_000
    };
    let mut broker = Broker::start(&[], Compression::None).await;
    let mut number = 0;
    while number < count {
        let some = number..(number + 500).min(count);
        let records: Vec<_> = some.map(|n| offset_record(n % 100_000, n.into())).collect();
        number += 500;
        broker.append(batch(BatchOptions::default(), &records));
    }
    broker.resign();
    let began = Instant::now();
    broker.lead().await;
    let took = began.elapsed();
    println!("{count} offsets loaded in {took:?}");
    assert_eq!(
        broker.committed("g", 7),
        Ok(Some(i64::from(count - count.min(100_000) + 7)))
    );
    assert!(took.as_secs() < 2, "{took:?}");
}

#[tokio::test]
async fn commits_of_many_at_a_time_are_all_kept() {
    let mut broker = Broker::start(&[("flush.messages", "1")], Compression::None).await;
    let pending: Vec<_> = (0..200)
        .map(|n| {
            broker
                .coordinator
                .commit(&format!("g{}", n % 7), commit(n, n.into()))
        })
        .collect();
    for answer in pending {
        assert_eq!(answer.wait().await.map(|results| results[0]), Ok(Ok(())));
    }
    broker.resign();
    broker.lead().await;
    for n in 0..200 {
        let found = broker.committed(&format!("g{}", n % 7), n);
        assert_eq!(found, Ok(Some(n.into())));
    }
}
