//! Topics and the states of their partitions, read in bulk; and what tools and handlers write
//! without being controller.

use ottla_metadata::{TopicName, TopicPartition};

use crate::error::{WriteResult, ZkError};
use crate::node::{ReadOne, Versioned};
use crate::path;
use crate::watch::{Watch, WatchEvent};
use crate::zk::Zk;
use crate::znode::{PartitionState, TopicZnode, Znode};

impl Zk {
    /// The names of all topics, sorted.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn topics(&self, watch: Watch) -> Result<Vec<TopicName>, ZkError> {
        let event = (watch == Watch::Arm).then_some(WatchEvent::TopicsChanged);
        let names = self.live()?.children(path::TOPICS, event).await?;
        let mut topics: Vec<TopicName> = names
            .unwrap_or_default()
            .into_iter()
            .map(TopicName::from)
            .collect();
        topics.sort_unstable();
        Ok(topics)
    }

    /// One topic's node; its version is what a conditional write expects.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn topic(
        &self,
        topic: &str,
        watch: Watch,
    ) -> Result<Option<Versioned<TopicZnode>>, ZkError> {
        let event = topic_event(&TopicName::from(topic), watch);
        self.read(&path::topic(topic), event).await
    }

    /// The nodes of many topics, in the order given.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn topic_nodes(
        &self,
        topics: Vec<TopicName>,
        watch: Watch,
    ) -> Result<Vec<(TopicName, ReadOne<TopicZnode>)>, ZkError> {
        self.read_many(
            topics,
            |topic| path::topic(topic),
            |topic| topic_event(topic, watch),
        )
        .await
    }

    /// The state of one partition; its version is the partition epoch.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn partition_state(
        &self,
        partition: &TopicPartition,
        watch: Watch,
    ) -> Result<Option<Versioned<PartitionState>>, ZkError> {
        let at = path::partition_state(&partition.topic, partition.partition);
        self.read(&at, state_event(partition, watch)).await
    }

    /// The states of many partitions, in the order given.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn partition_states(
        &self,
        partitions: Vec<TopicPartition>,
        watch: Watch,
    ) -> Result<Vec<(TopicPartition, ReadOne<PartitionState>)>, ZkError> {
        let at = |tp: &TopicPartition| path::partition_state(&tp.topic, tp.partition);
        match watch {
            Watch::Arm => {
                let event = |tp: &TopicPartition| state_event(tp, watch);
                self.read_many(partitions, at, event).await
            }
            Watch::No => self.read_together(partitions, at).await,
        }
    }

    /// Creates a topic's node, which is all that creating a topic is: the controller sees it and
    /// does the rest. Its configuration has to be there before ([`Zk::write_config`]).
    ///
    /// # Errors
    /// The outcomes of a write; [`Conflict::Exists`](crate::Conflict::Exists) if there is one.
    pub async fn create_topic(&self, topic: &str, node: &TopicZnode) -> WriteResult<()> {
        let session = self.live_for_write()?;
        session.create(&path::topic(topic), &node.encode()).await
    }

    /// Replaces a topic's node, for adding partitions: without fencing, as any broker and the
    /// command line do. `expected` is the version that was read; Kafka gives none.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn update_topic(
        &self,
        topic: &str,
        node: &TopicZnode,
        expected: Option<i32>,
    ) -> WriteResult<i32> {
        let session = self.live_for_write()?;
        let stat = session
            .set(&path::topic(topic), &node.encode(), expected)
            .await?;
        Ok(stat.version)
    }

    /// A leader stores its partition's new ISR by itself, below IBP 2.7. Answers the new partition
    /// epoch. After [`WriteError::Unknown`](crate::WriteError::Unknown), or a bad version that may
    /// be its own lost reply, read the state: if it is what was written, it was stored.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn update_partition_state(
        &self,
        partition: &TopicPartition,
        state: &PartitionState,
        expected: i32,
    ) -> WriteResult<i32> {
        let at = path::partition_state(&partition.topic, partition.partition);
        let session = self.live_for_write()?;
        let stat = session.set(&at, &state.encode(), Some(expected)).await?;
        Ok(stat.version)
    }
}

fn topic_event(topic: &TopicName, watch: Watch) -> Option<WatchEvent> {
    (watch == Watch::Arm).then(|| WatchEvent::TopicChanged(TopicName::clone(topic)))
}

fn state_event(partition: &TopicPartition, watch: Watch) -> Option<WatchEvent> {
    (watch == Watch::Arm).then(|| WatchEvent::PartitionStateChanged(partition.clone()))
}
