//! DeleteRecords (KIP-107).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::TopicPartition;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::TopicName;
use ottla_protocol::messages::delete_records_request::DeleteRecordsRequest;
use ottla_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use ottla_protocol::{ApiKey, ErrorCode, StrBytes};
use ottla_replication::{DeleteRecordsError, RecordDeletion};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::error_code;
use crate::reply::{decode, later};

pub(crate) const API: Api = Api {
    key: ApiKey::DeleteRecords,
    versions: versions(0, 2),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let body: DeleteRecordsRequest = match decode(&request) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let replicas = Arc::clone(&context.replicas);
    let timeout = Duration::from_millis(body.timeout_ms.max(0).unsigned_abs().into());
    let deletions = deletions(body);
    later(request.header, async move {
        let partitions: Vec<_> = deletions.iter().map(|d| d.partition.clone()).collect();
        let results = replicas.delete_records(deletions, timeout).await;
        response(partitions.into_iter().zip(results))
    })
}

/// Of a partition that is named twice the last offset counts, as in Kafka.
fn deletions(body: DeleteRecordsRequest) -> Vec<RecordDeletion> {
    let mut offsets = BTreeMap::new();
    for topic in body.topics {
        for asked in topic.partitions {
            let partition = TopicPartition::new(topic.name.as_str(), asked.partition_index);
            offsets.insert(partition, asked.offset);
        }
    }
    let deletion = |(partition, before)| RecordDeletion { partition, before };
    offsets.into_iter().map(deletion).collect()
}

fn response(
    results: impl Iterator<Item = (TopicPartition, Result<i64, DeleteRecordsError>)>,
) -> DeleteRecordsResponse {
    let mut topics: BTreeMap<_, Vec<DeleteRecordsPartitionResult>> = BTreeMap::new();
    for (TopicPartition { topic, partition }, result) in results {
        let (low_watermark, code) = match result {
            Ok(low_watermark) => (low_watermark, ErrorCode::None),
            Err(error) => (-1, error_code::delete_records(&error)),
        };
        let answer = DeleteRecordsPartitionResult::default()
            .with_partition_index(partition)
            .with_low_watermark(low_watermark)
            .with_error_code(code.code());
        topics.entry(topic).or_default().push(answer);
    }
    let topic = |(name, partitions): (ottla_metadata::TopicName, _)| {
        let name = TopicName(StrBytes::from_string(name.to_string()));
        DeleteRecordsTopicResult::default()
            .with_name(name)
            .with_partitions(partitions)
    };
    DeleteRecordsResponse::default().with_topics(topics.into_iter().map(topic).collect())
}
