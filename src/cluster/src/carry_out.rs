//! Carrying out what the brain wants: reads and writes of ZooKeeper whose results go back into it.

use std::sync::Arc;

use ottla_controller::{Action, Fence, StoreOutcome, TermEvent, TopicNode};
use ottla_metadata::TopicName;
use ottla_zk::{FencedWrite, Sequence, Watch, ZkError};
use tokio::time::Instant;

use crate::convert::{self, TermOver, outcome};
use crate::driver::{Driver, RETRY_PAUSE};

/// How often nodes that have served are deleted, when that may or may not have happened.
const CLEAN_UPS: usize = 3;

/// Why the term cannot go on.
pub(crate) enum Stop {
    /// It is over: another controller, or no session.
    TermOver(TermOver),
    /// ZooKeeper failed in a way that the brain knows nothing of.
    Failed(ZkError),
}

impl From<ZkError> for Stop {
    fn from(error: ZkError) -> Stop {
        match error {
            ZkError::SessionExpired | ZkError::Closed => Stop::TermOver(TermOver),
            error => Stop::Failed(error),
        }
    }
}

impl From<TermOver> for Stop {
    fn from(over: TermOver) -> Stop {
        Stop::TermOver(over)
    }
}

impl Driver {
    pub(crate) async fn carry_out(&mut self, action: Action) -> Result<(), Stop> {
        tracing::debug!(?action, "controller action");
        match action {
            Action::Load(fence) => self.load(fence).await,
            Action::Send(broker, request) => {
                if let Some(epoch) = self.brain.term() {
                    self.outboxes.send(epoch, broker, request);
                }
                Ok(())
            }
            Action::StoreStates(fence, writes) => {
                let partitions: Vec<_> =
                    writes.iter().map(|write| write.partition.clone()).collect();
                let writes = writes.into_iter().map(convert::state_write).collect();
                let outcomes = self.write(fence, writes).await?;
                let outcomes = partitions.into_iter().zip(outcomes).collect();
                self.step_in_term(TermEvent::StatesStored(outcomes));
                Ok(())
            }
            Action::ReadStates(partitions) => {
                let reads = self
                    .shared
                    .zk
                    .partition_states(partitions, Watch::No)
                    .await?;
                let reads = reads
                    .into_iter()
                    .map(|(tp, read)| (tp, convert::state_read(read)));
                self.step_in_term(TermEvent::StatesRead(reads.collect()));
                Ok(())
            }
            Action::StoreTopic { fence, topic, node } => {
                self.store_topic(fence, topic, &node).await
            }
            Action::ReadTopics(topics) => Ok(self.read_topics(topics).await?),
            Action::RemoveTopic(fence, topic) => self.remove_topic(fence, topic).await,
            Action::RemoveDeletionMarks(fence, topics) => {
                let writes = topics.into_iter().map(FencedWrite::ClearDeletionMark);
                self.clean_up(fence, writes.collect()).await
            }
            Action::RemoveIsrNotifications(fence, nodes) => {
                let nodes = nodes.into_iter().map(Sequence);
                self.clean_up(fence, nodes.map(FencedWrite::DeleteIsrChange).collect())
                    .await
            }
            Action::RemoveLogDirNotifications(fence, nodes) => {
                let nodes = nodes.into_iter().map(Sequence);
                self.clean_up(fence, nodes.map(FencedWrite::DeleteLogDirEvent).collect())
                    .await
            }
            Action::RemovePreferredElection(fence) => {
                self.clean_up(fence, vec![FencedWrite::DeletePreferredElection])
                    .await
            }
            Action::AnswerShutdown(waiter, result) => {
                self.waiters.shut_down(waiter, result);
                Ok(())
            }
            Action::AnswerAlteration(waiter, result) => {
                self.waiters.altered(waiter, result);
                Ok(())
            }
            Action::AnswerElection(waiter, answers) => {
                self.waiters.elected(waiter, answers);
                Ok(())
            }
            Action::DropReassignments(fence, entries) => {
                self.drop_reassignments(fence, entries).await
            }
            Action::WatchStates(partitions) => Ok(self.watch_states(partitions).await?),
            Action::AnswerReassignment(waiter, result) => {
                self.waiters.reassigned(waiter, result);
                Ok(())
            }
            Action::AnswerListing(waiter, result) => {
                self.waiters.listed(waiter, result);
                Ok(())
            }
            Action::Resign => {
                tracing::warn!("a younger controller has left traces: resigning");
                self.resign().await;
                // If the node is still there, its watch does not fire, and nobody would be elected.
                self.retry_at = Some(Instant::now() + RETRY_PAUSE);
                Ok(())
            }
        }
    }

    /// Gives up `/controller`, so that somebody is elected.
    pub(crate) async fn resign(&mut self) {
        if let Some(fence) = self.fence {
            let fence = convert::fence(fence);
            // Whatever comes of it: without the node somebody else is elected, with it we are.
            let _ = self
                .shared
                .zk
                .write_fenced(&fence, vec![FencedWrite::Resign])
                .await;
        }
        self.depose();
    }

    async fn write(
        &self,
        fence: Fence,
        writes: Vec<FencedWrite>,
    ) -> Result<Vec<StoreOutcome>, TermOver> {
        let results = self
            .shared
            .zk
            .write_fenced(&convert::fence(fence), writes)
            .await;
        results.into_iter().map(outcome).collect()
    }

    /// Deletes nodes that have served. Nobody would look at one again whose deletion was lost with
    /// the connection, so it is tried once more; those that stay are found by the next controller.
    pub(crate) async fn clean_up(
        &self,
        fence: Fence,
        mut writes: Vec<FencedWrite>,
    ) -> Result<(), Stop> {
        for _ in 0..CLEAN_UPS {
            let outcomes = self.write(fence, writes.clone()).await?;
            let doubtful = writes.into_iter().zip(outcomes);
            let doubtful = doubtful.filter(|(_, outcome)| *outcome == StoreOutcome::Unknown);
            writes = doubtful.map(|(write, _)| write).collect();
            if writes.is_empty() {
                break;
            }
        }
        Ok(())
    }

    async fn store_topic(
        &mut self,
        fence: Fence,
        topic: TopicName,
        node: &TopicNode,
    ) -> Result<(), Stop> {
        let write = convert::topic_write(Arc::clone(&topic), node);
        let outcomes = self.write(fence, vec![write]).await?;
        let outcome = outcomes.into_iter().next().unwrap_or(StoreOutcome::Unknown);
        self.step_in_term(TermEvent::TopicStored(topic, outcome));
        Ok(())
    }

    async fn remove_topic(&mut self, fence: Fence, topic: TopicName) -> Result<(), Stop> {
        let removed = self
            .shared
            .zk
            .delete_topic_fenced(&convert::fence(fence), &topic)
            .await;
        let outcome = outcome(removed.map(|()| 0))?;
        if matches!(outcome, StoreOutcome::Stored(_)) {
            tracing::info!(%topic, "topic deleted");
            self.configs.forget(vec![Arc::clone(&topic)]).await;
            self.shared.topic_removed();
        }
        self.step_in_term(TermEvent::TopicRemoved(topic, outcome));
        Ok(())
    }
}
