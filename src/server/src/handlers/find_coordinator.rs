//! FindCoordinator: which broker coordinates a group.
//!
//! There is no coordinator of transactions. A transactional id is answered with `INVALID_REQUEST`,
//! as any kind of key that a broker does not know: clients take it for final and say so at once,
//! where `COORDINATOR_NOT_AVAILABLE` would have them ask again until their time is up.

use std::sync::Arc;

use ottla_coordinator::OFFSETS_TOPIC;
use ottla_metadata::ClusterImage;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::find_coordinator_response::Coordinator;
use ottla_protocol::messages::{self, FindCoordinatorRequest, FindCoordinatorResponse};
use ottla_protocol::{ApiKey, ErrorCode, StrBytes};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::text;
use crate::{auto_create, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::FindCoordinator,
    versions: versions(0, 6),
    handle,
};

/// Kinds of keys.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: FindCoordinatorRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let named = message.coordinator_keys.len();
    if let Some(refused) = reply::refuse_many(&request.header, named, "groups") {
        return refused;
    }
    let version = request.header.api_version;
    if let Some((code, words)) = refusal(message.key_type, version) {
        let found = |_: &str| Found::failed(code, words);
        return reply::now(&request.header, &respond(&message, version, found));
    }
    let image = context.cluster.image();
    let listener = Arc::clone(&request.connection.listener);
    let context = Arc::clone(context);
    if image.topic(OFFSETS_TOPIC).is_some() {
        let found = |group: &str| find(&context, &image, &listener, group);
        return reply::now(&request.header, &respond(&message, version, found));
    }
    // The first group of a cluster. Kafka has the client ask again in any case; here that is needed
    // only if the partitions have no leaders by then.
    reply::later(request.header, async move {
        auto_create::create(&context, OFFSETS_TOPIC).await;
        let image = context.cluster.image();
        let found = |group: &str| find(&context, &image, &listener, group);
        respond(&message, version, found)
    })
}

fn refusal(key_type: i8, version: i16) -> Option<(ErrorCode, &'static str)> {
    match key_type {
        GROUP => None,
        TRANSACTION => Some((
            ErrorCode::InvalidRequest,
            "This broker has no transaction coordinator.",
        )),
        SHARE if version >= 6 => Some((
            ErrorCode::CoordinatorNotAvailable,
            "This broker has no share coordinator.",
        )),
        _ => Some((ErrorCode::InvalidRequest, "Unknown type of coordinator.")),
    }
}

/// A coordinator's address, or why there is none.
struct Found {
    code: ErrorCode,
    message: Option<&'static str>,
    id: i32,
    host: StrBytes,
    port: i32,
}

impl Found {
    fn failed(code: ErrorCode, message: &'static str) -> Found {
        Found {
            code,
            message: Some(message),
            id: -1,
            host: StrBytes::default(),
            port: -1,
        }
    }
}

fn find(context: &Context, image: &ClusterImage, listener: &str, group: &str) -> Found {
    let partition = context.coordinator.partition_of(group);
    let leader = image
        .partition(OFFSETS_TOPIC, partition)
        .and_then(|partition| partition.leader);
    let broker = leader.and_then(|leader| image.brokers.get(&leader));
    match broker.and_then(|broker| Some((broker.id, broker.endpoint(listener)?))) {
        Some((id, endpoint)) => Found {
            code: ErrorCode::None,
            message: None,
            id: id.0,
            host: text(endpoint.host.as_str()),
            port: endpoint.port.into(),
        },
        None => Found::failed(
            ErrorCode::CoordinatorNotAvailable,
            "The coordinator is not available.",
        ),
    }
}

/// Versions 4 and later ask for many, those before for one.
fn respond(
    message: &FindCoordinatorRequest,
    version: i16,
    found: impl Fn(&str) -> Found,
) -> FindCoordinatorResponse {
    let response = FindCoordinatorResponse::default();
    if version >= 4 {
        let coordinators = message.coordinator_keys.iter().map(|key| {
            let found = found(key);
            Coordinator::default()
                .with_key(key.clone())
                .with_error_code(found.code.code())
                .with_error_message(found.message.map(text))
                .with_node_id(messages::BrokerId(found.id))
                .with_host(found.host)
                .with_port(found.port)
        });
        return response.with_coordinators(coordinators.collect());
    }
    let found = found(&message.key);
    // Kafka's text for "no error".
    let words = text(found.message.unwrap_or("NONE"));
    response
        .with_error_code(found.code.code())
        .with_error_message(Some(words).filter(|_| version >= 1))
        .with_node_id(messages::BrokerId(found.id))
        .with_host(found.host)
        .with_port(found.port)
}
