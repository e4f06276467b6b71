//! The producer against a broker that says what the test wants.
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests, too

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ottla_client::{
    ClientError, Cluster, ClusterOptions, Delivery, Idempotence, Producer, ProducerOptions,
    ProducerRecord,
};
use ottla_protocol::messages::api_versions_response::ApiVersion;
use ottla_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use ottla_protocol::messages::{
    ApiVersionsResponse, InitProducerIdResponse, MetadataResponse, ProduceRequest, ProduceResponse,
};
use ottla_protocol::{ApiKey, ErrorCode, RequestHeader, StrBytes, decode_request};
use ottla_records::{batches, records, verify};

use broker::{Deed, broker, frame};

mod broker;

const TOPIC: &str = "t";

/// What the broker has stored of one partition, and what came in.
#[derive(Debug, Default)]
struct Log {
    values: Vec<String>,
    /// Producer id and base sequence of every batch that came, stored or not.
    sequences: Vec<(i64, i32)>,
    requests: usize,
}

type Logs = Arc<Mutex<BTreeMap<i32, Log>>>;

/// What the broker thinks of a batch: how many requests of the partition came before it, how many
/// records it has, whether it is numbered.
type Verdict = fn(usize, usize, bool) -> ErrorCode;

/// A broker with a topic of two partitions.
async fn broker_with(verdict: Verdict) -> (Cluster, Logs) {
    let logs = Logs::default();
    let shared = Arc::clone(&logs);
    let address = Arc::new(Mutex::new(String::new()));
    let own_address = Arc::clone(&address);
    let listening = broker(move |_, header, body| {
        Deed::Answer(match header.api {
            ApiKey::ApiVersions => frame(header, &versions()),
            ApiKey::Metadata => frame(header, &metadata(&own_address.lock().unwrap())),
            ApiKey::InitProducerId => frame(
                header,
                &InitProducerIdResponse::default().with_producer_id(77.into()),
            ),
            ApiKey::Produce => produce(header, body, &shared, verdict),
            other => panic!("unexpected {other}"),
        })
    })
    .await;
    *address.lock().unwrap() = listening.clone();
    let mut options = ClusterOptions::new(&listening).unwrap();
    options.retry_backoff = Duration::from_millis(5);
    (Cluster::new(options), logs)
}

fn versions() -> ApiVersionsResponse {
    let api = |(api, max): (ApiKey, i16)| {
        ApiVersion::default()
            .with_api_key(api.key())
            .with_max_version(max)
    };
    let apis = [
        (ApiKey::Produce, 7),
        (ApiKey::Metadata, 5),
        (ApiKey::ApiVersions, 3),
        (ApiKey::InitProducerId, 1),
    ];
    ApiVersionsResponse::default().with_api_keys(apis.into_iter().map(api).collect())
}

fn metadata(address: &str) -> MetadataResponse {
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    let node = MetadataResponseBroker::default()
        .with_node_id(1.into())
        .with_host(StrBytes::from_static_str("127.0.0.1"))
        .with_port(port);
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(1.into())
    };
    let topic = MetadataResponseTopic::default()
        .with_name(Some(StrBytes::from_static_str(TOPIC).into()))
        .with_partitions(vec![partition(0), partition(1)]);
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_topics(vec![topic])
}

fn produce(header: &RequestHeader, body: Bytes, logs: &Logs, verdict: Verdict) -> Bytes {
    let request: ProduceRequest = decode_request(header.api_version, body).unwrap();
    let mut logs = logs.lock().unwrap();
    let topics = request.topic_data.into_iter().map(|topic| {
        let partitions = topic.partition_data.into_iter().map(|data| {
            let log = logs.entry(data.index).or_default();
            let bytes = data.records.unwrap();
            let mut batch = batches(&bytes);
            let entry = batch.next().unwrap().unwrap();
            assert!(batch.next().is_none(), "one batch per partition");
            let producer = verify(entry).unwrap().producer();
            if let Some(producer) = producer {
                log.sequences.push((producer.id, producer.base_sequence));
            }
            let values: Vec<String> = records(entry)
                .unwrap()
                .map(|r| String::from_utf8(r.unwrap().value.unwrap().to_vec()).unwrap())
                .collect();
            let code = verdict(log.requests, values.len(), producer.is_some());
            log.requests += 1;
            let base_offset = log.values.len();
            if code.is_none() {
                log.values.extend(values);
            }
            PartitionProduceResponse::default()
                .with_index(data.index)
                .with_error_code(code.code())
                .with_base_offset(if code.is_none() {
                    base_offset as i64
                } else {
                    -1
                })
        });
        TopicProduceResponse::default()
            .with_name(topic.name)
            .with_partition_responses(partitions.collect())
    });
    let responses = topics.collect();
    frame(
        header,
        &ProduceResponse::default().with_responses(responses),
    )
}

