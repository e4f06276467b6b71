//! What requests and responses cost as bytes.
#![allow(clippy::unwrap_used)] // In benchmarks a panic is the report.

use std::fs::File;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use divan::{Bencher, black_box};
use ottla_metadata::TopicId;
use ottla_protocol::fetch::{
    FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopicResponse,
};
use ottla_protocol::messages::api_versions_response::ApiVersion;
use ottla_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_protocol::messages::{self, ApiVersionsResponse, MetadataResponse};
use ottla_protocol::produce::{
    ProducePartitionResponse, ProduceRequestView, ProduceResponse, ProduceTopicResponse,
};
use ottla_protocol::{
    ApiKey, Encodable, ErrorCode, Part, RequestHeader, StrBytes, decode_header, encode_request,
    encode_response,
};
use smallvec::smallvec;

/// Partitions of a request: a client's with one topic, and a busy client's or follower's.
const PARTITIONS: [i32; 2] = [1, 100];
const TOPIC: &str = "a-topic-with-a-name";

fn main() {
    divan::main();
}

/// The header of a request.
#[divan::bench]
fn decode_request_header(bencher: Bencher<'_, '_>) {
    let request = messages::ProduceRequest::default();
    let frame = encode_request(9, 7, Some("producer-1"), &request).unwrap();
    let frame = frame.slice(4..);
    bencher.bench_local(|| decode_header(&mut black_box(frame.clone())).unwrap());
}

/// A produce request, and going through its partitions.
#[divan::bench(args = PARTITIONS)]
fn decode_produce(bencher: Bencher<'_, '_>, partitions: i32) {
    use messages::produce_request::{PartitionProduceData, TopicProduceData};
    let records = Bytes::from(vec![7; 1000]);
    let partition = |index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(records.clone()))
    };
    let topic = TopicProduceData::default()
        .with_name(StrBytes::from_static_str(TOPIC).into())
        .with_partition_data((0..partitions).map(partition).collect());
    let request = messages::ProduceRequest::default().with_topic_data(vec![topic]);
    let body = encoded(&request, 9);
    bencher.bench_local(|| {
        let request = ProduceRequestView::decode(9, body.clone()).unwrap();
        for topic in request.topics() {
            for partition in topic.partitions() {
                black_box(partition);
            }
        }
    });
}

/// The answer to a produce request.
#[divan::bench(args = PARTITIONS)]
fn encode_produce(bencher: Bencher<'_, '_>, partitions: i32) {
    let header = header(ApiKey::Produce, 9);
    let partition = |index| ProducePartitionResponse {
        base_offset: 1_000_000,
        log_start_offset: 0,
        ..ProducePartitionResponse::failed(index, ErrorCode::None)
    };
    let topic = ProduceTopicResponse {
        name: TOPIC,
        partitions: (0..partitions).map(partition).collect(),
    };
    let response = ProduceResponse {
        topics: smallvec![topic],
        ..ProduceResponse::default()
    };
    bencher
        .with_inputs(|| response.clone())
        .bench_local_values(|response| response.encode(&header));
}

/// A fetch request.
#[divan::bench(args = PARTITIONS)]
fn decode_fetch(bencher: Bencher<'_, '_>, partitions: i32) {
    use messages::fetch_request::{FetchPartition, FetchTopic};
    let partition = |index| {
        FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(1_000_000)
            .with_partition_max_bytes(1 << 20)
    };
    let topic = FetchTopic::default()
        .with_topic(StrBytes::from_static_str(TOPIC).into())
        .with_partitions((0..partitions).map(partition).collect());
    let request = messages::FetchRequest::default().with_topics(vec![topic]);
    let body = encoded(&request, 12);
    bencher.bench_local(|| FetchRequest::decode(12, body.clone()).unwrap());
}

/// The answer to a fetch request, with records in a file.
#[divan::bench(args = PARTITIONS)]
fn encode_fetch(bencher: Bencher<'_, '_>, partitions: i32) {
    let header = header(ApiKey::Fetch, 12);
    let file = Arc::new(File::open("/dev/null").unwrap());
    let partition = |index| FetchPartitionResponse {
        high_watermark: 1_000_000,
        last_stable_offset: 1_000_000,
        log_start_offset: 0,
        records: smallvec![Part::File {
            file: Arc::clone(&file),
            position: 0,
            len: 1 << 20,
        }],
        ..FetchPartitionResponse::failed(index, ErrorCode::None)
    };
    let topic = FetchTopicResponse {
        name: TOPIC,
        id: TopicId([7; 16]),
        partitions: (0..partitions).map(partition).collect(),
    };
    let response = FetchResponse {
        throttle_time_ms: 0,
        error: ErrorCode::None,
        session_id: 0,
        topics: vec![topic],
        node_endpoints: Vec::new(),
    };
    bencher
        .with_inputs(|| response.clone())
        .bench_local_values(|response| response.encode(&header));
}

/// Metadata of a topic of that many partitions.
#[divan::bench(args = PARTITIONS)]
fn encode_metadata(bencher: Bencher<'_, '_>, partitions: i32) {
    let header = header(ApiKey::Metadata, 12);
    let broker = |id: i32| {
        MetadataResponseBroker::default()
            .with_node_id(id.into())
            .with_host(StrBytes::from_static_str("broker.example.org"))
            .with_port(9092)
    };
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(1.into())
            .with_replica_nodes([1, 2, 3].map(Into::into).into())
            .with_isr_nodes([1, 2, 3].map(Into::into).into())
    };
    let topic = MetadataResponseTopic::default()
        .with_name(Some(StrBytes::from_static_str(TOPIC).into()))
        .with_partitions((0..partitions).map(partition).collect());
    let response = MetadataResponse::default()
        .with_brokers((0..3).map(broker).collect())
        .with_topics(vec![topic]);
    bencher.bench_local(|| encode_response(&header, &response).unwrap());
}

/// The first answer on every connection.
#[divan::bench]
fn encode_api_versions(bencher: Bencher<'_, '_>) {
    let header = header(ApiKey::ApiVersions, 3);
    let api = |key| ApiVersion::default().with_api_key(key).with_max_version(12);
    let response = ApiVersionsResponse::default().with_api_keys((0..60).map(api).collect());
    bencher.bench_local(|| encode_response(&header, &response).unwrap());
}

fn header(api: ApiKey, api_version: i16) -> RequestHeader {
    RequestHeader {
        api,
        api_version,
        correlation_id: 7,
        client_id: None,
    }
}

fn encoded(message: &impl Encodable, version: i16) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, version).unwrap();
    bytes.freeze()
}
