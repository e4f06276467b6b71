//! The invariants of the controller: what no event may break.

use std::collections::BTreeSet;

use crate::context::{Context, Ending, Partition, Pending, Topic};
use crate::controller::Active;
use crate::elections::Election;
use crate::{PartitionState, ReplicaState};

/// Panics with the rule that is broken.
pub(crate) fn check(active: &Active) {
    let context = &active.context;
    for id in context.draining.iter().chain(context.offline_dirs.keys()) {
        assert!(
            context.brokers.contains_key(id),
            "broker {id} is draining or lost a disk, but is not registered"
        );
    }
    for tp in active.elections.iter().flat_map(Election::waiting) {
        let topic = context.topics.get(&tp.topic);
        let partition = context.partition(tp);
        assert!(
            topic.is_some_and(|topic| topic.awaits_id)
                || partition.is_some_and(|partition| partition.pending != Pending::Nothing),
            "an election waits for {tp}, of which nothing is under way"
        );
    }
    for (name, topic) in &context.topics {
        for (number, partition) in &topic.partitions {
            check_partition(active, topic, partition, &format!("{name}-{number}"));
        }
        if topic.is_gone() {
            assert!(
                topic.deletion.is_some(),
                "{name} is gone without a deletion"
            );
        }
        check_deletion(context, topic, name);
    }
}

fn check_partition(active: &Active, topic: &Topic, partition: &Partition, name: &str) {
    let assigned = &partition.assignment.replicas;
    assert!(
        assigned
            .iter()
            .all(|id| partition.replicas.contains_key(id)),
        "{name}: a replica without a state"
    );
    assert!(
        partition.replicas.keys().all(|id| assigned.contains(id)),
        "{name}: a state without a replica"
    );
    check_reassignment(topic, partition, name);
    if let Pending::Storing(write) = &partition.pending {
        let state = &write.state;
        assert_eq!(
            state.controller_epoch, active.fence.epoch,
            "{name}: a write of another term"
        );
        assert!(
            !topic.is_gone(),
            "{name}: a write for a topic that brokers forgot"
        );
        assert!(
            !topic.awaits_id,
            "{name}: a write before the topic has its id"
        );
        if let Some(leader) = state.leader {
            assert!(state.isr.contains(&leader), "{name}: a leader out of sync");
            assert!(
                assigned.contains(&leader) || partition.leaving.contains(&leader),
                "{name}: a leader that is no replica"
            );
        }
        let known = partition.leadership.as_ref();
        assert_eq!(
            write.expected,
            partition.expected_version(),
            "{name}: a write that expects what was not seen"
        );
        let before = known.map_or(-1, |node| node.state.leader_epoch);
        assert_eq!(
            state.leader_epoch,
            before.saturating_add(1),
            "{name}: leader epochs grow by one"
        );
    }
    if let Pending::Altering(write) = &partition.pending {
        let known = partition.leadership.as_ref();
        let before = known.map(|node| (node.state.leader, node.state.leader_epoch));
        let state = &write.state;
        assert_eq!(
            Some((state.leader, state.leader_epoch)),
            before,
            "{name}: a leader may change nothing but its in-sync replicas"
        );
        assert!(
            state
                .leader
                .is_some_and(|leader| state.isr.contains(&leader)),
            "{name}: a leader that drops itself"
        );
        assert_eq!(write.expected, partition.expected_version(), "{name}");
        assert_eq!(state.controller_epoch, active.fence.epoch, "{name}");
        assert!(!topic.is_gone() && !topic.awaits_id, "{name}");
    }
    let settled =
        partition.pending == Pending::Nothing && topic.deletion.is_none() && !topic.awaits_id;
    if settled {
        let new = partition.leadership.is_none();
        assert_eq!(
            partition.state == PartitionState::New,
            new,
            "{name}: {:?}",
            partition.state
        );
        assert!(
            partition.shunned.is_empty(),
            "{name}: settled, but shuns {:?}",
            partition.shunned
        );
        assert!(
            !partition.prefer && !partition.force,
            "{name}: settled, but an election is wanted"
        );
        assert!(
            !(partition.announce || partition.renew) || new,
            "{name}: settled, but not announced"
        );
        assert!(
            !partition.renew || new,
            "{name}: settled, but replicas were not told what changed"
        );
        let in_sync = partition.leadership.as_ref().map(|node| &node.state.isr);
        assert!(
            partition
                .leaving
                .iter()
                .all(|id| in_sync.is_some_and(|isr| isr.contains(id))),
            "{name}: settled, but {:?} were not dismissed",
            partition.leaving
        );
    }
    let deleting = |state: &ReplicaState| {
        matches!(
            state,
            ReplicaState::DeletionStarted
                | ReplicaState::DeletionSuccessful
                | ReplicaState::DeletionIneligible
        )
    };
    assert!(
        topic.is_gone() || !partition.replicas.values().any(deleting),
        "{name}: replicas are deleted, but brokers were not told to forget the topic"
    );
    assert_eq!(
        topic.is_gone(),
        partition.state == PartitionState::NonExistent,
        "{name}: {:?}",
        partition.state
    );
}

fn check_reassignment(topic: &Topic, partition: &Partition, name: &str) {
    assert!(
        partition
            .leaving
            .iter()
            .all(|id| !partition.replicas.contains_key(id)),
        "{name}: a replica that stays and leaves"
    );
    if topic.is_gone() {
        assert!(
            !topic.is_reassigning() && partition.leaving.is_empty(),
            "{name}: deleted while it is being reassigned"
        );
    }
    if partition.ending == Ending::Last {
        let write = match &partition.pending {
            Pending::Storing(write) => Some(write),
            _ => None,
        };
        let target: BTreeSet<_> = partition.assignment.target().into_iter().collect();
        let in_sync = write.map(|write| write.state.isr.iter().copied().collect());
        assert_eq!(
            in_sync,
            Some(target),
            "{name}: ends a reassignment, but not with the targets in sync"
        );
        assert!(
            partition.assignment.is_reassigning() && partition.rewrite.is_none(),
            "{name}: ends a reassignment that is not under way"
        );
    }
}

fn check_deletion(context: &Context, topic: &Topic, name: &str) {
    let Some(deletion) = topic.deletion else {
        return;
    };
    let mut states = topic
        .partitions
        .values()
        .flat_map(|partition| &partition.replicas);
    if deletion.removing {
        assert!(
            states.all(|(_, state)| *state == ReplicaState::DeletionSuccessful),
            "{name}: znodes are removed before all logs are"
        );
    } else {
        assert!(
            states.all(|(id, state)| *state != ReplicaState::DeletionStarted
                || context.brokers.contains_key(id)),
            "{name}: waits for a broker that is gone"
        );
    }
}
