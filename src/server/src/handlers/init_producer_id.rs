//! InitProducerId: ids for idempotent producers.
//!
//! A transactional id is answered with `UNSUPPORTED_VERSION`, which clients treat as final: it is
//! what a Kafka broker answers whose cluster is too old for transactions. (A retriable code such
//! as `COORDINATOR_NOT_AVAILABLE` would have them try for ever.) Official clients do not come this
//! far, since FindCoordinator is not advertised.

use std::sync::Arc;

use ottla_network::{Answer, Request};
use ottla_protocol::messages::ProducerId;
use ottla_protocol::messages::init_producer_id_request::InitProducerIdRequest;
use ottla_protocol::messages::init_producer_id_response::InitProducerIdResponse;
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::reply::{decode, later, now};

pub(crate) const API: Api = Api {
    key: ApiKey::InitProducerId,
    versions: versions(0, 5),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let body: InitProducerIdRequest = match decode(&request) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    if let Some(code) = refusal(&body) {
        return now(&request.header, &refused(code));
    }
    if let Some(id) = context.producer_ids.try_next(&context.cluster) {
        return now(&request.header, &allocated(id));
    }
    let context = Arc::clone(context);
    later(request.header, async move {
        match context.producer_ids.next(&context.cluster).await {
            Ok(id) => allocated(id),
            Err(error) => {
                tracing::warn!(%error, "no producer ids to be had");
                refused(ErrorCode::CoordinatorLoadInProgress)
            }
        }
    })
}

fn refusal(body: &InitProducerIdRequest) -> Option<ErrorCode> {
    let has_id = body.producer_id.0 != -1;
    let has_epoch = body.producer_epoch != -1;
    match &body.transactional_id {
        Some(id) if id.is_empty() => Some(ErrorCode::InvalidRequest),
        Some(_) => Some(ErrorCode::UnsupportedVersion),
        None if has_id != has_epoch => Some(ErrorCode::InvalidRequest),
        None => None,
    }
}

fn allocated(id: i64) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(0)
}

fn refused(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code.code())
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}