fn options() -> ProducerOptions {
    ProducerOptions {
        acks: -1,
        linger: Duration::from_millis(2),
        batch_bytes: 300,
        idempotence: Idempotence::Required,
        ..ProducerOptions::default()
    }
}

/// Sends `count` records to each partition and returns what became of them, in order.
async fn send(
    cluster: &Cluster,
    options: ProducerOptions,
    count: usize,
) -> Vec<Result<Delivery, ClientError>> {
    let producer = Producer::new(cluster.clone(), options);
    let mut fates = Vec::new();
    for partition in [0, 1] {
        for i in 0..count {
            let record = ProducerRecord {
                topic: TOPIC.to_owned(),
                partition: Some(partition),
                value: Some(Bytes::from(format!("value {i}"))),
                ..ProducerRecord::default()
            };
            fates.push(producer.send(record).await.unwrap());
        }
    }
    producer.flush().await;
    let mut results = Vec::new();
    for fate in fates {
        results.push(fate.await.unwrap());
    }
    results
}

/// All records must be stored once and in order, with the offsets that were told.
fn check_stored(results: Vec<Result<Delivery, ClientError>>, logs: &Logs, count: usize) {
    let expected: Vec<String> = (0..count).map(|i| format!("value {i}")).collect();
    let logs = logs.lock().unwrap();
    for partition in [0, 1] {
        assert_eq!(logs[&partition].values, expected);
    }
    for (i, result) in results.into_iter().enumerate() {
        let delivery = result.unwrap();
        assert_eq!(delivery.offset, (i % count) as i64);
        assert_eq!(delivery.partition.partition, (i / count) as i32);
    }
}

/// The sequences a broker would insist on: each batch follows the one that was stored before it.
fn check_sequences(logs: &Logs) {
    for log in logs.lock().unwrap().values() {
        assert!(log.sequences.iter().all(|(id, _)| *id == 77));
        assert_eq!(log.sequences[0].1, 0);
        assert!(log.sequences.is_sorted(), "{:?}", log.sequences);
    }
}

#[tokio::test]
async fn records_arrive_in_order() {
    let (cluster, logs) = broker_with(|_, _, _| ErrorCode::None).await;
    let results = send(&cluster, options(), 100).await;
    check_stored(results, &logs, 100);
    check_sequences(&logs);
    let requests = logs.lock().unwrap()[&0].requests;
    assert!((2..100).contains(&requests), "{requests} requests");
}

#[tokio::test]
async fn records_arrive_in_order_after_passing_failures() {
    let (cluster, logs) = broker_with(|before, _, _| match before % 3 {
        0 => ErrorCode::NotLeaderOrFollower,
        1 => ErrorCode::None,
        _ => ErrorCode::NotEnoughReplicas,
    })
    .await;
    let results = send(&cluster, options(), 50).await;
    check_stored(results, &logs, 50);
    check_sequences(&logs);
}

#[tokio::test]
async fn batches_that_are_too_large_are_split() {
    let (cluster, logs) = broker_with(|_, records, _| match records {
        0..=2 => ErrorCode::None,
        _ => ErrorCode::MessageTooLarge,
    })
    .await;
    let results = send(&cluster, options(), 40).await;
    check_stored(results, &logs, 40);
    check_sequences(&logs);
}

#[tokio::test]
async fn numbers_are_left_out_where_they_cannot_be_kept() {
    let verdict: Verdict = |_, _, numbered| match numbered {
        true => ErrorCode::UnsupportedForMessageFormat,
        false => ErrorCode::None,
    };
    let (cluster, logs) = broker_with(verdict).await;
    let if_possible = ProducerOptions {
        idempotence: Idempotence::IfPossible,
        ..options()
    };
    let results = send(&cluster, if_possible, 20).await;
    check_stored(results, &logs, 20);
    let (cluster, _) = broker_with(verdict).await;
    let results = send(&cluster, options(), 1).await;
    let code = |r: &Result<Delivery, ClientError>| r.as_ref().unwrap_err().code();
    assert!(
        results
            .iter()
            .all(|r| code(r) == Some(ErrorCode::UnsupportedForMessageFormat))
    );
}

#[tokio::test]
async fn failures_are_told() {
    let (cluster, logs) = broker_with(|_, _, _| ErrorCode::TopicAuthorizationFailed).await;
    let results = send(&cluster, options(), 3).await;
    assert!(results.iter().all(Result::is_err));
    assert!(logs.lock().unwrap()[&0].values.is_empty());
    let producer = Producer::new(cluster, options());
    let record = |partition, size| ProducerRecord {
        topic: TOPIC.to_owned(),
        partition: Some(partition),
        value: Some(Bytes::from(vec![0; size])),
        ..ProducerRecord::default()
    };
    let large = producer.send(record(0, 2 << 20)).await.unwrap_err();
    assert!(matches!(large, ClientError::RecordTooLarge { .. }));
    let nowhere = producer.send(record(7, 1)).await.unwrap_err();
    assert!(matches!(nowhere, ClientError::DeadlinePassed { .. }));
}
