//! Requests that no client means well with.

use std::sync::OnceLock;

use bytes::Bytes;
use ottla_protocol::layout::Guarded;
use ottla_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, ApiVersionsRequest,
    ApiVersionsResponse, ElectLeadersRequest, ListPartitionReassignmentsRequest,
    alter_partition_reassignments_request, alter_replica_log_dirs_request, elect_leaders_request,
    list_partition_reassignments_request,
};
use ottla_protocol::{ApiKey, ErrorCode, decode_response, encode_request};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::api_table::SERVED;
use crate::testing::{TestBroker, bytes_of, header};

#[tokio::test]
async fn what_is_served_is_advertised() {
    let broker = TestBroker::new(&[]);
    let request = ApiVersionsRequest::default()
        .with_client_software_name("test".into())
        .with_client_software_version("1.0".into());
    for version in 0..=4 {
        let response = broker.ask(version, &request_for(version, &request)).await;
        assert_eq!(response.error_code, 0);
        let advertised: Vec<_> = response.api_keys.iter().map(|api| api.api_key).collect();
        let served: Vec<_> = SERVED.iter().map(|api| api.key.key()).collect();
        assert_eq!(advertised, served);
    }
    let nameless = ApiVersionsRequest::default();
    let response = broker.ask(3, &nameless).await;
    assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
}

/// Versions below 3 do not carry the software's name.
fn request_for(version: i16, request: &ApiVersionsRequest) -> ApiVersionsRequest {
    match version {
        0..3 => ApiVersionsRequest::default(),
        _ => request.clone(),
    }
}

#[tokio::test]
async fn a_client_from_the_future_is_told_what_we_know() {
    let broker = TestBroker::new(&[]);
    let asked = header(ApiKey::ApiVersions, 99);
    let response = broker
        .answer(asked, Bytes::from_static(b"\x07what"))
        .await
        .unwrap();
    let bytes = bytes_of(&response).slice(4..);
    let response: ApiVersionsResponse = decode_response(0, bytes).unwrap();
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
    let entries: Vec<_> = response.api_keys.iter().collect();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].api_key, entries[0].max_version), (18, 4));
}

#[tokio::test]
async fn what_is_not_served_closes_the_connection() {
    let broker = TestBroker::new(&[]);
    for (api, version, reason) in [
        (ApiKey::Vote, 0, "Vote is not served"),
        (ApiKey::Metadata, 99, "Metadata version 99 is not served"),
        (ApiKey::Metadata, -1, "Metadata version -1 is not served"),
    ] {
        let answer = broker.answer(header(api, version), Bytes::new()).await;
        assert_eq!(answer.err().as_deref(), Some(reason));
    }
    let cut = Bytes::from_static(b"\x7f\xff\xff\xff");
    let answer = broker.answer(header(ApiKey::Metadata, 1), cut).await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn requests_about_too_many_partitions_close_the_connection() {
    async fn check<R: ottla_protocol::Request + Guarded>(version: i16, request: R, things: &str) {
        let broker = TestBroker::new(&[]);
        let frame = encode_request(version, 7, None, &request).unwrap();
        let mut body = frame.slice(4..);
        let header = ottla_protocol::decode_header(&mut body).unwrap();
        let refused = broker.answer(header, body).await;
        let named = format!("names 200001 {things}");
        let reason = refused.err().unwrap_or_default();
        assert!(reason.contains(&named), "{version} {things}: {reason}");
    }
    let many = vec![0; 200_001];

    let topic = elect_leaders_request::TopicPartitions::default().with_partitions(many.clone());
    let elect = ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic]));
    check(2, elect, "partitions").await;

    let alter = |partitions: usize, replicas: usize| {
        let partition = alter_partition_reassignments_request::ReassignablePartition::default()
            .with_replicas(Some(vec![0.into(); replicas]));
        let topic = alter_partition_reassignments_request::ReassignableTopic::default()
            .with_partitions(vec![partition; partitions]);
        AlterPartitionReassignmentsRequest::default().with_topics(vec![topic])
    };
    check(0, alter(200_001, 8), "partitions").await;
    check(0, alter(1, 200_001), "replicas").await;

    let topic = list_partition_reassignments_request::ListPartitionReassignmentsTopics::default()
        .with_partition_indexes(many.clone());
    let list = ListPartitionReassignmentsRequest::default().with_topics(Some(vec![topic]));
    check(0, list, "partitions").await;

    let topic =
        alter_replica_log_dirs_request::AlterReplicaLogDirTopic::default().with_partitions(many);
    let dir =
        alter_replica_log_dirs_request::AlterReplicaLogDir::default().with_topics(vec![topic]);
    let alter = AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]);
    check(2, alter, "partitions").await;
}

fn shared() -> &'static (Runtime, TestBroker) {
    static SHARED: OnceLock<(Runtime, TestBroker)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = Runtime::new().expect("a runtime");
        let guard = runtime.enter();
        let broker = TestBroker::new(&[]);
        broker.cluster.put("t", 1, Some(0), &[0]);
        drop(guard);
        (runtime, broker)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn no_bytes_bring_a_handler_down(
        at in 0..SERVED.len(),
        version in 0i16..13,
        body in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(2), any::<u8>()], 0..80),
    ) {
        let api = SERVED[at];
        // A produce or fetch may wait as long as it says.
        let waits = matches!(api.key, ApiKey::Produce | ApiKey::Fetch);
        let (runtime, broker) = shared();
        let answer = broker.answer(header(api.key, version), Bytes::from(body));
        let bound = std::time::Duration::from_millis(if waits { 20 } else { 5000 });
        let answer = runtime.block_on(async { tokio::time::timeout(bound, answer).await });
        prop_assert!(waits || answer.is_ok(), "{} {version} hangs", api.key);
    }
}
