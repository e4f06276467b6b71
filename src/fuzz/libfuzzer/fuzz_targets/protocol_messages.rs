#![no_main]
//! Every message struct of the cold APIs, requests and responses, in every version: the guarded
//! decode takes any bytes without a panic and without memory that the bytes do not account for.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_protocol::{Encodable, decode_response, messages};

macro_rules! decoders {
    ($($message:ident),* $(,)?) => {
        &[$(decode::<messages::$message>),*]
    };
}

/// Decodes, and encodes what was understood.
fn decode<M>(version: i16, bytes: Bytes)
where
    M: ottla_protocol::layout::Guarded + ottla_protocol::Decodable + Encodable,
{
    if let Ok(message) = decode_response::<M>(version, bytes) {
        // Some values are decoded that may not be encoded, such as null where Kafka forbids it.
        let _ = message.encode(&mut Vec::new(), version);
    }
}

const DECODERS: &[fn(i16, Bytes)] = decoders![
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

fuzz_target!(|data: &[u8]| {
    let [message, version, rest @ ..] = data else {
        return;
    };
    if let Some(decode) = DECODERS.get(usize::from(*message)) {
        decode(i16::from(*version % 20), Bytes::copy_from_slice(rest));
    }
});
