//! Partitions that move to other replicas, by request (KIP-455) and by `/admin/reassign_partitions`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_controller::{Assignment, Fence, NotController, ReassignmentAnswers, TermEvent};
use ottla_metadata::{BrokerId, TopicPartition};
use ottla_zk::znode::Reassignment;
use ottla_zk::{FencedWrite, Watch, ZkError};

use crate::ReassignError;
use crate::carry_out::Stop;
use crate::commands::{Command, client_command};
use crate::convert::{self, log_malformed};
use crate::driver::Driver;
use crate::shared::Shared;

/// How often the znode is read and written anew when a write of it may or may not have happened.
const ATTEMPTS: usize = 3;

/// Has the controller move partitions; answered when it has stored that they are to be moved.
pub(crate) async fn alter_reassignments(
    shared: &Shared,
    partitions: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
    timeout: Duration,
) -> Result<ReassignmentAnswers, ReassignError> {
    let answered = client_command(shared, timeout, |answer| Command::Reassign {
        partitions,
        answer,
    });
    match answered.await {
        Ok(Some(Ok(answers))) => Ok(answers),
        Ok(Some(Err(NotController)) | None) => Err(ReassignError::NotController),
        Err(_) => Err(ReassignError::TimedOut),
    }
}

/// The reassignments under way, of these partitions or of all.
pub(crate) async fn list_reassignments(
    shared: &Shared,
    partitions: Option<BTreeSet<TopicPartition>>,
    timeout: Duration,
) -> Result<BTreeMap<TopicPartition, Assignment>, ReassignError> {
    let answered = client_command(shared, timeout, |answer| Command::ListReassignments {
        partitions,
        answer,
    });
    match answered.await {
        Ok(Some(Ok(listed))) => Ok(listed),
        Ok(Some(Err(NotController)) | None) => Err(ReassignError::NotController),
        Err(_) => Err(ReassignError::TimedOut),
    }
}

impl Driver {
    /// What the znode asks for. One that cannot be understood asks for nothing and is left to whoever
    /// wrote it, as Kafka leaves it.
    pub(crate) async fn read_reassignments(&mut self) -> Result<(), ZkError> {
        if self.brain.is_active() {
            let entries = self.reassignments().await?;
            self.step_in_term(TermEvent::ReassignmentsRead(entries.unwrap_or_default()));
        }
        Ok(())
    }

    async fn reassignments(
        &self,
    ) -> Result<Option<BTreeMap<TopicPartition, Vec<BrokerId>>>, ZkError> {
        match self.shared.zk.reassignment(Watch::Arm).await {
            Ok(read) => Ok(read.map(|read| read.value.partitions.into_iter().collect())),
            Err(ZkError::Malformed(malformed)) => {
                log_malformed(&malformed);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes entries out of the znode, where nobody has changed them, and deletes it with its last
    /// one (`maybeRemoveFromZkReassignment`).
    pub(crate) async fn drop_reassignments(
        &mut self,
        fence: Fence,
        dropped: BTreeMap<TopicPartition, Vec<BrokerId>>,
    ) -> Result<(), Stop> {
        for _ in 0..ATTEMPTS {
            let mut left = match self.reassignments().await? {
                Some(entries) => entries,
                None => break,
            };
            let before = left.len();
            left.retain(|tp, target| dropped.get(tp) != Some(target));
            if left.len() == before {
                break;
            }
            let write = match left.is_empty() {
                true => FencedWrite::DeleteReassignment,
                false => FencedWrite::UpdateReassignment(Reassignment {
                    partitions: left.into_iter().collect(),
                }),
            };
            self.clean_up(fence, vec![write]).await?;
        }
        // What a tool has added meanwhile is news, and the watch is armed for the next one.
        Ok(self.read_reassignments().await?)
    }

    /// Reads the state nodes of partitions that are being moved, and watches them where leaders write
    /// them: the notice that leaders leave for the controller comes seconds later.
    pub(crate) async fn watch_states(
        &mut self,
        partitions: Vec<TopicPartition>,
    ) -> Result<(), ZkError> {
        let told_by_leaders = self.shared.settings.version.alter_partition();
        let partitions: Vec<_> = partitions
            .into_iter()
            .filter(|tp| !told_by_leaders && self.brain.is_reassigning(tp))
            .collect();
        if !partitions.is_empty() {
            let reads = self
                .shared
                .zk
                .partition_states(partitions, Watch::Arm)
                .await?;
            let reads = reads
                .into_iter()
                .map(|(tp, read)| (tp, convert::state_read(read)));
            self.step_in_term(TermEvent::StatesRead(reads.collect()));
        }
        Ok(())
    }
}
