//! A model of everything around the brain: ZooKeeper with versions and fencing, and brokers that do
//! as they are told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ottla_metadata::{BrokerId, BrokerInfo, TopicId, TopicName, TopicPartition};

use crate::*;

/// How the store treats the next write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// As asked.
    None,
    /// The leader changed the node a moment before, if it is there.
    IsrRace,
    /// The answer is lost before the write.
    LostBefore,
    /// The answer is lost after the write.
    LostAfter,
}

/// A znode with its version.
type Versioned<T> = (T, i32);

/// A live broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Broker {
    pub(crate) epoch: i64,
    /// Replicas with the leadership they know.
    pub(crate) replicas: BTreeMap<TopicPartition, LeaderAndIsrPartition>,
    /// Partitions in the metadata cache.
    pub(crate) metadata: BTreeMap<TopicPartition, PartitionUpdate>,
    /// Live brokers in the metadata cache.
    pub(crate) knows: BTreeSet<BrokerId>,
    /// Replicas on a broken disk.
    pub(crate) broken: BTreeSet<TopicPartition>,
}

/// The world.
pub(crate) struct World {
    pub(crate) brain: Controller,
    pub(crate) fence: Fence,
    pub(crate) topics: BTreeMap<TopicName, Versioned<TopicNode>>,
    pub(crate) states: BTreeMap<TopicPartition, Versioned<LeaderIsr>>,
    /// When state nodes were written, on the scale of broker epochs.
    written: BTreeMap<TopicPartition, i64>,
    pub(crate) marks: BTreeSet<TopicName>,
    /// `/admin/reassign_partitions`, where it is there.
    pub(crate) reassign: BTreeMap<TopicPartition, Vec<BrokerId>>,
    /// Whether only leaders and the controller write state nodes, so that no record may be lost.
    pub(crate) honest: bool,
    pub(crate) brokers: BTreeMap<BrokerId, Broker>,
    pub(crate) unclean: UncleanElection,
    /// Faults for the writes to come.
    pub(crate) faults: VecDeque<Fault>,
    /// What is under way: actions not carried out yet, in order.
    pub(crate) actions: VecDeque<Action>,
    pub(crate) reassigned: Vec<(WaiterId, Result<ReassignmentAnswers, NotController>)>,
    pub(crate) listed: Vec<BTreeMap<TopicPartition, Assignment>>,
    pub(crate) answers: Vec<(WaiterId, Result<BTreeSet<TopicPartition>, ShutdownRefused>)>,
    /// Partitions whose state nodes cannot be understood.
    pub(crate) garbled: BTreeSet<TopicPartition>,
    /// What leaders heard of the changes that they asked for.
    pub(crate) altered: Vec<Result<Vec<AlterationAnswer>, AlterationRefused>>,
    /// Requests without an answer.
    pub(crate) asked: BTreeSet<WaiterId>,
    next_waiter: u64,
    pub(crate) elected: Vec<(WaiterId, ElectionAnswers)>,
    /// How often the znode of preferred elections was removed.
    pub(crate) removals: u32,
    next_epoch: i64,
    next_id: u8,
}

pub(crate) fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

pub(crate) fn ids(numbers: &[i32]) -> Vec<BrokerId> {
    numbers.iter().map(|id| BrokerId(*id)).collect()
}

impl World {
    /// A world with these brokers, nobody being controller.
    pub(crate) fn new(brokers: &[i32]) -> World {
        let settings = Settings {
            topic_ids: true,
            leader_recovery: true,
            delete_topics: true,
        };
        let mut world = World {
            brain: Controller::new(BrokerId(1), settings),
            fence: Fence {
                epoch: 0,
                version: 0,
            },
            topics: BTreeMap::new(),
            states: BTreeMap::new(),
            written: BTreeMap::new(),
            marks: BTreeSet::new(),
            reassign: BTreeMap::new(),
            honest: true,
            brokers: BTreeMap::new(),
            unclean: UncleanElection::default(),
            faults: VecDeque::new(),
            actions: VecDeque::new(),
            reassigned: Vec::new(),
            listed: Vec::new(),
            answers: Vec::new(),
            garbled: BTreeSet::new(),
            altered: Vec::new(),
            asked: BTreeSet::new(),
            next_waiter: 100,
            elected: Vec::new(),
            removals: 0,
            next_epoch: 100,
            next_id: 1,
        };
        for id in brokers {
            world.start_broker(*id);
        }
        world
    }

