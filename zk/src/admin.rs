//! What the command line asks of the controller through `/admin`.

use ottla_metadata::TopicName;

use crate::error::{Conflict, WriteResult, ZkError};
use crate::node::Versioned;
use crate::path;
use crate::watch::{Watch, WatchEvent};
use crate::zk::Zk;
use crate::znode::{PreferredElection, Reassignment, Znode};

impl Zk {
    /// The topics that are to be deleted, sorted.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn topics_to_delete(&self, watch: Watch) -> Result<Vec<TopicName>, ZkError> {
        let event = (watch == Watch::Arm).then_some(WatchEvent::DeleteTopicsChanged);
        let names = self.live()?.children(path::DELETE_TOPICS, event).await?;
        let mut topics: Vec<TopicName> = names
            .unwrap_or_default()
            .into_iter()
            .map(TopicName::from)
            .collect();
        topics.sort_unstable();
        Ok(topics)
    }

    /// Asks the controller to delete a topic. `Ok(false)`: it had been asked already.
    ///
    /// # Errors
    /// The outcomes of a write, except that a mark which is there is not a conflict.
    pub async fn mark_topic_for_deletion(&self, topic: &str) -> WriteResult<bool> {
        let session = self.live_for_write()?;
        match session.create(&path::delete_topic(topic), &[]).await {
            Ok(()) => Ok(true),
            Err(error) if error.conflict() == Some(Conflict::Exists) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a topic is marked for deletion.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn is_marked_for_deletion(&self, topic: &str) -> Result<bool, ZkError> {
        let stat = self.live()?.stat(&path::delete_topic(topic)).await?;
        Ok(stat.is_some())
    }

    /// The reassignment that the command line has asked for.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn reassignment(
        &self,
        watch: Watch,
    ) -> Result<Option<Versioned<Reassignment>>, ZkError> {
        let event = (watch == Watch::Arm).then_some(WatchEvent::ReassignmentChanged);
        self.read(path::REASSIGN_PARTITIONS, event).await
    }

    /// Asks the controller to move replicas.
    ///
    /// # Errors
    /// The outcomes of a write; [`Conflict::Exists`] while another one is in progress.
    pub async fn create_reassignment(&self, wanted: &Reassignment) -> WriteResult<()> {
        let session = self.live_for_write()?;
        session
            .create(path::REASSIGN_PARTITIONS, &wanted.encode())
            .await
    }

    /// The preferred leader elections that the command line has asked for.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn preferred_election(
        &self,
        watch: Watch,
    ) -> Result<Option<Versioned<PreferredElection>>, ZkError> {
        let event = (watch == Watch::Arm).then_some(WatchEvent::PreferredElectionChanged);
        self.read(path::PREFERRED_ELECTION, event).await
    }

    /// Asks the controller to elect preferred leaders.
    ///
    /// # Errors
    /// The outcomes of a write; [`Conflict::Exists`] while another one is in progress.
    pub async fn create_preferred_election(&self, wanted: &PreferredElection) -> WriteResult<()> {
        let session = self.live_for_write()?;
        session
            .create(path::PREFERRED_ELECTION, &wanted.encode())
            .await
    }
}
