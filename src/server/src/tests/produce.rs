//! Produce.

use bytes::Bytes;
use ottla_protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use ottla_protocol::messages::produce_response::PartitionProduceResponse;
use ottla_protocol::{ApiKey, encode_request};
use ottla_records::{BatchOptions, Compression, Magic};

use super::{produce_request, records, records_with};
use crate::testing::TestBroker;
use crate::words::topic_name;

async fn produce(broker: &TestBroker, version: i16, records: Bytes) -> PartitionProduceResponse {
    let response = broker
        .ask(version, &produce_request(&[("t", records)]))
        .await;
    response.responses[0].partition_responses[0].clone()
}

fn magic(version: i16) -> Magic {
    match version {
        ..=1 => Magic::V0,
        2 => Magic::V1,
        _ => Magic::V2,
    }
}

#[tokio::test]
async fn every_version() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    for version in 0..=11 {
        let produced = produce(&broker, version, records(magic(version), &["a", "b"])).await;
        assert_eq!(
            produced.error_code, 0,
            "version {version}: {:?}",
            produced.error_message
        );
        assert_eq!(
            produced.base_offset,
            i64::from(version) * 2,
            "version {version}"
        );
        assert_eq!(produced.log_append_time_ms, -1);
        assert_eq!(produced.log_start_offset, if version >= 5 { 0 } else { -1 });
    }
}

#[tokio::test]
async fn refusals() {
    let broker = TestBroker::new(&[("message.max.bytes", "500")]);
    broker.lead("t", 1);
    broker.lead("__consumer_offsets", 2);
    broker.cluster.put("elsewhere", 3, Some(1), &[1]);
    let check = async |version, topic: &str, records: Bytes, expected: i16| {
        let response = broker
            .ask(version, &produce_request(&[(topic, records)]))
            .await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, expected, "version {version}, {topic}");
        assert_eq!(partition.base_offset, -1);
        response
    };
    let good = || records(Magic::V2, &["v"]);
    let with = |options| records_with(options, &["v"]);
    let zstd = BatchOptions {
        compression: Compression::Zstd,
        level: 3,
        ..BatchOptions::default()
    };
    let of_producer = BatchOptions {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchOptions::default()
    };
    let transactional = BatchOptions {
        transactional: true,
        ..of_producer
    };
    let mut corrupt = good().to_vec();
    corrupt[65] ^= 1;
    check(9, "no", good(), 3).await;
    check(9, "__consumer_offsets", good(), 17).await;
    check(9, "t", records(Magic::V2, &[&"v".repeat(500)]), 10).await;
    check(9, "t", corrupt.into(), 2).await;
    check(9, "t", records(Magic::V1, &["v"]), 87).await;
    check(9, "t", Bytes::new(), 87).await;
    check(6, "t", with(zstd), 76).await;
    check(9, "t", with(transactional), 53).await;
    check(9, "elsewhere", good(), 6).await;
    let moved = check(10, "elsewhere", good(), 6).await;
    let leader = &moved.responses[0].partition_responses[0].current_leader;
    assert_eq!((leader.leader_id.0, leader.leader_epoch), (1, 3));
    assert!(moved.node_endpoints.is_empty()); // that broker is not on our listener
    let produced = produce(&broker, 9, good()).await;
    assert_eq!(produced.base_offset, 0); // nothing of the above was appended
}

#[tokio::test]
async fn record_errors_are_listed() {
    let broker = TestBroker::new(&[("log.message.timestamp.before.max.ms", "10")]);
    broker.lead("t", 1);
    let produced = produce(&broker, 8, records(Magic::V2, &["a", "b"])).await;
    assert_eq!(produced.error_code, 32);
    assert!(produced.error_message.is_some());
    assert_eq!(
        produced
            .record_errors
            .iter()
            .map(|e| e.batch_index)
            .collect::<Vec<_>>(),
        [0, 1]
    );
}

#[tokio::test]
async fn acks() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    let send = async |topic: &str, acks: i16| {
        let request = produce_request(&[(topic, records(Magic::V2, &["v"]))]).with_acks(acks);
        send(&broker, &request).await
    };
    assert_eq!(send("t", 0).await, Err("no answer".to_owned()));
    assert!(
        send("no", 0)
            .await
            .is_err_and(|reason| reason.contains("no-0"))
    );
    assert!(send("no", 1).await.is_ok());
    let request = produce_request(&[("t", records(Magic::V2, &["v"]))]).with_acks(5);
    let refused = broker.ask(9, &request).await;
    assert_eq!(refused.responses[0].partition_responses[0].error_code, 21);
    assert_eq!(
        produce(&broker, 9, records(Magic::V2, &["v"]))
            .await
            .base_offset,
        1
    );
}

async fn send(broker: &TestBroker, request: &ProduceRequest) -> Result<(), String> {
    let frame = encode_request(9, 7, None, request).unwrap();
    let mut body = frame.slice(4..);
    let header = ottla_protocol::decode_header(&mut body).unwrap();
    assert_eq!(header.api, ApiKey::Produce);
    broker.answer(header, body).await.map(drop)
}

#[tokio::test]
async fn of_a_partition_named_twice_the_last_records_count() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    broker.lead("u", 2);
    let set = |values: &[&str]| records(Magic::V2, values);
    let twice = [
        ("t", set(&["a"])),
        ("u", set(&["x"])),
        ("t", set(&["b", "c"])),
    ];
    let response = broker.ask(9, &produce_request(&twice)).await;
    let answers = response.responses.iter();
    let answers: Vec<_> = answers
        .map(|t| (t.name.as_str(), t.partition_responses.len()))
        .collect();
    assert_eq!(answers, [("t", 0), ("u", 1), ("t", 1)]);
    assert_eq!(produce(&broker, 9, set(&["d"])).await.base_offset, 2);
}

#[tokio::test]
async fn a_request_of_too_many_partitions_closes_the_connection() {
    let broker = TestBroker::new(&[]);
    let partition = PartitionProduceData::default().with_records(None);
    let topic = TopicProduceData::default()
        .with_name(topic_name("t"))
        .with_partition_data(vec![partition; 200_001]);
    let request = ProduceRequest::default()
        .with_acks(1)
        .with_topic_data(vec![topic]);
    let refused = send(&broker, &request).await;
    assert!(refused.is_err_and(|reason| reason.contains("200001 partitions")));
}

#[tokio::test]
async fn log_append_time_is_told() {
    let broker = TestBroker::new(&[("log.message.timestamp.type", "LogAppendTime")]);
    broker.lead("t", 1);
    for version in [2, 9] {
        let produced = produce(&broker, version, records(magic(version), &["v"])).await;
        assert!(
            produced.log_append_time_ms > 1_600_000_000_000,
            "version {version}"
        );
    }
}