    pub(crate) fn start_broker(&mut self, id: i32) {
        self.next_epoch += 1;
        let broker = Broker {
            epoch: self.next_epoch,
            ..Broker::default()
        };
        self.brokers.insert(BrokerId(id), broker);
    }

    /// A new controller takes over: the old brain is gone with all it knew.
    pub(crate) fn elect(&mut self) {
        self.fence = Fence {
            epoch: self.fence.epoch + 1,
            version: self.fence.version + 1,
        };
        // Whoever should have heard hears from the driver that the term is over.
        for action in self.actions.drain(..) {
            if let Action::AnswerAlteration(waiter, _) | Action::AnswerElection(waiter, _) = action
            {
                self.asked.remove(&waiter);
            }
        }
        let event = Event::Elected(self.fence);
        self.feed_event(event);
    }

    /// A topic node as a tool writes it, with or without an id.
    pub(crate) fn create_topic(&mut self, name: &str, replicas: &[&[i32]], with_id: bool) {
        let id = if with_id {
            self.draw_id()
        } else {
            TopicId::ZERO
        };
        let partitions = (0..).zip(replicas).map(|(number, replicas)| {
            let assignment = Assignment {
                replicas: ids(replicas),
                ..Assignment::default()
            };
            (number, assignment)
        });
        let node = TopicNode {
            id,
            partitions: partitions.collect(),
            version: 0,
        };
        self.topics.entry(name.into()).or_insert((node, 0));
    }

    pub(crate) fn draw_id(&mut self) -> TopicId {
        self.next_id = self.next_id.wrapping_add(1).max(1);
        TopicId([self.next_id; 16])
    }

    pub(crate) fn feed(&mut self, event: TermEvent) {
        self.feed_event(Event::InTerm(self.fence.epoch, event));
    }

    fn feed_event(&mut self, event: Event) {
        let actions = self.brain.step(event);
        self.actions.extend(actions);
    }

    pub(crate) fn tell_brokers(&mut self) {
        let brokers = self.infos();
        self.feed(TermEvent::Brokers(brokers));
    }

    pub(crate) fn tell_topics(&mut self) {
        let names = self.topics.keys().cloned().collect();
        self.feed(TermEvent::TopicsListed(names));
    }

    pub(crate) fn tell_topic(&mut self, name: &str) {
        let read = self.read_topic(&name.into());
        self.feed(TermEvent::TopicsRead(vec![read]));
    }

    pub(crate) fn tell_marks(&mut self) {
        let marks = self.marks.clone();
        self.feed(TermEvent::DeletionsListed(marks));
    }

    pub(crate) fn tell_reassign(&mut self) {
        let entries = self.reassign.clone();
        self.feed(TermEvent::ReassignmentsRead(entries));
    }

    /// Everything that watches would tell.
    pub(crate) fn tell_all(&mut self) {
        self.tell_brokers();
        self.tell_topics();
        for name in self.topics.keys().cloned().collect::<Vec<_>>() {
            self.tell_topic(&name);
        }
        self.tell_marks();
        self.tell_reassign();
    }

