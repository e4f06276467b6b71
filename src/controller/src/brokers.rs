//! Brokers that come, go, bounce and leave in good order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_metadata::{BrokerId, BrokerInfo, TopicPartition};

use crate::context::Pending;
use crate::controller::{Active, Step};
use crate::{Action, ReplicaState, ShutdownRefused, WaiterId};

impl Active {
    /// The registered brokers changed (`processBrokerChange`, `processBrokerModification`). A larger
    /// epoch under a known id is a broker that died and came back.
    pub(crate) fn brokers_changed(
        &mut self,
        step: &mut Step,
        now: BTreeMap<BrokerId, Arc<BrokerInfo>>,
    ) {
        let before = std::mem::replace(&mut self.context.brokers, now);
        if before != self.context.brokers {
            step.batch.brokers_changed();
        }
        let now = self.context.brokers.clone();
        for (id, old) in &before {
            if now.get(id).is_none_or(|new| new.epoch != old.epoch) {
                self.broker_lost(step, *id);
            }
        }
        for (id, new) in &now {
            if before.get(id).is_none_or(|old| old.epoch != new.epoch) {
                self.broker_started(step, *id);
            }
        }
    }

    /// A broker that came back while there was no controller to see it go: it registered after the
    /// state node was written. It may have lost the end of its log, and must not go on in an epoch
    /// in which it has told followers more. Whoever was in sync all the time takes over; if nobody
    /// was, the leader leads on in a new epoch. (Kafka's controller overlooks this.)
    pub(crate) fn notice_bounces(&mut self, tp: &TopicPartition, written: i64) {
        let context = &self.context;
        let bounced = |id: &BrokerId| {
            let broker = context.brokers.get(id);
            broker.map(|broker| broker.epoch > written)
        };
        let Some(partition) = context.partition(tp) else {
            return;
        };
        let Some(node) = &partition.leadership else {
            return;
        };
        if partition.replicas.len() < 2 {
            return;
        }
        let isr = &node.state.isr;
        let steady = isr.iter().any(|id| bounced(id) == Some(false));
        let newcomers = isr.iter().filter(|id| bounced(id) == Some(true));
        let newcomers: Vec<BrokerId> = newcomers.copied().collect();
        let leader_bounced = node.state.leader.is_some_and(|id| newcomers.contains(&id));
        if let Some(partition) = self.context.partition_mut(tp) {
            if steady {
                partition.shunned.extend(newcomers);
            } else {
                partition.renew |= leader_bounced;
            }
        }
    }

    /// Nothing of what the broker held can be relied on (`onBrokerFailure`).
    fn broker_lost(&mut self, step: &mut Step, id: BrokerId) {
        self.context.draining.remove(&id);
        self.context.offline_dirs.remove(&id);
        for tp in self.context.hosted_by(id) {
            if let Some(partition) = self.context.partition_mut(&tp) {
                partition.shunned.insert(id);
                step.batch.update(&tp);
            }
            self.fail_deletions_on(id, &tp);
            self.look_again(step, id, &tp);
            step.dirty.insert(tp);
        }
        self.shutdowns.retain(|(waiter, broker)| {
            if *broker == id {
                let gone = Err(ShutdownRefused::UnknownBroker);
                step.actions.push(Action::AnswerShutdown(*waiter, gone));
            }
            *broker != id
        });
    }

    /// A leader that writes in-sync replicas itself tells of it seconds later, so that a replica may
    /// be in sync that is not known to be. What would otherwise be left as it is is read first, as
    /// Kafka does (`ReplicaStateMachine.doRemoveReplicasFromIsr`); every other decision ends in a
    /// conditional write.
    fn look_again(&mut self, step: &mut Step, id: BrokerId, tp: &TopicPartition) {
        let Some(partition) = self.context.partition_mut(tp) else {
            return;
        };
        let node = partition.leadership.as_ref();
        let untouched = node.is_some_and(|node| {
            node.state.leader.is_some_and(|leader| leader != id) && !node.state.isr.contains(&id)
        });
        if untouched && partition.pending == Pending::Nothing {
            partition.pending = Pending::Reading;
            step.read_states.insert(tp.clone());
        }
        self.look_at_stuck(step, tp);
    }

