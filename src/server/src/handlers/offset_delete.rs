//! OffsetDelete: a group forgets how far it has read (KIP-496).

use std::sync::Arc;

use ottla_metadata::TopicPartition;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use ottla_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::{code_of, refusal};
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::OffsetDelete,
    versions: versions(0, 0),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: OffsetDeleteRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let named = message.topics.iter().map(|t| t.partitions.len()).sum();
    if let Some(refused) = reply::refuse_many(&request.header, named, "partitions") {
        return refused;
    }
    if let Some(code) = refusal(context, &message.group_id, None) {
        return reply::now(&request.header, &failed(code));
    }
    let image = context.cluster.image();
    let named = partitions(&message);
    let known: Vec<bool> = named
        .iter()
        .map(|p| image.partition(&p.topic, p.partition).is_some())
        .collect();
    let existing = named.into_iter().zip(&known).filter(|(_, known)| **known);
    let existing = existing.map(|(partition, _)| partition).collect();
    let deleted = context
        .coordinator
        .delete_offsets(&message.group_id, existing);
    reply::when(request.header, deleted, move |result| match result {
        Ok(Ok(results)) => {
            let mut results = results.iter();
            let mut known = known.into_iter();
            respond(&message, || match known.next() {
                Some(true) => results
                    .next()
                    .map_or(ErrorCode::UnknownServerError, code_of),
                Some(false) | None => ErrorCode::UnknownTopicOrPartition,
            })
        }
        Ok(Err(error)) => failed(error_code::group(error)),
        Err(error) => failed(error_code::unavailable(error)),
    })
}

fn partitions(message: &OffsetDeleteRequest) -> Vec<TopicPartition> {
    let topics = message.topics.iter();
    let named = topics.flat_map(|topic| {
        let name = ottla_metadata::TopicName::from(topic.name.0.as_str());
        let partitions = topic.partitions.iter();
        partitions.map(move |p| TopicPartition::new(Arc::clone(&name), p.partition_index))
    });
    named.collect()
}

/// A response in the order of the request; `next` gives each partition's code.
fn respond(
    message: &OffsetDeleteRequest,
    mut next: impl FnMut() -> ErrorCode,
) -> OffsetDeleteResponse {
    let topics = message.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(next().code())
        });
        OffsetDeleteResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}

fn failed(code: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse::default().with_error_code(code.code())
}
