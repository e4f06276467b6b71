//! Every message struct, requests and responses, in every version: the guarded decode takes any
//! bytes without a panic. (That it takes no memory either is counted by `protocol`'s own tests.)
//!
//! Input: the number of the message, its version, then its bytes.

use bytes::Bytes;
use ottla_protocol::{Decodable, Encodable, decode_response, layout, messages};

use crate::random::Random;

/// A message struct.
struct Codec {
    decode: fn(i16, Bytes),
    sample: fn(i16, &mut Random) -> Bytes,
    versions: (i16, i16),
}

const fn codec<M: layout::Guarded + Decodable + Encodable>() -> Codec {
    Codec {
        decode: decode::<M>,
        sample: |version, random| M::LAYOUT.sample(version, &mut || random.next() as u32),
        versions: (M::VERSIONS.min, M::VERSIONS.max),
    }
}

/// Decodes, and encodes what was understood.
fn decode<M: layout::Guarded + Decodable + Encodable>(version: i16, bytes: Bytes) {
    if let Ok(message) = decode_response::<M>(version, bytes) {
        // Some values are decoded that may not be encoded, such as null where Kafka forbids it.
        let _ = message.encode(&mut Vec::new(), version);
    }
}

/// The target.
pub fn run(input: &[u8]) {
    let Some(([message, version], rest)) = input.split_first_chunk::<2>() else {
        return;
    };
    if let Some(codec) = CODECS.get(usize::from(*message)) {
        (codec.decode)(i16::from(*version % 20), Bytes::copy_from_slice(rest));
    }
}

/// A random message of every kind in every version.
pub fn corpus() -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let mut corpus = Vec::new();
    for (number, codec) in CODECS.iter().enumerate() {
        let (oldest, newest) = codec.versions;
        for version in oldest..=newest {
            let sample = (codec.sample)(version, &mut random);
            corpus.push([&[number as u8, version as u8], &sample[..]].concat());
        }
    }
    corpus
}

macro_rules! codecs {
    ($($message:ident),* $(,)?) => {
        &[$(codec::<messages::$message>()),*]
    };
}

const CODECS: &[Codec] = codecs![
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    AlterConfigsRequest,
    AlterConfigsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    ElectLeadersRequest,
    ElectLeadersResponse,
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    DescribeProducersRequest,
    DescribeProducersResponse,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
    ProduceRequest,
    ProduceResponse,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    SyncGroupRequest,
    SyncGroupResponse,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    ListGroupsRequest,
    ListGroupsResponse,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    ApiVersionsRequest,
    ApiVersionsResponse,
    MetadataRequest,
    MetadataResponse,
    DescribeClusterRequest,
    DescribeClusterResponse,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    LeaderAndIsrRequest,
    LeaderAndIsrResponse,
    StopReplicaRequest,
    StopReplicaResponse,
    UpdateMetadataRequest,
    UpdateMetadataResponse,
    ControlledShutdownRequest,
    ControlledShutdownResponse,
    AlterPartitionRequest,
    AlterPartitionResponse,
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
    SaslHandshakeRequest,
    SaslHandshakeResponse,
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
    DescribeAclsRequest,
    DescribeAclsResponse,
    CreateAclsRequest,
    CreateAclsResponse,
    DeleteAclsRequest,
    DeleteAclsResponse,
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    InitProducerIdRequest,
    InitProducerIdResponse,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddOffsetsToTxnRequest,
    AddOffsetsToTxnResponse,
    EndTxnRequest,
    EndTxnResponse,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    ListTransactionsRequest,
    ListTransactionsResponse
];
