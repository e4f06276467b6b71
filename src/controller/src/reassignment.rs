//! Partitions that move to other replicas (KIP-455; `KafkaController.onPartitionReassignment`).
//!
//! A reassignment is what the topic node says of it, so it outlives the controller. It begins with
//! a rewrite of that node: the targets first, then the replicas that they replace. Then the leader
//! epoch grows, so that replicas hear of it, and the added ones start. When all targets are in sync
//! a write of the state node has one of them lead and another one leaves only them in sync; the others
//! are told to delete their logs, and the topic node is rewritten to the targets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_metadata::{BrokerId, TopicName, TopicPartition};

use crate::context::{Ending, Partition, Topic};
use crate::controller::{Active, Step};
use crate::election::Liveness;
use crate::{Action, Assignment, LeaderIsr, ReplicaState, TopicNode, WaiterId};

/// What became of each partition of a reassignment: under way, or why not.
pub type ReassignmentAnswers = BTreeMap<TopicPartition, Result<(), ReassignmentError>>;

/// This broker is not the controller (`NOT_CONTROLLER`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this broker is not the controller")]
pub struct NotController;

/// Why a partition is not reassigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReassignmentError {
    /// No replicas at all (`INVALID_REPLICA_ASSIGNMENT`).
    #[error("the list of replicas is empty")]
    Empty,
    /// A broker twice (`INVALID_REPLICA_ASSIGNMENT`).
    #[error("broker {0} is named more than once")]
    Duplicate(BrokerId),
    /// A negative broker id (`INVALID_REPLICA_ASSIGNMENT`).
    #[error("{0} is no broker id")]
    InvalidBroker(BrokerId),
    /// New replicas on brokers that are not alive (`INVALID_REPLICA_ASSIGNMENT`).
    #[error("the partition cannot be moved to broker {0}, which is not alive")]
    DeadBroker(BrokerId),
    /// Nobody who would stay is in sync, so that records would be lost
    /// (`INVALID_REPLICA_ASSIGNMENT`, as with a KRaft controller).
    #[error("none of the replicas that would remain is in sync")]
    Unclean,
    /// Nothing to cancel (`NO_REASSIGNMENT_IN_PROGRESS`).
    #[error("the partition is not being reassigned")]
    NotInProgress,
    /// There is no such partition, or its topic is being deleted (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("the partition does not exist")]
    UnknownPartition,
    /// The topic's node cannot be written (`UNKNOWN_SERVER_ERROR`).
    #[error("the topic's znode cannot be written")]
    NotStored,
}

/// A reassignment that was asked for, until it is stored in the topic nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reassigning {
    asker: Asker,
    /// Partitions without an answer yet.
    waiting: BTreeMap<TopicPartition, Wish>,
    answers: ReassignmentAnswers,
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asker {
    /// A request.
    Request(WaiterId),
    /// `/admin/reassign_partitions`; entries that come to nothing are dropped from it.
    Znode,
}

/// What is wanted of one partition.
#[derive(Clone, Debug, PartialEq)]
struct Wish {
    /// The replicas; `None` cancels.
    target: Option<Vec<BrokerId>>,
    /// Whether it is being stored.
    begun: bool,
}

/// Where one wish stands.
enum Progress {
    /// Something of the partition is being stored.
    Wait,
    /// To be stored.
    Begin(Assignment),
    /// Over, or never to be.
    Done(Result<(), ReassignmentError>),
}

impl Active {
    /// A request wants partitions moved.
    pub(crate) fn reassign(
        &mut self,
        waiter: WaiterId,
        partitions: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
    ) {
        self.wish(Asker::Request(waiter), partitions);
    }

    /// The znode as it is now: what it did not say before is new (`processZkPartitionReassignment`).
    pub(crate) fn reassignments_read(&mut self, entries: BTreeMap<TopicPartition, Vec<BrokerId>>) {
        let known = std::mem::replace(&mut self.context.requested, entries.clone());
        let new = entries
            .into_iter()
            .filter(|(tp, target)| known.get(tp) != Some(target))
            .map(|(tp, target)| (tp, Some(target)))
            .collect::<BTreeMap<_, _>>();
        if !new.is_empty() {
            self.wish(Asker::Znode, new);
        }
    }

    fn wish(&mut self, asker: Asker, partitions: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>) {
        let begun = false;
        self.reassignments.push(Reassigning {
            asker,
            waiting: partitions
                .into_iter()
                .map(|(tp, target)| (tp, Wish { target, begun }))
                .collect(),
            answers: BTreeMap::new(),
        });
    }

