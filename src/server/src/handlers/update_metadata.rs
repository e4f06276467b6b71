//! UpdateMetadata: a controller says what the cluster looks like.

use std::sync::Arc;

use ottla_cluster::Request as Command;
use ottla_cluster::wire::update_metadata::decode;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::{UpdateMetadataRequest, UpdateMetadataResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::UpdateMetadata,
    versions: versions(0, 8),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: UpdateMetadataRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let command = decode(&message, request.header.api_version);
    drop(message);
    let received = context.cluster.receive(Command::UpdateMetadata(command));
    reply::later(request.header, async move {
        let code = match received.await {
            Ok(_) => ErrorCode::None,
            Err(refused) => error_code::request_refused(refused),
        };
        UpdateMetadataResponse::default().with_error_code(code.code())
    })
}
