//! Heartbeat: a member lives, and hears whether it has to join again.

use std::sync::Arc;

use ottla_coordinator::Unavailable;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::{code_of, member, refusal};
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::Heartbeat,
    versions: versions(0, 4),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: HeartbeatRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let (group, instance) = (&message.group_id, message.group_instance_id.as_ref());
    if let Some(code) = refusal(context, group, instance) {
        return reply::now(&request.header, &response(code));
    }
    let member = member(&message.member_id, instance);
    let generation = message.generation_id;
    let heard = context.coordinator.heartbeat(group, member, generation);
    reply::when(request.header, heard, |result| {
        response(match result {
            Ok(result) => code_of(&result),
            // Nothing is known of the group yet, so nothing speaks against it.
            Err(Unavailable::Loading) => ErrorCode::None,
            Err(error) => error_code::unavailable(error),
        })
    })
}

fn response(code: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse::default().with_error_code(code.code())
}
