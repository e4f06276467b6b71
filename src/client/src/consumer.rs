//! Reading assigned partitions, without a group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ottla_metadata::{BrokerId, TopicName, TopicPartition};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::FetchResponse;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cluster::Topics;
use crate::{ClientError, Cluster, OffsetSpec};

mod fetch;

/// Which records of transactions are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// All.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions, up to the last stable offset.
    ReadCommitted,
}

impl Isolation {
    pub(crate) fn code(self) -> i8 {
        match self {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        }
    }
}

/// How a consumer reads. The defaults are Kafka's.
#[derive(Clone, Copy, Debug)]
pub struct ConsumerOptions {
    /// Which records of transactions are read.
    pub isolation: Isolation,
    /// `fetch.min.bytes`.
    pub min_bytes: i32,
    /// `fetch.max.bytes`.
    pub max_bytes: i32,
    /// `max.partition.fetch.bytes`.
    pub partition_max_bytes: i32,
    /// `fetch.max.wait.ms`.
    pub max_wait: Duration,
    /// Whether checksums are compared.
    pub check_crcs: bool,
    /// Where to go on when the position is no longer, or not yet, in the log; an error if none.
    pub reset: Option<OffsetSpec>,
}

impl Default for ConsumerOptions {
    fn default() -> ConsumerOptions {
        ConsumerOptions {
            isolation: Isolation::ReadUncommitted,
            min_bytes: 1,
            max_bytes: 50 << 20,
            partition_max_bytes: 1 << 20,
            max_wait: Duration::from_millis(500),
            check_crcs: true,
            reset: Some(OffsetSpec::Latest),
        }
    }
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Where it stands.
    pub partition: TopicPartition,
    /// Epoch of the leader that appended it, -1 for none.
    pub leader_epoch: i32,
    /// The record with its offset.
    pub record: ottla_records::Record,
}

/// Reads the partitions it was given, each in order. Fetches from several leaders run at the same
/// time; of one partition, one at a time.
#[derive(Debug)]
pub struct Consumer {
    cluster: Cluster,
    options: ConsumerOptions,
    /// The next offset to fetch.
    positions: BTreeMap<TopicPartition, i64>,
    /// Leaders with a fetch under way.
    busy: BTreeSet<BrokerId>,
    fetches: JoinSet<Fetched>,
    /// What ended the reading, told once the records read before it were handed out.
    failure: Option<ClientError>,
    /// Partitions whose position is not in the log, and that position.
    lost: BTreeMap<TopicPartition, i64>,
    /// Whether leaders must be looked up before the next fetch, because one was wrong.
    stale: bool,
}

/// The end of one fetch.
#[derive(Debug)]
struct Fetched {
    leader: BrokerId,
    positions: BTreeMap<TopicPartition, i64>,
    response: Result<FetchResponse, ClientError>,
}

impl Consumer {
    /// A consumer of no partitions.
    pub fn new(cluster: Cluster, options: ConsumerOptions) -> Consumer {
        Consumer {
            cluster,
            options,
            positions: BTreeMap::new(),
            busy: BTreeSet::new(),
            fetches: JoinSet::new(),
            failure: None,
            lost: BTreeMap::new(),
            stale: true,
        }
    }

    /// Reads this partition from `offset` on, whatever was read of it before.
    pub fn assign(&mut self, partition: TopicPartition, offset: i64) {
        self.lost.remove(&partition);
        self.positions.insert(partition, offset);
    }

    /// Reads this partition no more. What a fetch under way brings of it is dropped.
    pub fn unassign(&mut self, partition: &TopicPartition) {
        self.lost.remove(partition);
        self.positions.remove(partition);
    }

    /// The offsets that the leaders find; -1 for a time after the last record.
    pub async fn find_offsets(
        &self,
        partitions: &BTreeMap<TopicPartition, OffsetSpec>,
    ) -> Vec<(TopicPartition, Result<i64, ClientError>)> {
        self.find(partitions).await
    }

    /// Reads these partitions from the offsets that the leaders find for them. A time after the
    /// last record means the end.
    ///
    /// # Errors
    /// The first partition's for which no offset was found.
    pub async fn assign_at(
        &mut self,
        partitions: &BTreeMap<TopicPartition, OffsetSpec>,
    ) -> Result<(), ClientError> {
        let mut ends = BTreeMap::new();
        for (partition, found) in self.find(partitions).await {
            match found? {
                -1 => drop(ends.insert(partition, OffsetSpec::Latest)),
                offset => self.assign(partition, offset),
            }
        }
        for (partition, found) in self.find(&ends).await {
            self.assign(partition, found?.max(0));
        }
        Ok(())
    }

