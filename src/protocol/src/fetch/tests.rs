//! Our codecs against the message structs, in all versions.

use std::fs::File;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{
    FetchPartition as ReferencePartition, FetchTopic as ReferenceTopic,
    ForgottenTopic as ReferenceForgotten, ReplicaState,
};
use kafka_protocol::messages::{self, BrokerId};
use kafka_protocol::protocol::{Decodable, Encodable};
use ottla_metadata::TopicId;
use proptest::prelude::*;
use smallvec::smallvec;
use uuid::Uuid;

use super::*;
use crate::produce::{LeaderIdAndEpoch, NodeEndpoint};
use crate::{ApiKey, DecodeError, ErrorCode, Part, RequestHeader, StrBytes};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_id(n: u8) -> TopicId {
    TopicId([n; 16])
}

fn partition() -> impl Strategy<Value = FetchPartition> {
    (any::<[i32; 4]>(), any::<[i64; 2]>(), any::<u8>()).prop_map(|(small, large, directory)| {
        FetchPartition {
            index: small[0],
            current_leader_epoch: small[1],
            fetch_offset: large[0],
            last_fetched_epoch: small[2],
            log_start_offset: large[1],
            max_bytes: small[3],
            replica_directory_id: topic_id(directory),
        }
    })
}

prop_compose! {
    fn request()(
        cluster_id in prop::option::of("[a-z]{0,9}"),
        replica in (any::<i32>(), any::<i64>()),
        numbers in any::<[i32; 5]>(),
        committed: bool,
        topics in prop::collection::vec(
            ("[a-z]{0,9}", any::<u8>(), prop::collection::vec(partition(), 0..3)),
            0..3,
        ),
        forgotten in prop::collection::vec(
            ("[a-z]{0,9}", any::<u8>(), prop::collection::vec(any::<i32>(), 0..3)),
            0..3,
        ),
        rack_id in "[a-z]{0,9}",
    ) -> FetchRequest {
        FetchRequest {
            cluster_id: cluster_id.map(StrBytes::from_string),
            replica_id: replica.0,
            replica_epoch: replica.1,
            max_wait_ms: numbers[0],
            min_bytes: numbers[1],
            max_bytes: numbers[2],
            isolation_level: match committed {
                true => IsolationLevel::ReadCommitted,
                false => IsolationLevel::ReadUncommitted,
            },
            session_id: numbers[3],
            session_epoch: numbers[4],
            topics: topics
                .into_iter()
                .map(|(name, id, partitions)| FetchTopic {
                    name: text(&name),
                    id: topic_id(id),
                    partitions,
                })
                .collect(),
            forgotten_topics: forgotten
                .into_iter()
                .map(|(name, id, partitions)| ForgottenTopic {
                    name: text(&name),
                    id: topic_id(id),
                    partitions,
                })
                .collect(),
            rack_id: text(&rack_id),
        }
    }
}

/// The request with all that `version` does not have at its default.
fn as_of(version: i16, request: &FetchRequest) -> FetchRequest {
    let mut request = request.clone();
    let reset = |name: &mut StrBytes, id: &mut TopicId| match version {
        ..=12 => *id = TopicId::ZERO,
        _ => *name = StrBytes::default(),
    };
    for topic in &mut request.topics {
        reset(&mut topic.name, &mut topic.id);
        for partition in &mut topic.partitions {
            if version < 5 {
                partition.log_start_offset = -1;
            }
            if version < 9 {
                partition.current_leader_epoch = -1;
            }
            if version < 12 {
                partition.last_fetched_epoch = -1;
            }
            if version < 17 {
                partition.replica_directory_id = TopicId::ZERO;
            }
        }
    }
    for topic in &mut request.forgotten_topics {
        reset(&mut topic.name, &mut topic.id);
    }
    if version < 3 {
        request.max_bytes = i32::MAX;
    }
    if version < 4 {
        request.isolation_level = IsolationLevel::ReadUncommitted;
    }
    if version < 7 {
        request.session_id = 0;
        request.session_epoch = -1;
        request.forgotten_topics.clear();
    }
    if version < 11 {
        request.rack_id = StrBytes::default();
    }
    if version < 12 {
        request.cluster_id = None;
    }
    if version < 15 {
        request.replica_epoch = -1;
    }
    request
}

