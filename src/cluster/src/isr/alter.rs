//! The road through the controller (`DefaultAlterPartitionManager`): one request in flight, with
//! everything that is proposed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::TopicPartition;
use ottla_protocol::ErrorCode;

use super::alter_request::{AlterPartition, Verdict};
use super::{IsrOutcome, IsrProposal, IsrQueue};
use crate::LocalReplicas;
use crate::controller_channel::ControllerChannel;
use crate::shared::Shared;

/// Pause before what was not done is asked for again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Road {
    shared: Arc<Shared>,
    local: Arc<dyn LocalReplicas>,
    channel: ControllerChannel,
    /// What is proposed and not settled. A younger proposal replaces an older one, whose
    /// leadership has then ended.
    pending: BTreeMap<TopicPartition, IsrProposal>,
    /// Why the controller did not look at the last request, which is said once.
    refusal: Option<ErrorCode>,
}

impl Road {
    pub(super) fn new(shared: Arc<Shared>, local: Arc<dyn LocalReplicas>) -> Road {
        Road {
            channel: ControllerChannel::new(Arc::clone(&shared)),
            shared,
            local,
            pending: BTreeMap::new(),
            refusal: None,
        }
    }

    pub(super) async fn run(mut self, proposals: IsrQueue) {
        loop {
            let new = proposals.take();
            self.pending
                .extend(new.map(|proposal| (proposal.partition.clone(), proposal)));
            if self.pending.is_empty() {
                proposals.more().await;
            } else if !self.attempt().await {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Sends what is pending and settles what is answered. Whether all of it was.
    async fn attempt(&mut self) -> bool {
        let sent = self.pending.clone();
        let ask = AlterPartition::new(Arc::clone(&self.shared), sent.values().cloned().collect());
        let verdicts = match self.channel.try_ask(&ask).await {
            Some(Ok(verdicts)) => verdicts,
            Some(Err(code)) => {
                if self.refusal.replace(code) != Some(code) {
                    tracing::warn!(%code,
                        "the controller does not look at changes of in-sync replicas; asking again");
                }
                return false;
            }
            None => return false,
        };
        self.refusal = None;
        let mut all = true;
        for (partition, proposal) in sent {
            // One that is not spoken of is sent again.
            let verdict = verdicts.get(&partition);
            match verdict.and_then(|verdict| outcome(&proposal, verdict)) {
                Some(outcome) => {
                    self.pending.remove(&partition);
                    self.local.isr_stored(&proposal, outcome);
                }
                None => all = false,
            }
        }
        all
    }
}

/// `None` for what must be asked again.
fn outcome(proposal: &IsrProposal, verdict: &Verdict) -> Option<IsrOutcome> {
    Some(match verdict {
        Verdict::Stored {
            leader_epoch,
            isr,
            partition_epoch,
        } => {
            let same = *leader_epoch == proposal.leader_epoch;
            if !same || *partition_epoch < proposal.expected {
                // Of another leadership, or from long ago.
                IsrOutcome::Conflict
            } else if *isr == proposal.isr {
                IsrOutcome::Stored {
                    partition_epoch: *partition_epoch,
                }
            } else {
                IsrOutcome::Changed {
                    isr: isr.clone(),
                    partition_epoch: *partition_epoch,
                }
            }
        }
        Verdict::Refused(code) => {
            tracing::info!(partition = %proposal.partition, isr = ?proposal.isr, %code,
                "the controller refuses the in-sync replicas");
            IsrOutcome::Refused
        }
        Verdict::Conflict(code) => {
            tracing::info!(partition = %proposal.partition, isr = ?proposal.isr, %code,
                "the in-sync replicas were not changed; waiting for the controller's next word");
            IsrOutcome::Conflict
        }
        Verdict::Again(code) => {
            tracing::warn!(partition = %proposal.partition, %code,
                "the controller failed to change in-sync replicas; asking again");
            return None;
        }
    })
}
