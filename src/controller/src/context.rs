//! What the controller knows of the cluster (`ControllerContext`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_metadata::{BrokerId, BrokerInfo, PartitionImage, TopicId, TopicName, TopicPartition};

use crate::election::Liveness;
use crate::{
    Assignment, PartitionState, ReplicaState, StateNode, StateWrite, TopicNode, UncleanElection,
};

/// Brokers, topics and partitions, as of the last event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Context {
    /// Registered brokers, draining ones among them.
    pub(crate) brokers: BTreeMap<BrokerId, Arc<BrokerInfo>>,
    /// Brokers that asked for a controlled shutdown and are still registered.
    pub(crate) draining: BTreeSet<BrokerId>,
    /// Replicas whose broker answered that their disk is gone.
    pub(crate) offline_dirs: BTreeMap<BrokerId, BTreeSet<TopicPartition>>,
    /// Topics by name.
    pub(crate) topics: BTreeMap<TopicName, Topic>,
    /// Names under `/admin/delete_topics` as last listed.
    pub(crate) marked: BTreeSet<TopicName>,
    /// Where unclean election is allowed.
    pub(crate) unclean: UncleanElection,
    /// What `/admin/reassign_partitions` asks for, as far as it is not dropped yet.
    pub(crate) requested: BTreeMap<TopicPartition, Vec<BrokerId>>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Topic {
    /// Its id; zero where it has none.
    pub(crate) id: TopicId,
    /// Version of the topic node.
    pub(crate) version: i32,
    /// What is being written to the topic node, if anything.
    pub(crate) storing: Option<TopicNode>,
    /// Whether the topic's first id is not stored yet; it is left alone until then.
    pub(crate) awaits_id: bool,
    /// Partitions by number.
    pub(crate) partitions: BTreeMap<i32, Partition>,
    /// Set from the moment the topic is marked for deletion.
    pub(crate) deletion: Option<Deletion>,
}

/// How far the deletion of a topic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    /// Whether brokers were told that the topic is gone.
    pub(crate) started: bool,
    /// Whether it is worth trying: false from a replica's failure until one of its brokers starts.
    pub(crate) eligible: bool,
    /// Whether the znodes are being removed.
    pub(crate) removing: bool,
}

/// A partition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Partition {
    /// Who holds it.
    pub(crate) assignment: Assignment,
    /// Where it stands.
    pub(crate) state: PartitionState,
    /// The state node as last written or read.
    pub(crate) leadership: Option<StateNode>,
    /// Whether somebody has deleted the state node. It is made anew from what is remembered.
    pub(crate) missing: bool,
    /// What is under way.
    pub(crate) pending: Pending,
    /// Where each replica stands.
    pub(crate) replicas: BTreeMap<BrokerId, ReplicaState>,
    /// Replicas whose broker died or bounced: they count as dead, even when the broker is back,
    /// until leadership and in-sync replicas have been settled without them.
    pub(crate) shunned: BTreeSet<BrokerId>,
    /// Whether all replicas must hear of the leadership once it is settled.
    pub(crate) announce: bool,
    /// Whether somebody asked for the preferred leader.
    pub(crate) prefer: bool,
    /// Whether a new leader epoch is needed: so that replicas take over what has changed, or because
    /// the leader cannot go on with the one that it knows.
    pub(crate) renew: bool,
    /// Whether somebody asked for any leader, unclean if need be.
    pub(crate) force: bool,
    /// What the topic node shall say of this partition and does not say yet: the begin of a
    /// reassignment, or the end, when it is what `assignment` says already.
    pub(crate) rewrite: Option<Assignment>,
    /// How the write under way ends the reassignment, if it does.
    pub(crate) ending: Ending,
    /// Whether a write has just made a target the leader, so that the next one ends the reassignment.
    pub(crate) handed_over: bool,
    /// Former replicas whose logs must go, once they are not in sync any more.
    pub(crate) leaving: BTreeSet<BrokerId>,
}

/// What a write does for the end of a reassignment, whose targets are all in sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing.
    No,
    /// One of the targets leads.
    HandOver,
    /// Only the targets are in sync.
    Last,
}

/// What a partition waits for. Nothing is decided about it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    /// Nothing.
    Nothing,
    /// The outcome of a write.
    Storing(StateWrite),
    /// The outcome of a write of in-sync replicas as the leader wants them.
    Altering(StateWrite),
    /// The state node, after a write that failed or may have happened.
    Reading,
    /// The topic node, because the state node is missing.
    Checking,
    /// Somebody who repairs a state node that cannot be understood or written.
    Stuck,
}

impl Partition {
    /// A partition that was just found in its topic's node.
    pub(crate) fn new(assignment: Assignment) -> Partition {
        let replicas = assignment
            .replicas
            .iter()
            .map(|id| (*id, ReplicaState::New))
            .collect();
        Partition {
            assignment,
            state: PartitionState::New,
            leadership: None,
            missing: false,
            pending: Pending::Nothing,
            replicas,
            shunned: BTreeSet::new(),
            announce: false,
            prefer: false,
            renew: false,
            force: false,
            rewrite: None,
            ending: Ending::No,
            handed_over: false,
            leaving: BTreeSet::new(),
        }
    }

