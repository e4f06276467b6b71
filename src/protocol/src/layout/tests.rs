//! The tables are checked against the decoders they guard: what is generated from a table must be
//! taken whole by the decoder, in every version of every message.

use std::alloc::{GlobalAlloc, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::Guarded;
use crate::wire::PutExt;
use crate::{DecodeError, decode_response, messages};

/// Calls `$check::<M>($args)` for every message with a layout.
macro_rules! for_all_messages {
    ($check:ident $args:tt) => {
        for_all_messages!(@each $check $args
            CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
            CreatePartitionsRequest, CreatePartitionsResponse, DescribeConfigsRequest,
            DescribeConfigsResponse, AlterConfigsRequest, AlterConfigsResponse,
            IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, DescribeLogDirsRequest,
            DescribeLogDirsResponse, AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
            ElectLeadersRequest, ElectLeadersResponse, AlterPartitionReassignmentsRequest,
            AlterPartitionReassignmentsResponse, ListPartitionReassignmentsRequest,
            ListPartitionReassignmentsResponse, DescribeProducersRequest, DescribeProducersResponse,
            UpdateFeaturesRequest, UpdateFeaturesResponse, ProduceRequest, ProduceResponse,
            FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse,
            OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, DeleteRecordsRequest,
            DeleteRecordsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
            OffsetFetchResponse, JoinGroupRequest, JoinGroupResponse, HeartbeatRequest,
            HeartbeatResponse, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest,
            SyncGroupResponse, DescribeGroupsRequest, DescribeGroupsResponse, ListGroupsRequest,
            ListGroupsResponse, DeleteGroupsRequest, DeleteGroupsResponse, OffsetDeleteRequest,
            OffsetDeleteResponse, ApiVersionsRequest, ApiVersionsResponse, MetadataRequest,
            MetadataResponse, DescribeClusterRequest, DescribeClusterResponse,
            DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, FindCoordinatorRequest,
            FindCoordinatorResponse, LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest,
            StopReplicaResponse, UpdateMetadataRequest, UpdateMetadataResponse,
            ControlledShutdownRequest, ControlledShutdownResponse, AlterPartitionRequest,
            AlterPartitionResponse, AllocateProducerIdsRequest, AllocateProducerIdsResponse,
            SaslHandshakeRequest, SaslHandshakeResponse, SaslAuthenticateRequest,
            SaslAuthenticateResponse, DescribeAclsRequest, DescribeAclsResponse, CreateAclsRequest,
            CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeClientQuotasRequest,
            DescribeClientQuotasResponse, AlterClientQuotasRequest, AlterClientQuotasResponse,
            InitProducerIdRequest, InitProducerIdResponse, AddPartitionsToTxnRequest,
            AddPartitionsToTxnResponse, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse,
            EndTxnRequest, EndTxnResponse, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
            TxnOffsetCommitRequest, TxnOffsetCommitResponse, DescribeTransactionsRequest,
            DescribeTransactionsResponse, ListTransactionsRequest, ListTransactionsResponse
        )
    };
    (@each $check:ident $args:tt $($message:ident),*) => {
        $($check::<messages::$message> $args;)*
    };
}

fn generate<M: Guarded>(version: i16, seed: u8) -> Bytes {
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    M::LAYOUT.sample(version, &mut || rng.next_u32())
}

fn versions<M: Guarded>() -> std::ops::RangeInclusive<i16> {
    M::VERSIONS.min..=M::VERSIONS.max
}

/// What the table describes is what decoder and encoder speak.
fn check_table<M: Guarded + Decodable + Encodable + PartialEq + std::fmt::Debug>(seeds: u8) {
    for version in versions::<M>() {
        for seed in 0..seeds {
            let bytes = generate::<M>(version, seed);
            let name = M::LAYOUT.name;
            assert_eq!(
                M::LAYOUT.check(version, &bytes),
                Ok(bytes.len()),
                "{name} {version}"
            );
            let mut rest = bytes.clone();
            let message = M::decode(&mut rest, version)
                .unwrap_or_else(|e| panic!("{name} version {version}: {e}"));
            assert!(
                rest.is_empty(),
                "{name} version {version}: {rest:?} is left"
            );
            let mut encoded = BytesMut::new();
            message.encode(&mut encoded, version).unwrap();
            assert_eq!(
                M::LAYOUT.check(version, &encoded),
                Ok(encoded.len()),
                "{name} {version}"
            );
            let again = M::decode(&mut encoded.freeze(), version).unwrap();
            assert_eq!(again, message, "{name} version {version}");
        }
    }
}

#[test]
fn tables_describe_what_the_decoders_read() {
    for_all_messages!(check_table(8));
}

#[test]
fn tables_and_api_keys_agree() {
    fn check<M: Guarded + kafka_protocol::protocol::HeaderVersion>(_: ()) {
        let name = M::LAYOUT.name;
        let (api, request) = match name.strip_suffix("Request") {
            Some(api) => (api, true),
            None => (name.strip_suffix("Response").unwrap(), false),
        };
        let api = crate::ApiKey::ALL.iter().find(|a| a.name() == api).unwrap();
        for version in versions::<M>() {
            assert!(api.versions().contains(version), "{name} {version}");
            assert_eq!(
                api.is_flexible(version),
                version >= M::LAYOUT.flexible_from,
                "{name} {version}"
            );
            let header = match request {
                true => api.request_header_version(version),
                false => api.response_header_version(version),
            };
            assert_eq!(M::header_version(version), header, "{name} {version}");
        }
        assert_eq!(api.versions().max, M::VERSIONS.max, "{name}");
    }
    for_all_messages!(check(()));
}

/// Counts what the current thread has allocated, so that tests see what a decode took.
struct CountingAllocator;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    // Fails only while the thread ends.
    let _ = ALLOCATED.try_with(|allocated| allocated.set(allocated.get().saturating_add(bytes)));
}

