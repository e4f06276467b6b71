//! DescribeConfigs (KIP-133, KIP-226, KIP-569): settings of topics and of this broker.

use std::sync::Arc;

use ottla_config::{ConfigEntry, ConfigSource, ConfigSynonym};
use ottla_metadata::validate_topic_name;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::describe_configs_request::DescribeConfigsResource;
use ottla_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::config_resource::ResourceType;
use crate::context::Context;
use crate::words::{ApiError, text};
use crate::{messages, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::DescribeConfigs,
    versions: versions(0, 4),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: DescribeConfigsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let shape = Shape {
        version: request.header.api_version,
        synonyms: message.include_synonyms,
        documentation: message.include_documentation,
    };
    let stranger = message
        .resources
        .iter()
        .find(|resource| ResourceType::from_code(resource.resource_type).is_none());
    let stranger = stranger.map(|resource| {
        let (code, name) = (resource.resource_type, &resource.resource_name);
        ApiError::invalid_request(format!(
            "Unexpected resource type {code} for resource {name}"
        ))
    });
    let results = message.resources.iter().map(|resource| {
        // One impossible resource spoils the whole request, as in Kafka.
        let described = match &stranger {
            Some(error) => Err(error.clone()),
            None => describe(context, resource),
        };
        result(resource, described, shape)
    });
    let response = DescribeConfigsResponse::default().with_results(results.collect());
    reply::now(&request.header, &response)
}

fn describe(
    context: &Context,
    resource: &DescribeConfigsResource,
) -> Result<Vec<ConfigEntry>, ApiError> {
    let name = resource.resource_name.as_str();
    let config = context.config.load();
    match ResourceType::from_code(resource.resource_type) {
        Some(ResourceType::Topic) => {
            validate_topic_name(name).map_err(|error| {
                let message = messages::invalid_topic_name(&error);
                ApiError::new(ErrorCode::InvalidTopicException, message)
            })?;
            if context.cluster.image().topic(name).is_none() {
                let (code, message) = (ErrorCode::UnknownTopicOrPartition, None);
                return Err(ApiError { code, message });
            }
            let stored = context.cluster.configs().topics.get(name).cloned();
            Ok(config.describe_topic(&stored.unwrap_or_default()))
        }
        Some(ResourceType::Broker) if name.is_empty() => Ok(config.describe_broker_defaults()),
        Some(ResourceType::Broker) => {
            let expected = format!("expected {} or empty string, but received", context.broker);
            check_broker(context, name, &expected)?;
            Ok(config.describe_broker())
        }
        // Levels of logging cannot be set one by one here.
        Some(ResourceType::BrokerLogger) if name.is_empty() => {
            Err(ApiError::invalid_request("Broker id must not be empty"))
        }
        Some(ResourceType::BrokerLogger) => {
            let expected = format!("expected {} but received", context.broker);
            check_broker(context, name, &expected)?;
            Ok(Vec::new())
        }
        Some(ResourceType::ClientMetrics) | None => Err(ApiError::invalid_request(
            "Client metrics are not kept in ZooKeeper mode",
        )),
    }
}

fn check_broker(context: &Context, name: &str, expected: &str) -> Result<(), ApiError> {
    match name.parse::<i32>() {
        Ok(id) if id == context.broker.0 => Ok(()),
        Ok(_) => {
            let message = format!("Unexpected broker id, {expected} {name}");
            Err(ApiError::invalid_request(message))
        }
        Err(_) => {
            let message = format!("Broker id must be an integer, but it is: {name}");
            Err(ApiError::invalid_request(message))
        }
    }
}

/// What the client wants to see, and what its version can carry.
#[derive(Clone, Copy)]
struct Shape {
    version: i16,
    synonyms: bool,
    documentation: bool,
}

fn result(
    resource: &DescribeConfigsResource,
    described: Result<Vec<ConfigEntry>, ApiError>,
    shape: Shape,
) -> DescribeConfigsResult {
    let keys = resource.configuration_keys.as_deref().unwrap_or_default();
    let wanted =
        |entry: &ConfigEntry| keys.is_empty() || keys.iter().any(|key| key.as_str() == entry.name);
    let (entries, outcome) = match described {
        Ok(entries) => (entries, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    let (code, message) = ApiError::parts(outcome);
    let entries = entries.into_iter().filter(wanted);
    DescribeConfigsResult::default()
        .with_error_code(code)
        // Empty where others have null: old clients read it without asking whether it is there.
        .with_error_message(Some(message.unwrap_or_default()))
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
        .with_configs(entries.map(|entry| entry_result(entry, shape)).collect())
}

fn entry_result(entry: ConfigEntry, shape: Shape) -> DescribeConfigsResourceResult {
    let synonyms = match shape.synonyms {
        true => entry.synonyms.into_iter().map(synonym).collect(),
        false => Vec::new(),
    };
    let documentation = entry.doc.filter(|_| shape.documentation);
    let is_default = entry.source == ConfigSource::Default;
    DescribeConfigsResourceResult::default()
        .with_name(text(entry.name))
        .with_value(entry.value.map(text))
        .with_read_only(entry.read_only)
        .with_is_default(is_default && shape.version == 0)
        .with_config_source(entry.source.code())
        .with_is_sensitive(entry.sensitive)
        .with_synonyms(synonyms)
        .with_config_type(entry.value_type.map_or(0, |kind| kind.code()))
        .with_documentation(documentation.map(text))
}

fn synonym(synonym: ConfigSynonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(text(synonym.name))
        .with_value(synonym.value.map(text))
        .with_source(synonym.source.code())
}
