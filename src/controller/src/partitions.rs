//! What a partition needs: the partition and replica state machines (`PartitionStateMachine`,
//! `ReplicaStateMachine`), driven by what is, not by what happened.

use std::collections::BTreeSet;

use ottla_metadata::{BrokerId, TopicPartition};

use crate::context::{Ending, Pending};
use crate::controller::{Active, Step};
use crate::election::{self, Liveness, Policy};
use crate::{
    Action, Answered, LeaderIsr, PartitionState, Read, ReplicaError, ReplicaState, StateNode,
    StateWrite, UncleanElection,
};

impl Active {
    /// Brings one partition closer to where it should be: stops replicas that cannot serve, then
    /// asks for a new leadership if the old one cannot stand, and only when it stands tells the
    /// replicas about it.
    pub(crate) fn attend(&mut self, step: &mut Step, tp: &TopicPartition) {
        let Some(topic) = self.context.topics.get(&tp.topic) else {
            return;
        };
        if topic.deletion.is_some() {
            step.deletions.insert(tp.topic.clone());
            if topic.is_gone() || !topic.is_reassigning() {
                return;
            }
        }
        if topic.awaits_id {
            return;
        }
        let Some(partition) = topic.partitions.get(&tp.partition) else {
            return;
        };
        if partition.pending != Pending::Nothing {
            return;
        }
        self.stop_replicas(step, tp);
        if let Some((state, ending)) = self.decide(tp) {
            self.store(step, tp, state, ending);
        } else if self.settle(tp) {
            self.attend(step, tp);
        } else {
            self.start_replicas(step, tp);
            self.dismiss_replicas(step, tp);
        }
    }

    /// Takes replicas offline whose broker or disk is gone, and those of a leaving broker that do
    /// not lead.
    fn stop_replicas(&mut self, step: &mut Step, tp: &TopicPartition) {
        let Some(partition) = self.context.partition(tp) else {
            return;
        };
        let leader = partition.leader();
        let alone = partition.replicas.len() == 1;
        let stopped: Vec<BrokerId> = partition
            .replicas
            .iter()
            .filter(|(_, state)| matches!(state, ReplicaState::New | ReplicaState::Online))
            .map(|(id, _)| *id)
            .filter(|id| match self.context.liveness(tp, partition, *id) {
                Liveness::Live => false,
                Liveness::Draining => !alone && leader.is_some() && leader != Some(*id),
                Liveness::Dead => partition.leadership.is_some(),
            })
            .collect();
        for id in stopped {
            // Whoever bounced is a new process that runs nothing yet.
            let shunned = partition_is_shunning(self, tp, id);
            if !shunned {
                step.batch.stop(id, tp);
            }
            step.batch.update(tp);
            if let Some(partition) = self.context.partition_mut(tp) {
                partition.replica_enters(id, ReplicaState::Offline);
            }
        }
    }

    /// The leadership that must be written, if any, and whether it ends a reassignment.
    fn decide(&self, tp: &TopicPartition) -> Option<(LeaderIsr, Ending)> {
        let partition = self.context.partition(tp)?;
        let replicas = &partition.assignment.replicas;
        let alone = replicas.len() == 1;
        let liveness = |id| match self.context.liveness(tp, partition, id) {
            // Nobody could take over: the only replica serves until its broker is gone.
            Liveness::Draining if alone => Liveness::Live,
            liveness => liveness,
        };
        match &partition.leadership {
            None => Some((
                election::initial(replicas, liveness, self.fence.epoch)?,
                Ending::No,
            )),
            Some(node) => {
                let policy = Policy {
                    unclean: partition.force || self.context.unclean.allows(&tp.topic),
                    leader_recovery: self.settings.leader_recovery,
                    preferred: partition.prefer,
                };
                let next =
                    election::revise(&node.state, replicas, liveness, policy, self.fence.epoch);
                let again = || election::renew(&node.state, self.fence.epoch);
                if let Some(next) = next {
                    Some((next, Ending::No))
                } else if let Some(ending) = self.ending(partition, &node.state, liveness) {
                    Some(ending)
                } else {
                    (partition.missing || partition.renew).then(|| (again(), Ending::No))
                }
            }
        }
    }

    fn store(&mut self, step: &mut Step, tp: &TopicPartition, state: LeaderIsr, ending: Ending) {
        if let Some(partition) = self.context.partition_mut(tp) {
            let write = StateWrite {
                partition: tp.clone(),
                expected: partition.expected_version(),
                state,
            };
            partition.pending = Pending::Storing(write.clone());
            partition.ending = ending;
            partition.handed_over = false;
            step.writes.push(write);
        }
    }

    /// The leadership stands: enters the state that it means and forgets what led to it. Answers
    /// whether replicas that were shunned may now be looked at again.
    fn settle(&mut self, tp: &TopicPartition) -> bool {
        let Some(partition) = self.context.partition(tp) else {
            return false;
        };
        let led = partition
            .leader()
            .is_some_and(|id| self.context.liveness(tp, partition, id) != Liveness::Dead);
        let state = match (&partition.leadership, led) {
            (None, _) => PartitionState::New,
            (Some(_), true) => PartitionState::Online,
            (Some(_), false) => PartitionState::Offline,
        };
        let Some(partition) = self.context.partition_mut(tp) else {
            return false;
        };
        if partition.state != state {
            partition.enter(state);
        }
        partition.prefer = false;
        partition.force = false;
        let shunned = std::mem::take(&mut partition.shunned);
        !shunned.is_empty()
    }

