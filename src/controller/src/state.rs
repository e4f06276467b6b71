//! The states of partitions and replicas, their legal changes, and what their znodes hold.

use std::collections::BTreeMap;

use ottla_metadata::{BrokerId, LeaderEpoch, TopicId};

/// A partition's leadership as in its state node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderIsr {
    /// The leader, if anyone can lead.
    pub leader: Option<BrokerId>,
    /// Grows by one with every decision of a controller.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas, in the writer's order.
    pub isr: Vec<BrokerId>,
    /// Epoch of the controller that made the decision.
    pub controller_epoch: i32,
    /// Whether the leader came from an unclean election and has not recovered (KIP-704).
    pub recovering: bool,
}

/// A state node with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateNode {
    /// The content.
    pub state: LeaderIsr,
    /// The znode's version, which brokers call the partition epoch.
    pub version: i32,
}

/// Who holds a partition, and what a reassignment is about to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Replicas in order of preference.
    pub replicas: Vec<BrokerId>,
    /// Replicas being added.
    pub adding: Vec<BrokerId>,
    /// Replicas being removed.
    pub removing: Vec<BrokerId>,
}

impl Assignment {
    /// Whether a reassignment is under way.
    pub fn is_reassigning(&self) -> bool {
        !(self.adding.is_empty() && self.removing.is_empty())
    }

    /// The replicas as they were before the reassignment, which a cancellation goes back to.
    pub fn origin(&self) -> Vec<BrokerId> {
        without(&self.replicas, &self.adding)
    }

    /// The replicas as they will be after the reassignment.
    pub fn target(&self) -> Vec<BrokerId> {
        without(&self.replicas, &self.removing)
    }

    /// The assignment that leads to `target` (`ReplicaAssignment.reassignTo`): its replicas first, then
    /// those of the origin that must stay until the target is in sync.
    pub fn reassign_to(&self, target: &[BrokerId]) -> Assignment {
        let origin = self.origin();
        let mut replicas = target.to_vec();
        replicas.extend(without(&origin, target));
        Assignment {
            adding: without(&replicas, &origin),
            removing: without(&replicas, target),
            replicas,
        }
    }
}

fn without(ids: &[BrokerId], others: &[BrokerId]) -> Vec<BrokerId> {
    let kept = ids.iter().filter(|id| !others.contains(id));
    kept.copied().collect()
}

/// A topic node with its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicNode {
    /// The topic's id; zero where it has none.
    pub id: TopicId,
    /// Partitions by number.
    pub partitions: BTreeMap<i32, Assignment>,
    /// The znode's version.
    pub version: i32,
}

/// The state of a partition (`PartitionState`). A partition that does not exist is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionState {
    /// Known, without a state node yet.
    New,
    /// Led by a live broker.
    Online,
    /// Once had a leader.
    Offline,
    /// Its topic is being deleted.
    NonExistent,
}

impl PartitionState {
    /// Whether a partition in this state may enter `next`.
    pub fn may_become(self, next: PartitionState) -> bool {
        use PartitionState::*;
        match next {
            New => self == NonExistent,
            Online | Offline => matches!(self, New | Online | Offline),
            NonExistent => self == Offline,
        }
    }
}

/// The state of a replica (`ReplicaState`). A replica that does not exist is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// Assigned, not told yet.
    New,
    /// On a live broker and told what to do.
    Online,
    /// On a dead broker or disk, or stopped.
    Offline,
    /// Told to delete its log.
    DeletionStarted,
    /// Has deleted its log.
    DeletionSuccessful,
    /// Could not delete its log; tried again when something changes.
    DeletionIneligible,
}

impl ReplicaState {
    /// Whether a replica in this state may enter `next`.
    pub fn may_become(self, next: ReplicaState) -> bool {
        use ReplicaState::*;
        match next {
            New => false,
            Online | Offline => matches!(self, New | Online | Offline | DeletionIneligible),
            DeletionStarted => self == Offline,
            DeletionSuccessful => self == DeletionStarted,
            DeletionIneligible => matches!(self, Offline | DeletionStarted),
        }
    }
}
