//! OffsetCommit: how far a group has read. Version 0 keeps it in ZooKeeper, later ones in
//! `__consumer_offsets`.

use std::sync::Arc;

use ottla_coordinator::group::{Commit, CommitOffset, WaiterId};
use ottla_metadata::{ClusterImage, TopicPartition};
use ottla_network::{Answer, Request};
use ottla_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use ottla_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::{code_of, member, static_refusal};
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::OffsetCommit,
    versions: versions(0, 9),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: OffsetCommitRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let named = partitions(&message).count();
    if let Some(refused) = reply::refuse_many(&request.header, named, "partitions") {
        return refused;
    }
    if let Some(code) = static_refusal(context, message.group_instance_id.as_ref()) {
        return reply::now(&request.header, &respond(&message, || code));
    }
    let image = context.cluster.image();
    let is_known = |(topic, partition): (&str, &OffsetCommitRequestPartition)| {
        image.partition(topic, partition.partition_index).is_some()
    };
    let known: Vec<bool> = partitions(&message).map(is_known).collect();
    if !known.contains(&true) {
        let unknown = || ErrorCode::UnknownTopicOrPartition;
        return reply::now(&request.header, &respond(&message, unknown));
    }
    if request.header.api_version > 0 {
        return to_coordinator(context, request, message, known);
    }
    let context = Arc::clone(context);
    reply::later(request.header, async move {
        to_zookeeper(&context, &image, &message).await
    })
}

fn partitions(
    message: &OffsetCommitRequest,
) -> impl Iterator<Item = (&str, &OffsetCommitRequestPartition)> {
    message.topics.iter().flat_map(|topic| {
        let name = topic.name.0.as_str();
        let partitions = topic.partitions.iter();
        partitions.map(move |partition| (name, partition))
    })
}

/// `known` tells of each partition whether it exists.
fn to_coordinator(
    context: &Context,
    request: Request,
    message: OffsetCommitRequest,
    known: Vec<bool>,
) -> Answer {
    let version = request.header.api_version;
    let existing = partitions(&message)
        .zip(&known)
        .filter(|(_, known)| **known);
    let has_retention = (2..=4).contains(&version) && message.retention_time_ms != -1;
    let commit = Commit {
        waiter: WaiterId(0),
        member: member(&message.member_id, message.group_instance_id.as_ref()),
        generation: message.generation_id_or_member_epoch,
        retention_ms: has_retention.then_some(message.retention_time_ms),
        offsets: existing
            .map(|((topic, partition), _)| offset(topic, partition, version))
            .collect(),
    };
    let committed = context.coordinator.commit(&message.group_id, commit);
    reply::when(request.header, committed, move |result| {
        let mut results = result.iter().flatten();
        let mut known = known.into_iter();
        respond(&message, || match (known.next(), &result) {
            (Some(false), _) => ErrorCode::UnknownTopicOrPartition,
            (_, Err(error)) => error_code::unavailable(*error),
            (_, Ok(_)) => results
                .next()
                .map_or(ErrorCode::UnknownServerError, code_of),
        })
    })
}

fn offset(topic: &str, partition: &OffsetCommitRequestPartition, version: i16) -> CommitOffset {
    let metadata = partition.committed_metadata.as_ref();
    let (epoch, timestamp) = (partition.committed_leader_epoch, partition.commit_timestamp);
    CommitOffset {
        partition: TopicPartition::new(topic, partition.partition_index),
        offset: partition.committed_offset,
        leader_epoch: (version >= 6 && epoch != -1).then_some(epoch),
        metadata: metadata.map(|text| text.to_string()).unwrap_or_default(),
        timestamp: (version == 1 && timestamp != -1).then_some(timestamp),
    }
}

async fn to_zookeeper(
    context: &Context,
    image: &ClusterImage,
    message: &OffsetCommitRequest,
) -> OffsetCommitResponse {
    let max_metadata = context.config.load().groups.offset_metadata_max_bytes;
    let mut codes = Vec::new();
    for (topic, partition) in partitions(message) {
        let (number, offset) = (partition.partition_index, partition.committed_offset);
        let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
        codes.push(if image.partition(topic, number).is_none() {
            ErrorCode::UnknownTopicOrPartition
        } else if metadata.encode_utf16().count() > max_metadata {
            ErrorCode::OffsetMetadataTooLarge
        } else {
            let cluster = &context.cluster;
            let commit = cluster.commit_consumer_offset(&message.group_id, topic, number, offset);
            match commit.await {
                Ok(()) => ErrorCode::None,
                Err(error) => error_code::store(&error),
            }
        });
    }
    let mut codes = codes.into_iter();
    let next = || codes.next().unwrap_or(ErrorCode::UnknownServerError);
    respond(message, next)
}

/// A response in the order of the request; `next` gives each partition's code.
fn respond(
    message: &OffsetCommitRequest,
    mut next: impl FnMut() -> ErrorCode,
) -> OffsetCommitResponse {
    let topics = message.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(next().code())
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}