    /// The version that the next write of the state node expects.
    pub(crate) fn expected_version(&self) -> Option<i32> {
        let node = self.leadership.as_ref().filter(|_| !self.missing)?;
        Some(node.version)
    }

    /// Whether its state node is being written, or was and may have been.
    pub(crate) fn is_writing(&self) -> bool {
        match self.pending {
            Pending::Storing(_) | Pending::Altering(_) | Pending::Reading => true,
            Pending::Nothing | Pending::Checking | Pending::Stuck => false,
        }
    }

    /// Takes over the state node as it was written or read.
    pub(crate) fn learn(&mut self, node: StateNode) {
        self.leadership = Some(node);
        self.missing = false;
    }

    /// What the topic node says or shall say.
    pub(crate) fn wanted(&self) -> &Assignment {
        self.rewrite.as_ref().unwrap_or(&self.assignment)
    }

    /// Whether a reassignment is under way or about to be.
    pub(crate) fn is_reassigning(&self) -> bool {
        self.assignment.is_reassigning() || self.rewrite.is_some()
    }

    /// The leader, if there is one.
    pub(crate) fn leader(&self) -> Option<BrokerId> {
        self.leadership.as_ref()?.state.leader
    }

    /// Moves to `next`; an illegal move is a fault of this crate, which `check` reports.
    pub(crate) fn enter(&mut self, next: PartitionState) {
        debug_assert!(self.state.may_become(next), "{:?} to {next:?}", self.state);
        self.state = next;
    }

    /// Moves a replica to `next`.
    pub(crate) fn replica_enters(&mut self, id: BrokerId, next: ReplicaState) {
        if let Some(state) = self.replicas.get_mut(&id) {
            debug_assert!(state.may_become(next), "{state:?} to {next:?}");
            *state = next;
        }
    }
}

impl Topic {
    /// A topic that was just read.
    pub(crate) fn new(node: &TopicNode) -> Topic {
        Topic {
            id: node.id,
            version: node.version,
            storing: None,
            awaits_id: false,
            partitions: node
                .partitions
                .iter()
                .map(|(number, assignment)| (*number, Partition::new(assignment.clone())))
                .collect(),
            deletion: None,
        }
    }

    /// The topic node as it should be.
    pub(crate) fn node(&self) -> TopicNode {
        TopicNode {
            id: self.id,
            partitions: self
                .partitions
                .iter()
                .map(|(number, partition)| (*number, partition.wanted().clone()))
                .collect(),
            version: self.version,
        }
    }

    /// Whether a reassignment is under way; deletion waits for its end.
    pub(crate) fn is_reassigning(&self) -> bool {
        self.partitions.values().any(Partition::is_reassigning)
    }

    /// Whether brokers were told that the topic is gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.deletion.is_some_and(|deletion| deletion.started)
    }
}

impl Context {
    /// The partition of that name.
    pub(crate) fn partition(&self, tp: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&tp.topic)?.partitions.get(&tp.partition)
    }

    /// The partition of that name, to change it.
    pub(crate) fn partition_mut(&mut self, tp: &TopicPartition) -> Option<&mut Partition> {
        self.topics
            .get_mut(&tp.topic)?
            .partitions
            .get_mut(&tp.partition)
    }

    /// How a replica of `partition` stands.
    pub(crate) fn liveness(
        &self,
        tp: &TopicPartition,
        partition: &Partition,
        id: BrokerId,
    ) -> Liveness {
        let dir_is_gone = self
            .offline_dirs
            .get(&id)
            .is_some_and(|gone| gone.contains(tp));
        let is_replica = partition.replicas.contains_key(&id);
        if !is_replica
            || dir_is_gone
            || !self.brokers.contains_key(&id)
            || partition.shunned.contains(&id)
        {
            Liveness::Dead
        } else if self.draining.contains(&id) {
            Liveness::Draining
        } else {
            Liveness::Live
        }
    }

    /// Every partition with a replica on the broker.
    pub(crate) fn hosted_by(&self, id: BrokerId) -> Vec<TopicPartition> {
        self.partitions()
            .filter(|(_, partition)| partition.replicas.contains_key(&id))
            .map(|(tp, _)| tp)
            .collect()
    }

    /// Every partition, in order.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (TopicPartition, &Partition)> {
        self.topics.iter().flat_map(|(name, topic)| {
            topic.partitions.iter().map(|(number, partition)| {
                (TopicPartition::new(Arc::clone(name), *number), partition)
            })
        })
    }

    /// The partition as brokers should see it; `None` before its first leader.
    pub(crate) fn image(&self, tp: &TopicPartition) -> Option<PartitionImage> {
        let partition = self.partition(tp)?;
        let node = partition.leadership.as_ref()?;
        Some(PartitionImage {
            replicas: partition.assignment.replicas.clone(),
            isr: node.state.isr.clone(),
            leader: node.state.leader,
            leader_epoch: node.state.leader_epoch,
            controller_epoch: node.state.controller_epoch,
            partition_epoch: node.version,
            offline_replicas: partition
                .replicas
                .keys()
                .copied()
                .filter(|id| {
                    !self.brokers.contains_key(id)
                        || self
                            .offline_dirs
                            .get(id)
                            .is_some_and(|gone| gone.contains(tp))
                })
                .collect(),
        })
    }
}