/// Writes it with the message structs.
fn encode(version: i16, request: &FetchRequest) -> Bytes {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| {
            ReferencePartition::default()
                .with_partition(p.index)
                .with_current_leader_epoch(p.current_leader_epoch)
                .with_fetch_offset(p.fetch_offset)
                .with_last_fetched_epoch(p.last_fetched_epoch)
                .with_log_start_offset(p.log_start_offset)
                .with_partition_max_bytes(p.max_bytes)
                .with_replica_directory_id(Uuid::from_bytes(p.replica_directory_id.0))
        });
        ReferenceTopic::default()
            .with_topic(topic.name.clone().into())
            .with_topic_id(Uuid::from_bytes(topic.id.0))
            .with_partitions(partitions.collect())
    });
    let forgotten = request.forgotten_topics.iter().map(|topic| {
        ReferenceForgotten::default()
            .with_topic(topic.name.clone().into())
            .with_topic_id(Uuid::from_bytes(topic.id.0))
            .with_partitions(topic.partitions.clone())
    });
    let mut reference = messages::FetchRequest::default()
        .with_cluster_id(request.cluster_id.clone())
        .with_max_wait_ms(request.max_wait_ms)
        .with_min_bytes(request.min_bytes)
        .with_max_bytes(request.max_bytes)
        .with_isolation_level(request.isolation_level as i8)
        .with_session_id(request.session_id)
        .with_session_epoch(request.session_epoch)
        .with_topics(topics.collect())
        .with_forgotten_topics_data(forgotten.collect())
        .with_rack_id(request.rack_id.clone());
    if version >= 15 {
        reference.replica_id = BrokerId(-1);
        reference.replica_state = ReplicaState::default()
            .with_replica_id(BrokerId(request.replica_id))
            .with_replica_epoch(request.replica_epoch);
    } else {
        reference.replica_id = BrokerId(request.replica_id);
    }
    let mut bytes = BytesMut::new();
    reference.encode(&mut bytes, version).unwrap();
    bytes.freeze()
}

fn partition_response() -> impl Strategy<Value = FetchPartitionResponse> {
    let epoch_and_offset = || prop::option::of((any::<i32>(), any::<i64>()));
    let aborted =
        (any::<i64>(), any::<i64>()).prop_map(|(producer_id, first_offset)| AbortedTransaction {
            producer_id,
            first_offset,
        });
    (
        any::<[i32; 2]>(),
        prop::sample::select(ErrorCode::ALL),
        any::<[i64; 3]>(),
        (
            epoch_and_offset(),
            prop::option::of(any::<[i32; 2]>()),
            epoch_and_offset(),
        ),
        prop::option::of(prop::collection::vec(aborted, 0..3)),
        prop::collection::vec(any::<u8>(), 0..200),
    )
        .prop_map(
            |(small, error, large, tags, aborted_transactions, records)| FetchPartitionResponse {
                index: small[0],
                error,
                high_watermark: large[0],
                last_stable_offset: large[1],
                log_start_offset: large[2],
                diverging_epoch: tags
                    .0
                    .map(|(epoch, end_offset)| EpochEndOffset { epoch, end_offset }),
                current_leader: tags.1.map(|[leader_id, leader_epoch]| LeaderIdAndEpoch {
                    leader_id,
                    leader_epoch,
                }),
                snapshot_id: tags
                    .2
                    .map(|(epoch, end_offset)| SnapshotId { end_offset, epoch }),
                aborted_transactions,
                preferred_read_replica: small[1],
                records: smallvec![Part::Bytes(records.into())],
            },
        )
}

fn response() -> impl Strategy<Value = Vec<(String, Vec<FetchPartitionResponse>)>> {
    let partitions = prop::collection::vec(partition_response(), 0..3);
    prop::collection::vec(("[a-z]{0,9}", partitions), 0..3)
}

fn header(api_version: i16) -> RequestHeader {
    RequestHeader {
        api: ApiKey::Fetch,
        api_version,
        correlation_id: 77,
        client_id: None,
    }
}