#[allow(unsafe_code)]
// SAFETY: all methods hand their arguments to the system's allocator and add to a counter that
// neither allocates nor panics.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: std::alloc::Layout) {
        // SAFETY: the pointer came from `alloc`, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: std::alloc::Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: as in `dealloc`, and the size is the caller's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Decodes and checks that it took no more memory than the limit that `Layout::check` documents.
fn check_hostile<M: Guarded + Decodable>(version: i16, bytes: &Bytes) -> Result<M, DecodeError> {
    let before = ALLOCATED.get();
    let result = catch_unwind(AssertUnwindSafe(|| {
        decode_response::<M>(version, bytes.clone())
    }));
    let taken = ALLOCATED.get() - before;
    let name = M::LAYOUT.name;
    let result = result.unwrap_or_else(|_| panic!("{name} version {version}: {bytes:?} panics"));
    // Error texts and the like may come on top.
    let limit = (1 << 20) + 8 * bytes.len() + 16 * 1024;
    assert!(
        taken <= limit,
        "{name} version {version}: {taken} bytes allocated for {}",
        bytes.len()
    );
    result
}

/// A valid message with `damage`: places and the bytes put there.
fn check_damaged<M: Guarded + Decodable>(seed: u8, damage: &[(u16, u8)]) {
    for version in versions::<M>() {
        let mut bytes = generate::<M>(version, seed).to_vec();
        for &(place, byte) in damage {
            if let Some(place) = (usize::from(place)).checked_rem(bytes.len()) {
                bytes[place] = byte;
            }
        }
        let _ = check_hostile::<M>(version, &bytes.into());
    }
}

