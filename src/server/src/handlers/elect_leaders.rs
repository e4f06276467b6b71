//! ElectLeaders (KIP-183, KIP-460): the controller elects preferred or unclean leaders and waits
//! until they show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_cluster::{ElectLeaderError, ElectionKind, ElectionRefused};
use ottla_metadata::{ClusterImage, TopicName, TopicPartition};
use ottla_network::{Answer, Request};
use ottla_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use ottla_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{ApiError, timeout, topic_name};
use crate::{error_code, messages, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::ElectLeaders,
    versions: versions(0, 2),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: ElectLeadersRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let topics = message.topic_partitions.iter().flatten();
    let named = topics.map(|topic| topic.partitions.len()).sum();
    if let Some(refused) = reply::refuse_many(&request.header, named, "partitions") {
        return refused;
    }
    let context = Arc::clone(context);
    reply::later(request.header, async move {
        let kind = match message.election_type {
            0 => ElectionKind::Preferred,
            1 => ElectionKind::Unclean,
            _ => {
                return ElectLeadersResponse::default()
                    .with_error_code(ErrorCode::InvalidRequest.code());
            }
        };
        let results = elect(&context, kind, &message).await;
        ElectLeadersResponse::default().with_replica_election_results(results)
    })
}

/// Of all partitions (null), those that needed no election are not named.
async fn elect(
    context: &Context,
    kind: ElectionKind,
    message: &ElectLeadersRequest,
) -> Vec<ReplicaElectionResult> {
    let partitions: BTreeSet<TopicPartition> = match &message.topic_partitions {
        Some(topics) => topics
            .iter()
            .flat_map(|topic| {
                let name: TopicName = topic.topic.as_str().into();
                let numbers = topic.partitions.iter();
                numbers.map(move |number| TopicPartition::new(Arc::clone(&name), *number))
            })
            .collect(),
        None => all(&context.cluster.image()),
    };
    let timeout = timeout(message.timeout_ms);
    let elected = context.cluster.elect_leaders(kind, partitions, timeout);
    let not_needed = Err(ElectLeaderError::Refused(ElectionRefused::NotNeeded));
    let mut topics: BTreeMap<TopicName, Vec<PartitionResult>> = BTreeMap::new();
    for (tp, outcome) in elected.await {
        if message.topic_partitions.is_none() && outcome == not_needed {
            continue;
        }
        let outcome = outcome.map_err(|error| ApiError {
            code: error_code::elect_leader(&error),
            message: messages::elect_leader(kind, &tp, &error),
        });
        let (code, text) = ApiError::parts(outcome);
        let result = PartitionResult::default()
            .with_partition_id(tp.partition)
            .with_error_code(code)
            .with_error_message(text);
        topics.entry(tp.topic).or_default().push(result);
    }
    let topic = |(name, results): (TopicName, Vec<PartitionResult>)| {
        ReplicaElectionResult::default()
            .with_topic(topic_name(&name))
            .with_partition_result(results)
    };
    topics.into_iter().map(topic).collect()
}

fn all(image: &ClusterImage) -> BTreeSet<TopicPartition> {
    let topics = image.topics.values();
    topics
        .flat_map(|topic| {
            let numbers = topic.partitions.keys();
            numbers.map(|number| TopicPartition::new(Arc::clone(&topic.name), *number))
        })
        .collect()
}