/// All parts' bytes, one behind the other.
fn joined(parts: &[Part]) -> Bytes {
    let bytes = parts.iter().map(|part| match part {
        Part::Bytes(bytes) => bytes.as_ref(),
        Part::File { .. } => panic!("no files here"),
    });
    bytes.collect::<Vec<_>>().concat().into()
}

proptest! {
    #[test]
    fn requests_are_read_as_the_reference_writes_them(request in request()) {
        for version in 0..=17 {
            let expected = as_of(version, &request);
            let bytes = encode(version, &expected);
            prop_assert_eq!(FetchRequest::decode(version, bytes).unwrap(), expected);
        }
    }

    #[test]
    fn requests_cut_short_are_refused(request in request(), version in 0i16..=17, cut: usize) {
        let bytes = encode(version, &as_of(version, &request));
        let cut = cut % bytes.len();
        prop_assert!(FetchRequest::decode(version, bytes.slice(..cut)).is_err());
    }

    #[test]
    fn hostile_requests_do_not_panic(bytes: Vec<u8>, version in 0i16..=17) {
        let _ = FetchRequest::decode(version, bytes.into());
    }

    #[test]
    fn responses_are_written_as_the_reference_reads_them(topics in response(), endpoint: bool) {
        for version in 0..=17 {
            let response = FetchResponse {
                throttle_time_ms: 55,
                error: ErrorCode::FetchSessionIdNotFound,
                session_id: 66,
                topics: topics
                    .iter()
                    .map(|(name, partitions)| FetchTopicResponse {
                        name,
                        id: topic_id(9),
                        partitions: partitions.clone(),
                    })
                    .collect(),
                node_endpoints: endpoint
                    .then(|| NodeEndpoint {
                        node_id: 3,
                        host: "localhost".to_owned(),
                        port: 9092,
                        rack: Some("r".to_owned()),
                    })
                    .into_iter()
                    .collect(),
            };
            let body = response.clone().encode(&header(version));
            let mut bytes = joined(&body.parts);
            prop_assert_eq!(bytes.len() as u64, body.len());
            let id = crate::decode_response_header(ApiKey::Fetch, version, &mut bytes);
            prop_assert_eq!(id, Ok(77));
            let decoded = messages::FetchResponse::decode(&mut bytes, version).unwrap();
            prop_assert!(bytes.is_empty());
            check_response(version, &response, &decoded)?;
        }
    }
}

fn check_response(
    version: i16,
    ours: &FetchResponse<'_>,
    reference: &messages::FetchResponse,
) -> Result<(), TestCaseError> {
    let since = |v: i16, value: i64, default: i64| if version >= v { value } else { default };
    prop_assert_eq!(i64::from(reference.throttle_time_ms), since(1, 55, 0));
    prop_assert_eq!(i64::from(reference.error_code), since(7, 70, 0));
    prop_assert_eq!(i64::from(reference.session_id), since(7, 66, 0));
    let endpoints = since(16, ours.node_endpoints.len() as i64, 0);
    prop_assert_eq!(reference.node_endpoints.len() as i64, endpoints);
    prop_assert_eq!(reference.responses.len(), ours.topics.len());
    for (reference, ours) in reference.responses.iter().zip(&ours.topics) {
        if version <= 12 {
            prop_assert_eq!(&**reference.topic, ours.name);
        } else {
            prop_assert_eq!(*reference.topic_id.as_bytes(), ours.id.0);
        }
        prop_assert_eq!(reference.partitions.len(), ours.partitions.len());
        for (reference, ours) in reference.partitions.iter().zip(&ours.partitions) {
            check_partition(version, ours, reference)?;
        }
    }
    Ok(())
}

