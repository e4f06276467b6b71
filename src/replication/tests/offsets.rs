//! Looking up offsets and deleting records.

#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use std::time::Duration;

use ottla_metadata::TopicPartition;
use ottla_replication::{
    DeleteRecordsError, Isolation, ListOffsetsError, OffsetAnswer, OffsetQuery, OffsetTarget,
    PartitionError, RecordDeletion, ReplicaError, RequiredAcks,
};
use support::{Broker, batch, ready};

fn query(target: OffsetTarget) -> OffsetQuery<'static> {
    OffsetQuery {
        topic: "t",
        partition: 0,
        target,
        isolation: Some(Isolation::ReadUncommitted),
        leader_only: true,
        current_leader_epoch: None,
    }
}

async fn delete(broker: &Broker, before: i64) -> Result<i64, DeleteRecordsError> {
    let partition = TopicPartition::new("t", 0);
    let deletion = RecordDeletion { partition, before };
    broker
        .replicas
        .delete_records(vec![deletion], Duration::from_secs(5))
        .await
        .pop()
        .unwrap()
}

#[tokio::test]
async fn offsets_by_name_and_time() {
    let broker = Broker::start(&[]);
    broker.lead();
    for _ in 0..2 {
        broker.produce(batch(3, 10)).unwrap(); // timestamps 1000 to 1002
    }
    let check = |target, offset, timestamp, leader_epoch| {
        let found = broker.replicas.list_offset(query(target)).unwrap();
        assert_eq!(
            found,
            OffsetAnswer {
                offset,
                timestamp,
                leader_epoch
            },
            "{target:?}"
        );
    };
    check(OffsetTarget::Latest, 6, -1, 1);
    check(OffsetTarget::Earliest, 0, -1, 1);
    check(OffsetTarget::LatestTiered, -1, -1, -1);
    check(OffsetTarget::Timestamp(1001), 1, 1001, 1);
    check(OffsetTarget::Timestamp(1003), -1, -1, -1);
    check(OffsetTarget::MaxTimestamp, 2, 1002, 1);
    let legacy = |timestamp, max| {
        broker
            .replicas
            .legacy_offsets(query(OffsetTarget::Latest), timestamp, max)
            .unwrap()
    };
    assert_eq!(legacy(-1, 10), [6, 0]);
    assert_eq!(legacy(-1, 1), [6]);
    assert_eq!(legacy(-2, 1), [0]);
    assert!(OffsetTarget::MaxTimestamp.may_block() && !OffsetTarget::Latest.may_block());
}

#[tokio::test]
async fn a_new_leader_does_not_say_what_it_does_not_know() {
    let broker = Broker::start(&[]);
    broker.assign(1, Some(0), &[0, 1], &[0, 1]).unwrap();
    ready(broker.begin(RequiredAcks::Leader, batch(3, 10)));
    broker.assign(2, Some(0), &[0, 1], &[0, 1]).unwrap();
    let latest = broker.replicas.list_offset(query(OffsetTarget::Latest));
    assert!(matches!(latest, Err(ListOffsetsError::NotAvailable)));
    let by_time = broker
        .replicas
        .list_offset(query(OffsetTarget::Timestamp(1000)));
    assert!(matches!(by_time, Err(ListOffsetsError::NotAvailable)));
    let everything = OffsetQuery {
        isolation: None,
        ..query(OffsetTarget::Latest)
    };
    assert_eq!(broker.replicas.list_offset(everything).unwrap().offset, 3);
    let legacy = broker
        .replicas
        .legacy_offsets(query(OffsetTarget::Latest), -1, 10)
        .unwrap();
    assert_eq!(legacy, [0]); // consumers see the watermark instead of the end
}

#[tokio::test]
async fn ends_of_epochs() {
    let broker = Broker::start(&[]);
    broker.assign(3, Some(0), &[0], &[0]).unwrap();
    broker.produce(batch(2, 10)).unwrap();
    broker.assign(5, Some(0), &[0], &[0]).unwrap();
    broker.produce(batch(1, 10)).unwrap();
    let end = |current, epoch| {
        broker
            .replicas
            .epoch_end("t", 0, current, epoch)
            .map(|end| (end.epoch, end.end_offset))
    };
    assert_eq!(end(None, 3), Ok((3, 2)));
    assert_eq!(end(None, 4), Ok((3, 2)));
    assert_eq!(end(Some(5), 5), Ok((5, 3)));
    assert_eq!(end(None, 6), Ok((-1, -1)));
    assert_eq!(end(Some(4), 3), Err(PartitionError::FencedLeaderEpoch));
}

#[tokio::test]
async fn records_are_deleted_up_to_the_watermark() {
    let broker = Broker::start(&[]);
    broker.lead();
    for _ in 0..3 {
        broker.produce(batch(1, 10)).unwrap();
    }
    assert_eq!(delete(&broker, 1).await.unwrap(), 1);
    assert_eq!(delete(&broker, 0).await.unwrap(), 1); // never goes back
    assert_eq!(broker.read(1), [1, 2]);
    let out_of_range = |result| matches!(result, Err(DeleteRecordsError::OffsetOutOfRange));
    assert!(out_of_range(delete(&broker, 4).await));
    assert!(out_of_range(delete(&broker, -2).await));
    assert_eq!(delete(&broker, -1).await.unwrap(), 3);
    broker.set("cleanup.policy", "compact");
    assert!(matches!(
        delete(&broker, -1).await,
        Err(DeleteRecordsError::NotDeletable)
    ));
}

#[tokio::test(start_paused = true)]
async fn deletion_waits_for_live_followers() {
    let broker = Broker::start(&[]);
    broker.assign(1, Some(0), &[0, 1], &[0]).unwrap();
    broker.produce(batch(2, 10)).unwrap();
    assert!(matches!(
        delete(&broker, 1).await,
        Err(DeleteRecordsError::TimedOut)
    ));
}

#[tokio::test]
async fn leaderships_are_applied_once() {
    let broker = Broker::start(&[]);
    broker.assign(2, Some(0), &[0], &[0]).unwrap();
    for epoch in [1, 2] {
        let again = broker.assign(epoch, Some(0), &[0], &[0]);
        assert!(
            matches!(again, Err(ReplicaError::StaleLeaderEpoch)),
            "{epoch}"
        );
    }
    let elsewhere = broker.assign(3, Some(1), &[1], &[1]);
    assert!(matches!(elsewhere, Err(ReplicaError::NotAReplica)));
}
