//! OffsetFetch: how far a group has read. Version 0 asks ZooKeeper, later ones the coordinator,
//! and from version 8 on for several groups at once (KIP-709).

use std::sync::Arc;

use ottla_coordinator::{CommittedPartition, Unavailable};
use ottla_metadata::TopicName;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use ottla_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};
use ottla_protocol::{ApiKey, ErrorCode, StrBytes};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::group_words::written;
use crate::words::topic_name;
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::OffsetFetch,
    versions: versions(0, 9),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: OffsetFetchRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let named = named(&message);
    if let Some(refused) = reply::refuse_many(&request.header, named, "partitions") {
        return refused;
    }
    match request.header.api_version {
        0 => {
            let context = Arc::clone(context);
            reply::later(request.header, async move {
                from_zookeeper(&context, &message).await
            })
        }
        1..8 => reply::now(&request.header, &of_one(context, &message, &request)),
        _ => reply::now(&request.header, &of_many(context, &message)),
    }
}

/// How many partitions a request of any version names.
fn named(message: &OffsetFetchRequest) -> usize {
    let topics = message.topics.iter().flatten();
    let of_one: usize = topics.map(|topic| topic.partition_indexes.len()).sum();
    let groups = message.groups.iter();
    let of_group = |group: &OffsetFetchRequestGroup| -> usize {
        let topics = group.topics.iter().flatten();
        // A group without any takes room in the answer too.
        topics
            .map(|topic| topic.partition_indexes.len())
            .sum::<usize>()
            + 1
    };
    of_one + groups.map(of_group).sum::<usize>()
}

/// Topics with their partitions as a request names them.
type Wanted<'a> = Vec<(&'a str, &'a [i32])>;

/// What a response says of a partition.
struct Answered {
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: StrBytes,
    code: ErrorCode,
}

impl Answered {
    fn nothing(partition: i32, code: ErrorCode) -> Answered {
        Answered {
            partition,
            offset: -1,
            leader_epoch: -1,
            metadata: StrBytes::default(),
            code,
        }
    }

    fn new((_, partition, found): &CommittedPartition) -> Answered {
        match found {
            Ok(Some(committed)) => Answered {
                partition: *partition,
                offset: committed.offset,
                leader_epoch: committed.leader_epoch.unwrap_or(-1),
                metadata: written(&committed.metadata),
                code: ErrorCode::None,
            },
            Ok(None) => Answered::nothing(*partition, ErrorCode::None),
            Err(error) => Answered::nothing(*partition, error_code::group(*error)),
        }
    }
}

/// What is committed, by topic in the order asked for; all of it if nothing is named.
fn look_up(
    context: &Context,
    group: &str,
    wanted: Option<&Wanted<'_>>,
    stable: bool,
) -> Result<Vec<(TopicName, Vec<Answered>)>, Unavailable> {
    let coordinator = &context.coordinator;
    let found = match wanted {
        None => coordinator.all_offsets(group, stable)?,
        Some(wanted) => {
            let named = wanted.iter().flat_map(|(topic, partitions)| {
                let topic = TopicName::from(*topic);
                let partitions = partitions.iter();
                partitions.map(move |partition| (Arc::clone(&topic), *partition))
            });
            coordinator.offsets(group, named, stable)?
        }
    };
    let topics = found.chunk_by(|(one, ..), (other, ..)| one == other);
    let topics = topics.filter_map(|partitions| {
        let (topic, ..) = partitions.first()?;
        let answered = partitions.iter().map(Answered::new);
        Some((Arc::clone(topic), answered.collect()))
    });
    Ok(topics.collect())
}

/// Up to version 7. Version 1 has no place for an error of the group, so that each partition has to
/// carry it.
fn of_one(
    context: &Context,
    message: &OffsetFetchRequest,
    request: &Request,
) -> OffsetFetchResponse {
    let version = request.header.api_version;
    let wanted = message.topics.as_ref().map(|topics| {
        let named = topics.iter();
        named
            .map(|topic| (topic.name.0.as_str(), topic.partition_indexes.as_slice()))
            .collect::<Wanted<'_>>()
    });
    let stable = version >= 7 && message.require_stable;
    match look_up(context, &message.group_id, wanted.as_ref(), stable) {
        Ok(found) => topics_response(found),
        Err(error) => {
            let code = error_code::unavailable(error);
            let refused = wanted.iter().flatten().map(|(topic, partitions)| {
                let partitions = partitions.iter();
                let refused = partitions.map(|partition| Answered::nothing(*partition, code));
                (TopicName::from(*topic), refused.collect())
            });
            let refused = match version {
                1 => refused.collect(),
                _ => Vec::new(),
            };
            let top_level = if version >= 2 { code } else { ErrorCode::None };
            topics_response(refused).with_error_code(top_level.code())
        }
    }
}

fn topics_response(topics: Vec<(TopicName, Vec<Answered>)>) -> OffsetFetchResponse {
    let topics = topics.into_iter().map(|(topic, partitions)| {
        let partitions = partitions.into_iter().map(|answered| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(answered.partition)
                .with_committed_offset(answered.offset)
                .with_committed_leader_epoch(answered.leader_epoch)
                .with_metadata(Some(answered.metadata))
                .with_error_code(answered.code.code())
        });
        OffsetFetchResponseTopic::default()
            .with_name(topic_name(&topic))
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

fn of_many(context: &Context, message: &OffsetFetchRequest) -> OffsetFetchResponse {
    let groups = message.groups.iter().map(|group| {
        let wanted = group.topics.as_ref().map(|topics| {
            let named = topics.iter();
            named
                .map(|topic| (topic.name.0.as_str(), topic.partition_indexes.as_slice()))
                .collect::<Wanted<'_>>()
        });
        let stable = message.require_stable;
        let response = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
        match look_up(context, &group.group_id, wanted.as_ref(), stable) {
            Ok(found) => response.with_topics(found.into_iter().map(topic_of_group).collect()),
            Err(error) => response.with_error_code(error_code::unavailable(error).code()),
        }
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

fn topic_of_group((topic, partitions): (TopicName, Vec<Answered>)) -> OffsetFetchResponseTopics {
    let partitions = partitions.into_iter().map(|answered| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(answered.partition)
            .with_committed_offset(answered.offset)
            .with_committed_leader_epoch(answered.leader_epoch)
            .with_metadata(Some(answered.metadata))
            .with_error_code(answered.code.code())
    });
    OffsetFetchResponseTopics::default()
        .with_name(topic_name(&topic))
        .with_partitions(partitions.collect())
}

/// Here a partition without an offset is an error.
async fn from_zookeeper(context: &Context, message: &OffsetFetchRequest) -> OffsetFetchResponse {
    let image = context.cluster.image();
    let mut topics = Vec::new();
    for topic in message.topics.iter().flatten() {
        let name = topic.name.0.as_str();
        let mut partitions = Vec::new();
        for partition in topic.partition_indexes.iter().copied() {
            if image.partition(name, partition).is_none() {
                let code = ErrorCode::UnknownTopicOrPartition;
                partitions.push(Answered::nothing(partition, code));
                continue;
            }
            let stored = context
                .cluster
                .consumer_offset(&message.group_id, name, partition);
            partitions.push(match stored.await {
                Ok(Some(offset)) => Answered {
                    offset,
                    ..Answered::nothing(partition, ErrorCode::None)
                },
                Ok(None) => Answered::nothing(partition, ErrorCode::UnknownTopicOrPartition),
                Err(error) => Answered::nothing(partition, error_code::store(&error)),
            });
        }
        topics.push((TopicName::from(name), partitions));
    }
    topics_response(topics)
}