fn check_partition(
    version: i16,
    ours: &FetchPartitionResponse,
    reference: &messages::fetch_response::PartitionData,
) -> Result<(), TestCaseError> {
    let since = |v: i16, value: i64| if version >= v { value } else { -1 };
    prop_assert_eq!(reference.partition_index, ours.index);
    prop_assert_eq!(reference.error_code, ours.error.code());
    prop_assert_eq!(reference.high_watermark, ours.high_watermark);
    prop_assert_eq!(
        reference.last_stable_offset,
        since(4, ours.last_stable_offset)
    );
    prop_assert_eq!(reference.log_start_offset, since(5, ours.log_start_offset));
    prop_assert_eq!(
        i64::from(*reference.preferred_read_replica),
        since(11, ours.preferred_read_replica.into())
    );
    if version >= 4 {
        let aborted = reference.aborted_transactions.as_ref().map(|aborted| {
            let aborted = aborted.iter().map(|a| AbortedTransaction {
                producer_id: *a.producer_id,
                first_offset: a.first_offset,
            });
            aborted.collect::<Vec<_>>()
        });
        prop_assert_eq!(&aborted, &ours.aborted_transactions);
    }
    let diverging = ours.diverging_epoch.filter(|_| version >= 12);
    prop_assert_eq!(
        (
            reference.diverging_epoch.epoch,
            reference.diverging_epoch.end_offset
        ),
        diverging.map_or((-1, -1), |d| (d.epoch, d.end_offset))
    );
    let leader = ours.current_leader.filter(|_| version >= 12);
    prop_assert_eq!(
        (
            reference.current_leader.leader_id.0,
            reference.current_leader.leader_epoch
        ),
        leader.map_or((-1, -1), |l| (l.leader_id, l.leader_epoch))
    );
    let snapshot = ours.snapshot_id.filter(|_| version >= 12);
    prop_assert_eq!(
        (
            reference.snapshot_id.epoch,
            reference.snapshot_id.end_offset
        ),
        snapshot.map_or((-1, -1), |s| (s.epoch, s.end_offset))
    );
    let records = reference.records.clone().unwrap_or_default();
    prop_assert_eq!(records, joined(&ours.records));
    Ok(())
}

#[test]
fn records_stay_parts() {
    let file = Arc::new(File::open("/dev/null").unwrap());
    let mut with_file = FetchPartitionResponse::failed(0, ErrorCode::None);
    with_file.records = smallvec![Part::File {
        file,
        position: 10,
        len: 5_000_000_000
    }];
    let response = FetchResponse {
        throttle_time_ms: 0,
        error: ErrorCode::None,
        session_id: 0,
        topics: vec![FetchTopicResponse {
            name: "t",
            id: TopicId::ZERO,
            partitions: vec![
                with_file.clone(),
                FetchPartitionResponse::failed(1, ErrorCode::NotLeaderOrFollower),
                with_file,
            ],
        }],
        node_endpoints: Vec::new(),
    };
    let body = response.encode(&header(12));
    let kinds: Vec<bool> = body
        .parts
        .iter()
        .map(|part| matches!(part, Part::File { position: 10, .. }))
        .collect();
    assert_eq!(kinds, [false, true, false, true, false]);
}

#[test]
fn what_cannot_be_is_refused() {
    let check = |version, bytes: &[u8], expected| {
        let bytes = Bytes::copy_from_slice(bytes);
        assert_eq!(FetchRequest::decode(version, bytes), Err(expected));
    };
    let head = [0; 12];
    check(
        0,
        &[&head[..], &[0x7f, 0xff, 0xff, 0xff]].concat(),
        DecodeError::Truncated { field: "topics" },
    );
    check(
        4,
        &[&head[..], &[0; 4], &[2], &[0; 4]].concat(),
        DecodeError::Invalid {
            message: "FetchRequest",
            reason: "isolation level 2".to_owned(),
        },
    );
    check(
        18,
        &[],
        DecodeError::UnsupportedVersion {
            message: "FetchRequest",
            version: 18,
        },
    );
    // Topics without partitions, 3 bytes each on the wire.
    let topics = 1_000_000u32;
    let mut bytes = vec![0; 8 + 4 + 1 + 8];
    crate::wire::PutExt::put_varint(&mut bytes, topics + 1);
    for _ in 0..topics {
        bytes.extend([1, 1, 0]);
    }
    bytes.extend([1, 1, 0]);
    let wire_bytes = bytes.len() + 4;
    check(
        12,
        &[&[0; 4][..], &bytes].concat(),
        DecodeError::Amplified {
            wire_bytes,
            limit: (1 << 20) + 8 * wire_bytes,
        },
    );
}