    /// Answers which reassignments are under way.
    pub(crate) fn list_reassignments(
        &self,
        step: &mut Step,
        waiter: WaiterId,
        partitions: Option<BTreeSet<TopicPartition>>,
    ) {
        let under_way = self
            .context
            .partitions()
            .filter(|(tp, partition)| {
                let asked = partitions.as_ref().is_none_or(|asked| asked.contains(tp));
                asked && partition.assignment.is_reassigning()
            })
            .map(|(tp, partition)| (tp, partition.assignment.clone()))
            .collect();
        step.actions
            .push(Action::AnswerListing(waiter, Ok(under_way)));
    }

    /// Goes on with what the controller before began. The leader may not have heard of it.
    pub(crate) fn resume_reassignments(&mut self, step: &mut Step) {
        let under_way: Vec<_> = self
            .context
            .partitions()
            .filter(|(_, partition)| partition.assignment.is_reassigning())
            .map(|(tp, _)| tp)
            .collect();
        for tp in under_way {
            if let Some(partition) = self.context.partition_mut(&tp) {
                partition.renew = partition.leadership.is_some();
            }
            step.watch_states.insert(tp);
        }
    }

    /// Begins what can begin and answers what has begun.
    pub(crate) fn advance_reassignments(&mut self, step: &mut Step) {
        for mut reassigning in std::mem::take(&mut self.reassignments) {
            let waiting = std::mem::take(&mut reassigning.waiting);
            for (tp, mut wish) in waiting {
                match self.look_at(&tp, &wish, reassigning.asker) {
                    Progress::Wait => _ = reassigning.waiting.insert(tp, wish),
                    Progress::Begin(next) => {
                        self.begin(step, &tp, next, reassigning.asker);
                        wish.begun = true;
                        reassigning.waiting.insert(tp, wish);
                    }
                    Progress::Done(result) => {
                        let unchanged = !wish.begun && result.is_ok();
                        if reassigning.asker == Asker::Znode && (unchanged || result.is_err()) {
                            self.drop_entry(step, &tp, wish.target.as_deref());
                        }
                        reassigning.answers.insert(tp, result);
                    }
                }
            }
            if !reassigning.waiting.is_empty() {
                self.reassignments.push(reassigning);
            } else if let Asker::Request(waiter) = reassigning.asker {
                let answers = Ok(reassigning.answers);
                step.actions
                    .push(Action::AnswerReassignment(waiter, answers));
            }
        }
    }

    fn look_at(&self, tp: &TopicPartition, wish: &Wish, asker: Asker) -> Progress {
        if wish.begun {
            return match self.context.partition(tp) {
                Some(partition) if partition.rewrite.is_some() => Progress::Wait,
                _ => Progress::Done(Ok(())),
            };
        }
        let topic = self.context.topics.get(&tp.topic);
        let partition = topic.and_then(|topic| topic.partitions.get(&tp.partition));
        // Who will be in sync decides whether it may be, so nothing else may be under way.
        let busy = |partition: &Partition| {
            partition.ending != Ending::No || partition.rewrite.is_some() || partition.is_writing()
        };
        if topic.is_some_and(|topic| topic.awaits_id) || partition.is_some_and(busy) {
            return Progress::Wait;
        }
        if let Some(target) = &wish.target
            && let Err(error) = self.validate(partition, target, asker)
        {
            return Progress::Done(Err(error));
        }
        let now = partition.map(|partition| &partition.assignment);
        let target = match (&wish.target, now.filter(|now| now.is_reassigning())) {
            (Some(target), _) => target.clone(),
            (None, Some(now)) => now.origin(),
            (None, None) => return Progress::Done(Err(ReassignmentError::NotInProgress)),
        };
        let Some(partition) = partition.filter(|_| topic.is_some_and(|t| t.deletion.is_none()))
        else {
            return Progress::Done(Err(ReassignmentError::UnknownPartition));
        };
        let next = partition.assignment.reassign_to(&target);
        if next == partition.assignment {
            return Progress::Done(Ok(()));
        }
        let in_sync = partition.leadership.as_ref().map(|node| &node.state.isr);
        if next.replicas.is_empty() {
            Progress::Done(Err(ReassignmentError::Empty))
        } else if in_sync.is_some_and(|isr| !isr.iter().any(|id| next.replicas.contains(id))) {
            Progress::Done(Err(ReassignmentError::Unclean))
        } else {
            Progress::Begin(next)
        }
    }

