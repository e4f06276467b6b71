//! Fetching: the size rules of KIP-74, long polling, and what ends it.

mod support;

use std::time::Duration;

use ottla_metadata::TopicId;
use ottla_replication::{
    DivergingEpoch, FetchError, FetchPartition, FetchSpec, Isolation, PartitionError, RequiredAcks,
};
use support::{Broker, batch, offsets, part, pending, ready, spec};

fn waiting(offset: i64, min_bytes: usize) -> FetchSpec {
    FetchSpec {
        max_wait: Duration::from_secs(60),
        min_bytes,
        ..spec(offset)
    }
}

/// Runs the future until it waits.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn limits() {
    let broker = Broker::start(&[]);
    broker.lead();
    for _ in 0..3 {
        broker.produce(batch(1, 100)).unwrap();
    }
    let size = batch(1, 100).len();
    let check = |max_bytes, partition_max, hard_limits, expected: &[i64]| {
        let partitions = vec![FetchPartition {
            max_bytes: partition_max,
            ..part(0)
        }];
        let fetch = FetchSpec {
            max_bytes,
            hard_limits,
            partitions,
            ..spec(0)
        };
        let fetched = ready(broker.fetch(fetch)).1.pop().unwrap().unwrap();
        assert_eq!(
            offsets(fetched),
            expected,
            "{max_bytes} {partition_max} {hard_limits}"
        );
    };
    check(1000, 1000, false, &[0, 1, 2]);
    check(1000, size * 2, false, &[0, 1]);
    check(size * 2, 1000, false, &[0, 1]);
    check(size * 2 + 1, 1000, false, &[0, 1]); // ends in the middle of a batch
    check(1, 1, false, &[0]); // the first batch always comes whole
    check(1, 1, true, &[]); // but cut for the oldest clients
    check(size * 2, 1000, true, &[0, 1]);
    // only the first partition may pass the limits
    let partitions = vec![part(0), part(1)];
    let fetch = FetchSpec {
        max_bytes: 1,
        partitions,
        ..spec(0)
    };
    let (_, results) = ready(broker.fetch(fetch));
    let read: Vec<_> = results
        .into_iter()
        .map(|result| offsets(result.unwrap()))
        .collect();
    assert_eq!(read, [vec![0], vec![]]);
}

#[tokio::test]
async fn an_empty_fetch_waits_for_the_first_append() {
    let broker = Broker::start(&[]);
    broker.lead();
    let fetch = tokio::spawn(pending(broker.fetch(waiting(0, 1))));
    settle().await;
    assert!(!fetch.is_finished());
    broker.produce(batch(2, 10)).unwrap();
    let (_, mut results) = fetch.await.unwrap();
    let fetched = results.pop().unwrap().unwrap();
    assert_eq!((fetched.high_watermark, fetched.last_stable_offset), (2, 2));
    assert_eq!(offsets(fetched), [0, 1]);
}

#[tokio::test]
async fn an_append_before_the_wait_begins_is_not_missed() {
    let broker = Broker::start(&[]);
    broker.lead();
    let fetch = pending(broker.fetch(waiting(0, 1)));
    broker.produce(batch(1, 10)).unwrap();
    assert_eq!(offsets(fetch.await.1.pop().unwrap().unwrap()), [0]);
}