    /// Somebody may have repaired a state node that could not be used: it is read again when there
    /// is something to decide.
    pub(crate) fn look_at_stuck(&mut self, step: &mut Step, tp: &TopicPartition) {
        if let Some(partition) = self.context.partition_mut(tp)
            && partition.pending == Pending::Stuck
        {
            partition.pending = Pending::Reading;
            step.read_states.insert(tp.clone());
        }
    }

    /// The broker hears everything, its replicas start, and partitions that had nobody to lead them
    /// may now have (`onBrokerStartup`).
    fn broker_started(&mut self, step: &mut Step, id: BrokerId) {
        step.batch.greet(id);
        for tp in self.context.hosted_by(id) {
            if let Some(topic) = self.context.topics.get_mut(&tp.topic)
                && let Some(deletion) = &mut topic.deletion
            {
                deletion.eligible = true;
            }
            self.look_at_stuck(step, &tp);
            step.dirty.insert(tp);
        }
    }

    /// Replicas of these brokers are asked how they are: the answers name what is gone.
    pub(crate) fn log_dirs_failed(
        &mut self,
        step: &mut Step,
        nodes: Vec<i64>,
        brokers: BTreeSet<BrokerId>,
    ) {
        for id in brokers {
            for tp in self.context.hosted_by(id) {
                let topic = self.context.topics.get(&tp.topic);
                if topic.is_some_and(|topic| topic.deletion.is_none() && !topic.awaits_id) {
                    step.batch.lead(id, &tp, false);
                }
            }
        }
        step.actions
            .push(Action::RemoveLogDirNotifications(self.fence, nodes));
    }

    /// Moves leadership off a broker that wants to stop; answered when nothing more can be moved
    /// (`processControlledShutdown`).
    pub(crate) fn controlled_shutdown(
        &mut self,
        step: &mut Step,
        waiter: WaiterId,
        id: BrokerId,
        broker_epoch: i64,
    ) {
        let refused = match self.context.brokers.get(&id) {
            None => Some(ShutdownRefused::UnknownBroker),
            Some(broker) if broker_epoch != -1 && broker_epoch < broker.epoch => {
                Some(ShutdownRefused::StaleBrokerEpoch)
            }
            Some(_) => None,
        };
        if let Some(refused) = refused {
            step.actions
                .push(Action::AnswerShutdown(waiter, Err(refused)));
            return;
        }
        self.context.draining.insert(id);
        self.shutdowns.push((waiter, id));
        for tp in self.context.hosted_by(id) {
            self.look_again(step, id, &tp);
            step.dirty.insert(tp);
        }
    }

    /// Answers shutdowns whose partitions have nothing under way, with what could not be moved.
    pub(crate) fn answer_shutdowns(&mut self, step: &mut Step) {
        let context = &self.context;
        let ready = |id: BrokerId| {
            let mut left = BTreeSet::new();
            for (tp, partition) in context.partitions() {
                let shared = partition.replicas.len() > 1 && partition.replicas.contains_key(&id);
                if !shared {
                    continue;
                }
                if partition.is_writing() {
                    return None;
                }
                let deleting = partition
                    .replicas
                    .values()
                    .any(|state| *state == ReplicaState::DeletionStarted);
                if partition.leader() == Some(id) && !deleting {
                    left.insert(tp);
                }
            }
            Some(left)
        };
        let mut answers: Vec<(WaiterId, BTreeSet<TopicPartition>)> = Vec::new();
        self.shutdowns.retain(|(waiter, id)| match ready(*id) {
            Some(left) => {
                answers.push((*waiter, left));
                false
            }
            None => true,
        });
        step.actions.extend(
            answers
                .into_iter()
                .map(|(waiter, left)| Action::AnswerShutdown(waiter, Ok(left))),
        );
    }
}
