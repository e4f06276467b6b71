//! Resources with settings, and how changes of them are checked and stored (Kafka's
//! `ConfigAdminManager` and `ZkAdminManager`). AlterConfigs and IncrementalAlterConfigs differ only
//! in how they arrive at the new settings.

use std::collections::{BTreeMap, BTreeSet};

use ottla_cluster::ConfigEntity;
use ottla_config::{ChangeError, KeyDef, Target, TopicConfig, broker_key, topic_key};
use ottla_protocol::ErrorCode;

use crate::context::Context;
use crate::words::ApiError;
use crate::{error_code, messages};

/// `ConfigResource.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceType {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
}

impl ResourceType {
    /// The type with this code of the protocol.
    pub(crate) fn from_code(code: i8) -> Option<ResourceType> {
        match code {
            2 => Some(ResourceType::Topic),
            4 => Some(ResourceType::Broker),
            8 => Some(ResourceType::BrokerLogger),
            16 => Some(ResourceType::ClientMetrics),
            _ => None,
        }
    }
}

/// Something whose settings can be changed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Topic(String),
    /// This broker.
    Broker,
    AllBrokers,
}

/// Settings by key.
pub(crate) type Settings = BTreeMap<String, String>;

impl Resource {
    /// The resource that a request names, with the code and name it gives.
    pub(crate) fn named(context: &Context, code: i8, name: &str) -> Result<Resource, ApiError> {
        match ResourceType::from_code(code) {
            Some(ResourceType::Topic) if name.is_empty() => Err(ApiError::invalid_request(
                "Default topic resources are not allowed.",
            )),
            Some(ResourceType::Topic) => Ok(Resource::Topic(name.to_owned())),
            Some(ResourceType::Broker) if name.is_empty() => Ok(Resource::AllBrokers),
            Some(ResourceType::Broker) => match name.parse::<i32>() {
                Ok(id) if id == context.broker.0 => Ok(Resource::Broker),
                Ok(_) => Err(ApiError::invalid_request(format!(
                    "Unexpected broker id, expected {}, but received {name}",
                    context.broker
                ))),
                Err(_) => Err(ApiError::invalid_request(format!(
                    "Node id must be an integer, but it is: {name}"
                ))),
            },
            Some(ResourceType::BrokerLogger) => Err(ApiError::invalid_request(
                "levels of logging cannot be changed while this broker runs",
            )),
            Some(ResourceType::ClientMetrics) => Err(ApiError::invalid_request(
                "AlterConfigs is only supported for topics and brokers, but resource type is \
                 CLIENT_METRICS",
            )),
            None => Err(ApiError::invalid_request(format!(
                "Unknown resource type {code}"
            ))),
        }
    }

    /// What the table says about one of its keys.
    pub(crate) fn key(&self, name: &str) -> Option<&'static KeyDef> {
        match self {
            Resource::Topic(_) => topic_key(name),
            Resource::Broker | Resource::AllBrokers => broker_key(name),
        }
    }

    /// The settings it has now.
    pub(crate) fn stored(&self, context: &Context) -> Settings {
        let configs = context.cluster.configs();
        let settings = match self {
            Resource::Topic(name) => configs.topics.get(name.as_str()),
            Resource::Broker => configs.brokers.get(&context.broker),
            Resource::AllBrokers => Some(&configs.broker_defaults),
        };
        settings
            .map(|settings| (**settings).clone())
            .unwrap_or_default()
    }

    /// Checks the settings it shall have, and stores them unless they are only to be checked.
    pub(crate) async fn replace(
        &self,
        context: &Context,
        settings: Settings,
        validate_only: bool,
    ) -> Result<(), ApiError> {
        let entity = match self {
            Resource::Topic(name) => {
                if context.cluster.image().topic(name).is_none() {
                    let message = messages::unknown_topic(name);
                    return Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, message));
                }
                TopicConfig::resolve(&context.config.load(), &settings)
                    .map_err(|error| topic_error(name, &error))?;
                ConfigEntity::Topic(name.as_str().into())
            }
            Resource::Broker => {
                validate_broker(context, &settings, Target::OneBroker)?;
                ConfigEntity::Broker(context.broker)
            }
            Resource::AllBrokers => {
                validate_broker(context, &settings, Target::AllBrokers)?;
                ConfigEntity::BrokerDefault
            }
        };
        if validate_only {
            return Ok(());
        }
        let stored = context.cluster.alter_configs(entity, settings).await;
        stored.map_err(|error| ApiError::new(error_code::alter_config(&error), error.to_string()))
    }
}

fn topic_error(name: &str, error: &ChangeError) -> ApiError {
    let message = match error {
        ChangeError::Value(error) => format!(
            "Invalid config value for resource ConfigResource(type=TOPIC, name='{name}'): {error}"
        ),
        error => error.to_string(),
    };
    ApiError::new(error_code::config_change(error), message)
}

/// Kafka answers every bad broker setting with `INVALID_REQUEST` (KAFKA-13609).
fn validate_broker(context: &Context, settings: &Settings, target: Target) -> Result<(), ApiError> {
    let checked = context.config.load().validate_dynamic(settings, target);
    checked.map_err(|error| ApiError::invalid_request(error.to_string()))
}

/// Names that occur more than once.
pub(crate) fn repeated<T: Ord + Copy>(items: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    items.filter(|item| !seen.insert(*item)).collect()
}

/// Why a resource that a request names twice is not changed at all.
pub(crate) fn named_twice() -> ApiError {
    ApiError::invalid_request("Each resource must appear at most once.")
}

/// Checks that hold for the changes of any resource: no key twice, no null where a value is needed.
pub(crate) fn check_keys<'a>(
    names: impl Iterator<Item = &'a str>,
    nulls: impl Iterator<Item = &'a str>,
) -> Result<(), ApiError> {
    if !repeated(names).is_empty() {
        return Err(ApiError::invalid_request(
            "Error due to duplicate config keys",
        ));
    }
    let nulls: Vec<&str> = nulls.collect();
    if !nulls.is_empty() {
        let message = format!("Null value not supported for : {}", nulls.join(", "));
        return Err(ApiError::invalid_request(message));
    }
    Ok(())
}
