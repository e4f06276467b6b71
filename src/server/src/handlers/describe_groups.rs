//! DescribeGroups: the state and the members of groups.

use std::sync::Arc;

use ottla_coordinator::group::Description;
use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use ottla_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::written;
use crate::words::text;
use crate::{authorized_operations, error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::DescribeGroups,
    versions: versions(0, 5),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: DescribeGroupsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let named = message.groups.len();
    if let Some(refused) = reply::refuse_many(&request.header, named, "groups") {
        return refused;
    }
    let version = request.header.api_version;
    let is_asked = version >= 3 && message.include_authorized_operations;
    let operations = match is_asked {
        true => authorized_operations::GROUP,
        false => authorized_operations::NOT_ASKED,
    };
    let groups = message.groups.into_iter().map(|group| {
        let described = DescribedGroup::default()
            .with_group_id(group.clone())
            .with_authorized_operations(authorized_operations::NOT_ASKED);
        match context.coordinator.describe(&group) {
            Ok(description) => {
                describe(described, &description, version).with_authorized_operations(operations)
            }
            Err(error) => described.with_error_code(error_code::unavailable(error).code()),
        }
    });
    let response = DescribeGroupsResponse::default().with_groups(groups.collect());
    reply::now(&request.header, &response)
}

fn describe(group: DescribedGroup, description: &Description, version: i16) -> DescribedGroup {
    let members = description.members.iter().map(|member| {
        let instance = member.instance_id.as_ref().filter(|_| version >= 4);
        DescribedGroupMember::default()
            .with_member_id(written(&member.member_id))
            .with_group_instance_id(instance.map(written))
            .with_client_id(written(&member.client_id))
            .with_client_host(written(&member.client_host))
            .with_member_metadata(member.metadata.clone())
            .with_member_assignment(member.assignment.clone())
    });
    group
        .with_group_state(text(description.state.name()))
        .with_protocol_type(written(&description.protocol_type))
        .with_protocol_data(written(&description.protocol))
        .with_members(members.collect())
}