    /// Tells replicas what they are: all of them after a decision, else those that just came.
    fn start_replicas(&mut self, step: &mut Step, tp: &TopicPartition) {
        let Some(partition) = self
            .context
            .partition(tp)
            .filter(|p| p.leadership.is_some())
        else {
            return;
        };
        let announce = partition.announce;
        let mut started = Vec::new();
        for (id, state) in &partition.replicas {
            let live = match self.context.liveness(tp, partition, *id) {
                Liveness::Live => true,
                // A leaving broker hears that it no longer leads, but is not started again.
                Liveness::Draining => {
                    *state == ReplicaState::Online || partition.replicas.len() == 1
                }
                Liveness::Dead => false,
            };
            // A replica that is being added has no log that could be on a disk that is offline.
            let is_new = *state == ReplicaState::New || partition.assignment.adding.contains(id);
            match state {
                ReplicaState::Online if live && announce => step.batch.lead(*id, tp, is_new),
                ReplicaState::New | ReplicaState::Offline | ReplicaState::DeletionIneligible
                    if live =>
                {
                    step.batch.lead(*id, tp, is_new);
                    started.push(*id);
                }
                ReplicaState::Offline
                    if announce
                        && self.context.liveness(tp, partition, *id) == Liveness::Draining =>
                {
                    step.batch.lead(*id, tp, false);
                }
                _ => {}
            }
        }
        if announce {
            step.batch.update(tp);
        }
        if let Some(partition) = self.context.partition_mut(tp) {
            partition.announce = false;
            for id in started {
                partition.replica_enters(id, ReplicaState::Online);
            }
        }
    }

    /// State nodes as they are now, after a doubtful write or because a leader changed its ISR.
    pub(crate) fn states_read(
        &mut self,
        step: &mut Step,
        reads: Vec<(TopicPartition, Read<StateNode>)>,
    ) {
        for (tp, read) in reads {
            let epoch = self.fence.epoch;
            let Some(partition) = self.context.partition_mut(&tp) else {
                continue;
            };
            let doubtful = match partition.pending {
                Pending::Reading => true,
                Pending::Nothing | Pending::Stuck => false,
                // Our own write knows the version it expects; its outcome tells.
                Pending::Storing(_) | Pending::Altering(_) | Pending::Checking => continue,
            };
            match read {
                Read::Found(node) => {
                    self.overtaken |= node.state.controller_epoch > epoch;
                    let known = partition.leadership.as_ref();
                    partition.announce |= known.map(|known| known.state.leader_epoch)
                        != Some(node.state.leader_epoch);
                    partition.learn(node);
                    partition.pending = Pending::Nothing;
                    step.batch.update(&tp);
                    step.dirty.insert(tp);
                }
                Read::Missing if doubtful => {
                    partition.pending = Pending::Checking;
                    step.read_topics.insert(tp.topic);
                }
                Read::Missing => {}
                Read::Garbled => partition.pending = Pending::Stuck,
            }
        }
    }

    /// Leaders changed in-sync replicas on their own: everybody hears (`processIsrChangeNotification`).
    pub(crate) fn isr_notified(
        &mut self,
        step: &mut Step,
        nodes: Vec<i64>,
        partitions: BTreeSet<TopicPartition>,
    ) {
        let known = partitions
            .into_iter()
            .filter(|tp| self.context.partition(tp).is_some());
        step.read_states.extend(known);
        step.actions
            .push(Action::RemoveIsrNotifications(self.fence, nodes));
    }

    /// A broker answered a LeaderAndIsr: its disks may be gone, or back.
    pub(crate) fn leadership_answered(&mut self, step: &mut Step, answer: Answered) {
        let registered = self.context.brokers.get(&answer.broker);
        if registered.is_none_or(|broker| broker.epoch != answer.broker_epoch) {
            return;
        }
        let Ok(results) = answer.result else {
            return;
        };
        for (tp, result) in results {
            let gone = self.context.offline_dirs.entry(answer.broker).or_default();
            let changed = match result {
                Ok(()) => gone.remove(&tp),
                Err(ReplicaError::Storage) => gone.insert(tp.clone()),
                Err(
                    ReplicaError::InconsistentTopicId
                    | ReplicaError::NotAReplica
                    | ReplicaError::StaleLeaderEpoch
                    | ReplicaError::FencedLeaderEpoch
                    | ReplicaError::InvalidTopic
                    | ReplicaError::Other(_),
                ) => false,
            };
            if changed {
                step.batch.update(&tp);
                step.dirty.insert(tp);
            }
        }
    }

    /// Unclean election was allowed or forbidden: partitions without a leader get another chance.
    pub(crate) fn unclean_changed(&mut self, step: &mut Step, unclean: UncleanElection) {
        self.context.unclean = unclean;
        let leaderless = self
            .context
            .partitions()
            .filter(|(_, partition)| partition.leader().is_none());
        step.dirty.extend(leaderless.map(|(tp, _)| tp));
    }
}

/// Whether the partition treats the replica as dead although its broker may be registered.
fn partition_is_shunning(active: &Active, tp: &TopicPartition, id: BrokerId) -> bool {
    active
        .context
        .partition(tp)
        .is_some_and(|partition| partition.shunned.contains(&id))
}
