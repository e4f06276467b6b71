//! Groups of the consumers that share their work through ZooKeeper (Kafka 0.8 to 1.1): who is a
//! member, who owns which partition.

use ottla_metadata::{Offset, TopicPartition};

use crate::error::{Conflict, WriteError, WriteResult, ZkError};
use crate::node::{ReadOne, Versioned, stopped, write_error};
use crate::path;
use crate::watch::{Watch, WatchEvent};
use crate::zk::Zk;
use crate::znode::{ConsumerOffset, ConsumerRegistration, PartitionOwner, Znode};

impl Zk {
    /// Makes `consumer` a member of the group for as long as the session lasts. Registering again
    /// in the same session changes nothing.
    ///
    /// # Errors
    /// [`Conflict::Exists`] if another session has registered this consumer; the outcomes of a
    /// write.
    pub async fn register_consumer(
        &self,
        group: &str,
        consumer: &str,
        registration: &ConsumerRegistration,
    ) -> WriteResult<()> {
        let at = path::consumer(group, consumer);
        match self.create_own(&at, &registration.encode()).await? {
            true => Ok(()),
            false => Err(WriteError::Conflict {
                path: at,
                conflict: Conflict::Exists,
            }),
        }
    }

    /// The ids of the group's members, sorted. A watch needs the group to have had a member.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn consumers(&self, group: &str, watch: Watch) -> Result<Vec<String>, ZkError> {
        let event = (watch == Watch::Arm).then(|| WatchEvent::ConsumersChanged(group.into()));
        let at = path::consumers(group);
        let mut ids = self.live()?.children(&at, event).await?.unwrap_or_default();
        ids.sort_unstable();
        Ok(ids)
    }

    /// What members have registered, in the order given. One that is gone is `Ok(None)`.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn consumer_registrations(
        &self,
        group: &str,
        consumers: Vec<String>,
    ) -> Result<Vec<(String, ReadOne<ConsumerRegistration>)>, ZkError> {
        self.read_together(consumers, |id| path::consumer(group, id))
            .await
    }

    /// Claims a partition for a thread of ours for as long as the session lasts. `Ok(false)`:
    /// another has it. Claiming again what is claimed is `Ok(true)`.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn claim_partition(
        &self,
        group: &str,
        partition: &TopicPartition,
        owner: &PartitionOwner,
    ) -> WriteResult<bool> {
        let at = path::partition_owner(group, partition);
        self.create_own(&at, &owner.encode()).await
    }

    /// Gives a partition up, if this session has claimed it.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn release_partition(
        &self,
        group: &str,
        partition: &TopicPartition,
    ) -> WriteResult<()> {
        let at = path::partition_owner(group, partition);
        let session = self.live_for_write()?;
        let stat = session.stat(&at).await.map_err(write_error)?;
        match stat {
            Some(stat) if stat.ephemeral_owner == Some(session.id()) => {
                match session.delete(&at, Some(stat.version)).await {
                    Err(error) if error.conflict() == Some(Conflict::Missing) => Ok(()),
                    outcome => outcome,
                }
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Who owns a partition.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn partition_owner(
        &self,
        group: &str,
        partition: &TopicPartition,
    ) -> Result<Option<Versioned<PartitionOwner>>, ZkError> {
        self.read(&path::partition_owner(group, partition), None)
            .await
    }

    /// A group's positions in many partitions, in the order given.
    ///
    /// # Errors
    /// ZooKeeper failed, or a node is malformed.
    pub async fn consumer_offsets(
        &self,
        group: &str,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<(TopicPartition, Option<Offset>)>, ZkError> {
        let at = |tp: &TopicPartition| path::consumer_offset(group, &tp.topic, tp.partition);
        let found = self
            .read_together::<_, ConsumerOffset>(partitions, at)
            .await?;
        found
            .into_iter()
            .map(|(partition, offset)| Ok((partition, offset?.map(|found| found.value.0))))
            .collect()
    }

    /// Whether brokers have ever registered here: whether this is the ZooKeeper of a cluster.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn has_brokers(&self) -> Result<bool, ZkError> {
        Ok(self.live()?.stat(path::BROKER_IDS).await?.is_some())
    }

    /// Whether any position of the group is stored.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn has_consumer_offsets(&self, group: &str) -> Result<bool, ZkError> {
        let at = path::consumer_offsets(group);
        Ok(self.live()?.stat(&at).await?.is_some())
    }

    /// Removes everything that ZooKeeper holds of a group. What appears meanwhile may stay.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn delete_consumer_group(&self, group: &str) -> Result<(), ZkError> {
        let session = self.live()?;
        let mut open = vec![(path::consumer_group(group), false)];
        while let Some((at, emptied)) = open.pop() {
            if !emptied {
                let children = session.children(&at, None).await?.unwrap_or_default();
                let below: Vec<_> = children
                    .iter()
                    .map(|c| (format!("{at}/{c}"), false))
                    .collect();
                open.push((at, true));
                open.extend(below);
                continue;
            }
            loop {
                match session.delete(&at, None).await {
                    Ok(()) => break,
                    Err(WriteError::Unknown { .. }) => {}
                    Err(error) => match error.conflict() {
                        Some(Conflict::Missing | Conflict::NotEmpty) => break,
                        _ => return Err(stopped(error, "removing a consumer group")),
                    },
                }
            }
        }
        Ok(())
    }

    /// Creates an ephemeral node and its parents. `Ok(false)`: it is there and of another session.
    async fn create_own(&self, at: &str, data: &[u8]) -> WriteResult<bool> {
        let session = self.live_for_write()?;
        loop {
            let error = match session.create_ephemeral(at, data).await {
                Ok(()) => return Ok(true),
                Err(error) => error,
            };
            match error.conflict() {
                Some(Conflict::Missing) => {
                    let parent = path::parent(at).unwrap_or(path::CONSUMERS);
                    session.ensure(parent).await.map_err(write_error)?;
                }
                Some(Conflict::Exists) => {
                    if let Some(stat) = session.stat(at).await.map_err(write_error)? {
                        return Ok(stat.ephemeral_owner == Some(session.id()));
                    }
                }
                // If it was stored, the next attempt finds our own node.
                _ if matches!(error, WriteError::Unknown { .. }) => {}
                _ => return Err(error),
            }
        }
    }
}
