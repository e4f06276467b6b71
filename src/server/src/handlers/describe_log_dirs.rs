//! DescribeLogDirs (KIP-113): the log directories of this broker and the replicas in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_log::DirStatus;
use ottla_metadata::TopicName;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use ottla_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::reply;
use crate::words::{text, topic_name};

pub(crate) static API: Api = Api {
    key: ApiKey::DescribeLogDirs,
    versions: versions(0, 4),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: DescribeLogDirsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let wanted = message.topics.map(|topics| {
        let partitions = topics.into_iter().flat_map(|topic| {
            let name: Arc<str> = Arc::from(topic.topic.as_str());
            topic
                .partitions
                .into_iter()
                .map(move |number| (Arc::clone(&name), number))
        });
        partitions.collect()
    });
    let replicas = Arc::clone(&context.replicas);
    reply::later(request.header, async move {
        // Sizes of files and volumes are asked from the disk.
        let described = tokio::task::spawn_blocking(move || replicas.describe_log_dirs()).await;
        let dirs = described.unwrap_or_default();
        let results = dirs.into_iter().map(|dir| result(dir, wanted.as_ref()));
        DescribeLogDirsResponse::default().with_results(results.collect())
    })
}

/// `wanted` is `None` for everything.
fn result(dir: DirStatus, wanted: Option<&BTreeSet<(TopicName, i32)>>) -> DescribeLogDirsResult {
    let path = text(dir.path.to_string_lossy());
    let result = DescribeLogDirsResult::default().with_log_dir(path);
    if dir.offline.is_some() {
        return result.with_error_code(ErrorCode::KafkaStorageError.code());
    }
    let mut topics: BTreeMap<TopicName, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for replica in dir.replicas {
        let (topic, number) = (replica.partition.topic, replica.partition.partition);
        if wanted.is_some_and(|wanted| !wanted.contains(&(Arc::clone(&topic), number))) {
            continue;
        }
        let partition = DescribeLogDirsPartition::default()
            .with_partition_index(number)
            .with_partition_size(i64::try_from(replica.size).unwrap_or(i64::MAX))
            .with_offset_lag(replica.offset_lag)
            .with_is_future_key(replica.is_future);
        topics.entry(topic).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        DescribeLogDirsTopic::default()
            .with_name(topic_name(&name))
            .with_partitions(partitions)
    });
    result
        .with_topics(topics.collect())
        .with_total_bytes(dir.total_bytes)
        .with_usable_bytes(dir.usable_bytes)
}