    /// What can be said of a list without knowing how the partition fares (`validateReplicas`). The
    /// znode may name brokers that will come later.
    fn validate(
        &self,
        partition: Option<&Partition>,
        target: &[BrokerId],
        asker: Asker,
    ) -> Result<(), ReassignmentError> {
        if target.is_empty() {
            return Err(ReassignmentError::Empty);
        }
        let mut seen = BTreeSet::new();
        for id in target {
            if !seen.insert(*id) {
                return Err(ReassignmentError::Duplicate(*id));
            }
            if id.0 < 0 {
                return Err(ReassignmentError::InvalidBroker(*id));
            }
        }
        let origin = partition.map(|partition| partition.assignment.origin());
        let origin = origin.unwrap_or_default();
        let live = |id: &BrokerId| {
            self.context.brokers.contains_key(id) && !self.context.draining.contains(id)
        };
        let mut added = target.iter().filter(|id| !origin.contains(id));
        match added.find(|id| !live(id)) {
            Some(dead) if asker != Asker::Znode => Err(ReassignmentError::DeadBroker(*dead)),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, step: &mut Step, tp: &TopicPartition, next: Assignment, asker: Asker) {
        if asker != Asker::Znode {
            // The latest word counts, by whichever road it came.
            let entry = self.context.requested.get(tp).cloned();
            self.drop_entry(step, tp, entry.as_deref());
        }
        if let Some(partition) = self.context.partition_mut(tp) {
            partition.rewrite = Some(next);
            step.rewrites.insert(Arc::clone(&tp.topic));
        }
    }

    /// An entry of the znode has served.
    fn drop_entry(&mut self, step: &mut Step, tp: &TopicPartition, target: Option<&[BrokerId]>) {
        if let Some(target) = target
            && self.context.requested.get(tp).map(Vec::as_slice) == Some(target)
        {
            self.context.requested.remove(tp);
            step.drops.insert(tp.clone(), target.to_vec());
        }
    }

    /// The topic node says now what was wanted of these partitions.
    pub(crate) fn assignments_stored(
        &mut self,
        step: &mut Step,
        name: &TopicName,
        landed: Vec<i32>,
    ) {
        for number in landed {
            let tp = TopicPartition::new(Arc::clone(name), number);
            let Some(partition) = self.context.partition_mut(&tp) else {
                continue;
            };
            partition.take_over();
            if partition.assignment.is_reassigning() {
                step.watch_states.insert(tp.clone());
            } else {
                let target = partition.assignment.replicas.clone();
                self.drop_entry(step, &tp, Some(&target));
                step.deletions.insert(Arc::clone(name));
            }
            step.dirty.insert(tp);
        }
    }

    /// The topic's node cannot be written: what has begun is given up.
    pub(crate) fn refuse_reassignments(&mut self, step: &mut Step, name: &TopicName) {
        if let Some(topic) = self.context.topics.get_mut(name) {
            for partition in topic.partitions.values_mut() {
                // The end of a reassignment is tried again at the next change of the node.
                if partition.is_changing() {
                    partition.rewrite = None;
                }
            }
        }
        for tp in self.fail_reassignments(name, &ReassignmentError::NotStored) {
            let entry = self.context.requested.get(&tp).cloned();
            self.drop_entry(step, &tp, entry.as_deref());
        }
    }

    /// The topic is gone, and so is all that was asked of it.
    pub(crate) fn forget_reassignments(&mut self, step: &mut Step, name: &TopicName) {
        self.fail_reassignments(name, &ReassignmentError::UnknownPartition);
        let requested = self.context.requested.keys();
        let of_topic: Vec<_> = requested.filter(|tp| tp.topic == *name).cloned().collect();
        for tp in of_topic {
            let entry = self.context.requested.get(&tp).cloned();
            self.drop_entry(step, &tp, entry.as_deref());
        }
    }

    /// Answers what was being stored in a topic's node; the partitions that the znode asked for.
    fn fail_reassignments(
        &mut self,
        name: &TopicName,
        error: &ReassignmentError,
    ) -> Vec<TopicPartition> {
        let mut entries = Vec::new();
        for reassigning in &mut self.reassignments {
            let answers = &mut reassigning.answers;
            reassigning.waiting.retain(|tp, wish| {
                let failed = wish.begun && tp.topic == *name;
                if failed {
                    answers.insert(tp.clone(), Err(error.clone()));
                }
                if failed && reassigning.asker == Asker::Znode {
                    entries.push(tp.clone());
                }
                !failed
            });
        }
        entries
    }

    /// The next write that ends a reassignment, once all targets are in sync: one of them leads, then
    /// nobody else is in sync. Kafka writes both, and so the leader epoch grows twice.
    pub(crate) fn ending(
        &self,
        partition: &Partition,
        now: &LeaderIsr,
        liveness: impl Fn(BrokerId) -> Liveness,
    ) -> Option<(LeaderIsr, Ending)> {
        let assignment = &partition.assignment;
        if !assignment.is_reassigning() || partition.rewrite.is_some() {
            return None;
        }
        let target = assignment.target();
        if target.is_empty() || !target.iter().all(|id| now.isr.contains(id)) {
            return None;
        }
        let lives = |id: &BrokerId| liveness(*id) != Liveness::Dead;
        let leader = now.leader.filter(lives)?;
        let live = |id: &&BrokerId| liveness(**id) == Liveness::Live;
        let leader = match target.contains(&leader) {
            true => leader,
            false => *target.iter().find(live)?,
        };
        let others = now.isr.iter().any(|id| !target.contains(id));
        let ending = match others && !partition.handed_over {
            true => Ending::HandOver,
            false => Ending::Last,
        };
        let stay = |id: &BrokerId| ending == Ending::HandOver || target.contains(id);
        let next = LeaderIsr {
            leader: Some(leader),
            leader_epoch: now.leader_epoch.saturating_add(1),
            isr: now.isr.iter().copied().filter(stay).collect(),
            controller_epoch: self.fence.epoch,
            recovering: now.recovering,
        };
        Some((next, ending))
    }

    /// Tells former replicas to delete their logs. One that is still in sync keeps its log: it may be
    /// the only one that has everything.
    pub(crate) fn dismiss_replicas(&mut self, step: &mut Step, tp: &TopicPartition) {
        let Some(partition) = self.context.partition_mut(tp) else {
            return;
        };
        let in_sync = partition.leadership.as_ref().map(|node| &node.state.isr);
        let (stay, go) = std::mem::take(&mut partition.leaving)
            .into_iter()
            .partition(|id| in_sync.is_some_and(|isr| isr.contains(id)));
        partition.leaving = stay;
        let go: BTreeSet<BrokerId> = go;
        for id in go {
            step.batch.stop(id, tp);
            step.batch.delete(id, tp);
            step.batch.update(tp);
            if let Some(gone) = self.context.offline_dirs.get_mut(&id) {
                gone.remove(tp);
            }
        }
    }
}

impl Reassigning {
    /// The answer when the term ends first.
    pub(crate) fn abandoned(&self) -> Option<Action> {
        match self.asker {
            Asker::Request(waiter) => Some(Action::AnswerReassignment(waiter, Err(NotController))),
            Asker::Znode => None,
        }
    }
}

impl Topic {
    /// Partitions of which a node says what was wanted.
    pub(crate) fn landed(&self, node: &TopicNode) -> Vec<i32> {
        let said = |number, rewrite| node.partitions.get(number) == Some(rewrite);
        self.partitions
            .iter()
            .filter(|(number, partition)| {
                let rewrite = partition.rewrite.as_ref();
                rewrite.is_some_and(|rewrite| said(*number, rewrite))
            })
            .map(|(number, _)| *number)
            .collect()
    }
}

impl Partition {
    /// All targets lead or follow in sync, and that is stored: the others are replicas no more.
    pub(crate) fn complete(&mut self) {
        let target = Assignment {
            replicas: self.assignment.target(),
            ..Assignment::default()
        };
        self.rewrite = Some(target.clone());
        self.hold(target);
    }

    /// Whether it is about to get other replicas. Until that is stored or given up, leaders change no
    /// in-sync replicas: those that will remain were found to be enough.
    pub(crate) fn is_changing(&self) -> bool {
        let next = self.rewrite.as_ref();
        next.is_some_and(|next| *next != self.assignment)
    }

    /// The topic node says what was wanted. Unless replicas have been told already, they must hear.
    fn take_over(&mut self) {
        if let Some(next) = self.rewrite.take()
            && next != self.assignment
        {
            self.hold(next);
            self.handed_over = false;
            self.renew = self.leadership.is_some();
        }
    }

    fn hold(&mut self, assignment: Assignment) {
        let held = &assignment.replicas;
        let former = self.replicas.keys().copied();
        self.leaving.extend(former.filter(|id| !held.contains(id)));
        self.replicas.retain(|id, _| held.contains(id));
        self.shunned.retain(|id| held.contains(id));
        for id in held {
            self.leaving.remove(id);
            self.replicas.entry(*id).or_insert(ReplicaState::New);
        }
        self.assignment = assignment;
    }
}
