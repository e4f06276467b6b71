//! JoinGroup: become a member, or take part in a rebalance. The answer comes when all have joined.

use std::sync::Arc;

use ottla_coordinator::Unavailable;
use ottla_coordinator::group::{Join, JoinRefused, Joined, WaiterId};
use ottla_network::{Answer, Request};
use ottla_protocol::messages::join_group_response::JoinGroupResponseMember;
use ottla_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use ottla_protocol::{ApiKey, ErrorCode, StrBytes};
use uuid::Uuid;

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::{client_host, kept, member, refusal, shared, written};
use crate::words::text;
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::JoinGroup,
    versions: versions(0, 9),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: JoinGroupRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let version = request.header.api_version;
    let instance = message.group_instance_id.as_ref();
    if let Some(code) = refusal(context, &message.group_id, instance) {
        let response = refused(code, message.member_id, version);
        return reply::now(&request.header, &response);
    }
    let join = join(&message, &request);
    let joined = context.coordinator.join(&message.group_id, join);
    // Not a slice of the request, which would be kept for as long as the others take to join.
    let member_id = text(message.member_id.to_string());
    reply::when(request.header, joined, move |result| {
        respond(result, member_id, version)
    })
}

fn join(message: &JoinGroupRequest, request: &Request) -> Join {
    let version = request.header.api_version;
    let protocols = message.protocols.iter();
    let client_id = request.header.client_id.as_deref();
    Join {
        waiter: WaiterId(0),
        member: member(&message.member_id, message.group_instance_id.as_ref()),
        uuid: Uuid::new_v4().to_string().into(),
        member_id_required: version >= 4 && message.group_instance_id.is_none(),
        can_skip_assignment: version >= 9,
        client_id: client_id.unwrap_or_default().into(),
        client_host: client_host(request.connection.peer),
        rebalance_timeout_ms: match version {
            0 => message.session_timeout_ms,
            _ => message.rebalance_timeout_ms,
        },
        session_timeout_ms: message.session_timeout_ms,
        protocol_type: shared(&message.protocol_type),
        protocols: protocols
            .map(|protocol| (shared(&protocol.name), kept(&protocol.metadata)))
            .collect(),
    }
}

fn respond(
    result: Result<Result<Joined, JoinRefused>, Unavailable>,
    member_id: StrBytes,
    version: i16,
) -> JoinGroupResponse {
    match result {
        Ok(Ok(joined)) => welcome(&joined, version),
        Ok(Err(JoinRefused { error, member_id })) => {
            refused(error_code::group(error), written(&member_id), version)
        }
        Err(error) => refused(error_code::unavailable(error), member_id, version),
    }
}

fn welcome(joined: &Joined, version: i16) -> JoinGroupResponse {
    let members = joined.members.iter().map(|member| {
        let instance = member.instance_id.as_ref().filter(|_| version >= 5);
        JoinGroupResponseMember::default()
            .with_member_id(written(&member.member_id))
            .with_group_instance_id(instance.map(written))
            .with_metadata(member.metadata.clone())
    });
    let protocol_type = joined.protocol_type.as_ref().filter(|_| version >= 7);
    let protocol_name = joined.protocol_name.as_ref().map(written);
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(protocol_type.map(written))
        .with_protocol_name(or_empty(protocol_name, version))
        .with_leader(written(&joined.leader))
        .with_skip_assignment(joined.skip_assignment && version >= 9)
        .with_member_id(written(&joined.member_id))
        .with_members(members.collect())
}

fn refused(code: ErrorCode, member_id: StrBytes, version: i16) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(code.code())
        .with_generation_id(-1)
        .with_protocol_name(or_empty(None, version))
        .with_member_id(member_id)
}

/// Before version 7 a protocol's name is never null.
fn or_empty(protocol: Option<StrBytes>, version: i16) -> Option<StrBytes> {
    protocol.or_else(|| (version < 7).then(StrBytes::default))
}
