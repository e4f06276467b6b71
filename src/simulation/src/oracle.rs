//! What must hold after every step. The oracle sees all disks and all of ZooKeeper, and keeps the
//! truth that no single broker knows: which records are committed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ottla_controller::LeaderIsr;
use ottla_metadata::{BrokerId, LeaderEpoch, Offset, TopicId, TopicName, TopicPartition};

use crate::disk::{Disk, Entry, chain, index, offset};
use crate::port::Micros;
use crate::random::mix;
use crate::zookeeper::{Change, Path, Value};

/// How long after a power failure messages may be on their way that were sent before.
const JUST_NOW: Micros = 4_000_000;

/// A partition of a topic of one life: a topic that was deleted and created again is another.
type Key = (TopicPartition, TopicId);

/// What is true of a partition.
#[derive(Default)]
struct Truth {
    /// Everything that was committed by the rules, and not lost since in a way they permit.
    committed: Vec<Entry>,
    hashes: Vec<u64>,
    /// Last sequence numbers of idempotent producers among the committed records.
    sequences: BTreeMap<u64, i32>,
    /// Who led in which epoch.
    leaders: BTreeMap<LeaderEpoch, BrokerId>,
    watermarks: BTreeMap<BrokerId, (LeaderEpoch, Offset)>,
    stored: Option<LeaderIsr>,
    /// Who was in sync at the last election, and since when.
    electors: Vec<BrokerId>,
    electors_since: Micros,
    stored_at: Micros,
    /// In-sync replicas whose power failed while they had records in memory only.
    wounded: BTreeMap<BrokerId, Micros>,
    /// The epoch of the last election at which records were lost as the rules permit.
    lossy_epoch: LeaderEpoch,
}

#[derive(Default)]
struct State {
    now: Micros,
    disks: BTreeMap<BrokerId, Rc<RefCell<Disk>>>,
    truths: BTreeMap<Key, Truth>,
    topics: BTreeMap<TopicName, TopicId>,
    marked: BTreeSet<TopicName>,
    controller_epoch: i32,
    unclean_allowed: bool,
    registered: BTreeSet<BrokerId>,
    /// When each broker last came or went.
    disturbed: BTreeMap<BrokerId, Micros>,
    violation: Option<String>,
    trace: Option<Vec<String>>,
    fingerprint: u64,
    counts: Counts,
}

/// What a run has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records committed.
    pub committed: u64,
    /// Sends acknowledged with acks=all.
    pub acknowledged: u64,
    /// Leaderships begun.
    pub leaderships: u64,
    /// Controllers elected.
    pub controllers: u64,
    /// Changes of in-sync replicas stored.
    pub isr_changes: u64,
    /// Times that a log was cut.
    pub truncations: u64,
    /// Committed records lost as the rules permit: unclean elections, too many power failures.
    pub permitted_losses: u64,
    /// Records consumed.
    pub consumed: u64,
}

/// The oracle, shared by all.
#[derive(Clone, Default)]
pub(crate) struct Oracle(Rc<RefCell<State>>);

impl Oracle {
    pub(crate) fn new(unclean_allowed: bool, traced: bool) -> Oracle {
        let oracle = Oracle::default();
        {
            let mut state = oracle.0.borrow_mut();
            state.unclean_allowed = unclean_allowed;
            state.trace = traced.then(Vec::new);
        }
        oracle
    }

    pub(crate) fn add_disk(&self, id: BrokerId, disk: Rc<RefCell<Disk>>) {
        self.0.borrow_mut().disks.insert(id, disk);
    }

    pub(crate) fn set_now(&self, now: Micros) {
        self.0.borrow_mut().now = now;
    }