    /// Carries out everything, results included.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.act() {
                return;
            }
        }
        panic!("the brain never comes to rest");
    }

    /// Carries out one action and feeds its result back. False if there is none.
    pub(crate) fn act(&mut self) -> bool {
        let Some(action) = self.actions.pop_front() else {
            return false;
        };
        match action {
            Action::Load(fence) => {
                assert_eq!(fence, self.fence);
                let loaded = self.load();
                self.feed(TermEvent::Loaded(Box::new(loaded)));
                self.tell_reassign();
            }
            Action::Send(id, request) => self.deliver(id, request),
            Action::StoreStates(fence, writes) => {
                assert_eq!(fence, self.fence, "a write without the right to");
                let outcomes = writes
                    .into_iter()
                    .map(|write| (write.partition.clone(), self.store_state(write)))
                    .collect();
                self.feed(TermEvent::StatesStored(outcomes));
            }
            Action::ReadStates(partitions) => {
                let reads = partitions
                    .into_iter()
                    .map(|tp| (tp.clone(), self.read_state(&tp)))
                    .collect();
                self.feed(TermEvent::StatesRead(reads));
            }
            Action::StoreTopic { fence, topic, node } => {
                assert_eq!(fence, self.fence);
                let outcome = self.store_topic(&topic, node);
                self.feed(TermEvent::TopicStored(topic, outcome));
            }
            Action::ReadTopics(names) => {
                let reads = names.iter().map(|name| self.read_topic(name)).collect();
                self.feed(TermEvent::TopicsRead(reads));
            }
            Action::RemoveTopic(fence, name) => {
                assert_eq!(fence, self.fence);
                let fault = self.faults.pop_front().unwrap_or(Fault::None);
                if fault != Fault::LostBefore {
                    self.states.retain(|tp, _| tp.topic != name);
                    self.topics.remove(&name);
                    self.marks.remove(&name);
                }
                let outcome = match fault {
                    Fault::LostBefore | Fault::LostAfter => StoreOutcome::Unknown,
                    Fault::None | Fault::IsrRace => StoreOutcome::Stored(0),
                };
                self.feed(TermEvent::TopicRemoved(name, outcome));
            }
            Action::RemoveDeletionMarks(fence, names) => {
                assert_eq!(fence, self.fence);
                self.marks.retain(|name| !names.contains(name));
            }
            Action::RemoveIsrNotifications(fence, _)
            | Action::RemoveLogDirNotifications(fence, _) => assert_eq!(fence, self.fence),
            Action::RemovePreferredElection(fence) => {
                assert_eq!(fence, self.fence);
                self.removals += 1;
            }
            Action::AnswerElection(waiter, answers) => {
                assert!(self.asked.remove(&waiter), "answered twice: {waiter:?}");
                self.elected.push((waiter, answers));
            }
            Action::DropReassignments(fence, entries) => {
                assert_eq!(fence, self.fence);
                if self.faults.pop_front().unwrap_or(Fault::None) != Fault::LostBefore {
                    self.reassign
                        .retain(|tp, target| entries.get(tp) != Some(target));
                }
                self.tell_reassign();
            }
            Action::WatchStates(partitions) => {
                let reads = partitions
                    .into_iter()
                    .map(|tp| (tp.clone(), self.read_state(&tp)))
                    .collect();
                self.feed(TermEvent::StatesRead(reads));
            }
            Action::AnswerReassignment(waiter, result) => self.reassigned.push((waiter, result)),
            Action::AnswerListing(_, result) => self.listed.extend(result),
            Action::AnswerShutdown(waiter, result) => self.answers.push((waiter, result)),
            Action::AnswerAlteration(waiter, result) => {
                assert!(self.asked.remove(&waiter), "answered twice: {waiter:?}");
                for answer in result.iter().flatten() {
                    self.check_alteration(answer);
                }
                self.altered.push(result);
            }
            Action::Resign => {}
        }
        true
    }

    fn infos(&self) -> BTreeMap<BrokerId, Arc<BrokerInfo>> {
        let info = |(id, broker): (&BrokerId, &Broker)| {
            let info = BrokerInfo {
                id: *id,
                epoch: broker.epoch,
                endpoints: Vec::new(),
                rack: None,
            };
            (*id, Arc::new(info))
        };
        self.brokers.iter().map(info).collect()
    }

    fn load(&mut self) -> Loaded {
        Loaded {
            brokers: self.infos(),
            topics: self
                .topics
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .iter()
                .map(|name| self.read_topic(name))
                .collect(),
            states: self
                .states
                .keys()
                .map(|tp| (tp.clone(), self.read_state(tp)))
                .collect(),
            written: self.written.clone(),
            deletions: self.marks.clone(),
            unclean: self.unclean.clone(),
        }
    }

    fn read_topic(&mut self, name: &TopicName) -> TopicRead {
        TopicRead {
            topic: Arc::clone(name),
            node: match self.topics.get(name) {
                Some((node, version)) => Read::Found(TopicNode {
                    version: *version,
                    ..node.clone()
                }),
                None => Read::Missing,
            },
            spare_id: self.draw_id(),
        }
    }

    fn read_state(&self, tp: &TopicPartition) -> Read<StateNode> {
        match self.states.get(tp) {
            Some(_) if self.garbled.contains(tp) => Read::Garbled,
            Some((state, version)) => Read::Found(StateNode {
                state: state.clone(),
                version: *version,
            }),
            None => Read::Missing,
        }
    }

    fn store_state(&mut self, write: StateWrite) -> StoreOutcome {
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        if fault == Fault::IsrRace {
            self.shrink_isr(&write.partition);
        }
        if fault == Fault::LostBefore {
            return StoreOutcome::Unknown;
        }
        let known = self.states.get(&write.partition);
        if known.map(|(_, version)| *version) != write.expected
            || !self.topics.contains_key(&write.partition.topic)
        {
            return StoreOutcome::Conflict;
        }
        if let Some((before, _)) = known {
            let by_leader = (before.leader, before.leader_epoch)
                == (write.state.leader, write.state.leader_epoch);
            assert!(
                write.state.leader_epoch > before.leader_epoch || by_leader,
                "a leader epoch that does not grow"
            );
            let kept = |id: &BrokerId| before.isr.contains(id);
            assert!(
                !self.honest
                    || by_leader
                    || write.state.recovering
                    || write.state.isr.iter().all(kept) && write.state.isr.iter().any(kept),
                "{}: in sync who was not: {before:?} to {:?}",
                write.partition,
                write.state
            );
        }
        let version = write.expected.map_or(0, |version| version + 1);
        self.next_epoch += 1;
        self.written
            .insert(write.partition.clone(), self.next_epoch);
        self.states.insert(write.partition, (write.state, version));
        match fault {
            Fault::LostAfter => StoreOutcome::Unknown,
            _ => StoreOutcome::Stored(version),
        }
    }

    /// What a leader does whose followers lag: the in-sync replicas shrink to itself.
    pub(crate) fn shrink_isr(&mut self, tp: &TopicPartition) {
        if let Some((state, version)) = self.states.get_mut(tp)
            && let Some(leader) = state.leader
            && self.brokers.contains_key(&leader)
        {
            state.isr = vec![leader];
            *version += 1;
        }
    }

    /// The leader of a partition wants these in-sync replicas; `lag` is by how many versions of the
    /// state it is behind.
    pub(crate) fn alter_isr(&mut self, tp: &TopicPartition, isr: &[i32], lag: i32) {
        let Some((state, version)) = self.states.get(tp) else {
            return;
        };
        let Some(leader) = state.leader else {
            return;
        };
        let wanted = IsrAlteration {
            topic: TopicKey::Name(Arc::clone(&tp.topic)),
            partition: tp.partition,
            leader_epoch: state.leader_epoch,
            isr: ids(isr),
            recovering: false,
            partition_epoch: version - lag,
        };
        let epoch = self.brokers.get(&leader).map_or(-1, |broker| broker.epoch);
        self.alter(leader, epoch, vec![wanted]);
    }

    /// A request that waits.
    pub(crate) fn waiter(&mut self) -> WaiterId {
        self.next_waiter += 1;
        let waiter = WaiterId(self.next_waiter);
        self.asked.insert(waiter);
        waiter
    }

    /// A request of that broker.
    pub(crate) fn alter(&mut self, broker: BrokerId, epoch: i64, wanted: Vec<IsrAlteration>) {
        let waiter = self.waiter();
        self.feed(TermEvent::AlterPartition {
            waiter,
            broker,
            broker_epoch: epoch,
            partitions: wanted,
        });
    }

    /// Nobody hears of what is not stored, or no longer.
    fn check_alteration(&self, answer: &AlterationAnswer) {
        let (TopicKey::Name(topic), Ok(node)) = (&answer.topic, &answer.result) else {
            return;
        };
        let at = TopicPartition::new(Arc::clone(topic), answer.partition);
        // It may have been deleted meanwhile, and even made anew.
        let Some((state, version)) = self.states.get(&at) else {
            return;
        };
        if state.leader_epoch == node.state.leader_epoch && *version == node.version {
            assert_eq!(*state, node.state, "what the leader of {at} heard");
        }
    }

    /// What a leader does whose followers have caught up: all live replicas are in sync, and the
    /// controller hears of it.
    pub(crate) fn fill_isr(&mut self, tp: &TopicPartition) {
        let Some(assignment) = self
            .topics
            .get(&tp.topic)
            .and_then(|(node, _)| node.partitions.get(&tp.partition))
        else {
            return;
        };
        if let Some((state, version)) = self.states.get_mut(tp)
            && state.leader.is_some()
        {
            let live = |id: &BrokerId| self.brokers.contains_key(id);
            state.isr = assignment.replicas.iter().copied().filter(live).collect();
            *version += 1;
        }
        self.feed(TermEvent::IsrNotified {
            nodes: vec![1],
            partitions: [tp.clone()].into(),
        });
    }

    /// What a leader does whose followers have caught up: all replicas that it knows and that run
    /// are in sync.
    pub(crate) fn expand_isr(&mut self, tp: &TopicPartition) {
        let Some((state, version)) = self.states.get_mut(tp) else {
            return;
        };
        let told = |id: &BrokerId| {
            let broker = self.brokers.get(id)?;
            let told = broker.replicas.get(tp)?;
            (!broker.broken.contains(tp) && told.leader_epoch == state.leader_epoch).then_some(told)
        };
        let Some(known) = state.leader.as_ref().and_then(told) else {
            return;
        };
        let followers = known.replicas.iter().filter(|id| told(id).is_some());
        let isr: Vec<_> = followers.copied().collect();
        if isr != state.isr {
            state.isr = isr;
            *version += 1;
        }
    }

    /// What a leader does whose follower has caught up: the follower is in sync again.
    pub(crate) fn rejoin(&mut self, tp: &TopicPartition, id: BrokerId) {
        let Some((state, version)) = self.states.get_mut(tp) else {
            return;
        };
        let assigned = self
            .topics
            .get(&tp.topic)
            .and_then(|(node, _)| node.partitions.get(&tp.partition));
        let is_replica = assigned.is_some_and(|assigned| assigned.replicas.contains(&id));
        let leads = state
            .leader
            .is_some_and(|leader| self.brokers.contains_key(&leader));
        if leads && is_replica && self.brokers.contains_key(&id) && !state.isr.contains(&id) {
            state.isr.push(id);
            *version += 1;
        }
    }

    fn store_topic(&mut self, name: &TopicName, node: TopicNode) -> StoreOutcome {
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        if fault == Fault::LostBefore {
            return StoreOutcome::Unknown;
        }
        match self.topics.get_mut(name) {
            Some((stored, version)) if *version == node.version => {
                *version += 1;
                *stored = node;
                match fault {
                    Fault::LostAfter => StoreOutcome::Unknown,
                    _ => StoreOutcome::Stored(*version),
                }
            }
            _ => StoreOutcome::Conflict,
        }
    }

    /// A broker carries out a request as Kafka's does, and answers.
    fn deliver(&mut self, id: BrokerId, request: Request) {
        let Some(broker) = self.brokers.get_mut(&id) else {
            return;
        };
        let sender = match &request {
            Request::LeaderAndIsr(request) => request.sender,
            Request::UpdateMetadata(request) => request.sender,
            Request::StopReplica(request) => request.sender,
        };
        assert_eq!(sender.controller_epoch, self.fence.epoch);
        if sender.broker_epoch != broker.epoch {
            return;
        }
        let answered = |partitions: Vec<TopicPartition>, results: ReplicaAnswers| Answered {
            broker: id,
            broker_epoch: sender.broker_epoch,
            partitions,
            result: Ok(results),
        };
        match request {
            Request::UpdateMetadata(request) => {
                broker.knows = request.brokers.iter().map(|broker| broker.id).collect();
                if request.complete {
                    broker.metadata.clear();
                }
                for update in request.partitions.iter().cloned() {
                    match &update.image {
                        Some(_) => broker.metadata.insert(update.partition.clone(), update),
                        None => broker.metadata.remove(&update.partition),
                    };
                }
            }
            Request::LeaderAndIsr(request) => {
                assert!(
                    !broker.knows.is_empty(),
                    "LeaderAndIsr before any UpdateMetadata"
                );
                let mut results = Vec::new();
                for state in request.partitions {
                    let tp = state.partition.clone();
                    assert!(
                        state.replicas.contains(&id),
                        "{tp} for a broker that has no replica"
                    );
                    assert!(!state.topic_id.is_zero(), "{tp} has no id yet");
                    if let Some((stored, _)) = self.states.get(&tp) {
                        let epoch = stored.leader_epoch;
                        assert!(
                            state.leader_epoch <= epoch,
                            "{tp}: told before it was stored"
                        );
                    }
                    let known = broker
                        .replicas
                        .get(&tp)
                        .map_or(-1, |known| known.leader_epoch);
                    let result = if broker.broken.contains(&tp) {
                        Err(ReplicaError::Storage)
                    } else if state.leader_epoch <= known {
                        Err(ReplicaError::StaleLeaderEpoch)
                    } else {
                        broker.replicas.insert(tp.clone(), state);
                        Ok(())
                    };
                    results.push((tp, result));
                }
                let partitions = results.iter().map(|(tp, _)| tp.clone()).collect();
                self.feed(TermEvent::LeaderAndIsrAnswered(answered(
                    partitions, results,
                )));
            }
            Request::StopReplica(request) => {
                let delete = request.partitions.iter().any(|stop| stop.delete);
                let mut results = Vec::new();
                for stop in request.partitions {
                    let broken = broker.broken.contains(&stop.partition);
                    if !broken && stop.delete {
                        if let Some((state, _)) = self.states.get(&stop.partition) {
                            assert!(
                                !self.honest
                                    || stop.leader_epoch == EPOCH_DURING_DELETE
                                    || !state.isr.contains(&id),
                                "{id} deletes {} and is in sync: {state:?}",
                                stop.partition
                            );
                        }
                        broker.replicas.remove(&stop.partition);
                    }
                    let result = match broken {
                        true => Err(ReplicaError::Storage),
                        false => Ok(()),
                    };
                    results.push((stop.partition, result));
                }
                if delete {
                    let partitions = results.iter().map(|(tp, _)| tp.clone()).collect();
                    self.feed(TermEvent::StopReplicaAnswered(answered(
                        partitions, results,
                    )));
                }
            }
        }
    }

    /// What must be true once nothing is under way and nobody disturbs.
    pub(crate) fn check_settled(&self) {
        for (name, (node, _)) in &self.topics {
            assert!(!node.id.is_zero(), "{name} has no id");
            let replicas = |assignment: &Assignment| assignment.replicas.clone();
            let all_live = node.partitions.values().flat_map(replicas).all(|id| {
                self.brokers
                    .get(&id)
                    .is_some_and(|broker| broker.broken.is_empty())
            });
            let moving = node.partitions.values().any(Assignment::is_reassigning);
            assert!(
                !(self.marks.contains(name) && all_live && !moving),
                "{name} is not deleted"
            );
            if !self.marks.contains(name) {
                for (number, assignment) in &node.partitions {
                    self.check_partition(&tp(name, *number), assignment);
                }
            }
        }
        for (id, broker) in &self.brokers {
            assert_eq!(
                broker.knows,
                self.brokers.keys().copied().collect(),
                "who broker {id} believes to be alive"
            );
            for (tp, update) in &broker.metadata {
                let (state, version) = self
                    .states
                    .get(tp)
                    .unwrap_or_else(|| panic!("broker {id} knows {tp}, which is gone"));
                let image = update.image.as_ref().unwrap();
                assert_eq!(
                    (
                        image.leader,
                        image.leader_epoch,
                        &image.isr,
                        image.partition_epoch
                    ),
                    (state.leader, state.leader_epoch, &state.isr, *version),
                    "what broker {id} knows of {tp}"
                );
            }
        }
    }

    fn check_partition(&self, tp: &TopicPartition, assignment: &Assignment) {
        let live = |id: &BrokerId| {
            self.brokers
                .get(id)
                .is_some_and(|broker| !broker.broken.contains(tp))
        };
        let Some((state, _)) = self.states.get(tp) else {
            assert!(
                !assignment.replicas.iter().any(live),
                "{tp} has live replicas but no state"
            );
            return;
        };
        match state.leader {
            Some(leader) => {
                assert!(live(&leader), "{tp} is led by {leader}, which is dead");
                assert!(
                    state.isr.contains(&leader),
                    "{tp} is led by {leader}, which is out of sync"
                );
                assert!(
                    state.isr.iter().all(live),
                    "{tp} has dead replicas in sync: {state:?}"
                );
            }
            None => assert!(
                !state
                    .isr
                    .iter()
                    .any(|id| live(id) && assignment.replicas.contains(id)),
                "{tp} could have a leader: {state:?}"
            ),
        }
        for (id, broker) in &self.brokers {
            assert!(
                assignment.replicas.contains(id) || !broker.replicas.contains_key(tp),
                "{id} still has {tp}, which is on {assignment:?}"
            );
        }
        for id in assignment.replicas.iter().filter(|id| live(id)) {
            let broker = &self.brokers[id];
            let told = broker
                .replicas
                .get(tp)
                .unwrap_or_else(|| panic!("{id} was never told of {tp}"));
            assert_eq!(
                told.leader_epoch, state.leader_epoch,
                "what {id} was told of {tp}"
            );
            assert_eq!(told.leader, state.leader, "what {id} was told of {tp}");
            assert_eq!(
                (&told.replicas, &told.adding, &told.removing),
                (
                    &assignment.replicas,
                    &assignment.adding,
                    &assignment.removing
                ),
                "what {id} was told of {tp}"
            );
            assert!(
                broker.metadata.contains_key(tp),
                "{id} has no metadata of {tp}"
            );
        }
    }
}
