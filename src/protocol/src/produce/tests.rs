//! Our codecs against the message structs, in all versions.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse as Reference};
use kafka_protocol::protocol::{Decodable, Encodable};
use proptest::prelude::*;

use super::*;
use crate::{ApiKey, DecodeError, ErrorCode, Part, RequestHeader, StrBytes};

type Topics = Vec<(String, Vec<(i32, Option<Vec<u8>>)>)>;

fn topics() -> impl Strategy<Value = Topics> {
    let records = prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    let partitions = prop::collection::vec((any::<i32>(), records), 0..4);
    prop::collection::vec(("[a-zü.]{0,9}", partitions), 0..4)
}

fn encode(version: i16, transactional_id: Option<&str>, topics: &Topics, tags: bool) -> Bytes {
    let mut request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1234)
        .with_transactional_id(
            transactional_id
                .filter(|_| version >= 3)
                .map(|id| StrBytes::from_string(id.to_owned()).into()),
        );
    for (name, partitions) in topics {
        let mut topic = TopicProduceData::default()
            .with_name(StrBytes::from_string(name.clone()).into())
            .with_partition_data(
                partitions
                    .iter()
                    .map(|(index, records)| {
                        let mut partition = PartitionProduceData::default()
                            .with_index(*index)
                            .with_records(records.clone().map(Bytes::from));
                        if tags {
                            partition.unknown_tagged_fields.insert(9, Bytes::from("x"));
                        }
                        partition
                    })
                    .collect(),
            );
        if tags {
            topic.unknown_tagged_fields.insert(5, Bytes::from("topic"));
        }
        request.topic_data.push(topic);
    }
    if tags {
        request.unknown_tagged_fields.insert(5, Bytes::from("all"));
    }
    let mut bytes = BytesMut::new();
    request.encode(&mut bytes, version).unwrap();
    bytes.freeze()
}

fn header(api_version: i16) -> RequestHeader {
    RequestHeader {
        api: ApiKey::Produce,
        api_version,
        correlation_id: 77,
        client_id: None,
    }
}

fn response() -> impl Strategy<Value = (Vec<(String, Vec<ProducePartitionResponse>)>, bool)> {
    let leader = prop::option::of((any::<i32>(), any::<i32>())).prop_map(|leader| {
        leader.map(|(leader_id, leader_epoch)| LeaderIdAndEpoch {
            leader_id,
            leader_epoch,
        })
    });
    let error =
        (any::<i32>(), prop::option::of("[a-z]{0,9}")).prop_map(|(batch_index, message)| {
            RecordError {
                batch_index,
                message,
            }
        });
    let partition = (
        any::<i32>(),
        prop::sample::select(ErrorCode::ALL),
        any::<[i64; 3]>(),
        prop::collection::vec(error, 0..3),
        prop::option::of("[a-z]{0,9}"),
        leader,
    )
        .prop_map(
            |(index, error, numbers, record_errors, error_message, current_leader)| {
                ProducePartitionResponse {
                    index,
                    error,
                    base_offset: numbers[0],
                    log_append_time_ms: numbers[1],
                    log_start_offset: numbers[2],
                    record_errors,
                    error_message,
                    current_leader,
                }
            },
        );
    let partitions = prop::collection::vec(partition, 0..3);
    (
        prop::collection::vec(("[a-z]{0,9}", partitions), 0..3),
        any::<bool>(),
    )
}

proptest! {
    #[test]
    fn requests_are_read_as_the_reference_writes_them(
        id in prop::option::of("[a-z]{0,9}"),
        topics in topics(),
        tags: bool,
    ) {
        for version in 0..=11 {
            let tags = tags && ApiKey::Produce.is_flexible(version);
            let bytes = encode(version, id.as_deref(), &topics, tags);
            let view = ProduceRequestView::decode(version, bytes).unwrap();
            prop_assert_eq!(view.acks, -1);
            prop_assert_eq!(view.timeout_ms, 1234);
            let expected_id = id.as_deref().filter(|_| version >= 3);
            prop_assert_eq!(view.transactional_id.as_deref(), expected_id);
            let found: Topics = view
                .topics()
                .map(|topic| {
                    let partitions = topic
                        .partitions()
                        .map(|p| (p.index, p.records.map(|r| r.to_vec())))
                        .collect();
                    (topic.name.to_owned(), partitions)
                })
                .collect();
            prop_assert_eq!(&found, &topics);
            let count: usize = topics.iter().map(|(_, partitions)| partitions.len()).sum();
            prop_assert_eq!(view.partition_count(), count);
        }
    }

    #[test]
    fn requests_cut_short_are_refused(topics in topics(), version in 0i16..=11, cut: usize) {
        let bytes = encode(version, None, &topics, false);
        let cut = cut % bytes.len();
        prop_assert!(ProduceRequestView::decode(version, bytes.slice(..cut)).is_err());
    }

    #[test]
    fn hostile_requests_do_not_panic(bytes: Vec<u8>, version in 0i16..=11) {
        if let Ok(view) = ProduceRequestView::decode(version, bytes.into()) {
            view.topics().for_each(|topic| topic.partitions().for_each(drop));
        }
    }

    #[test]
    fn responses_are_written_as_the_reference_reads_them((topics, endpoints) in response()) {
        for version in 0..=11 {
            let response = ProduceResponse {
                topics: topics
                    .iter()
                    .map(|(name, partitions)| ProduceTopicResponse {
                        name,
                        partitions: partitions.iter().cloned().collect(),
                    })
                    .collect(),
                throttle_time_ms: 55,
                node_endpoints: endpoints
                    .then(|| NodeEndpoint {
                        node_id: 3,
                        host: "localhost".to_owned(),
                        port: 9092,
                        rack: None,
                    })
                    .into_iter()
                    .collect(),
            };
            let body = response.encode(&header(version));
            prop_assert_eq!(body.parts.len(), 1);
            let Part::Bytes(mut bytes) = body.parts[0].clone() else {
                panic!("bytes only");
            };
            let id = crate::decode_response_header(ApiKey::Produce, version, &mut bytes);
            prop_assert_eq!(id, Ok(77));
            let decoded = Reference::decode(&mut bytes, version).unwrap();
            prop_assert!(bytes.is_empty());
            check_response(version, &response, &decoded)?;
        }
    }
}

