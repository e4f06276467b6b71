//! ListOffsets, OffsetForLeaderEpoch, DeleteRecords.

use ottla_protocol::messages::BrokerId;
use ottla_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use ottla_protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use ottla_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use ottla_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ottla_records::Magic;

use super::{produce_request, records};
use crate::testing::TestBroker;
use crate::words::topic_name;

/// A broker that leads `t-0` with records 0 to 2 at timestamps 1000 to 1002.
async fn broker() -> TestBroker {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    let request = produce_request(&[("t", records(Magic::V2, &["a", "b", "c"]))]);
    broker.ask(9, &request).await;
    broker
}

fn list(version: i16, topic: &str, timestamps: &[i64]) -> ListOffsetsRequest {
    let partition = |timestamp: &i64| {
        let partition = ListOffsetsPartition::default().with_timestamp(*timestamp);
        if version == 0 {
            partition.with_max_num_offsets(10)
        } else {
            partition
        }
    };
    let partitions = timestamps.iter().map(partition).collect();
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(partitions);
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![topic])
}

async fn list_one(
    broker: &TestBroker,
    version: i16,
    timestamp: i64,
) -> ListOffsetsPartitionResponse {
    let response = broker.ask(version, &list(version, "t", &[timestamp])).await;
    response.topics[0].partitions[0].clone()
}

#[tokio::test]
async fn offsets_in_every_version() {
    let broker = broker().await;
    let check = async |version, timestamp, code: i16, offset: i64, found: i64, epoch: i32| {
        let answer = list_one(&broker, version, timestamp).await;
        let epoch = if version >= 4 { epoch } else { -1 };
        let expected = (code, offset, found, epoch);
        let answer = (
            answer.error_code,
            answer.offset,
            answer.timestamp,
            answer.leader_epoch,
        );
        assert_eq!(answer, expected, "version {version}, timestamp {timestamp}");
    };
    for version in 1..=9 {
        check(version, -1, 0, 3, -1, 3).await;
        check(version, -2, 0, 0, -1, 3).await;
        check(version, 1001, 0, 1, 1001, 3).await;
        check(version, 2000, 0, -1, -1, -1).await;
        check(version, -6, 35, -1, -1, -1).await;
    }
    check(6, -3, 35, -1, -1, -1).await;
    check(7, -3, 0, 2, 1002, 3).await;
    check(7, -4, 35, -1, -1, -1).await;
    check(8, -4, 0, 0, -1, 3).await;
    check(8, -5, 35, -1, -1, -1).await;
    check(9, -5, 0, -1, -1, -1).await;
    assert_eq!(list_one(&broker, 0, -1).await.old_style_offsets, [3, 0]);
    assert_eq!(list_one(&broker, 0, -2).await.old_style_offsets, [0]);
    assert_eq!(list_one(&broker, 0, -3).await.error_code, 35);
}

#[tokio::test]
async fn offsets_that_cannot_be_told() {
    let broker = broker().await;
    let codes = async |request: &ListOffsetsRequest| {
        let response = broker.ask(5, request).await;
        let partitions = response.topics[0].partitions.iter();
        partitions
            .map(|partition| partition.error_code)
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(&list(5, "t", &[-1, -2])).await, [42, 42]);
    assert_eq!(codes(&list(5, "no", &[-1])).await, [3]);
    let mut fenced = list(5, "t", &[-1]);
    fenced.topics[0].partitions[0].current_leader_epoch = 2;
    assert_eq!(codes(&fenced).await, [74]);
}

#[tokio::test]
async fn ends_of_epochs_in_every_version() {
    let broker = broker().await;
    for version in 0..=4 {
        let ask = |partition, epoch| {
            OffsetForLeaderPartition::default()
                .with_partition(partition)
                .with_leader_epoch(epoch)
        };
        let topic = OffsetForLeaderTopic::default()
            .with_topic(topic_name("t"))
            .with_partitions(vec![ask(0, 3), ask(0, 9), ask(7, 3)]);
        let mut request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        if version >= 3 {
            request.replica_id = BrokerId(-2);
        }
        let response = broker.ask(version, &request).await;
        let ends = response.topics[0].partitions.iter();
        let ends: Vec<_> = ends
            .map(|e| (e.error_code, e.leader_epoch, e.end_offset))
            .collect();
        let known = if version == 0 { (0, -1, 3) } else { (0, 3, 3) };
        assert_eq!(ends, [known, (0, -1, -1), (3, -1, -1)], "version {version}");
    }
}

#[tokio::test]
async fn deletion_in_every_version() {
    let broker = broker().await;
    for version in 0..=2 {
        let ask = |partition_index, offset| {
            let partition = DeleteRecordsPartition::default().with_offset(offset);
            partition.with_partition_index(partition_index)
        };
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![ask(0, i64::from(version)), ask(9, 0)]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let response = broker.ask(version, &request.with_timeout_ms(1000)).await;
        let results = response.topics[0].partitions.iter();
        let results: Vec<_> = results.map(|r| (r.error_code, r.low_watermark)).collect();
        assert_eq!(
            results,
            [(0, i64::from(version)), (3, -1)],
            "version {version}"
        );
    }
    assert_eq!(list_one(&broker, 4, -2).await.offset, 2);
}