    /// Notes something for the trace.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        let mut state = self.0.borrow_mut();
        let now = state.now;
        if let Some(trace) = &mut state.trace {
            let seconds = now / 1_000_000;
            trace.push(format!("{seconds:>4}.{:06} {}", now % 1_000_000, line()));
        }
    }

    /// Adds to the fingerprint of the run.
    pub(crate) fn mark(&self, what: u64) {
        let mut state = self.0.borrow_mut();
        state.fingerprint = mix(state.fingerprint ^ mix(what));
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.0.borrow().fingerprint
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.borrow().counts
    }

    pub(crate) fn take_trace(&self) -> Vec<String> {
        self.0.borrow_mut().trace.take().unwrap_or_default()
    }

    pub(crate) fn violation(&self) -> Option<String> {
        self.0.borrow().violation.clone()
    }

    /// A rule is broken. The first one counts.
    pub(crate) fn broken(&self, what: String) {
        self.0.borrow_mut().broken(what);
    }

    /// A broker came or went.
    pub(crate) fn disturbed(&self, id: BrokerId) {
        let mut state = self.0.borrow_mut();
        let now = state.now;
        state.disturbed.insert(id, now);
    }

    /// A broker begins to lead.
    pub(crate) fn leads(
        &self,
        id: BrokerId,
        (tp, topic): (&TopicPartition, TopicId),
        epoch: LeaderEpoch,
        high_watermark: Offset,
    ) {
        self.note(|| format!("broker {id} leads {tp} in epoch {epoch}"));
        let state = &mut *self.0.borrow_mut();
        state.counts.leaderships += 1;
        let truth = state.truths.entry((tp.clone(), topic)).or_default();
        let other = truth.leaders.insert(epoch, id).filter(|other| *other != id);
        let stored = truth.stored.clone();
        if let Some(other) = other {
            state.broken(format!("{tp}: {other} and {id} both lead in epoch {epoch}"));
        }
        let (current, leader) = stored.map_or((-1, None), |s| (s.leader_epoch, s.leader));
        if epoch > current && state.topics.get(&tp.topic) == Some(&topic) {
            state.broken(format!(
                "{tp}: {id} leads in epoch {epoch}, stored is {current}"
            ));
        } else if epoch == current && leader != Some(id) {
            state.broken(format!(
                "{tp}: {id} leads in epoch {epoch} instead of {leader:?}"
            ));
        }
        state.wounded_leads(id, tp, topic, epoch);
        state.adopt(id, (tp, topic), epoch, high_watermark);
    }

    /// A replica's high watermark is this now. `leads` has the epoch of a leader.
    pub(crate) fn high_watermark(
        &self,
        id: BrokerId,
        (tp, topic): (&TopicPartition, TopicId),
        (epoch, leads): (LeaderEpoch, bool),
        at: Offset,
    ) {
        self.note(|| format!("broker {id} has high watermark {at} of {tp}"));
        let state = &mut *self.0.borrow_mut();
        let key = (tp.clone(), topic);
        let Some(disk) = state.disks.get(&id).cloned() else {
            return;
        };
        let disk = disk.borrow();
        let Some(log) = disk.logs.get(tp).filter(|log| log.topic_id == topic) else {
            return;
        };
        let truth = state.truths.entry(key).or_default();
        if epoch < truth.lossy_epoch {
            return;
        }
        let before = truth.watermarks.insert(id, (epoch, at));
        let known = offset(truth.committed.len());
        let agreed = at.min(known);
        let mut broken = None;
        if leads && before.is_some_and(|(e, before)| e == epoch && before > at) {
            broken = Some(format!(
                "{tp}: the high watermark of leader {id} went back to {at}"
            ));
        } else if log.hash(agreed) != truth.hash(agreed) {
            broken = Some(format!(
                "{tp}: what {id} has below its high watermark {at} is not what was committed"
            ));
        } else if at > known && !leads {
            broken = Some(format!(
                "{tp}: follower {id} has high watermark {at}, committed is {known}"
            ));
        }
        if broken.is_none() && leads && at > known {
            for entry in log.read(known, at, usize::MAX) {
                state.counts.committed += 1;
                broken = broken.or(truth.commit(entry).map(|why| format!("{tp}: {why}")));
            }
        }
        drop(disk);
        if let Some(broken) = broken {
            state.broken(broken);
        } else if leads && at > known {
            state.check_in_sync(tp, topic);
        }
    }

    /// The leader says that a record is committed.
    pub(crate) fn acked(
        &self,
        id: BrokerId,
        (tp, topic): (&TopicPartition, TopicId),
        epoch: LeaderEpoch,
        at: Offset,
    ) {
        let state = &mut *self.0.borrow_mut();
        state.counts.acknowledged += 1;
        let entry = state.disks.get(&id).and_then(|disk| {
            let disk = disk.borrow();
            disk.logs.get(tp)?.entry(at).copied()
        });
        let truth = state.truths.entry((tp.clone(), topic)).or_default();
        let committed = truth.committed.get(index(at)).copied();
        // A leader of the time before records were lost does not know that it is none any more.
        if epoch < truth.lossy_epoch {
            return;
        }
        if entry.is_none() || committed != entry {
            state.broken(format!(
                "{tp}: {id} acknowledges {entry:?} at {at}, committed is {committed:?}"
            ));
        }
    }

    /// A consumer was served these records.
    pub(crate) fn consumed(
        &self,
        id: BrokerId,
        (tp, topic): (&TopicPartition, TopicId),
        epoch: LeaderEpoch,
        at: Offset,
        entries: &[Entry],
    ) {
        let state = &mut *self.0.borrow_mut();
        let truth = state.truths.entry((tp.clone(), topic)).or_default();
        if epoch < truth.lossy_epoch || entries.is_empty() {
            return;
        }
        let from = index(at);
        let committed = truth.committed.get(from..from + entries.len());
        let broken = committed != Some(entries);
        state.counts.consumed += u64::try_from(entries.len()).unwrap_or(0);
        if broken {
            state.broken(format!("{tp}: {id} serves what is not committed at {at}"));
        }
    }

    /// A replica cut its log.
    pub(crate) fn truncated(&self, id: BrokerId, tp: &TopicPartition, topic: TopicId, end: Offset) {
        self.note(|| format!("broker {id} cuts {tp} to {end}"));
        let state = &mut *self.0.borrow_mut();
        state.counts.truncations += 1;
        state.check_in_sync(tp, topic);
    }

    /// A replica's log was deleted.
    pub(crate) fn deleted(&self, id: BrokerId, tp: &TopicPartition, topic: TopicId) {
        self.note(|| format!("broker {id} deletes {tp} of topic {topic}"));
        let state = &mut *self.0.borrow_mut();
        state.check_in_sync(tp, topic);
    }

    /// The power of a broker failed, and these logs lost their ends.
    pub(crate) fn power_failed(&self, id: BrokerId, lost: &[(TopicPartition, Offset)]) {
        let state = &mut *self.0.borrow_mut();
        let now = state.now;
        for (tp, _) in lost {
            for ((name, _), truth) in &mut state.truths {
                // What was not committed yet may be so in a moment, and who is not in sync too: the
                // leader may have been told.
                if name == tp {
                    truth.wounded.insert(id, now);
                }
            }
        }
    }

    /// A node of ZooKeeper changed.
    pub(crate) fn changed(&self, change: &Change) {
        self.note(|| {
            let after = change
                .after
                .as_ref()
                .map(|node| (&node.value, node.version));
            format!("zk {:?} = {after:?}", change.path)
        });
        let state = &mut *self.0.borrow_mut();
        if let Some(epoch) = change.as_controller
            && epoch != state.controller_epoch
        {
            let current = state.controller_epoch;
            state.broken(format!(
                "the controller of epoch {epoch} writes {:?} in epoch {current}",
                change.path
            ));
        }
        let after = change.after.as_ref().map(|node| &node.value);
        match (&change.path, after) {
            (Path::ControllerEpoch, Some(Value::Epoch(epoch))) => {
                state.counts.controllers += 1;
                if *epoch < state.controller_epoch {
                    state.broken(format!("the controller epoch went back to {epoch}"));
                }
                state.controller_epoch = *epoch;
            }
            (Path::Topic(name), Some(Value::Topic(node))) => {
                let before = state.topics.insert(name.clone(), node.id);
                let before = before.filter(|id| !id.is_zero());
                if before.is_some_and(|id| id != node.id) {
                    match change.as_controller {
                        None => _ = state.topics.insert(name.clone(), before.unwrap_or(node.id)),
                        Some(_) => state.broken(format!("{name} got another id: {}", node.id)),
                    }
                }
            }
            (Path::Topic(name), None) => {
                state.topics.remove(name);
                state.topic_removed(name, change);
            }
            (Path::DeleteTopic(name), Some(_)) => _ = state.marked.insert(name.clone()),
            (Path::DeleteTopic(name), None) => _ = state.marked.remove(name),
            (Path::Broker(id), after) => {
                let now = state.now;
                state.disturbed.insert(*id, now);
                match after {
                    Some(_) => state.registered.insert(*id),
                    None => state.registered.remove(id),
                };
            }
            (Path::State(tp), after) => {
                let topic = state
                    .topics
                    .get(&tp.topic)
                    .copied()
                    .unwrap_or(TopicId::ZERO);
                match after {
                    Some(Value::State(after)) => {
                        let as_controller = change.as_controller.is_some();
                        state.state_stored(tp, topic, after, as_controller);
                    }
                    _ => {
                        if let Some(truth) = state.truths.get_mut(&(tp.clone(), topic)) {
                            truth.stored = None;
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// How many records of a partition are committed.
    pub(crate) fn committed(&self, tp: &TopicPartition, topic: TopicId) -> Offset {
        let state = self.0.borrow();
        let truth = state.truths.get(&(tp.clone(), topic));
        truth.map_or(0, |truth| offset(truth.committed.len()))
    }

    /// The hash of what is committed.
    pub(crate) fn committed_hash(&self, tp: &TopicPartition, topic: TopicId) -> u64 {
        let state = self.0.borrow();
        let truth = state.truths.get(&(tp.clone(), topic));
        truth.map_or(0, |truth| truth.hash(offset(truth.committed.len())))
    }
}

impl Truth {
    fn hash(&self, end: Offset) -> u64 {
        let last = index(end).checked_sub(1);
        last.and_then(|last| self.hashes.get(last))
            .copied()
            .unwrap_or(0)
    }

    /// Takes in what was committed; answers what is wrong about it.
    fn commit(&mut self, entry: Entry) -> Option<String> {
        let before = self.hash(offset(self.committed.len()));
        self.hashes.push(chain(before, &entry));
        self.committed.push(entry);
        let number = entry.producer?;
        // A leader that knows nothing of a producer takes any number, as Kafka's does.
        let last = self.sequences.insert(number.producer, number.sequence)?;
        (last + 1 != number.sequence).then(|| format!("{number:?} is committed after {last}"))
    }

    /// The log of `leader` is the truth from now on. Answers how many records were lost.
    fn forgive(&mut self, epoch: LeaderEpoch, ends_with: impl Fn(Offset) -> u64) -> u64 {
        let before = self.committed.len();
        let mut end = before;
        while ends_with(offset(end)) != self.hash(offset(end)) {
            end -= 1;
        }
        self.lossy_epoch = epoch;
        self.committed.truncate(end);
        self.hashes.truncate(end);
        self.sequences.clear();
        for entry in &self.committed {
            if let Some(number) = entry.producer {
                self.sequences.insert(number.producer, number.sequence);
            }
        }
        u64::try_from(before - end).unwrap_or(0)
    }
}

impl State {
    fn broken(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// The znodes of a topic go last: whoever held it has deleted its logs.
    fn topic_removed(&mut self, name: &TopicName, change: &Change) {
        let Some(Value::Topic(node)) = change.before.as_ref().map(|node| &node.value) else {
            return;
        };
        for (number, assignment) in &node.partitions {
            let tp = TopicPartition::new(name.clone(), *number);
            let holds = |id: &&BrokerId| {
                let disk = self.disks.get(id).map(|disk| disk.borrow());
                let log = disk.as_ref().and_then(|disk| disk.logs.get(&tp));
                log.is_some_and(|log| log.topic_id == node.id)
            };
            if let Some(id) = assignment.replicas.iter().find(holds).copied() {
                return self.broken(format!("{tp} is deleted, but {id} has its log"));
            }
        }
    }

    /// Whether that broker has everything that is committed.
    fn has_all(&self, id: BrokerId, tp: &TopicPartition, topic: TopicId) -> bool {
        let Some(truth) = self.truths.get(&(tp.clone(), topic)) else {
            return true;
        };
        let end = offset(truth.committed.len());
        let log = |disk: &Rc<RefCell<Disk>>| {
            let disk = disk.borrow();
            let log = disk.logs.get(tp).filter(|log| log.topic_id == topic);
            log.is_some_and(|log| log.end() >= end && log.hash(end) == truth.hash(end))
        };
        end == 0 || self.disks.get(&id).is_some_and(log)
    }

    /// Every stored in-sync replica has everything that is committed.
    fn check_in_sync(&mut self, tp: &TopicPartition, topic: TopicId) {
        if self.marked.contains(&tp.topic) || self.topics.get(&tp.topic) != Some(&topic) {
            return;
        }
        let Some(truth) = self.truths.get(&(tp.clone(), topic)) else {
            return;
        };
        let Some(stored) = &truth.stored else {
            return;
        };
        let in_sync = stored.isr.iter();
        let in_sync = in_sync.filter(|id| !truth.wounded.contains_key(id));
        let missing = in_sync.copied().find(|id| !self.has_all(*id, tp, topic));
        if let Some(id) = missing {
            let end = truth.committed.len();
            let what = format!("{tp}: {id} is in sync, but misses some of {end} committed records");
            self.broken(what);
        }
    }

    /// The log of `leader` is the truth from now on.
    fn forgive(
        &mut self,
        leader: BrokerId,
        tp: &TopicPartition,
        topic: TopicId,
        epoch: LeaderEpoch,
    ) {
        let disk = self.disks.get(&leader).cloned();
        let ends_with = |end: Offset| {
            let disk = disk.as_ref().map(|disk| disk.borrow());
            let log = disk.as_ref().and_then(|disk| disk.logs.get(tp));
            let log = log.filter(|log| log.topic_id == topic && log.end() >= end);
            log.map_or(u64::from(end != 0), |log| log.hash(end))
        };
        let truth = self.truths.entry((tp.clone(), topic)).or_default();
        truth.wounded.remove(&leader);
        self.counts.permitted_losses += truth.forgive(epoch, ends_with);
    }

    /// After a loss that was permitted, a new leader may bring back what was lost: what it believes to
    /// be committed is so again.
    fn adopt(
        &mut self,
        id: BrokerId,
        (tp, topic): (&TopicPartition, TopicId),
        epoch: LeaderEpoch,
        high_watermark: Offset,
    ) {
        let truth = self.truths.entry((tp.clone(), topic)).or_default();
        if epoch != truth.lossy_epoch {
            return;
        }
        let known = offset(truth.committed.len());
        if let Some(disk) = self.disks.get(&id)
            && let Some(log) = disk.borrow().logs.get(tp)
        {
            for entry in log.read(known, high_watermark, usize::MAX) {
                let _ = truth.commit(entry);
            }
        }
    }

    /// A replica that lost committed records leads. That is permitted if nobody else could, who had
    /// lost nothing and had not been away either.
    fn wounded_leads(&mut self, id: BrokerId, tp: &TopicPartition, topic: TopicId, epoch: i32) {
        let Some(truth) = self.truths.get(&(tp.clone(), topic)) else {
            return;
        };
        let Some(wounded_at) = truth.wounded.get(&id).copied() else {
            return;
        };
        let could = |other: &&BrokerId| {
            let at = self.disturbed.get(other).copied().unwrap_or(Micros::MIN);
            // Whoever came or went since is as suspect to a controller that did not see it.
            let is_steady = at < wounded_at.min(truth.electors_since);
            let is_well = self.registered.contains(other) && is_steady;
            is_well && !truth.wounded.contains_key(other)
        };
        if let Some(better) = truth.electors.iter().find(could).copied() {
            self.broken(format!(
                "{tp}: {id} leads in {epoch}, but {better} has lost nothing"
            ));
        }
        self.forgive(id, tp, topic, epoch);
    }

    fn state_stored(
        &mut self,
        tp: &TopicPartition,
        topic: TopicId,
        after: &LeaderIsr,
        as_controller: bool,
    ) {
        let whole = after.isr.iter().copied();
        let whole: BTreeSet<BrokerId> = whole.filter(|id| self.has_all(*id, tp, topic)).collect();
        let truth = self.truths.entry((tp.clone(), topic)).or_default();
        let before = truth.stored.replace(after.clone());
        let leader = after.leader;
        let mut broken = None;
        if let Some(before) = &before {
            let grows = after.leader_epoch > before.leader_epoch;
            if after.leader_epoch < before.leader_epoch
                || !grows && after.leader != before.leader
                || grows && !as_controller
                || after.controller_epoch < before.controller_epoch
            {
                broken = Some(format!("{tp}: {after:?} follows {before:?}"));
            }
            if after.isr != before.isr {
                self.counts.isr_changes += 1;
            }
            if grows {
                truth.electors = before.isr.clone();
                truth.electors_since = truth.stored_at;
            }
        }
        if after.isr.is_empty() || leader.is_some_and(|leader| !after.isr.contains(&leader)) {
            broken = Some(format!("{tp}: {after:?} is led from outside"));
        }
        let now = self.now;
        truth.stored_at = now;
        let was_in = |id: &BrokerId| {
            before
                .as_ref()
                .is_some_and(|before| before.isr.contains(id))
        };
        truth.wounded.retain(|id, at| {
            // The leader may have asked to add it before it heard.
            let fresh = now - *at < JUST_NOW && !whole.contains(id);
            fresh || was_in(id) && after.isr.contains(id)
        });
        let lossy = match (&before, leader) {
            (Some(before), Some(leader)) if !before.isr.contains(&leader) => {
                if !self.unclean_allowed {
                    broken = Some(format!("{tp}: {after:?} is unclean after {before:?}"));
                }
                true
            }
            _ => false,
        };
        if let (true, Some(leader)) = (lossy, leader) {
            self.forgive(leader, tp, topic, after.leader_epoch);
        }
        if let Some(broken) = broken {
            self.broken(broken);
        }
        self.check_in_sync(tp, topic);
    }
}
