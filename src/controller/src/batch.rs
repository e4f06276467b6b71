//! The requests of one step, gathered so that every broker gets at most one of each kind
//! (`AbstractControllerBrokerRequestBatch`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_metadata::{BrokerId, TopicId, TopicPartition};

use crate::context::Context;
use crate::{
    Action, EPOCH_DURING_DELETE, LeaderAndIsr, LeaderAndIsrPartition, PartitionUpdate, Request,
    Sender, StopReplica, StopReplicaPartition, UpdateMetadata,
};

/// Who must hear what. Contents are looked up when the step ends, so that they are never older than
/// the step's own changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Batch {
    /// Brokers that must know everything before their first LeaderAndIsr.
    greet: BTreeSet<BrokerId>,
    /// Whether all brokers must hear who lives.
    brokers_changed: bool,
    /// Partitions whose metadata all brokers must hear.
    updates: BTreeSet<TopicPartition>,
    /// Partitions that all brokers must forget, with the topic's id.
    gone: BTreeMap<TopicPartition, TopicId>,
    /// LeaderAndIsr by receiver; the flag is `is_new`.
    leadership: BTreeMap<BrokerId, BTreeMap<TopicPartition, bool>>,
    /// StopReplica without deletion, by receiver.
    stop: BTreeMap<BrokerId, BTreeSet<TopicPartition>>,
    /// StopReplica with deletion, by receiver.
    delete: BTreeMap<BrokerId, BTreeSet<TopicPartition>>,
}

impl Batch {
    /// A broker is new to this controller: it hears everything first.
    pub(crate) fn greet(&mut self, id: BrokerId) {
        self.greet.insert(id);
    }

    /// The set of brokers, or what is known of one, changed.
    pub(crate) fn brokers_changed(&mut self) {
        self.brokers_changed = true;
    }

    /// A partition changed: everybody hears.
    pub(crate) fn update(&mut self, tp: &TopicPartition) {
        self.updates.insert(tp.clone());
    }

    /// A partition is gone: everybody forgets it.
    pub(crate) fn forget(&mut self, tp: TopicPartition, id: TopicId) {
        self.gone.insert(tp, id);
    }

    /// A replica must hear the leadership. Everybody hears of the partition too.
    pub(crate) fn lead(&mut self, id: BrokerId, tp: &TopicPartition, is_new: bool) {
        let flag = self.leadership.entry(id).or_default().entry(tp.clone());
        *flag.or_insert(false) |= is_new;
        self.update(tp);
    }

    /// A replica must stop.
    pub(crate) fn stop(&mut self, id: BrokerId, tp: &TopicPartition) {
        self.stop.entry(id).or_default().insert(tp.clone());
    }

    /// A replica must delete its log.
    pub(crate) fn delete(&mut self, id: BrokerId, tp: &TopicPartition) {
        self.delete.entry(id).or_default().insert(tp.clone());
    }

