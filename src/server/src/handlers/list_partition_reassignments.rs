//! ListPartitionReassignments (KIP-455): which partitions the controller is moving.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_metadata::{TopicName, TopicPartition};
use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use ottla_protocol::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{ApiError, broker_ids, timeout, topic_name};
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::ListPartitionReassignments,
    versions: versions(0, 0),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: ListPartitionReassignmentsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let topics = message.topics.iter().flatten();
    let named = topics.map(|topic| topic.partition_indexes.len()).sum();
    if let Some(refused) = reply::refuse_many(&request.header, named, "partitions") {
        return refused;
    }
    let context = Arc::clone(context);
    reply::later(request.header, async move {
        let asked: Option<BTreeSet<TopicPartition>> = message.topics.as_ref().map(|topics| {
            let partitions = topics.iter().flat_map(|topic| {
                let name: TopicName = topic.name.as_str().into();
                let numbers = topic.partition_indexes.iter();
                numbers.map(move |number| TopicPartition::new(Arc::clone(&name), *number))
            });
            partitions.collect()
        });
        let timeout = timeout(message.timeout_ms);
        let listed = match context.cluster.list_reassignments(asked, timeout).await {
            Ok(listed) => listed,
            Err(error) => {
                let error = ApiError::new(error_code::reassign(error), error.to_string());
                let (code, text) = ApiError::parts(Err(error));
                return ListPartitionReassignmentsResponse::default()
                    .with_error_code(code)
                    .with_error_message(text);
            }
        };
        let mut topics: BTreeMap<TopicName, Vec<OngoingPartitionReassignment>> = BTreeMap::new();
        for (tp, assignment) in listed {
            let partition = OngoingPartitionReassignment::default()
                .with_partition_index(tp.partition)
                .with_replicas(broker_ids(&assignment.replicas))
                .with_adding_replicas(broker_ids(&assignment.adding))
                .with_removing_replicas(broker_ids(&assignment.removing));
            topics.entry(tp.topic).or_default().push(partition);
        }
        let topic = |(name, partitions): (TopicName, Vec<OngoingPartitionReassignment>)| {
            OngoingTopicReassignment::default()
                .with_name(topic_name(&name))
                .with_partitions(partitions)
        };
        ListPartitionReassignmentsResponse::default()
            .with_topics(topics.into_iter().map(topic).collect())
    })
}