fn check_response(
    version: i16,
    ours: &ProduceResponse<'_>,
    reference: &Reference,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(
        reference.throttle_time_ms,
        if version >= 1 { 55 } else { 0 }
    );
    let endpoints = if version >= 10 {
        ours.node_endpoints.len()
    } else {
        0
    };
    prop_assert_eq!(reference.node_endpoints.len(), endpoints);
    for endpoint in &reference.node_endpoints {
        prop_assert_eq!((&*endpoint.host, endpoint.port), ("localhost", 9092));
    }
    prop_assert_eq!(reference.responses.len(), ours.topics.len());
    for (reference, ours) in reference.responses.iter().zip(&ours.topics) {
        prop_assert_eq!(&**reference.name, ours.name);
        prop_assert_eq!(reference.partition_responses.len(), ours.partitions.len());
        for (reference, ours) in reference.partition_responses.iter().zip(&ours.partitions) {
            let since = |v: i16, value: i64| if version >= v { value } else { -1 };
            prop_assert_eq!(reference.index, ours.index);
            prop_assert_eq!(reference.error_code, ours.error.code());
            prop_assert_eq!(reference.base_offset, ours.base_offset);
            prop_assert_eq!(
                reference.log_append_time_ms,
                since(2, ours.log_append_time_ms)
            );
            prop_assert_eq!(reference.log_start_offset, since(5, ours.log_start_offset));
            if version >= 8 {
                let message = reference.error_message.as_deref();
                prop_assert_eq!(message, ours.error_message.as_deref());
                let errors: Vec<RecordError> = reference
                    .record_errors
                    .iter()
                    .map(|e| RecordError {
                        batch_index: e.batch_index,
                        message: e.batch_index_error_message.as_ref().map(|m| m.to_string()),
                    })
                    .collect();
                prop_assert_eq!(&errors, &ours.record_errors);
            }
            let leader = ours.current_leader.filter(|_| version >= 10);
            let leader = leader.map_or((-1, -1), |l| (l.leader_id, l.leader_epoch));
            let found = &reference.current_leader;
            prop_assert_eq!((found.leader_id.0, found.leader_epoch), leader);
        }
    }
    Ok(())
}

#[test]
fn counts_that_cannot_fit_are_refused() {
    let check = |version, bytes: &[u8], field| {
        assert_eq!(
            ProduceRequestView::decode(version, Bytes::copy_from_slice(bytes)).unwrap_err(),
            DecodeError::Truncated { field }
        );
    };
    let acks_and_timeout = [0, 1, 0, 0, 0, 9];
    check(
        0,
        &[&acks_and_timeout[..], &[0x7f, 0xff, 0xff, 0xff]].concat(),
        "topic_data",
    );
    check(
        9,
        &[&[0][..], &acks_and_timeout, &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
        "topic_data",
    );
    check(
        0,
        &[&acks_and_timeout[..], &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 9]].concat(),
        "partition_data",
    );
}

#[test]
fn records_share_the_frame() {
    let records = vec![7; 1000];
    let bytes = encode(
        9,
        None,
        &vec![("t".to_owned(), vec![(0, Some(records))])],
        false,
    );
    let view = ProduceRequestView::decode(9, bytes.clone()).unwrap();
    let found = view.topics().next().unwrap().partitions().next().unwrap();
    let found = found.records.unwrap();
    assert!(bytes.as_ptr_range().contains(&found.as_ptr()));
}
