//! LeaveGroup: a member goes; from version 3 on several may, or are removed by an administrator.

use std::sync::Arc;

use ottla_coordinator::group::{GroupError, MemberRef};
use ottla_network::{Answer, Request};
use ottla_protocol::messages::leave_group_response::MemberResponse;
use ottla_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::{code_of, member, refusal};
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::LeaveGroup,
    versions: versions(0, 5),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: LeaveGroupRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let named = message.members.len();
    if let Some(refused) = reply::refuse_many(&request.header, named, "members") {
        return refused;
    }
    let version = request.header.api_version;
    if let Some(code) = refusal(context, &message.group_id, None) {
        return reply::now(&request.header, &failed(code));
    }
    let members: Vec<MemberRef> = if version >= 3 {
        let members = message.members.iter();
        members
            .map(|leaving| member(&leaving.member_id, leaving.group_instance_id.as_ref()))
            .collect()
    } else {
        vec![member(&message.member_id, None)]
    };
    let left = context.coordinator.leave(&message.group_id, members);
    reply::when(request.header, left, move |result| match result {
        Ok(Ok(results)) => respond(&message, version, &results),
        Ok(Err(error)) => failed(error_code::group(error)),
        Err(error) => failed(error_code::unavailable(error)),
    })
}

/// Before version 3 the only member's code is that of the whole.
fn respond(
    message: &LeaveGroupRequest,
    version: i16,
    results: &[Result<(), GroupError>],
) -> LeaveGroupResponse {
    if version < 3 {
        return failed(results.first().map_or(ErrorCode::None, code_of));
    }
    let members = message.members.iter().zip(results);
    let members = members.map(|(member, result)| {
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(code_of(result).code())
    });
    LeaveGroupResponse::default().with_members(members.collect())
}

fn failed(code: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse::default().with_error_code(code.code())
}
