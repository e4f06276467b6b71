//! A follower's requests and the leader's answers, between the words of the wire and ours.

use ottla_metadata::{BrokerId, LeaderEpoch, Offset, TopicId, TopicPartition};
use ottla_partition::EpochEnd;
use ottla_protocol::StrBytes;
use ottla_protocol::messages::fetch_request::{
    FetchPartition, FetchTopic, ForgottenTopic, ReplicaState,
};
use ottla_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ottla_protocol::messages::{
    self, FetchRequest, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};

use super::session::Plan;
use crate::settings::FollowSettings;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) broker: BrokerId,
    /// Its broker epoch, -1 if it is not known.
    pub(super) epoch: i64,
}

/// A question for the end of an epoch.
pub(super) struct EpochQuestion {
    pub(super) partition: TopicPartition,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) epoch: LeaderEpoch,
}

/// A question for one end of the leader's log.
pub(super) struct OffsetQuestion {
    pub(super) partition: TopicPartition,
    pub(super) leader_epoch: LeaderEpoch,
}

/// ListOffsets: the log end.
pub(super) const LATEST: i64 = -1;
/// ListOffsets: the log start.
pub(super) const EARLIEST: i64 = -2;

fn name(topic: &str) -> messages::TopicName {
    messages::TopicName(StrBytes::from_string(topic.to_owned()))
}

/// Groups neighbours of one topic.
fn by_topic<T, P>(
    all: impl IntoIterator<Item = (TopicPartition, T)>,
    mut partition: impl FnMut(i32, T) -> P,
) -> Vec<(TopicPartition, Vec<P>)> {
    let mut topics: Vec<(TopicPartition, Vec<P>)> = Vec::new();
    for (tp, item) in all {
        let one = partition(tp.partition, item);
        match topics.last_mut() {
            Some((last, partitions)) if last.topic == tp.topic => partitions.push(one),
            _ => topics.push((tp, vec![one])),
        }
    }
    topics
}

pub(super) fn fetch(
    version: i16,
    plan: Plan,
    asker: Asker,
    settings: &FollowSettings,
) -> FetchRequest {
    let max_bytes = i32::try_from(settings.partition_max_bytes).unwrap_or(i32::MAX);
    let by_id = plan.by_id;
    let topic_name = |tp: &TopicPartition| match by_id {
        true => messages::TopicName::default(),
        false => name(&tp.topic),
    };
    let topic_id = |id: TopicId| uuid(if by_id { id } else { TopicId::ZERO });
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut last: Option<(TopicPartition, TopicId)> = None;
    for (tp, wanted) in plan.partitions {
        let partition = FetchPartition::default()
            .with_partition(tp.partition)
            .with_current_leader_epoch(wanted.leader_epoch)
            .with_fetch_offset(wanted.at)
            .with_last_fetched_epoch(match version {
                12.. => wanted.last_epoch.unwrap_or(-1),
                _ => -1,
            })
            .with_log_start_offset(wanted.log_start)
            .with_partition_max_bytes(max_bytes);
        let key = (tp, wanted.topic_id);
        let same = last
            .as_ref()
            .is_some_and(|(tp, id)| tp.topic == key.0.topic && *id == key.1);
        match topics.last_mut() {
            Some(topic) if same => topic.partitions.push(partition),
            _ => topics.push(
                FetchTopic::default()
                    .with_topic(topic_name(&key.0))
                    .with_topic_id(topic_id(key.1))
                    .with_partitions(vec![partition]),
            ),
        }
        last = Some(key);
    }
    let forgotten = plan.forgotten.into_iter().map(|(tp, id)| {
        ForgottenTopic::default()
            .with_topic(topic_name(&tp))
            .with_topic_id(topic_id(id))
            .with_partitions(vec![tp.partition])
    });
    let mut request = FetchRequest::default()
        .with_max_wait_ms(i32::try_from(settings.max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(settings.min_bytes)
        .with_max_bytes(i32::try_from(settings.max_bytes).unwrap_or(i32::MAX))
        .with_session_id(plan.session_id)
        .with_session_epoch(plan.session_epoch)
        .with_topics(topics)
        .with_forgotten_topics_data(forgotten.collect());
    let broker = messages::BrokerId(asker.broker.0);
    if version >= 15 {
        request.replica_id = messages::BrokerId(-1);
        request.replica_state = ReplicaState::default()
            .with_replica_id(broker)
            .with_replica_epoch(asker.epoch);
    } else {
        request.replica_id = broker;
    }
    request
}

fn uuid(id: TopicId) -> uuid::Uuid {
    uuid::Uuid::from_bytes(id.0)
}

pub(super) fn epoch_ends(
    questions: Vec<EpochQuestion>,
    asker: Asker,
) -> OffsetForLeaderEpochRequest {
    let all = questions
        .into_iter()
        .map(|q| (q.partition, (q.leader_epoch, q.epoch)));
    let topics = by_topic(all, |partition, (leader_epoch, epoch)| {
        OffsetForLeaderPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(leader_epoch)
            .with_leader_epoch(epoch)
    });
    let topics = topics.into_iter().map(|(tp, partitions)| {
        OffsetForLeaderTopic::default()
            .with_topic(name(&tp.topic))
            .with_partitions(partitions)
    });
    OffsetForLeaderEpochRequest::default()
        .with_replica_id(messages::BrokerId(asker.broker.0))
        .with_topics(topics.collect())
}

/// Partition, error code and answer of each part.
pub(super) fn epoch_end_answers(
    version: i16,
    response: OffsetForLeaderEpochResponse,
) -> Vec<(TopicPartition, i16, EpochEnd)> {
    let mut answers = Vec::new();
    for topic in response.topics {
        for part in topic.partitions {
            let tp = TopicPartition::new(topic.topic.0.as_str(), part.partition);
            let end = EpochEnd {
                epoch: if version >= 1 { part.leader_epoch } else { -1 },
                end_offset: part.end_offset,
            };
            answers.push((tp, part.error_code, end));
        }
    }
    answers
}

pub(super) fn offsets(
    questions: &[OffsetQuestion],
    timestamp: i64,
    asker: Asker,
) -> ListOffsetsRequest {
    let all = questions
        .iter()
        .map(|q| (q.partition.clone(), q.leader_epoch));
    let topics = by_topic(all, |partition, leader_epoch| {
        ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(leader_epoch)
            .with_timestamp(timestamp)
            .with_max_num_offsets(1)
    });
    let topics = topics.into_iter().map(|(tp, partitions)| {
        ListOffsetsTopic::default()
            .with_name(name(&tp.topic))
            .with_partitions(partitions)
    });
    ListOffsetsRequest::default()
        .with_replica_id(messages::BrokerId(asker.broker.0))
        .with_topics(topics.collect())
}

/// Partition, error code and offset of each part; version 0 answers with a list.
pub(super) fn offset_answers(response: ListOffsetsResponse) -> Vec<(TopicPartition, i16, Offset)> {
    let mut answers = Vec::new();
    for topic in response.topics {
        for part in topic.partitions {
            let tp = TopicPartition::new(topic.name.0.as_str(), part.partition_index);
            let oldest_style = part.old_style_offsets.first().copied();
            answers.push((tp, part.error_code, oldest_style.unwrap_or(part.offset)));
        }
    }
    answers
}
