//! Topics that are to go (`TopicDeletionManager`): brokers forget them, replicas delete their logs,
//! and when all have, the znodes go. A replica that cannot delete halts it until its broker starts.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::{BrokerId, TopicName, TopicPartition};

use crate::context::{Deletion, Partition, Pending};
use crate::controller::{Active, Step};
use crate::election::Liveness;
use crate::{Action, Answered, PartitionState, ReplicaState, StoreOutcome};

impl Active {
    /// The names under `/admin/delete_topics` (`processTopicDeletion`).
    pub(crate) fn deletions_listed(&mut self, step: &mut Step, names: BTreeSet<TopicName>) {
        let mut refused = Vec::new();
        for name in &names {
            match self.context.topics.get_mut(name) {
                Some(topic) if self.settings.delete_topics => {
                    topic.deletion.get_or_insert(Deletion {
                        started: false,
                        eligible: true,
                        removing: false,
                    });
                    step.deletions.insert(Arc::clone(name));
                }
                Some(_) => refused.push(Arc::clone(name)),
                // It may have been created a moment ago: the mark goes only if it is not there.
                None => {
                    step.read_topics.insert(Arc::clone(name));
                }
            }
        }
        self.context.marked = names;
        self.remove_marks(step, refused);
    }

    /// Deletes marks that no deletion will.
    pub(crate) fn remove_marks(&mut self, step: &mut Step, names: Vec<TopicName>) {
        if names.is_empty() {
            return;
        }
        for name in &names {
            self.context.marked.remove(name);
        }
        step.actions
            .push(Action::RemoveDeletionMarks(self.fence, names));
    }

    /// Brings a deletion as far as it gets now.
    pub(crate) fn attend_deletion(&mut self, step: &mut Step, name: &TopicName) {
        let Some(topic) = self.context.topics.get(name) else {
            return;
        };
        let Some(deletion) = topic.deletion else {
            return;
        };
        if deletion.removing
            || topic.storing.is_some()
            || topic.is_reassigning()
            || topic.partitions.values().any(Partition::is_writing)
        {
            return;
        }
        let states = || {
            topic
                .partitions
                .values()
                .flat_map(|partition| partition.replicas.values())
        };
        if states().all(|state| *state == ReplicaState::DeletionSuccessful) {
            return self.remove_topic(step, name);
        }
        let in_progress = states().any(|state| *state == ReplicaState::DeletionStarted);
        if deletion.eligible && !in_progress {
            self.delete_replicas(step, name);
        }
    }

    /// A broker is gone that was told to delete: its replicas halt their topics' deletions.
    pub(crate) fn fail_deletions_on(&mut self, id: BrokerId, tp: &TopicPartition) {
        let state = self
            .context
            .partition(tp)
            .and_then(|partition| partition.replicas.get(&id));
        if state == Some(&ReplicaState::DeletionStarted) {
            self.fail_replicas(&tp.topic, &[(tp.clone(), id)]);
        }
    }

    fn fail_replicas(&mut self, name: &TopicName, replicas: &[(TopicPartition, BrokerId)]) {
        for (tp, id) in replicas {
            if let Some(partition) = self.context.partition_mut(tp) {
                partition.replica_enters(*id, ReplicaState::DeletionIneligible);
            }
        }
        if !replicas.is_empty()
            && let Some(topic) = self.context.topics.get_mut(name)
            && let Some(deletion) = &mut topic.deletion
        {
            deletion.eligible = false;
        }
    }

