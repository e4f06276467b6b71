//! Producing: what is answered at once, what waits, and for what.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_log::AppendError;
use ottla_metadata::{BrokerId, TopicId, TopicPartition};
use ottla_records::{BatchOptions, InvalidRecords};
use ottla_replication::{
    FetchOrigin, FetchSpec, PartitionError, ProduceError, Produced, RequiredAcks, StoreOutcome,
};
use support::{Broker, batch, batch_with, part, pending, ready, spec};

#[tokio::test]
async fn a_sole_replica_answers_within_the_call() {
    let broker = Broker::start(&[]);
    broker.lead();
    let first = broker.produce(batch(3, 10)).unwrap();
    assert_eq!(
        first,
        Produced {
            first_offset: 0,
            log_append_time: -1,
            log_start_offset: 0
        }
    );
    assert_eq!(broker.produce(batch(2, 10)).unwrap().first_offset, 3);
    for acks in [RequiredAcks::None, RequiredAcks::Leader] {
        ready(broker.begin(acks, batch(1, 10)))
            .pop()
            .unwrap()
            .unwrap();
    }
    assert_eq!(broker.read(0), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(broker.read(4), [3, 4, 5, 6]); // whole batches
}

#[tokio::test]
async fn who_may_append() {
    let broker = Broker::start(&[]);
    let refused = broker.produce(batch(1, 10)).unwrap_err();
    assert!(matches!(
        refused,
        ProduceError::Partition(PartitionError::Unknown)
    ));
    broker.assign(1, Some(1), &[0, 1], &[0, 1]).unwrap();
    let refused = broker.produce(batch(1, 10)).unwrap_err();
    assert!(matches!(
        refused,
        ProduceError::Partition(PartitionError::NotLeader)
    ));
    broker.assign(2, Some(0), &[0, 1], &[0]).unwrap();
    broker.produce(batch(1, 10)).unwrap();
    broker.set("min.insync.replicas", "2");
    let refused = broker.produce(batch(1, 10)).unwrap_err();
    assert!(matches!(
        refused,
        ProduceError::NotEnoughReplicas {
            in_sync: 1,
            required: 2
        }
    ));
    ready(broker.begin(RequiredAcks::Leader, batch(1, 10)))
        .pop()
        .unwrap()
        .unwrap();
    assert_eq!(broker.read(0), [0]); // the watermark stands still below the minimum
}

#[tokio::test]
async fn bad_records_are_refused_and_duplicates_are_not_appended() {
    let broker = Broker::start(&[("max.message.bytes", "500")]);
    broker.lead();
    let refused = broker.produce(Bytes::new()).unwrap_err();
    assert!(matches!(
        refused,
        ProduceError::Records(InvalidRecords::Invalid { .. })
    ));
    let refused = broker.produce(batch(1, 500)).unwrap_err();
    assert!(matches!(
        refused,
        ProduceError::Records(InvalidRecords::TooLarge { .. })
    ));
    let mut torn = batch(1, 10).to_vec();
    torn[70] ^= 1;
    let refused = broker.produce(torn.into()).unwrap_err();
    assert!(matches!(
        refused,
        ProduceError::Records(InvalidRecords::Corrupt(_))
    ));
    let of_producer = |base_sequence| {
        let id = BatchOptions {
            producer_id: 9,
            producer_epoch: 0,
            ..BatchOptions::default()
        };
        batch_with(
            2,
            10,
            BatchOptions {
                base_sequence,
                ..id
            },
        )
    };
    assert_eq!(broker.produce(of_producer(0)).unwrap().first_offset, 0);
    assert_eq!(broker.produce(of_producer(2)).unwrap().first_offset, 2);
    assert_eq!(broker.produce(of_producer(0)).unwrap().first_offset, 0);
    let refused = broker.produce(of_producer(6)).unwrap_err();
    assert!(matches!(
        refused,
        ProduceError::Append(AppendError::OutOfOrderSequence { .. })
    ));
    assert_eq!(broker.read(0), [0, 1, 2, 3]);
}

fn follower(at: i64) -> FetchSpec {
    FetchSpec {
        origin: FetchOrigin::Follower(BrokerId(1)),
        ..spec(at)
    }
}

#[tokio::test]
async fn acks_all_waits_for_the_follower() {
    let broker = Broker::start(&[]);
    broker.assign(1, Some(0), &[0, 1], &[0, 1]).unwrap();
    let waiting = pending(broker.begin(RequiredAcks::All, batch(2, 10)));
    let waiting = tokio::spawn(waiting);
    assert!(broker.read(0).is_empty());
    ready(broker.fetch(follower(0)));
    assert!(broker.read(0).is_empty());
    ready(broker.fetch(follower(2)));
    assert_eq!(
        waiting.await.unwrap().pop().unwrap().unwrap().first_offset,
        0
    );
    assert_eq!(broker.read(0), [0, 1]);
    let stranger = FetchSpec {
        origin: FetchOrigin::Follower(BrokerId(5)),
        ..spec(0)
    };
    let (_, mut results) = ready(broker.fetch(stranger));
    assert!(results.pop().unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn acks_all_times_out() {
    let broker = Broker::start(&[]);
    broker.assign(1, Some(0), &[0, 1], &[0, 1]).unwrap();
    let timeout = Duration::from_millis(200);
    let waiting = pending(broker.begin_within(RequiredAcks::All, timeout, batch(1, 10)));
    assert!(matches!(
        waiting.await.pop(),
        Some(Err(ProduceError::TimedOut))
    ));
}

#[tokio::test]
async fn acks_all_ends_with_the_leadership() {
    let broker = Broker::start(&[]);
    broker.assign(1, Some(0), &[0, 1], &[0, 1]).unwrap();
    let waiting = pending(broker.begin(RequiredAcks::All, batch(1, 10)));
    broker.assign(2, Some(1), &[0, 1], &[0, 1]).unwrap();
    let result = waiting.await.pop().unwrap();
    assert!(matches!(
        result,
        Err(ProduceError::Partition(PartitionError::NotLeader))
    ));
}

#[tokio::test]
async fn an_isr_is_proposed_and_its_outcome_counts() {
    let broker = Broker::start(&[]);
    broker.assign(1, Some(0), &[0, 1], &[0]).unwrap();
    broker.produce(batch(1, 10)).unwrap();
    ready(broker.fetch(follower(1)));
    let proposal = broker.proposals.0.lock().pop().unwrap();
    assert_eq!(proposal.isr, [BrokerId(0), BrokerId(1)]);
    // Of an earlier topic of that name: nothing is settled by it.
    let mut earlier = proposal.clone();
    earlier.topic_id.0 = [6; 16];
    broker.replicas.isr_stored(&earlier, StoreOutcome::Refused);
    broker
        .replicas
        .isr_stored(&proposal, StoreOutcome::Stored { partition_epoch: 2 });
    broker.set("min.insync.replicas", "2");
    drop(pending(broker.begin(RequiredAcks::All, batch(1, 10))));
}

#[tokio::test]
async fn a_flush_is_waited_for_and_shared() {
    let broker = Broker::start(&[("flush.messages", "1")]);
    broker.lead();
    let mut waiting = Vec::new();
    for acks in [RequiredAcks::All, RequiredAcks::Leader, RequiredAcks::All] {
        waiting.push(pending(broker.begin(acks, batch(1, 10))));
    }
    ready(broker.begin(RequiredAcks::None, batch(1, 10)));
    for (offset, waiting) in waiting.into_iter().enumerate() {
        let produced = waiting.await.pop().unwrap().unwrap();
        assert_eq!(produced.first_offset, offset as i64);
        assert!(broker.read(0).contains(&produced.first_offset));
    }
    pending(broker.begin(RequiredAcks::All, batch(1, 10)))
        .await
        .pop()
        .unwrap()
        .unwrap();
    assert_eq!(broker.read(0), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let broker = Broker::start(&[]);
    broker.lead();
    broker.produce(batch(3, 10)).unwrap();
    broker.replicas.logs().shutdown(1).unwrap();
    let Broker { dir, replicas, .. } = broker;
    drop(replicas);
    let broker = Broker::start_in(dir, &[]);
    broker.lead();
    assert_eq!(broker.read(0), [0, 1, 2]);
    assert_eq!(broker.produce(batch(1, 10)).unwrap().first_offset, 3);
    let fetch = FetchSpec {
        partitions: vec![part(5)],
        ..spec(0)
    };
    assert!(ready(broker.fetch(fetch)).1.pop().unwrap().is_err()); // beyond the end
}

#[tokio::test]
async fn a_failed_directory_takes_its_replicas_offline_and_nothing_else() {
    let broker = Broker::start(&[("segment.bytes", "200")]);
    broker.lead();
    broker.produce(batch(1, 100)).unwrap();
    let waiting = FetchSpec {
        max_wait: Duration::from_secs(60),
        ..spec(1)
    };
    let waiting = tokio::spawn(pending(broker.fetch(waiting)));
    tokio::task::yield_now().await;
    // The next append rolls a segment, which needs the directory.
    let dir = broker.dir.path();
    std::fs::rename(dir.join("logs/t-0"), dir.join("gone")).unwrap();
    let offline = |result| {
        matches!(
            result,
            Err(ProduceError::Partition(PartitionError::Offline)
                | ProduceError::Append(AppendError::Storage(_)))
        )
    };
    assert!(offline(broker.produce(batch(1, 100))));
    assert!(offline(broker.produce(batch(1, 100))));
    let (_, mut results) = waiting.await.unwrap();
    assert!(results.pop().unwrap().is_err());
    let again = broker.assign(2, Some(0), &[0], &[0]);
    assert!(matches!(
        again,
        Err(ottla_replication::ReplicaError::Offline)
    ));
    // It was the only directory: there is nothing left to run for.
    let end = tokio::time::timeout(Duration::from_secs(60), Arc::clone(&broker.replicas).run());
    end.await.unwrap();
}

/// The controller learns from the answers which replicas are gone, so a directory must show that
/// failed while the request was carried out, or unnoticed.
#[tokio::test]
async fn a_directory_that_fails_around_a_new_leadership_shows_in_the_answer() {
    let fail = |broker: &Broker| {
        let dir = broker.dir.path();
        std::fs::rename(dir.join("logs/t-0"), dir.join("gone")).unwrap();
        let log = broker.replicas.logs().get(&TopicPartition::new("t", 0));
        assert!(log.unwrap().truncate_fully_and_start_at(5).is_err());
    };
    let is_offline = |answer| matches!(answer, Err(ottla_replication::ReplicaError::Offline));

    // The log is found, and fails before the replica is one of ours.
    let broker = Broker::start(&[]);
    let config = Arc::new(ottla_replication::log_config(&broker.topic_config()));
    let logs = broker.replicas.logs();
    logs.get_or_create(&TopicPartition::new("t", 0), TopicId([7; 16]), config)
        .unwrap();
    fail(&broker);
    assert!(is_offline(broker.assign(1, Some(0), &[0], &[0])));
    assert!(is_offline(broker.assign(2, Some(0), &[0], &[0])));

    // The replica is there, and nobody has told it.
    let broker = Broker::start(&[]);
    broker.lead();
    fail(&broker);
    assert!(is_offline(broker.assign(2, None, &[0], &[0])));
}
