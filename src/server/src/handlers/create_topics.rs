//! CreateTopics (KIP-4): the controller creates topics and waits for their leaders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_cluster::{CreateTopicError, CreatedTopic, NewTopic, WaitOptions};
use ottla_config::{ChangeError, TopicConfig};
use ottla_metadata::BrokerId;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use ottla_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{ApiError, text, timeout, uuid};
use crate::{error_code, messages, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::CreateTopics,
    versions: versions(0, 7),
    handle,
};

/// The topic of KRaft's metadata log; its name is taken.
const CLUSTER_METADATA: &str = "__cluster_metadata";

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: CreateTopicsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let context = Arc::clone(context);
    let version = request.header.api_version;
    reply::later(request.header, async move {
        let outcomes = create(&context, &message).await;
        let topics = message.topics.into_iter().zip(outcomes);
        let result = |(topic, outcome)| result(&context, &topic, outcome, version);
        CreateTopicsResponse::default().with_topics(topics.map(result).collect())
    })
}

type Outcome = Result<CreatedTopic, ApiError>;

/// One outcome per topic of the request, in its order.
async fn create(context: &Context, message: &CreateTopicsRequest) -> Vec<Outcome> {
    if !context.cluster.is_controller() {
        let refused = || {
            Err(ApiError {
                code: ErrorCode::NotController,
                message: None,
            })
        };
        return message.topics.iter().map(|_| refused()).collect();
    }
    let options = WaitOptions {
        timeout: timeout(message.timeout_ms),
        validate_only: message.validate_only,
    };
    let checked: Vec<_> = check(context, message);
    let good = checked
        .iter()
        .filter_map(|topic| topic.as_ref().ok().cloned());
    let created = context.cluster.create_topics(good.collect(), options).await;
    let mut created = created.into_iter();
    let mut outcomes = Vec::with_capacity(checked.len());
    for topic in checked {
        outcomes.push(match topic {
            Err(refused) => refused.outcome(context).await,
            Ok(topic) => match created.next() {
                Some(outcome) => outcome.map_err(|error| api_error(&topic.name, &error)),
                None => Err(ApiError::new(ErrorCode::UnknownServerError, "no outcome")),
            },
        });
    }
    outcomes
}

/// A topic that is not even tried.
enum Refused {
    /// For this reason.
    Plain(ApiError),
    /// Its settings are bad, which counts only if nothing else is wrong with it.
    BadConfig(NewTopic, ApiError),
}

impl Refused {
    async fn outcome(self, context: &Context) -> Outcome {
        let (topic, bad_config) = match self {
            Refused::Plain(error) => return Err(error),
            Refused::BadConfig(topic, error) => (topic, error),
        };
        let options = WaitOptions {
            timeout: timeout(0),
            validate_only: true,
        };
        let name = topic.name.clone();
        let tried = context.cluster.create_topics(vec![topic], options).await;
        match tried.into_iter().next() {
            Some(Err(error)) => Err(api_error(&name, &error)),
            Some(Ok(_)) | None => Err(bad_config),
        }
    }
}

/// What can be said of each topic without the cluster.
fn check(context: &Context, message: &CreateTopicsRequest) -> Vec<Result<NewTopic, Refused>> {
    let mut seen = BTreeSet::new();
    let names = message.topics.iter().map(|topic| topic.name.as_str());
    let twice: BTreeSet<&str> = names.filter(|name| !seen.insert(*name)).collect();
    let image = context.cluster.image();
    let check = |topic: &CreatableTopic| {
        let name = topic.name.as_str();
        if name == CLUSTER_METADATA {
            let error = format!("Creation of internal topic {name} is prohibited.");
            return Err(Refused::Plain(ApiError::invalid_request(error)));
        }
        if twice.contains(name) {
            let error = api_error(name, &CreateTopicError::Duplicate(name.to_owned()));
            return Err(Refused::Plain(error));
        }
        if image.topic(name).is_some() {
            let error = api_error(name, &CreateTopicError::Exists(name.to_owned()));
            return Err(Refused::Plain(error));
        }
        new_topic(topic).map_err(Refused::Plain).and_then(|topic| {
            match TopicConfig::resolve(&context.config.load(), &topic.configs) {
                Ok(_) => Ok(topic),
                Err(error) => Err(Refused::BadConfig(topic, config_error(&error))),
            }
        })
    };
    message.topics.iter().map(check).collect()
}

fn new_topic(topic: &CreatableTopic) -> Result<NewTopic, ApiError> {
    let configs = topic.configs.iter();
    let nulls = configs.clone().filter(|config| config.value.is_none());
    let nulls: Vec<_> = nulls.map(|config| config.name.as_str()).collect();
    if !nulls.is_empty() {
        let message = format!(
            "Null value not supported for topic configs: {}",
            nulls.join(",")
        );
        return Err(ApiError::new(ErrorCode::InvalidConfig, message));
    }
    let configs = configs.filter_map(|config| {
        let value = config.value.as_ref()?;
        Some((config.name.to_string(), value.to_string()))
    });
    let assignment = topic.assignments.iter().map(|partition| {
        let replicas = partition.broker_ids.iter().map(|id| BrokerId(id.0));
        (partition.partition_index, replicas.collect())
    });
    Ok(NewTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignment: assignment.collect(),
        configs: configs.collect(),
    })
}

fn config_error(error: &ChangeError) -> ApiError {
    ApiError::new(error_code::config_change(error), error.to_string())
}

fn api_error(name: &str, error: &CreateTopicError) -> ApiError {
    ApiError {
        code: error_code::create_topic(error),
        message: messages::create_topic(name, error),
    }
}

fn result(
    context: &Context,
    topic: &CreatableTopic,
    outcome: Outcome,
    version: i16,
) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(topic.name.clone());
    match outcome {
        Err(error) => {
            // A topic whose leaders were late is there all the same.
            let image = context.cluster.image();
            let late = error.code == ErrorCode::RequestTimedOut;
            let id = image
                .topic(&topic.name)
                .filter(|_| late)
                .map(|topic| topic.id);
            let (code, message) = ApiError::parts(Err(error));
            result
                .with_topic_id(uuid(id.unwrap_or_default()))
                .with_error_code(code)
                .with_error_message(message)
                .with_configs(Some(Vec::new()))
        }
        Ok(created) => {
            let configs = match version >= 5 {
                true => configs(context, topic),
                false => Vec::new(),
            };
            result
                .with_error_message(None)
                .with_topic_id(uuid(created.id))
                .with_num_partitions(created.partitions)
                .with_replication_factor(created.replication_factor)
                .with_configs(Some(configs))
        }
    }
}

/// The new topic's settings, defaults included (KIP-525).
fn configs(context: &Context, topic: &CreatableTopic) -> Vec<CreatableTopicConfigs> {
    let own = topic.configs.iter().filter_map(|config| {
        let value = config.value.as_ref()?;
        Some((config.name.to_string(), value.to_string()))
    });
    let own: BTreeMap<String, String> = own.collect();
    let entries = context.config.load().describe_topic(&own);
    let entry = |entry: ottla_config::ConfigEntry| {
        CreatableTopicConfigs::default()
            .with_name(text(entry.name))
            .with_value(entry.value.map(text))
            .with_read_only(entry.read_only)
            .with_config_source(entry.source.code())
            .with_is_sensitive(entry.sensitive)
    };
    entries.into_iter().map(entry).collect()
}
