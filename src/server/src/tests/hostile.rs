//! Requests that no client means well with.

use std::sync::OnceLock;

use bytes::Bytes;
use ottla_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_protocol::{ApiKey, ErrorCode, decode_response};
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
