//! AlterPartition (KIP-497): the leader of a partition has the controller change the in-sync
//! replicas. Sent by brokers only.

use std::sync::Arc;

use ottla_cluster::{AlterationAnswer, IsrAlteration, StateNode, TopicKey};
use ottla_metadata::{BrokerId, TopicName};
use ottla_network::{Answer, Request};
use ottla_protocol::messages::alter_partition_request::PartitionData as Wanted;
use ottla_protocol::messages::alter_partition_response::{PartitionData, TopicData};
use ottla_protocol::messages::{AlterPartitionRequest, AlterPartitionResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{broker_id, broker_ids, topic_id, topic_name, uuid};
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::AlterPartition,
    versions: versions(0, 3),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: AlterPartitionRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let named = message.topics.iter().map(|t| t.partitions.len()).sum();
    if let Some(refused) = reply::refuse_many(&request.header, named, "partitions") {
        return refused;
    }
    if !context.cluster.is_controller() {
        let code = ErrorCode::NotController.code();
        let response = AlterPartitionResponse::default().with_error_code(code);
        return reply::now(&request.header, &response);
    }
    let context = Arc::clone(context);
    let version = request.header.api_version;
    reply::later(request.header, async move {
        let (broker, epoch) = (BrokerId(message.broker_id.0), message.broker_epoch);
        let wanted = alterations(message, version);
        match context.cluster.alter_partition(broker, epoch, wanted).await {
            Ok(answers) => AlterPartitionResponse::default().with_topics(topics(answers, version)),
            Err(refused) => AlterPartitionResponse::default()
                .with_error_code(error_code::alteration_refused(refused).code()),
        }
    })
}

fn alterations(message: AlterPartitionRequest, version: i16) -> Vec<IsrAlteration> {
    let mut alterations = Vec::new();
    for topic in message.topics {
        let key = match version {
            0 | 1 => TopicKey::Name(TopicName::from(topic.topic_name.as_str())),
            _ => TopicKey::Id(topic_id(&topic.topic_id)),
        };
        let partitions = topic.partitions.into_iter();
        alterations.extend(partitions.map(|wanted| alteration(key.clone(), wanted, version)));
    }
    alterations
}

fn alteration(topic: TopicKey, wanted: Wanted, version: i16) -> IsrAlteration {
    // The epochs of version 3 are for KRaft; brokers of a ZooKeeper cluster know only their own.
    let isr = match version {
        0..=2 => wanted.new_isr,
        _ => {
            let states = wanted.new_isr_with_epochs.into_iter();
            states.map(|state| state.broker_id).collect()
        }
    };
    IsrAlteration {
        topic,
        partition: wanted.partition_index,
        leader_epoch: wanted.leader_epoch,
        isr: isr.into_iter().map(|id| BrokerId(id.0)).collect(),
        recovering: wanted.leader_recovery_state != 0,
        partition_epoch: wanted.partition_epoch,
    }
}

/// The answers by topic, in the order of the request.
fn topics(answers: Vec<AlterationAnswer>, version: i16) -> Vec<TopicData> {
    let mut topics: Vec<(TopicKey, TopicData)> = Vec::new();
    for answer in answers {
        let partition = match answer.result {
            Ok(node) => stored(&node),
            Err(error) => PartitionData::default()
                .with_error_code(error_code::alteration(error, version).code()),
        };
        let partition = partition.with_partition_index(answer.partition);
        match topics.last_mut() {
            Some((key, data)) if *key == answer.topic => data.partitions.push(partition),
            _ => {
                let data = match &answer.topic {
                    TopicKey::Name(name) => TopicData::default().with_topic_name(topic_name(name)),
                    TopicKey::Id(id) => TopicData::default().with_topic_id(uuid(*id)),
                };
                topics.push((answer.topic, data.with_partitions(vec![partition])));
            }
        }
    }
    topics.into_iter().map(|(_, data)| data).collect()
}

fn stored(node: &StateNode) -> PartitionData {
    PartitionData::default()
        .with_leader_id(broker_id(node.state.leader))
        .with_leader_epoch(node.state.leader_epoch)
        .with_isr(broker_ids(&node.state.isr))
        .with_leader_recovery_state(i8::from(node.state.recovering))
        .with_partition_epoch(node.version)
}
