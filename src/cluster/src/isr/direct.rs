//! The direct road: the leader writes the state node itself (`ZkAlterPartitionManager`,
//! `ReplicationUtils.updateLeaderAndIsr`) and tells the controller later.

use std::sync::Arc;
use std::time::Duration;

use ottla_zk::znode::{IsrChange, PartitionState};
use ottla_zk::{Watch, WriteError, Zk, ZkError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use super::notices::{CHECK_INTERVAL, Notices};
use super::{IsrOutcome, IsrProposal, IsrQueue};
use crate::LocalReplicas;
use crate::convert::{chain, log_malformed};
use crate::shared::Shared;

/// Pause before ZooKeeper is asked again when it did not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The same when it refused.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// A state that is older than the leader knows is read from a server that lags behind, or from a
/// node that was made anew; after so many looks it is the latter.
const OLD_LOOKS: u32 = 20;

pub(super) struct Road {
    shared: Arc<Shared>,
    local: Arc<dyn LocalReplicas>,
    notices: Notices,
    /// Writes under way; as many as there are partitions at most, and `zk` bounds how many of them
    /// are in flight.
    writes: JoinSet<(IsrProposal, IsrOutcome)>,
}

impl Road {
    pub(super) fn new(shared: Arc<Shared>, local: Arc<dyn LocalReplicas>) -> Road {
        Road {
            shared,
            local,
            notices: Notices::new(Instant::now()),
            writes: JoinSet::new(),
        }
    }

    pub(super) async fn run(mut self, proposals: IsrQueue) {
        let mut check = tokio::time::interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = proposals.more() => proposals.take().for_each(|proposal| self.begin(proposal)),
                Some(done) = self.writes.join_next() => self.done(done),
                _ = check.tick() => self.tell().await,
            }
        }
    }

    fn begin(&mut self, proposal: IsrProposal) {
        let zk = self.shared.zk.clone();
        let state = PartitionState {
            leader: Some(self.shared.id()),
            leader_epoch: proposal.leader_epoch,
            isr: proposal.isr.clone(),
            controller_epoch: proposal.controller_epoch,
            recovering: false,
        };
        self.writes.spawn(async move {
            let outcome = store(&zk, &proposal, &state).await;
            (proposal, outcome)
        });
    }

    fn done(&mut self, done: Result<(IsrProposal, IsrOutcome), JoinError>) {
        let (proposal, outcome) = match done {
            Ok(done) => done,
            Err(error) => return tracing::error!(%error, "storing in-sync replicas"),
        };
        if matches!(outcome, IsrOutcome::Stored { .. }) {
            let partition = proposal.partition.clone();
            self.notices.changed(Instant::now(), partition);
        } else {
            tracing::info!(partition = %proposal.partition, isr = ?proposal.isr, ?outcome,
                "the in-sync replicas were not stored");
        }
        self.local.isr_stored(&proposal, outcome);
    }

    /// Tells the controller what was changed, if it is time. What cannot be told is told later.
    async fn tell(&mut self) {
        let Some(partitions) = self.notices.due(Instant::now()) else {
            return;
        };
        let change = IsrChange {
            partitions: partitions.clone(),
        };
        let told = self.shared.zk.notify_isr_change(&change);
        match tokio::time::timeout(CHECK_INTERVAL, told).await {
            Ok(Ok(_)) => self.notices.told(Instant::now(), &partitions),
            Ok(Err(error)) => {
                tracing::warn!(
                    error = chain(&error),
                    "the controller was not told of changed in-sync replicas"
                );
            }
            Err(_) => tracing::warn!("ZooKeeper is slow to take a notice of in-sync replicas"),
        }
    }
}

