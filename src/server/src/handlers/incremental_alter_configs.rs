//! IncrementalAlterConfigs (KIP-339): changes single settings of a resource.

use std::sync::Arc;

use ottla_config::{Operation, apply};
use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ottla_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use ottla_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use crate::api_table::{Api, versions};
use crate::config_resource::{Resource, check_keys, named_twice, repeated};
use crate::context::Context;
use crate::words::ApiError;
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::IncrementalAlterConfigs,
    versions: versions(0, 1),
    handle,
};

/// `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: IncrementalAlterConfigsRequest = match reply::decode(&request) {
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
        IncrementalAlterConfigsResponse::default().with_responses(responses)
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
    let needs_value = |config: &&AlterableConfig| config.config_operation != DELETE;
    let nulls = configs
        .clone()
        .filter(needs_value)
        .filter(|config| config.value.is_none());
    check_keys(
        configs.clone().map(|config| config.name.as_str()),
        nulls.map(|config| config.name.as_str()),
    )?;
    let (code, name) = identity(resource);
    let resource = Resource::named(context, code, name)?;
    let steps = configs.map(step).collect::<Result<Vec<_>, ApiError>>()?;
    // Nobody else's change may come between reading the settings and storing them.
    let _turn = context.altering.lock().await;
    let mut settings = resource.stored(context);
    apply(&mut settings, &steps, |name| resource.key(name))
        .map_err(|error| ApiError::new(error_code::config_change(&error), error.to_string()))?;
    resource.replace(context, settings, validate_only).await
}

fn step(config: &AlterableConfig) -> Result<(String, Operation), ApiError> {
    let value = config
        .value
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let operation = match config.config_operation {
        SET => Operation::Set(value),
        DELETE => Operation::Delete,
        APPEND => Operation::Append(value),
        SUBTRACT => Operation::Subtract(value),
        other => {
            let message = format!("Unknown operations type {other}");
            return Err(ApiError::invalid_request(message));
        }
    };
    Ok((config.name.to_string(), operation))
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
