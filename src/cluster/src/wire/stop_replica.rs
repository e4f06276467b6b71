//! StopReplica.

use ottla_controller::{ReplicaAnswers, RequestRefused, Sender, StopReplica, StopReplicaPartition};
use ottla_metadata::{BrokerId, LeaderEpoch, NO_EPOCH, TopicName, TopicPartition};
use ottla_protocol::messages::stop_replica_request::{
    StopReplicaPartitionState, StopReplicaPartitionV0, StopReplicaTopicState, StopReplicaTopicV1,
};
use ottla_protocol::messages::{self, StopReplicaRequest, StopReplicaResponse};

use super::topics::{Names, Texts, by_topic};
use super::{replica_result, whole_answer};

/// The first version that groups partitions by topic.
const GROUPED: i16 = 1;
/// The first version with an epoch and a flag for each partition (KIP-570).
const STATES: i16 = 3;

/// The requests that say the same in this version, in the order in which they are sent.
///
/// Up to version 2 a request has one flag for all its partitions, so that those to be deleted and
/// those to be kept need one each; Kafka sends the deletion first.
pub(crate) fn split(request: StopReplica, version: i16) -> Vec<StopReplica> {
    if version >= STATES {
        return vec![request];
    }
    let StopReplica { sender, partitions } = request;
    let (delete, keep): (Vec<_>, Vec<_>) = partitions.into_iter().partition(|p| p.delete);
    [delete, keep]
        .into_iter()
        .filter(|partitions| !partitions.is_empty())
        .map(|partitions| StopReplica { sender, partitions })
        .collect()
}

/// The request in this version. Up to version 2 the flag of the first partition holds for all.
pub fn encode(request: &StopReplica, version: i16) -> StopReplicaRequest {
    let StopReplica { sender, partitions } = request;
    let message = StopReplicaRequest::default()
        .with_controller_id(messages::BrokerId(sender.controller.0))
        .with_controller_epoch(sender.controller_epoch)
        .with_broker_epoch(sender.broker_epoch);
    let mut texts = Texts::default();
    let topics = by_topic(partitions, |p| &p.partition)
        .filter_map(|of_topic| Some((&of_topic.first()?.partition.topic, of_topic)));
    if version >= STATES {
        let topics = topics.map(|(topic, partitions)| {
            let states = partitions.iter().map(|stop| {
                StopReplicaPartitionState::default()
                    .with_partition_index(stop.partition.partition)
                    .with_leader_epoch(stop.leader_epoch)
                    .with_delete_partition(stop.delete)
            });
            StopReplicaTopicState::default()
                .with_topic_name(texts.write(topic))
                .with_partition_states(states.collect())
        });
        let topics = topics.collect();
        return message.with_topic_states(topics);
    }
    let message =
        message.with_delete_partitions(partitions.first().is_some_and(|first| first.delete));
    if version >= GROUPED {
        let topics = topics.map(|(topic, partitions)| {
            let numbers = partitions.iter().map(|stop| stop.partition.partition);
            StopReplicaTopicV1::default()
                .with_name(texts.write(topic))
                .with_partition_indexes(numbers.collect())
        });
        let topics = topics.collect();
        return message.with_topics(topics);
    }
    let partitions = partitions.iter().map(|stop| {
        StopReplicaPartitionV0::default()
            .with_topic_name(texts.write(&stop.partition.topic))
            .with_partition_index(stop.partition.partition)
    });
    let partitions = partitions.collect();
    message.with_ungrouped_partitions(partitions)
}

/// What a request says, in whatever version it came. Without an epoch whatever is in force stops.
pub fn decode(message: &StopReplicaRequest) -> StopReplica {
    let mut names = Names::default();
    let mut partitions = Vec::new();
    let mut stop = |topic: TopicName, number: i32, leader_epoch: LeaderEpoch, delete: bool| {
        partitions.push(StopReplicaPartition {
            partition: TopicPartition::new(topic, number),
            leader_epoch,
            delete,
        });
    };
    let delete = message.delete_partitions;
    for asked in &message.ungrouped_partitions {
        let topic = names.read(&asked.topic_name);
        stop(topic, asked.partition_index, NO_EPOCH, delete);
    }
    for topic in &message.topics {
        let name = names.read(&topic.name);
        for number in &topic.partition_indexes {
            stop(TopicName::clone(&name), *number, NO_EPOCH, delete);
        }
    }
    for topic in &message.topic_states {
        let name = names.read(&topic.topic_name);
        for state in &topic.partition_states {
            let (epoch, delete) = (state.leader_epoch, state.delete_partition);
            stop(
                TopicName::clone(&name),
                state.partition_index,
                epoch,
                delete,
            );
        }
    }
    StopReplica {
        sender: Sender {
            controller: BrokerId(message.controller_id.0),
            controller_epoch: message.controller_epoch,
            broker_epoch: message.broker_epoch,
        },
        partitions,
    }
}

/// What a broker answered.
pub(crate) fn answers(
    request: &StopReplica,
    response: &StopReplicaResponse,
) -> Result<ReplicaAnswers, RequestRefused> {
    let partitions = request.partitions.iter().map(|p| &p.partition);
    if let Some(answer) = whole_answer(response.error_code, partitions) {
        return answer;
    }
    let mut names = Names::default();
    let errors = response.partition_errors.iter().map(|error| {
        let partition = TopicPartition::new(names.read(&error.topic_name), error.partition_index);
        (partition, replica_result(error.error_code))
    });
    Ok(errors.collect())
}
