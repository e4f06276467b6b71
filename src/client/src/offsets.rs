//! Offsets by position or time (`ListOffsets`).

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_metadata::{BrokerId, TopicName, TopicPartition};
use ottla_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use ottla_protocol::{ErrorCode, StrBytes};
use tokio::time::{Instant, sleep};

use crate::cluster::Topics;
use crate::{ClientError, Cluster, Isolation};

/// Which offset of a partition is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The end: the high watermark, or the last stable offset for those who read committed data.
    Latest,
    /// The first offset that is still there.
    Earliest,
    /// The first of those records that have the largest timestamp (KIP-734, brokers from 3.0 on).
    MaxTimestamp,
    /// The first offset on the leader's own disk (KIP-405, brokers from 3.4 on).
    EarliestLocal,
    /// The last offset in remote storage (KIP-1005, brokers from 3.9 on).
    LatestTiered,
    /// The first record with this timestamp or a later one, in ms since the Unix epoch.
    Timestamp(i64),
}

impl OffsetSpec {
    /// The number that stands for it in requests and on command lines.
    pub fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::EarliestLocal => -4,
            OffsetSpec::LatestTiered => -5,
            OffsetSpec::Timestamp(ms) => ms,
        }
    }

    /// The first version of the request that knows it.
    fn since_version(self) -> i16 {
        match self {
            OffsetSpec::Latest | OffsetSpec::Earliest | OffsetSpec::Timestamp(_) => 0,
            OffsetSpec::MaxTimestamp => 7,
            OffsetSpec::EarliestLocal => 8,
            OffsetSpec::LatestTiered => 9,
        }
    }
}

/// What a broker found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset; -1 if no record fits.
    pub offset: i64,
    /// The record's timestamp; -1 where the question was not about one.
    pub timestamp: i64,
    /// The record's leader epoch, -1 for none.
    pub leader_epoch: i32,
}

type Answer = Result<FoundOffset, ClientError>;
type Wanted = BTreeMap<TopicPartition, OffsetSpec>;

impl Cluster {
    /// Asks the leaders for offsets. Every partition asked for is in the answer. What fails for a
    /// passing reason is asked for again until `api_timeout` is over.
    pub async fn list_offsets(
        &self,
        wanted: &Wanted,
        isolation: Isolation,
    ) -> BTreeMap<TopicPartition, Answer> {
        let deadline = Instant::now() + self.options().api_timeout;
        let mut open = wanted.clone();
        let mut answers = BTreeMap::new();
        loop {
            for (partition, answer) in self.list_offsets_once(&open, isolation).await {
                if !matches!(&answer, Err(error) if error.is_retriable()) {
                    open.remove(&partition);
                }
                answers.insert(partition, answer);
            }
            if open.is_empty() || Instant::now() >= deadline {
                return answers;
            }
            sleep(self.options().retry_backoff).await;
        }
    }

    async fn list_offsets_once(
        &self,
        wanted: &Wanted,
        isolation: Isolation,
    ) -> Vec<(TopicPartition, Answer)> {
        let mut topics: Vec<TopicName> = wanted.keys().map(|p| Arc::clone(&p.topic)).collect();
        topics.dedup();
        let view = match self.refresh(Topics::Named(&topics)).await {
            Ok(view) => view,
            Err(error) => {
                let failed = wanted.keys().map(|p| (p.clone(), Err(error.clone())));
                return failed.collect();
            }
        };
        let mut answers = Vec::new();
        let mut by_leader: BTreeMap<BrokerId, Wanted> = BTreeMap::new();
        for (partition, spec) in wanted {
            match view.leader(&partition.topic, partition.partition) {
                Some(leader) => {
                    let of_leader = by_leader.entry(leader.id).or_default();
                    of_leader.insert(partition.clone(), *spec);
                }
                None => answers.push((partition.clone(), Err(no_leader(&view, partition)))),
            }
        }
        for (leader, wanted) in by_leader {
            let found = self.list_offsets_of(leader, &wanted, isolation).await;
            for partition in wanted.into_keys() {
                let answer = match &found {
                    Ok(found) => found.get(&partition).cloned().unwrap_or_else(|| {
                        Err(ClientError::from_code(
                            ErrorCode::UnknownServerError.code(),
                            Some("the broker left the partition out of its answer"),
                        ))
                    }),
                    Err(error) => Err(error.clone()),
                };
                answers.push((partition, answer));
            }
        }
        answers
    }

    async fn list_offsets_of(
        &self,
        leader: BrokerId,
        wanted: &Wanted,
        isolation: Isolation,
    ) -> Result<BTreeMap<TopicPartition, Answer>, ClientError> {
        let connection = self.broker(leader).await?;
        let version = connection.version_of::<ListOffsetsRequest>(i16::MAX)?;
        let needed = wanted.values().map(|spec| spec.since_version()).max();
        if needed > Some(version) {
            return Err(ClientError::from_code(
                ErrorCode::UnsupportedVersion.code(),
                Some("the broker is too old for this kind of offset"),
            ));
        }
        let response: ListOffsetsResponse = connection
            .call_version(version, &request(wanted, isolation, version))
            .await?;
        let mut found = BTreeMap::new();
        for topic in &response.topics {
            for p in &topic.partitions {
                let offset = FoundOffset {
                    offset: match version {
                        0 => p.old_style_offsets.first().copied().unwrap_or(-1),
                        _ => p.offset,
                    },
                    timestamp: p.timestamp,
                    leader_epoch: p.leader_epoch,
                };
                let answer = ClientError::check(p.error_code, None).map(|()| offset);
                found.insert(
                    TopicPartition::new(topic.name.as_str(), p.partition_index),
                    answer,
                );
            }
        }
        Ok(found)
    }
}

/// Why a partition has no leader.
pub(crate) fn no_leader(view: &crate::ClusterView, partition: &TopicPartition) -> ClientError {
    let code = match view.topics.get(&partition.topic) {
        Some(topic) if topic.error != 0 => topic.error,
        Some(topic) if topic.partitions.contains_key(&partition.partition) => {
            ErrorCode::LeaderNotAvailable.code()
        }
        Some(_) | None => ErrorCode::UnknownTopicOrPartition.code(),
    };
    ClientError::from_code(code, None)
}

fn request(wanted: &Wanted, isolation: Isolation, version: i16) -> ListOffsetsRequest {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (partition, spec) in wanted {
        let entry = ListOffsetsPartition::default()
            .with_partition_index(partition.partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(spec.timestamp());
        match topics.last_mut() {
            Some(last) if last.name.as_str() == &*partition.topic => last.partitions.push(entry),
            _ => {
                let name = StrBytes::from_string(partition.topic.to_string());
                topics.push(
                    ListOffsetsTopic::default()
                        .with_name(name.into())
                        .with_partitions(vec![entry]),
                );
            }
        }
    }
    ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(if version >= 2 { isolation.code() } else { 0 })
        .with_topics(topics)
}