    /// Writes the requests, in the order that receivers rely on: whoever is new hears everything,
    /// then LeaderAndIsr, UpdateMetadata, StopReplica.
    pub(crate) fn flush(
        self,
        context: &Context,
        controller: BrokerId,
        epoch: i32,
        actions: &mut Vec<Action>,
    ) {
        let sender = |id: BrokerId| {
            Some(Sender {
                controller,
                controller_epoch: epoch,
                broker_epoch: context.brokers.get(&id)?.epoch,
            })
        };
        let mut send = |id: BrokerId, make: &mut dyn FnMut(Sender) -> Request| {
            if let Some(sender) = sender(id) {
                actions.push(Action::Send(id, make(sender)));
            }
        };

        if !self.greet.is_empty() {
            let all: Arc<[_]> = context
                .partitions()
                .filter_map(|(tp, _)| update(context, tp))
                .collect();
            for id in &self.greet {
                send(*id, &mut |sender| {
                    metadata(context, sender, Arc::clone(&all), true)
                });
            }
        }
        if self.brokers_changed {
            // Before LeaderAndIsr: a follower obeys only a leader that it knows to be alive.
            for id in context.brokers.keys().filter(|id| !self.greet.contains(id)) {
                send(*id, &mut |sender| {
                    metadata(context, sender, Arc::new([]), false)
                });
            }
        }
        for (id, partitions) in &self.leadership {
            let mut partitions: Vec<_> = partitions
                .iter()
                .filter_map(|(tp, is_new)| leadership(context, tp, *is_new))
                .collect();
            if !partitions.is_empty() {
                send(*id, &mut |sender| {
                    Request::LeaderAndIsr(LeaderAndIsr {
                        sender,
                        partitions: std::mem::take(&mut partitions),
                    })
                });
            }
        }
        let gone = self
            .gone
            .into_iter()
            .map(|(partition, topic_id)| PartitionUpdate {
                partition,
                topic_id,
                image: None,
            });
        let changes: Arc<[_]> = gone
            .chain(
                self.updates
                    .into_iter()
                    .filter_map(|tp| update(context, tp)),
            )
            .collect();
        for id in context.brokers.keys() {
            let greeted = self.greet.contains(id);
            let known = greeted && changes.iter().all(|change| change.image.is_some());
            if !changes.is_empty() && !known {
                send(*id, &mut |sender| {
                    metadata(context, sender, Arc::clone(&changes), false)
                });
            }
        }
        for (replicas, delete) in [(&self.stop, false), (&self.delete, true)] {
            for (id, partitions) in replicas {
                let mut partitions: Vec<_> = partitions
                    .iter()
                    .map(|tp| stop(context, tp, delete))
                    .collect();
                send(*id, &mut |sender| {
                    Request::StopReplica(StopReplica {
                        sender,
                        partitions: std::mem::take(&mut partitions),
                    })
                });
            }
        }
    }
}

fn metadata(
    context: &Context,
    sender: Sender,
    partitions: Arc<[PartitionUpdate]>,
    complete: bool,
) -> Request {
    Request::UpdateMetadata(UpdateMetadata {
        sender,
        brokers: context.brokers.values().cloned().collect(),
        partitions,
        complete,
    })
}

/// What brokers should hear of a partition; nothing before its first leader or after its end.
fn update(context: &Context, partition: TopicPartition) -> Option<PartitionUpdate> {
    let topic = context
        .topics
        .get(&partition.topic)
        .filter(|topic| !topic.is_gone())?;
    Some(PartitionUpdate {
        topic_id: topic.id,
        image: Some(context.image(&partition)?),
        partition,
    })
}

fn leadership(
    context: &Context,
    tp: &TopicPartition,
    is_new: bool,
) -> Option<LeaderAndIsrPartition> {
    let topic = context.topics.get(&tp.topic)?;
    let partition = topic.partitions.get(&tp.partition)?;
    let node = partition.leadership.as_ref()?;
    Some(LeaderAndIsrPartition {
        partition: tp.clone(),
        topic_id: topic.id,
        controller_epoch: node.state.controller_epoch,
        leader: node.state.leader,
        leader_epoch: node.state.leader_epoch,
        isr: node.state.isr.clone(),
        partition_epoch: node.version,
        replicas: partition.assignment.replicas.clone(),
        adding: partition.assignment.adding.clone(),
        removing: partition.assignment.removing.clone(),
        is_new,
        recovering: node.state.recovering,
    })
}

fn stop(context: &Context, tp: &TopicPartition, delete: bool) -> StopReplicaPartition {
    let deleting = context
        .topics
        .get(&tp.topic)
        .is_some_and(|topic| topic.deletion.is_some());
    let known = context
        .partition(tp)
        .and_then(|partition| partition.leadership.as_ref())
        .map(|node| node.state.leader_epoch);
    StopReplicaPartition {
        partition: tp.clone(),
        leader_epoch: match deleting {
            true => EPOCH_DURING_DELETE,
            false => known.unwrap_or(ottla_metadata::NO_EPOCH),
        },
        delete,
    }
}
