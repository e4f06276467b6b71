//! LeaderAndIsr: a controller says which partitions this broker leads and which it follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_cluster::wire::leader_and_isr::decode;
use ottla_cluster::{ReplicaAnswers, Request as Command, RequestRefused};
use ottla_metadata::{TopicId, TopicName, TopicPartition};
use ottla_network::{Answer, Request};
use ottla_protocol::messages::leader_and_isr_response::{
    LeaderAndIsrPartitionError, LeaderAndIsrTopicError,
};
use ottla_protocol::messages::{LeaderAndIsrRequest, LeaderAndIsrResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{topic_name, uuid};
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::LeaderAndIsr,
    versions: versions(0, 7),
    handle,
};

/// The first version whose answers name topics by their ids.
const BY_ID: i16 = 5;

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: LeaderAndIsrRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let version = request.header.api_version;
    let command = decode(&message);
    drop(message);
    let asked: Vec<(TopicPartition, TopicId)> = command
        .partitions
        .iter()
        .map(|p| (p.partition.clone(), p.topic_id))
        .collect();
    let received = context.cluster.receive(Command::LeaderAndIsr(command));
    reply::later(request.header, async move {
        response(version, &asked, received.await)
    })
}

/// A request that is refused is refused for each partition too (`getErrorResponse`).
fn response(
    version: i16,
    asked: &[(TopicPartition, TopicId)],
    result: Result<ReplicaAnswers, RequestRefused>,
) -> LeaderAndIsrResponse {
    let mut response = LeaderAndIsrResponse::default();
    let codes: Vec<(TopicPartition, ErrorCode)> = match result {
        Ok(answers) => answers
            .into_iter()
            .map(|(partition, result)| (partition, error_code::replica(result)))
            .collect(),
        Err(refused) => {
            let code = error_code::request_refused(refused);
            response.error_code = code.code();
            let refused = asked.iter().map(|(partition, _)| (partition.clone(), code));
            refused.collect()
        }
    };
    let error = |partition: &TopicPartition, code: ErrorCode| {
        LeaderAndIsrPartitionError::default()
            .with_partition_index(partition.partition)
            .with_error_code(code.code())
    };
    if version < BY_ID {
        let errors = codes.iter().map(|(partition, code)| {
            error(partition, *code).with_topic_name(topic_name(&partition.topic))
        });
        return response.with_partition_errors(errors.collect());
    }
    let ids: BTreeMap<&TopicName, TopicId> =
        asked.iter().map(|(tp, id)| (&tp.topic, *id)).collect();
    let topics = codes
        .chunk_by(|(a, _), (b, _)| a.topic == b.topic)
        .filter_map(|codes| {
            let (first, _) = codes.first()?;
            let id = ids.get(&first.topic).copied().unwrap_or(TopicId::ZERO);
            let errors = codes
                .iter()
                .map(|(partition, code)| error(partition, *code));
            let topic = LeaderAndIsrTopicError::default()
                .with_topic_id(uuid(id))
                .with_partition_errors(errors.collect());
            Some(topic)
        });
    let topics = topics.collect();
    response.with_topics(topics)
}
