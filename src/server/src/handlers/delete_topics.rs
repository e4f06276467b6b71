//! DeleteTopics (KIP-4; by id since KIP-516): the controller deletes topics and waits until they
//! are gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_cluster::{DeleteTopicError, WaitOptions};
use ottla_metadata::TopicId;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::delete_topics_response::DeletableTopicResult;
use ottla_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{timeout, topic_id, topic_name, uuid};
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::DeleteTopics,
    versions: versions(0, 6),
    handle,
};

/// A topic of the request: by name, or by id since version 6.
#[derive(Clone)]
struct Asked {
    name: Option<String>,
    id: TopicId,
}

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: DeleteTopicsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let version = request.header.api_version;
    let wait = timeout(message.timeout_ms);
    let asked = asked(message, version);
    if let Some(code) = refusal(context, &asked, version) {
        let responses = asked.into_iter().map(|topic| result(topic, code));
        let response = DeleteTopicsResponse::default().with_responses(responses.collect());
        return reply::now(&request.header, &response);
    }
    let context = Arc::clone(context);
    reply::later(request.header, async move {
        let options = WaitOptions {
            timeout: wait,
            validate_only: false,
        };
        let responses = delete(&context, asked, options, version).await;
        DeleteTopicsResponse::default().with_responses(responses)
    })
}

fn asked(message: DeleteTopicsRequest, version: i16) -> Vec<Asked> {
    if version < 6 {
        let by_name = |name: ottla_protocol::messages::TopicName| Asked {
            name: Some(name.to_string()),
            id: TopicId::ZERO,
        };
        return message.topic_names.into_iter().map(by_name).collect();
    }
    let topics = message.topics.into_iter().map(|topic| Asked {
        name: topic.name.map(|name| name.to_string()),
        id: topic_id(&topic.topic_id),
    });
    topics.collect()
}

/// What is wrong with the request as a whole.
fn refusal(context: &Context, asked: &[Asked], version: i16) -> Option<ErrorCode> {
    if !context.cluster.is_controller() {
        return Some(ErrorCode::NotController);
    }
    if !context.config.load().topics.delete_enable {
        return Some(error_code::delete_topic(
            &DeleteTopicError::Disabled,
            version,
        ));
    }
    let ambiguous = |topic: &Asked| topic.name.is_some() != topic.id.is_zero();
    asked
        .iter()
        .any(ambiguous)
        .then_some(ErrorCode::InvalidRequest)
}

async fn delete(
    context: &Context,
    asked: Vec<Asked>,
    options: WaitOptions,
    version: i16,
) -> Vec<DeletableTopicResult> {
    let image = context.cluster.image();
    let named = asked.into_iter().map(|topic| {
        let by_id = image.topic_name(topic.id).map(|name| name.to_string());
        let name = topic.name.or(by_id);
        Asked { name, id: topic.id }
    });
    let named: Vec<Asked> = named.collect();
    let mut outcomes: BTreeMap<String, ErrorCode> = BTreeMap::new();
    for name in named.iter().filter_map(|topic| topic.name.clone()) {
        let code = match image.topic(&name) {
            Some(_) => ErrorCode::None,
            None => ErrorCode::UnknownTopicOrPartition,
        };
        outcomes.insert(name, code);
    }
    let existing = outcomes.iter().filter(|(_, code)| code.is_none());
    let existing: Vec<String> = existing.map(|(name, _)| name.clone()).collect();
    if !existing.is_empty() {
        let deleted = context
            .cluster
            .delete_topics(existing.clone(), options)
            .await;
        for (name, outcome) in existing.into_iter().zip(deleted) {
            if let Err(error) = outcome {
                outcomes.insert(name, error_code::delete_topic(&error, version));
            }
        }
    }
    let results = named.into_iter().map(|topic| {
        let code = topic.name.as_ref().and_then(|name| outcomes.get(name));
        let code = code.copied().unwrap_or(ErrorCode::UnknownTopicId);
        result(topic, code)
    });
    results.collect()
}

fn result(topic: Asked, code: ErrorCode) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(topic.name.as_deref().map(topic_name))
        .with_topic_id(uuid(topic.id))
        .with_error_code(code.code())
}