fn check_random<M: Guarded + Decodable>(bytes: &Bytes) {
    for version in versions::<M>() {
        let _ = check_hostile::<M>(version, bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_messages_neither_panic_nor_take_memory(
        seed: u8,
        damage in prop::collection::vec(
            (any::<u16>(), prop_oneof![Just(0xff), Just(0x7f), Just(0x80), any::<u8>()]),
            1..8,
        ),
    ) {
        for_all_messages!(check_damaged(seed, &damage));
    }

    #[test]
    fn random_bytes_neither_panic_nor_take_memory(
        bytes in prop::collection::vec(prop_oneof![Just(0xff), Just(0), Just(1), any::<u8>()], 0..64),
    ) {
        let bytes = Bytes::from(bytes);
        for_all_messages!(check_random(&bytes));
    }
}

#[test]
fn lies_about_lengths_are_found_before_the_decode() {
    fn check(version: i16, bytes: &[u8], expected: DecodeError) {
        let bytes = Bytes::copy_from_slice(bytes);
        assert_eq!(
            check_hostile::<messages::MetadataRequest>(version, &bytes).unwrap_err(),
            expected
        );
    }
    let amplified = |wire_bytes: usize| DecodeError::Amplified {
        wire_bytes,
        limit: (1 << 20) + 8 * wire_bytes,
    };
    check(0, &[0x7f, 0xff, 0xff, 0xff], amplified(4));
    check(0, &[0, 0, 0, 9], DecodeError::Truncated { field: "topics" });
    check(
        0,
        &[0xff, 0xff, 0xff, 0xfe],
        DecodeError::InvalidLength {
            field: "topics",
            length: -2,
        },
    );
    check(
        9,
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        DecodeError::VarintTooLong { field: "topics" },
    );
    check(9, &[0xff, 0xff, 0xff, 0xff, 0x0f], amplified(5));
    // A short name, and behind it one that ends outside.
    check(
        0,
        &[0, 0, 0, 2, 0, 1, b'a', 0, 200],
        DecodeError::Truncated { field: "name" },
    );
    check(
        13,
        &[],
        DecodeError::UnsupportedVersion {
            message: "MetadataRequest",
            version: 13,
        },
    );
    // One known tagged field, of which the size says too much.
    let fetch = generate::<messages::ApiVersionsResponse>(0, 0);
    let mut bytes = BytesMut::from(&[0, 0, 1, 0, 0, 0, 0][..]);
    bytes.extend_from_slice(&[1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 1, 5]);
    assert_eq!(
        check_hostile::<messages::ApiVersionsResponse>(3, &bytes.freeze()).unwrap_err(),
        DecodeError::TaggedFieldSize {
            field: "finalized_features_epoch"
        },
    );
    assert!(check_hostile::<messages::ApiVersionsResponse>(0, &fetch).is_ok());
}

/// Arrays of elements that are tiny on the wire and large in memory, well-formed throughout.
#[test]
fn amplification_is_bounded() {
    let elements = 300_000;
    let mut bytes = BytesMut::new();
    bytes.put_varint(elements + 1);
    for _ in 0..elements {
        // An empty name and one unknown, empty tagged field.
        bytes.put_slice(&[1, 1, 99, 0]);
    }
    bytes.put_slice(&[0, 0, 0, 0]);
    let bytes = bytes.freeze();
    assert!(matches!(
        check_hostile::<messages::MetadataRequest>(9, &bytes),
        Err(DecodeError::Amplified { .. })
    ));
}

/// Requests as a large cluster sends them are far from the limit.
#[test]
fn large_honest_messages_pass() {
    use kafka_protocol::messages::leader_and_isr_request::{
        LeaderAndIsrPartitionState, LeaderAndIsrTopicState,
    };
    let partitions = |n| {
        (0..n)
            .map(|i| {
                LeaderAndIsrPartitionState::default()
                    .with_partition_index(i)
                    .with_isr(vec![1.into(), 2.into(), 3.into()])
                    .with_replicas(vec![1.into(), 2.into(), 3.into()])
            })
            .collect()
    };
    let topics = (0..1000)
        .map(|i| {
            LeaderAndIsrTopicState::default()
                .with_topic_name(crate::StrBytes::from_string(format!("topic-{i}")).into())
                .with_partition_states(partitions(100))
        })
        .collect();
    let request = messages::LeaderAndIsrRequest::default().with_topic_states(topics);
    for version in [2, 7] {
        let mut bytes = BytesMut::new();
        request.encode(&mut bytes, version).unwrap();
        let decoded = check_hostile::<messages::LeaderAndIsrRequest>(version, &bytes.freeze());
        assert_eq!(decoded.unwrap().topic_states.len(), 1000);
    }
}
