//! LeaderAndIsr.

use std::collections::{BTreeMap, BTreeSet};

use ottla_controller::{
    LeaderAndIsr, LeaderAndIsrPartition, ReplicaAnswers, RequestRefused, Sender,
};
use ottla_metadata::{BrokerId, Endpoint, TopicId, TopicName, TopicPartition};
use ottla_protocol::messages::leader_and_isr_request::{
    LeaderAndIsrLiveLeader, LeaderAndIsrPartitionState, LeaderAndIsrTopicState,
};
use ottla_protocol::messages::{self, LeaderAndIsrRequest, LeaderAndIsrResponse};

use super::topics::{Names, Texts, by_topic, from_uuid, to_uuid};
use super::{from_ids, from_leader, replica_result, text, to_ids, to_leader, whole_answer};

/// The first version that groups partitions by topic.
const GROUPED: i16 = 2;
/// The first version that carries whether a leader has yet to recover (KIP-704).
const RECOVERY: i16 = 6;

/// The request in this version. `address` gives the address that brokers use among themselves, of
/// brokers that are alive: the leaders that are named are told with it.
pub fn encode<'a>(
    request: &LeaderAndIsr,
    version: i16,
    address: impl Fn(BrokerId) -> Option<&'a Endpoint>,
) -> LeaderAndIsrRequest {
    let LeaderAndIsr { sender, partitions } = request;
    let leaders: BTreeSet<BrokerId> = partitions.iter().filter_map(|p| p.leader).collect();
    let leaders = leaders.into_iter().filter_map(|id| {
        let endpoint = address(id)?;
        let leader = LeaderAndIsrLiveLeader::default()
            .with_broker_id(messages::BrokerId(id.0))
            .with_host_name(text(&endpoint.host))
            .with_port(endpoint.port.into());
        Some(leader)
    });
    let message = LeaderAndIsrRequest::default()
        .with_controller_id(messages::BrokerId(sender.controller.0))
        .with_controller_epoch(sender.controller_epoch)
        .with_broker_epoch(sender.broker_epoch)
        .with_live_leaders(leaders.collect());
    let mut texts = Texts::default();
    if version < GROUPED {
        let states = partitions.iter().map(|partition| {
            let name = texts.write(&partition.partition.topic);
            state(partition, version).with_topic_name(name)
        });
        return message.with_ungrouped_partition_states(states.collect());
    }
    let topics = by_topic(partitions, |p| &p.partition).filter_map(|partitions| {
        let first = partitions.first()?;
        let states = partitions.iter().map(|p| state(p, version));
        let topic = LeaderAndIsrTopicState::default()
            .with_topic_name(texts.write(&first.partition.topic))
            .with_topic_id(to_uuid(first.topic_id))
            .with_partition_states(states.collect());
        Some(topic)
    });
    let topics = topics.collect();
    message.with_topic_states(topics)
}

fn state(partition: &LeaderAndIsrPartition, version: i16) -> LeaderAndIsrPartitionState {
    let recovering = version >= RECOVERY && partition.recovering;
    LeaderAndIsrPartitionState::default()
        .with_partition_index(partition.partition.partition)
        .with_controller_epoch(partition.controller_epoch)
        .with_leader(to_leader(partition.leader))
        .with_leader_epoch(partition.leader_epoch)
        .with_isr(to_ids(&partition.isr))
        .with_partition_epoch(partition.partition_epoch)
        .with_replicas(to_ids(&partition.replicas))
        .with_adding_replicas(to_ids(&partition.adding))
        .with_removing_replicas(to_ids(&partition.removing))
        .with_is_new(partition.is_new)
        .with_leader_recovery_state(i8::from(recovering))
}

/// What a request says, in whatever version it came.
pub fn decode(message: &LeaderAndIsrRequest) -> LeaderAndIsr {
    let mut names = Names::default();
    let mut partitions = Vec::new();
    for state in &message.ungrouped_partition_states {
        let topic = names.read(&state.topic_name);
        partitions.push(partition(topic, TopicId::ZERO, state));
    }
    for topic in &message.topic_states {
        let (name, id) = (names.read(&topic.topic_name), from_uuid(&topic.topic_id));
        let states = topic.partition_states.iter();
        partitions.extend(states.map(|state| partition(TopicName::clone(&name), id, state)));
    }
    LeaderAndIsr {
        sender: Sender {
            controller: BrokerId(message.controller_id.0),
            controller_epoch: message.controller_epoch,
            broker_epoch: message.broker_epoch,
        },
        partitions,
    }
}

fn partition(
    topic: TopicName,
    topic_id: TopicId,
    state: &LeaderAndIsrPartitionState,
) -> LeaderAndIsrPartition {
    LeaderAndIsrPartition {
        partition: TopicPartition::new(topic, state.partition_index),
        topic_id,
        controller_epoch: state.controller_epoch,
        leader: from_leader(state.leader),
        leader_epoch: state.leader_epoch,
        isr: from_ids(&state.isr),
        partition_epoch: state.partition_epoch,
        replicas: from_ids(&state.replicas),
        adding: from_ids(&state.adding_replicas),
        removing: from_ids(&state.removing_replicas),
        is_new: state.is_new,
        recovering: state.leader_recovery_state == 1,
    }
}

/// What a broker answered to `request`. Since version 5 topics are named by their ids.
pub(crate) fn answers(
    request: &LeaderAndIsr,
    response: &LeaderAndIsrResponse,
) -> Result<ReplicaAnswers, RequestRefused> {
    let partitions = request.partitions.iter().map(|p| &p.partition);
    if let Some(answer) = whole_answer(response.error_code, partitions) {
        return answer;
    }
    let mut names = Names::default();
    let mut answers = ReplicaAnswers::new();
    for error in &response.partition_errors {
        let partition = TopicPartition::new(names.read(&error.topic_name), error.partition_index);
        answers.push((partition, replica_result(error.error_code)));
    }
    let by_id: BTreeMap<TopicId, &TopicName> = request
        .partitions
        .iter()
        .map(|p| (p.topic_id, &p.partition.topic))
        .collect();
    for topic in &response.topics {
        // A topic that was not asked about is none of ours.
        let Some(name) = by_id.get(&from_uuid(&topic.topic_id)) else {
            continue;
        };
        for error in &topic.partition_errors {
            let partition = TopicPartition::new(TopicName::clone(name), error.partition_index);
            answers.push((partition, replica_result(error.error_code)));
        }
    }
    Ok(answers)
}