/// Writes until it is known what became of it.
async fn store(zk: &Zk, proposal: &IsrProposal, state: &PartitionState) -> IsrOutcome {
    let mut old = 0;
    loop {
        let at = &proposal.partition;
        match zk
            .update_partition_state(at, state, proposal.expected)
            .await
        {
            Ok(partition_epoch) => return IsrOutcome::Stored { partition_epoch },
            // The answer to an earlier write of ours may have been lost.
            Err(WriteError::Conflict { .. } | WriteError::Unknown { .. }) => {
                if let Some(outcome) = look(zk, proposal, state, &mut old).await {
                    return outcome;
                }
            }
            Err(WriteError::SessionExpired | WriteError::Closed) => {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(error @ WriteError::Refused { .. }) => {
                tracing::error!(partition = %at, error = chain(&error),
                    "ZooKeeper refuses the write of in-sync replicas; trying again");
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

/// Looks what is stored; `None` if the write must be tried again.
async fn look(
    zk: &Zk,
    proposal: &IsrProposal,
    state: &PartitionState,
    old: &mut u32,
) -> Option<IsrOutcome> {
    let at = &proposal.partition;
    match zk.partition_state(at, Watch::No).await {
        Ok(Some(found)) => {
            let now = found.value;
            let partition_epoch = found.stat.version;
            if partition_epoch <= proposal.expected && *old < OLD_LOOKS {
                *old += u32::from(partition_epoch < proposal.expected);
                tokio::time::sleep(RETRY_PAUSE).await;
                return None;
            }
            Some(outcome_of(now, partition_epoch, proposal, state))
        }
        // The topic is gone, or the controller makes the node anew under a new leadership.
        Ok(None) => Some(IsrOutcome::Conflict),
        Err(ZkError::Malformed(malformed)) => {
            log_malformed(&malformed);
            Some(IsrOutcome::Conflict)
        }
        Err(error) => {
            tracing::debug!(partition = %at, error = chain(&error), "state not read");
            tokio::time::sleep(RETRY_PAUSE).await;
            None
        }
    }
}

/// What became of the proposal, as what is stored tells.
fn outcome_of(
    now: PartitionState,
    partition_epoch: i32,
    proposal: &IsrProposal,
    state: &PartitionState,
) -> IsrOutcome {
    // Every write raises the version: one that is not newer is not ours, equal as it may look.
    if now == *state && partition_epoch > proposal.expected {
        IsrOutcome::Stored { partition_epoch }
    } else if (now.leader, now.leader_epoch) == (state.leader, state.leader_epoch) {
        IsrOutcome::Changed {
            isr: now.isr,
            partition_epoch,
        }
    } else {
        IsrOutcome::Conflict
    }
}

#[cfg(test)]
mod tests {
    use ottla_metadata::{BrokerId, TopicId, TopicPartition};

    use super::*;

    const EXPECTED: i32 = 7;

    fn replicas(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().map(|id| BrokerId(*id)).collect()
    }

    fn proposed() -> PartitionState {
        PartitionState {
            leader: Some(BrokerId(1)),
            leader_epoch: 3,
            isr: replicas(&[1, 2]),
            controller_epoch: 5,
            recovering: false,
        }
    }

    #[track_caller]
    fn check(now: PartitionState, version: i32, expected: IsrOutcome) {
        let proposal = IsrProposal {
            partition: TopicPartition::new("t", 0),
            topic_id: TopicId([0; 16]),
            isr: replicas(&[1, 2]),
            controller_epoch: 5,
            leader_epoch: 3,
            expected: EXPECTED,
        };
        assert_eq!(outcome_of(now, version, &proposal, &proposed()), expected);
    }

    #[test]
    fn only_a_newer_version_is_ours() {
        let stored = |partition_epoch| IsrOutcome::Stored { partition_epoch };
        let changed = |isr, partition_epoch| IsrOutcome::Changed {
            isr,
            partition_epoch,
        };
        check(proposed(), EXPECTED + 1, stored(EXPECTED + 1));
        for version in [0, EXPECTED] {
            check(proposed(), version, changed(replicas(&[1, 2]), version));
        }
        let other = PartitionState {
            isr: replicas(&[1]),
            ..proposed()
        };
        check(other, EXPECTED + 1, changed(replicas(&[1]), EXPECTED + 1));
        let next = PartitionState {
            leader_epoch: 4,
            ..proposed()
        };
        check(next, EXPECTED + 1, IsrOutcome::Conflict);
    }
}