    /// Tells brokers to forget the topic and to delete its logs (`onTopicDeletion`).
    fn delete_replicas(&mut self, step: &mut Step, name: &TopicName) {
        let Some(topic) = self.context.topics.get_mut(name) else {
            return;
        };
        if let Some(deletion) = &mut topic.deletion {
            deletion.started = true;
        }
        let id = topic.id;
        for (number, partition) in &mut topic.partitions {
            if partition.state != PartitionState::NonExistent {
                partition.enter(PartitionState::Offline);
                partition.enter(PartitionState::NonExistent);
            }
            // A broker that is registered can be told, whatever led to its being shunned.
            partition.shunned.clear();
            partition.pending = Pending::Nothing;
            partition.renew = false;
            let tp = TopicPartition::new(Arc::clone(name), *number);
            for id in std::mem::take(&mut partition.leaving) {
                step.batch.delete(id, &tp);
            }
            step.batch
                .forget(TopicPartition::new(Arc::clone(name), *number), id);
        }
        let mut dead = Vec::new();
        for (tp, id, state, liveness) in self.replicas_of(name) {
            let Some(partition) = self.context.partition_mut(&tp) else {
                continue;
            };
            if state == ReplicaState::DeletionSuccessful {
                continue;
            }
            if state != ReplicaState::Offline {
                partition.replica_enters(id, ReplicaState::Offline);
            }
            if liveness == Liveness::Dead {
                dead.push((tp, id));
            } else {
                step.batch.stop(id, &tp);
                step.batch.delete(id, &tp);
                partition.replica_enters(id, ReplicaState::DeletionStarted);
            }
        }
        self.fail_replicas(name, &dead);
    }

    /// A broker answered a StopReplica that deletes.
    pub(crate) fn deletion_answered(&mut self, step: &mut Step, answer: Answered) {
        let registered = self.context.brokers.get(&answer.broker);
        if registered.is_none_or(|broker| broker.epoch != answer.broker_epoch) {
            return;
        }
        let results = match answer.result {
            Ok(results) => results
                .into_iter()
                .map(|(tp, result)| (tp, result.is_ok()))
                .collect(),
            Err(_) => answer
                .partitions
                .into_iter()
                .map(|tp| (tp, false))
                .collect::<Vec<_>>(),
        };
        for (tp, deleted) in results {
            let Some(partition) = self.context.partition_mut(&tp) else {
                continue;
            };
            if partition.replicas.get(&answer.broker) != Some(&ReplicaState::DeletionStarted) {
                continue;
            }
            if deleted {
                partition.replica_enters(answer.broker, ReplicaState::DeletionSuccessful);
            } else {
                self.fail_replicas(&tp.topic, &[(tp.clone(), answer.broker)]);
            }
            step.deletions.insert(tp.topic);
        }
    }

    fn remove_topic(&mut self, step: &mut Step, name: &TopicName) {
        if let Some(topic) = self.context.topics.get_mut(name)
            && let Some(deletion) = &mut topic.deletion
        {
            deletion.removing = true;
            // A topic without partitions gets here without having been announced as gone.
            deletion.started = true;
        }
        step.actions
            .push(Action::RemoveTopic(self.fence, Arc::clone(name)));
    }

    /// What became of a topic's znodes. If they are gone the name is free, and somebody may have
    /// taken it already.
    pub(crate) fn topic_removed(
        &mut self,
        step: &mut Step,
        name: TopicName,
        outcome: StoreOutcome,
    ) {
        let Some(topic) = self.context.topics.get_mut(&name) else {
            return;
        };
        let Some(deletion) = topic.deletion.as_mut().filter(|deletion| deletion.removing) else {
            return;
        };
        match outcome {
            StoreOutcome::Stored(_) => {
                self.context.marked.remove(&name);
                self.forget_topic(step, &name);
                step.read_topics.insert(name);
            }
            StoreOutcome::Unknown => step.actions.push(Action::RemoveTopic(self.fence, name)),
            // Somebody has put something below the topic's node; tried again at the next change.
            StoreOutcome::Conflict | StoreOutcome::Refused => deletion.removing = false,
        }
    }

    /// The topic's replicas, each with its state and liveness.
    fn replicas_of(
        &self,
        name: &TopicName,
    ) -> Vec<(TopicPartition, BrokerId, ReplicaState, Liveness)> {
        let Some(topic) = self.context.topics.get(name) else {
            return Vec::new();
        };
        let partitions = topic.partitions.iter();
        partitions
            .flat_map(|(number, partition)| {
                let tp = TopicPartition::new(Arc::clone(name), *number);
                partition.replicas.iter().map(move |(id, state)| {
                    let liveness = self.context.liveness(&tp, partition, *id);
                    (tp.clone(), *id, *state, liveness)
                })
            })
            .collect()
    }
}
