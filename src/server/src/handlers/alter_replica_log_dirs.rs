//! AlterReplicaLogDirs (KIP-113): moves replicas of this broker between its log directories.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ottla_metadata::{TopicName, TopicPartition};
use ottla_network::{Answer, Request};
use ottla_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use ottla_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use ottla_protocol::{ApiKey, ErrorCode};
use ottla_replication::MoveRefused;

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::topic_name;
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::AlterReplicaLogDirs,
    versions: versions(0, 2),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: AlterReplicaLogDirsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let topics = message.dirs.iter().flat_map(|dir| &dir.topics);
    let named = topics.map(|topic| topic.partitions.len()).sum();
    if let Some(refused) = reply::refuse_many(&request.header, named, "partitions") {
        return refused;
    }
    let replicas = Arc::clone(&context.replicas);
    reply::later(request.header, async move {
        let moves = moves(message);
        // Logs are created.
        let moving = tokio::task::spawn_blocking(move || replicas.alter_log_dirs(moves));
        response(moving.await.unwrap_or_default())
    })
}

/// Of a partition that is named twice the last directory counts, as in Kafka.
fn moves(message: AlterReplicaLogDirsRequest) -> Vec<(TopicPartition, PathBuf)> {
    let mut moves = BTreeMap::new();
    for dir in message.dirs {
        let path = PathBuf::from(dir.path.as_str());
        for topic in dir.topics {
            for number in topic.partitions {
                let tp = TopicPartition::new(topic.name.as_str(), number);
                moves.insert(tp, path.clone());
            }
        }
    }
    moves.into_iter().collect()
}

fn response(
    results: Vec<(TopicPartition, Result<(), MoveRefused>)>,
) -> AlterReplicaLogDirsResponse {
    let mut topics: BTreeMap<TopicName, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for (TopicPartition { topic, partition }, result) in results {
        let code = result.map_or_else(error_code::move_refused, |()| ErrorCode::None);
        let answer = AlterReplicaLogDirPartitionResult::default()
            .with_partition_index(partition)
            .with_error_code(code.code());
        topics.entry(topic).or_default().push(answer);
    }
    let topic = |(name, partitions): (TopicName, _)| {
        AlterReplicaLogDirTopicResult::default()
            .with_topic_name(topic_name(&name))
            .with_partitions(partitions)
    };
    AlterReplicaLogDirsResponse::default().with_results(topics.into_iter().map(topic).collect())
}