    async fn find(
        &self,
        partitions: &BTreeMap<TopicPartition, OffsetSpec>,
    ) -> Vec<(TopicPartition, Result<i64, ClientError>)> {
        if partitions.is_empty() {
            return Vec::new();
        }
        self.cluster
            .list_offsets(partitions, self.options.isolation)
            .await
            .into_iter()
            .map(|(partition, found)| (partition, found.map(|f| f.offset)))
            .collect()
    }

    /// The next offset of a partition that will be fetched; records before it were handed out.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.positions.get(partition).copied()
    }

    /// Waits until there are records and returns them, those of each partition in order. Passing
    /// failures are waited out. May be dropped while it waits, without loss.
    ///
    /// # Errors
    /// What will not pass: unreadable records, a topic that is gone or not allowed, a position
    /// outside the log if there is no reset.
    pub async fn poll(&mut self) -> Result<VecDeque<ConsumerRecord>, ClientError> {
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            self.reset_lost().await?;
            self.start_fetches().await?;
            let Some(fetched) = self.fetches.join_next().await else {
                sleep(self.cluster.options().retry_backoff).await;
                continue;
            };
            // A fetch neither panics nor is aborted while the consumer lives.
            let Ok(fetched) = fetched else { continue };
            let mut records = VecDeque::new();
            self.failure = self.take(fetched, &mut records).err();
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }

    async fn start_fetches(&mut self) -> Result<(), ClientError> {
        if self.stale {
            let mut topics: Vec<TopicName> =
                self.positions.keys().map(|p| p.topic.clone()).collect();
            topics.dedup();
            match self.cluster.refresh(Topics::Named(&topics)).await {
                Ok(_) => self.stale = false,
                Err(error) if error.is_retriable() => {
                    sleep(self.cluster.options().retry_backoff).await;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let view = self.cluster.view();
        let mut by_leader: BTreeMap<BrokerId, BTreeMap<TopicPartition, i64>> = BTreeMap::new();
        for (partition, offset) in &self.positions {
            match view.leader(&partition.topic, partition.partition) {
                Some(leader) if self.busy.contains(&leader.id) => {}
                Some(leader) => {
                    let of_leader = by_leader.entry(leader.id).or_default();
                    of_leader.insert(partition.clone(), *offset);
                }
                None => self.stale = true,
            }
        }
        for (leader, positions) in by_leader {
            self.busy.insert(leader);
            let cluster = self.cluster.clone();
            let options = self.options;
            self.fetches.spawn(async move {
                let response = fetch::fetch(&cluster, leader, &positions, &options).await;
                if fetch::has_errors(&response) {
                    sleep(cluster.options().retry_backoff).await;
                }
                Fetched {
                    leader,
                    positions,
                    response,
                }
            });
        }
        Ok(())
    }

    /// Takes in what a fetch brought. Does not wait, so that nothing gets lost when the caller
    /// gives up waiting.
    fn take(
        &mut self,
        fetched: Fetched,
        records: &mut VecDeque<ConsumerRecord>,
    ) -> Result<(), ClientError> {
        self.busy.remove(&fetched.leader);
        let response = match fetched.response {
            Ok(response) => response,
            Err(error) if error.is_retriable() => {
                self.stale = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for topic in response.responses {
            for data in topic.partitions {
                let partition = TopicPartition::new(topic.topic.as_str(), data.partition_index);
                let asked = fetched.positions.get(&partition).copied();
                // Assigned anew since the fetch was sent, or never asked for: not what is wanted.
                let Some(position) = asked.filter(|_| self.position(&partition) == asked) else {
                    continue;
                };
                match ErrorCode::from_code(data.error_code) {
                    Some(ErrorCode::None) => {
                        let next =
                            fetch::read(&partition, position, &data, &self.options, records)?;
                        self.positions.insert(partition, next);
                    }
                    Some(ErrorCode::OffsetOutOfRange) => {
                        self.positions.remove(&partition);
                        self.lost.insert(partition, position);
                    }
                    _ => {
                        let error = ClientError::from_code(data.error_code, None);
                        if !error.is_retriable() {
                            return Err(error);
                        }
                        tracing::debug!(%partition, %error, "fetch failed, to be repeated");
                        self.stale = true;
                    }
                }
            }
        }
        Ok(())
    }

    async fn reset_lost(&mut self) -> Result<(), ClientError> {
        let Some((partition, position)) = self.lost.first_key_value() else {
            return Ok(());
        };
        let Some(spec) = self.options.reset else {
            return Err(ClientError::from_code(
                ErrorCode::OffsetOutOfRange.code(),
                Some(&format!(
                    "offset {position} of {partition} is not in the log and there is no reset policy"
                )),
            ));
        };
        let wanted = self.lost.keys().map(|p| (p.clone(), spec)).collect();
        self.assign_at(&wanted).await
    }
}
