//! SyncGroup: the leader hands out the assignment, everybody gets its own.

use std::sync::Arc;

use ottla_coordinator::Unavailable;
use ottla_coordinator::group::{GroupError, Sync, Synced, WaiterId};
use ottla_network::{Answer, Request};
use ottla_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::{kept, member, refusal, shared, static_refusal, written};
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::SyncGroup,
    versions: versions(0, 5),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: SyncGroupRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let version = request.header.api_version;
    if let Some(code) = refused(context, &message, version) {
        return reply::now(&request.header, &failed(code));
    }
    let assignments = message.assignments.iter();
    let sync = Sync {
        waiter: WaiterId(0),
        member: member(&message.member_id, message.group_instance_id.as_ref()),
        generation: message.generation_id,
        protocol_required: version >= 5,
        protocol_type: message.protocol_type.as_ref().map(shared),
        protocol_name: message.protocol_name.as_ref().map(shared),
        assignments: assignments
            .map(|given| (shared(&given.member_id), kept(&given.assignment)))
            .collect(),
    };
    let synced = context.coordinator.sync(&message.group_id, sync);
    reply::when(request.header, synced, move |result| {
        respond(result, version)
    })
}

/// Version 5 and later must name the protocol (KIP-559); that is looked at before the group.
fn refused(context: &Context, message: &SyncGroupRequest, version: i16) -> Option<ErrorCode> {
    let instance = message.group_instance_id.as_ref();
    let is_nameless = message.protocol_type.is_none() || message.protocol_name.is_none();
    if let Some(code) = static_refusal(context, instance) {
        return Some(code);
    }
    if version >= 5 && is_nameless {
        return Some(ErrorCode::InconsistentGroupProtocol);
    }
    refusal(context, &message.group_id, instance)
}

fn respond(
    result: Result<Result<Synced, GroupError>, Unavailable>,
    version: i16,
) -> SyncGroupResponse {
    match result {
        Ok(Ok(synced)) => {
            let named = version >= 5;
            let protocol_type = synced.protocol_type.as_ref().filter(|_| named);
            let protocol_name = synced.protocol_name.as_ref().filter(|_| named);
            SyncGroupResponse::default()
                .with_protocol_type(protocol_type.map(written))
                .with_protocol_name(protocol_name.map(written))
                .with_assignment(synced.assignment)
        }
        Ok(Err(error)) => failed(error_code::group(error)),
        // What the member hoped to be given is lost with the former coordinator.
        Err(Unavailable::Loading) => failed(ErrorCode::RebalanceInProgress),
        Err(error) => failed(error_code::unavailable(error)),
    }
}

fn failed(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(code.code())
}
