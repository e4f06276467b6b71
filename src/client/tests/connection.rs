//! Connections against a broker that says what the test wants.
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests, too

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ottla_client::{ClientError, Connection, ConnectionOptions};
use ottla_protocol::messages::api_versions_response::ApiVersion;
use ottla_protocol::messages::{ApiVersionsResponse, MetadataRequest, MetadataResponse};
use ottla_protocol::{ApiKey, RequestHeader};
use tokio::net::TcpListener;

use broker::{Deed, broker, frame};

mod broker;

fn versions(header: &RequestHeader, metadata_max: i16) -> Deed {
    let api = |api: ApiKey, max| {
        ApiVersion::default()
            .with_api_key(api.key())
            .with_max_version(max)
    };
    let response = ApiVersionsResponse::default().with_api_keys(vec![
        api(ApiKey::ApiVersions, 3),
        api(ApiKey::Metadata, metadata_max),
    ]);
    Deed::Answer(frame(header, &response))
}

fn options() -> ConnectionOptions {
    ConnectionOptions {
        request_timeout: Duration::from_secs(20),
        ..ConnectionOptions::default()
    }
}

async fn ask(connection: &Connection) -> Result<MetadataResponse, ClientError> {
    let version = connection.version_of::<MetadataRequest>(i16::MAX)?;
    connection
        .call_version(
            version,
            &MetadataRequest::default()
                .with_topics(Some(Vec::new()))
                .with_allow_auto_topic_creation(true),
        )
        .await
}

fn metadata(header: &RequestHeader) -> Bytes {
    frame(
        header,
        &MetadataResponse::default().with_controller_id(header.correlation_id.into()),
    )
}

#[tokio::test]
async fn the_newest_common_version_is_spoken() {
    let address = broker(|_, header, _| match header.api {
        ApiKey::ApiVersions => versions(header, 5),
        _ => {
            assert_eq!(header.api_version, 5);
            Deed::Answer(metadata(header))
        }
    })
    .await;
    let connection = Connection::open(&address, &options()).await.unwrap();
    assert!(connection.versions().is_announced());
    ask(&connection).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_knows_only_version_0_is_asked_in_it() {
    let address = broker(|_, header, _| match (header.api, header.api_version) {
        (ApiKey::ApiVersions, 0) => versions(header, 1),
        (ApiKey::ApiVersions, _) => {
            // Whatever was asked, the refusal is a version 0 answer (KIP-511).
            let old = RequestHeader {
                api_version: 0,
                ..header.clone()
            };
            let refusal = ApiVersionsResponse::default().with_error_code(35);
            Deed::Answer(frame(&old, &refusal))
        }
        _ => Deed::Answer(metadata(header)),
    })
    .await;
    let connection = Connection::open(&address, &options()).await.unwrap();
    ask(&connection).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_hangs_up_on_the_question_is_an_old_one() {
    let address = broker(|number, header, _| match number {
        0 => Deed::HangUp,
        _ => {
            assert_eq!((header.api, header.api_version), (ApiKey::Metadata, 0));
            Deed::Answer(metadata(header))
        }
    })
    .await;
    let connection = Connection::open(&address, &options()).await.unwrap();
    assert!(!connection.versions().is_announced());
    ask(&connection).await.unwrap();
}

#[tokio::test]
async fn requests_do_not_wait_for_each_others_answers() {
    let mut held = Vec::new();
    let address = broker(move |_, header, _| match header.api {
        ApiKey::ApiVersions => versions(header, 5),
        _ => {
            held.push(metadata(header));
            if held.len() < 3 {
                return Deed::Silence;
            }
            Deed::Answer(held.concat().into())
        }
    })
    .await;
    let connection = Connection::open(&address, &options()).await.unwrap();
    let answers = tokio::join!(ask(&connection), ask(&connection), ask(&connection));
    let ids = [answers.0, answers.1, answers.2].map(|a| a.unwrap().controller_id.0);
    // The broker put the correlation id into each answer: everyone got their own.
    assert!(ids.is_sorted() && ids[0] != ids[2], "{ids:?}");
}

/// One answer to a request for metadata, and what the caller makes of it.
async fn check_bad_answer(
    answer: impl Fn(&RequestHeader) -> Deed + Send + 'static,
    options: ConnectionOptions,
    expected: impl Fn(&ClientError) -> bool,
) {
    let address = broker(move |_, header, _| match header.api {
        ApiKey::ApiVersions => versions(header, 5),
        _ => answer(header),
    })
    .await;
    let connection = Connection::open(&address, &options).await.unwrap();
    let error = ask(&connection).await.unwrap_err();
    assert!(expected(&error), "{error:?}");
}

#[tokio::test]
async fn bad_answers_fail_the_call() {
    let disconnected = |e: &ClientError| matches!(e, ClientError::Disconnected { .. });
    check_bad_answer(|_| Deed::HangUp, options(), disconnected).await;
    // Another request's correlation id.
    let foreign = |header: &RequestHeader| {
        let mut answer = BytesMut::from(&metadata(header)[..]);
        answer[7] ^= 1;
        Deed::Answer(answer.freeze())
    };
    check_bad_answer(foreign, options(), disconnected).await;
    // A size that nobody would send, and a negative one.
    let huge = |_: &RequestHeader| Deed::Answer(Bytes::from_static(&[0x7f, 0, 0, 0]));
    check_bad_answer(huge, options(), disconnected).await;
    let negative = |_: &RequestHeader| Deed::Answer(Bytes::from_static(&[0xff; 4]));
    check_bad_answer(negative, options(), disconnected).await;
    // An array of two billion brokers in an answer of a few bytes.
    let lying = |header: &RequestHeader| {
        let mut answer = BytesMut::from(&metadata(header)[..]);
        answer[12..16].copy_from_slice(&[0x7f; 4]);
        Deed::Answer(answer.freeze())
    };
    check_bad_answer(lying, options(), |e| {
        matches!(e, ClientError::Undecodable { .. })
    })
    .await;
    let impatient = ConnectionOptions {
        request_timeout: Duration::from_millis(200),
        ..ConnectionOptions::default()
    };
    check_bad_answer(
        |_| Deed::Silence,
        impatient,
        |e| matches!(e, ClientError::TimedOut { .. }),
    )
    .await;
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = Connection::open(&address, &options()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }));
    assert!(error.is_retriable());
}
