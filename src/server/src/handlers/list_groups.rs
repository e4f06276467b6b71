//! ListGroups: the groups that this broker coordinates.

use std::sync::Arc;

use ottla_coordinator::group::Overview;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::list_groups_response::ListedGroup;
use ottla_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::written;
use crate::reply;
use crate::words::text;

pub(crate) static API: Api = Api {
    key: ApiKey::ListGroups,
    versions: versions(0, 5),
    handle,
};

/// The only type of group here (KIP-848 has others).
const CLASSIC: &str = "classic";

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: ListGroupsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let version = request.header.api_version;
    let listing = context.coordinator.list();
    let code = match listing.is_loading {
        true => ErrorCode::CoordinatorLoadInProgress,
        false => ErrorCode::None,
    };
    let groups = listing
        .groups
        .iter()
        .filter(|group| is_wanted(&message, group));
    let response = ListGroupsResponse::default()
        .with_error_code(code.code())
        .with_groups(groups.map(|group| listed(group, version)).collect());
    reply::now(&request.header, &response)
}

/// Filters do not heed case; an empty one lets everything pass.
fn is_wanted(message: &ListGroupsRequest, group: &Overview) -> bool {
    let (states, types) = (&message.states_filter, &message.types_filter);
    let state = group.state.name();
    (states.is_empty()
        || states
            .iter()
            .any(|wanted| wanted.eq_ignore_ascii_case(state)))
        && (types.is_empty()
            || types
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(CLASSIC)))
}

fn listed(group: &Overview, version: i16) -> ListedGroup {
    let since = |first: i16, words: &str| match version >= first {
        true => text(words),
        false => text(""),
    };
    ListedGroup::default()
        .with_group_id(GroupId(written(&group.group)))
        .with_protocol_type(written(&group.protocol_type))
        .with_group_state(since(4, group.state.name()))
        .with_group_type(since(5, CLASSIC))
}