#[tokio::test]
async fn min_bytes_are_counted_over_partitions_and_appends() {
    let broker = Broker::start(&[]);
    broker.lead();
    let size = batch(1, 100).len();
    broker.produce(batch(1, 100)).unwrap();
    let fetch = tokio::spawn(pending(broker.fetch(waiting(0, size * 3))));
    settle().await;
    broker.produce(batch(1, 100)).unwrap();
    settle().await;
    assert!(!fetch.is_finished());
    broker.produce(batch(1, 100)).unwrap();
    let (_, mut results) = fetch.await.unwrap();
    assert_eq!(offsets(results.pop().unwrap().unwrap()), [0, 1, 2]);
    ready(broker.fetch(waiting(0, size * 3)));
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_with_what_there_is() {
    let broker = Broker::start(&[]);
    broker.lead();
    broker.produce(batch(1, 10)).unwrap();
    let (_, mut results) = pending(broker.fetch(waiting(0, 1 << 20))).await;
    assert_eq!(offsets(results.pop().unwrap().unwrap()), [0]);
}

#[tokio::test]
async fn data_in_an_older_segment_does_not_wait() {
    let broker = Broker::start(&[("segment.bytes", "1000"), ("max.message.bytes", "900")]);
    broker.lead();
    for _ in 0..3 {
        broker.produce(batch(1, 600)).unwrap();
    }
    let (_, mut results) = ready(broker.fetch(waiting(0, 1 << 20)));
    assert_eq!(offsets(results.pop().unwrap().unwrap()), [0]);
    let last = pending(broker.fetch(waiting(2, 1 << 20)));
    drop(last);
}

#[tokio::test]
async fn a_change_of_leadership_ends_the_wait() {
    let broker = Broker::start(&[]);
    broker.assign(1, Some(0), &[0, 1], &[0]).unwrap();
    let fetch = tokio::spawn(pending(broker.fetch(waiting(0, 1))));
    settle().await;
    broker.assign(2, Some(0), &[0, 1], &[0]).unwrap();
    settle().await;
    assert!(!fetch.is_finished()); // still the leader, and still nothing to read
    broker.assign(3, Some(1), &[0, 1], &[0, 1]).unwrap();
    let (_, mut results) = fetch.await.unwrap();
    let error = results.pop().unwrap().unwrap_err();
    assert!(matches!(
        error,
        FetchError::Partition(PartitionError::NotLeader)
    ));
    // from version 11 on, consumers may read from followers
    let fetch = FetchSpec {
        leader_only: false,
        ..spec(0)
    };
    ready(broker.fetch(fetch)).1.pop().unwrap().unwrap();
}

#[tokio::test]
async fn deletion_of_the_partition_ends_the_wait() {
    let broker = Broker::start(&[]);
    broker.lead();
    let fetch = tokio::spawn(pending(broker.fetch(waiting(0, 1))));
    settle().await;
    let partition = ottla_metadata::TopicPartition::new("t", 0);
    let stop = ottla_replication::ReplicaStop {
        partition,
        leader_epoch: None,
        delete: true,
    };
    let mut answers = broker.replicas.stop_replicas(vec![stop]);
    answers.pop().unwrap().1.unwrap();
    assert!(fetch.await.unwrap().1.pop().unwrap().is_err());
    assert!(broker.produce(batch(1, 10)).is_err());
    broker.assign(2, Some(0), &[0], &[0]).unwrap();
    assert!(broker.read(0).is_empty()); // a new topic begins empty
}

#[tokio::test]
async fn consumers_see_what_is_committed() {
    let broker = Broker::start(&[]);
    broker.assign(1, Some(0), &[0, 1], &[0, 1]).unwrap();
    ready(broker.begin(RequiredAcks::Leader, batch(3, 10)));
    assert!(broker.read(0).is_empty());
    assert!(broker.read(3).is_empty()); // between the watermark and the end: empty, no error
    let committed = FetchSpec {
        isolation: Isolation::ReadCommitted,
        ..spec(0)
    };
    let fetched = ready(broker.fetch(committed)).1.pop().unwrap().unwrap();
    assert_eq!(fetched.aborted, Some(Vec::new()));
}

#[tokio::test]
async fn epochs_and_ids_are_checked() {
    let broker = Broker::start(&[]);
    broker.assign(3, Some(0), &[0], &[0]).unwrap();
    broker.produce(batch(2, 10)).unwrap();
    broker.assign(5, Some(0), &[0], &[0]).unwrap();
    broker.produce(batch(2, 10)).unwrap();
    let fetch = |partition: FetchPartition| {
        let fetch = FetchSpec {
            partitions: vec![partition],
            ..spec(0)
        };
        ready(broker.fetch(fetch)).1.pop().unwrap()
    };
    let error = |partition| match fetch(partition) {
        Err(FetchError::Partition(error)) => Some(error),
        _ => None,
    };
    let at_epoch = |epoch| FetchPartition {
        current_leader_epoch: Some(epoch),
        ..part(0)
    };
    assert_eq!(error(at_epoch(4)), Some(PartitionError::FencedLeaderEpoch));
    assert_eq!(error(at_epoch(5)), None);
    assert_eq!(error(at_epoch(6)), Some(PartitionError::UnknownLeaderEpoch));
    let with_id = |id| FetchPartition {
        topic_id: TopicId([id; 16]),
        ..part(0)
    };
    assert_eq!(error(with_id(7)), None);
    assert_eq!(error(with_id(8)), Some(PartitionError::InconsistentTopicId));
    let elsewhere = FetchPartition {
        partition: 1,
        ..part(0)
    };
    assert_eq!(error(elsewhere), Some(PartitionError::NotLeader));
    let nowhere = FetchPartition {
        partition: 2,
        ..part(0)
    };
    assert_eq!(error(nowhere), Some(PartitionError::Unknown));

    let fetched_epoch = |epoch, offset| {
        fetch(FetchPartition {
            last_fetched_epoch: Some(epoch),
            ..part(offset)
        })
    };
    assert_eq!(offsets(fetched_epoch(5, 4 - 2).unwrap()), [2, 3]);
    let diverging = fetched_epoch(4, 3).unwrap().diverging;
    assert_eq!(
        diverging,
        Some(DivergingEpoch {
            epoch: 3,
            end_offset: 2
        })
    );
    let diverging = fetched_epoch(3, 3).unwrap().diverging;
    assert_eq!(
        diverging,
        Some(DivergingEpoch {
            epoch: 3,
            end_offset: 2
        })
    );
    assert!(matches!(
        fetched_epoch(9, 1),
        Err(FetchError::UnknownFetchedEpoch)
    ));
    assert!(matches!(fetch(part(5)), Err(FetchError::Read(_))));
}

#[tokio::test]
async fn an_unknown_partition_does_not_cut_the_wait_for_others_short() {
    let broker = Broker::start(&[]);
    broker.lead();
    let nowhere = || FetchPartition {
        partition: 2,
        ..part(0)
    };
    let both = FetchSpec {
        partitions: vec![nowhere(), part(0)],
        ..waiting(0, 1)
    };
    let fetch = tokio::spawn(pending(broker.fetch(both)));
    settle().await;
    assert!(!fetch.is_finished());
    broker.produce(batch(1, 10)).unwrap();
    let (_, results) = fetch.await.unwrap();
    assert!(results[0].is_err() && results[1].is_ok());
    let alone = FetchSpec {
        partitions: vec![nowhere()],
        ..waiting(0, 1)
    };
    ready(broker.fetch(alone));
    let nothing = FetchSpec {
        partitions: Vec::new(),
        ..waiting(0, 1)
    };
    ready(broker.fetch(nothing));
}
