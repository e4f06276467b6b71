//! Where a leader has changed in-sync replicas stored: by the controller (`alter.rs`,
//! `inter.broker.protocol.version` ≥ 2.7-IV2), or in ZooKeeper itself (`direct.rs`).
//!
//! Both roads repeat a write until they know what became of it, and a write is conditional on the
//! version of the state, so repeating it is harmless. Which outcome is which is written down once,
//! in [`IsrOutcome`].

mod alter;
mod alter_request;
mod direct;
mod notices;

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_config::MetadataVersion;
use ottla_metadata::{BrokerId, LeaderEpoch, TopicId, TopicPartition};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::LocalReplicas;
use crate::shared::Shared;

/// Changed in-sync replicas of a partition that this broker leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrProposal {
    /// The partition.
    pub partition: TopicPartition,
    /// The topic's id; zero where it has none.
    pub topic_id: TopicId,
    /// The in-sync replicas to store.
    pub isr: Vec<BrokerId>,
    /// Epoch of the controller that decided the leadership.
    pub controller_epoch: i32,
    /// Epoch of the leadership under which they are proposed.
    pub leader_epoch: LeaderEpoch,
    /// The version that the stored state must still have.
    pub expected: i32,
}

/// What became of an [`IsrProposal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsrOutcome {
    /// Stored.
    Stored {
        /// The state's version now.
        partition_epoch: i32,
    },
    /// Surely not stored, and the state is what it was: the controller will not have it.
    Refused,
    /// Not stored: the leadership has ended, or is about to. The controller says what comes next,
    /// and until then the proposed replicas count.
    Conflict,
    /// Not stored: under the same leadership somebody else has stored something else.
    Changed {
        /// The in-sync replicas that are stored.
        isr: Vec<BrokerId>,
        /// The state's version.
        partition_epoch: i32,
    },
}

/// Takes proposals. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IsrProposer {
    queue: Arc<Queue>,
}

/// Proposals that nobody has begun to store: one for each partition. A younger one replaces an older
/// one, whose leadership has then ended.
#[derive(Debug, Default)]
struct Queue {
    proposals: Mutex<BTreeMap<TopicPartition, IsrProposal>>,
    more: Notify,
}

impl IsrProposer {
    /// Begins to store; does not block. The outcome goes to [`LocalReplicas::isr_stored`].
    pub fn propose(&self, proposal: IsrProposal) {
        let partition = proposal.partition.clone();
        self.queue.proposals.lock().insert(partition, proposal);
        self.queue.more.notify_one();
    }
}

/// Proposals on their way.
pub(crate) struct IsrQueue {
    queue: Arc<Queue>,
}

impl IsrQueue {
    /// What is there now.
    fn take(&self) -> impl Iterator<Item = IsrProposal> + use<> {
        std::mem::take(&mut *self.queue.proposals.lock()).into_values()
    }

    /// Returns when there may be more.
    async fn more(&self) {
        self.queue.more.notified().await;
    }
}

/// The two ends of the way.
pub(crate) fn queue() -> (IsrProposer, IsrQueue) {
    let queue = Arc::new(Queue::default());
    let proposer = IsrProposer {
        queue: Arc::clone(&queue),
    };
    (proposer, IsrQueue { queue })
}

/// Stores what is proposed, by the road that the protocol version prescribes, until stopped.
pub(crate) async fn run(
    shared: Arc<Shared>,
    local: Arc<dyn LocalReplicas>,
    proposals: IsrQueue,
    mut stop: watch::Receiver<bool>,
) {
    let by_controller = shared.settings.version >= MetadataVersion::V2_7_IV2;
    let road = async {
        match by_controller {
            true => alter::Road::new(shared, local).run(proposals).await,
            false => direct::Road::new(shared, local).run(proposals).await,
        }
    };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        () = road => {}
    }
}
