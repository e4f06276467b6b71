//! AlterConfigs (KIP-133): replaces all settings of a resource.

use std::sync::Arc;

use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::alter_configs_request::AlterConfigsResource;
use ottla_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use ottla_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use crate::api_table::{Api, versions};
use crate::config_resource::{Resource, Settings, check_keys, named_twice, repeated};
use crate::context::Context;
use crate::reply;
use crate::words::ApiError;

pub(crate) static API: Api = Api {
    key: ApiKey::AlterConfigs,
    versions: versions(0, 2),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: AlterConfigsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let context = Arc::clone(context);
    reply::later(request.header, async move {
        let named = message.resources.iter().map(identity);
        let twice = repeated(named);
        let mut responses = Vec::with_capacity(message.resources.len());
        for resource in &message.resources {
            let outcome = match twice.contains(&identity(resource)) {
                true => Err(named_twice()),
                false => alter(&context, resource, message.validate_only).await,
            };
            responses.push(response(resource, outcome));
        }
        AlterConfigsResponse::default().with_responses(responses)
    })
}

fn identity(resource: &AlterConfigsResource) -> (i8, &str) {
    (resource.resource_type, resource.resource_name.as_str())
}

async fn alter(
    context: &Context,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), ApiError> {
    let configs = resource.configs.iter();
    let nulls = configs.clone().filter(|config| config.value.is_none());
    check_keys(
        configs.clone().map(|config| config.name.as_str()),
        nulls.map(|config| config.name.as_str()),
    )?;
    let (code, name) = identity(resource);
    let resource = Resource::named(context, code, name)?;
    let settings: Settings = configs
        .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
        .collect();
    let _turn = context.altering.lock().await;
    resource.replace(context, settings, validate_only).await
}

fn response(
    resource: &AlterConfigsResource,
    outcome: Result<(), ApiError>,
) -> AlterConfigsResourceResponse {
    let (code, message) = ApiError::parts(outcome);
    AlterConfigsResourceResponse::default()
        .with_error_code(code)
        .with_error_message(message)
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
}
