//! AlterPartitionReassignments (KIP-455): the controller moves partitions to other replicas, or stops
//! moving them. Answered when that is stored; the move itself takes as long as it takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_metadata::{BrokerId, TopicName, TopicPartition};
use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use ottla_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{ApiError, timeout, topic_name};
use crate::{error_code, messages, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::AlterPartitionReassignments,
    versions: versions(0, 0),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: AlterPartitionReassignmentsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let topics = message.topics.iter();
    let named = topics.map(|topic| topic.partitions.len()).sum();
    if let Some(refused) = reply::refuse_many(&request.header, named, "partitions") {
        return refused;
    }
    let partitions = message.topics.iter().flat_map(|topic| &topic.partitions);
    let replicas = partitions.filter_map(|partition| partition.replicas.as_ref());
    let named = replicas.map(Vec::len).sum();
    if let Some(refused) = reply::refuse_many(&request.header, named, "replicas") {
        return refused;
    }
    let context = Arc::clone(context);
    reply::later(request.header, async move {
        let timeout = timeout(message.timeout_ms);
        let altered = context
            .cluster
            .alter_reassignments(wanted(&message), timeout);
        let answers = match altered.await {
            Ok(answers) => answers,
            Err(error) => {
                let error = ApiError::new(error_code::reassign(error), error.to_string());
                let (code, text) = ApiError::parts(Err(error));
                return AlterPartitionReassignmentsResponse::default()
                    .with_error_code(code)
                    .with_error_message(text);
            }
        };
        let mut topics: BTreeMap<TopicName, Vec<ReassignablePartitionResponse>> = BTreeMap::new();
        for (tp, outcome) in answers {
            let outcome = outcome.map_err(|error| ApiError {
                code: error_code::reassignment(&error),
                message: Some(messages::reassignment(&error)),
            });
            let (code, text) = ApiError::parts(outcome);
            let result = ReassignablePartitionResponse::default()
                .with_partition_index(tp.partition)
                .with_error_code(code)
                .with_error_message(text);
            topics.entry(tp.topic).or_default().push(result);
        }
        let topic = |(name, partitions): (TopicName, Vec<ReassignablePartitionResponse>)| {
            ReassignableTopicResponse::default()
                .with_name(topic_name(&name))
                .with_partitions(partitions)
        };
        AlterPartitionReassignmentsResponse::default()
            .with_responses(topics.into_iter().map(topic).collect())
    })
}

/// Of a partition that is named twice the last word counts.
fn wanted(
    message: &AlterPartitionReassignmentsRequest,
) -> BTreeMap<TopicPartition, Option<Vec<BrokerId>>> {
    let mut wanted = BTreeMap::new();
    for topic in &message.topics {
        let name: TopicName = topic.name.as_str().into();
        for partition in &topic.partitions {
            let replicas = partition.replicas.as_ref();
            let replicas = replicas.map(|ids| ids.iter().map(|id| BrokerId(id.0)).collect());
            let tp = TopicPartition::new(Arc::clone(&name), partition.partition_index);
            wanted.insert(tp, replicas);
        }
    }
    wanted
}
