//! DeleteGroups: groups without members go, with their offsets.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use ottla_coordinator::Answer as GroupAnswer;
use ottla_coordinator::group::GroupError;
use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::delete_groups_response::DeletableGroupResult;
use ottla_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::code_of;
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::DeleteGroups,
    versions: versions(0, 2),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: DeleteGroupsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let named = message.groups_names.len();
    if let Some(refused) = reply::refuse_many(&request.header, named, "groups") {
        return refused;
    }
    let mut seen = BTreeSet::new();
    let groups = message.groups_names.into_iter();
    let deletions: Vec<(GroupId, GroupAnswer<Result<(), GroupError>>)> = groups
        .filter(|group| seen.insert(group.to_string()))
        .map(|group| {
            let deletion = context.coordinator.delete_group(&group);
            (group, deletion)
        })
        .collect();
    reply::later(request.header, async move {
        let results = deletions.into_iter().map(|(group, deletion)| async move {
            let code = match deletion.wait().await {
                Ok(result) => code_of(&result),
                Err(error) => error_code::unavailable(error),
            };
            DeletableGroupResult::default()
                .with_group_id(group)
                .with_error_code(code.code())
        });
        DeleteGroupsResponse::default().with_results(join_all(results).await)
    })
}
