//! A broker's process: its replicas and image, and what it does with requests. It mirrors
//! `ottla-replication` and the receiving end of `ottla-cluster`, without sockets and files.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use ottla_controller::{
    LeaderAndIsr, LeaderAndIsrPartition, ReplicaAnswers, ReplicaError, Request, RequestRefused,
    Sender, StopReplica, StopReplicaPartition, UpdateMetadata,
};
use ottla_metadata::{
    BrokerId, LeaderEpoch, Offset, PartitionImage, TopicId, TopicName, TopicPartition,
};
use ottla_partition::{
    Action, Actions, EpochError, Event, LeaderNeeded, Leadership, Partition, RefusedAppend, Role,
    Rules, WaitError, Waiter, WaiterId,
};

use crate::disk::{Disk, Entry, Log, ProducerSequence};
use crate::message::{Body, FetchPart, FetchedPart, Refused};
use crate::network::Connection;
use crate::options::{Cluster, Mistakes};
use crate::oracle::Oracle;
use crate::port::{Mailbox, Port, Token};

/// Most records of a partition in one answer.
const FETCH_RECORDS: usize = 20;
/// How long an acks=all request waits, in milliseconds.
const PRODUCE_TIMEOUT: i64 = 3_000;

/// How long a follower's fetch waits for records, in milliseconds.
const FETCH_WAIT: i64 = 100;

/// Who waits for an answer.
pub(crate) type Asker = (Connection, Token);

/// A replica.
pub(crate) struct Replica {
    pub(crate) brain: Partition,
    pub(crate) topic_id: TopicId,
    /// Of the controller that decided the leadership; a leader that stores an ISR repeats it.
    pub(crate) controller_epoch: i32,
    waiting: BTreeMap<WaiterId, (Asker, Offset)>,
}

/// An ISR that a leader wants stored.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: TopicId,
    pub(crate) isr: Vec<BrokerId>,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) expected: i32,
    pub(crate) controller_epoch: i32,
}

/// The cluster as the controller last published it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) controller: Option<BrokerId>,
    pub(crate) brokers: BTreeMap<BrokerId, i64>,
    pub(crate) partitions: BTreeMap<TopicPartition, (TopicId, PartitionImage)>,
}

impl Image {
    /// The id of a topic, if it is known.
    pub(crate) fn topic_id(&self, name: &TopicName) -> Option<TopicId> {
        let mut partitions = self.partitions.iter();
        let found = partitions.find(|(tp, _)| tp.topic == *name);
        found.map(|(_, (id, _))| *id).filter(|id| !id.is_zero())
    }
}

/// What the process holds in memory.
pub(crate) struct Broker {
    pub(crate) id: BrokerId,
    pub(crate) port: Port,
    pub(crate) disk: Rc<RefCell<Disk>>,
    oracle: Oracle,
    rules: Rules,
    pub(crate) mistakes: Mistakes,
    pub(crate) image: Image,
    /// Of our registration; -1 while there is none.
    pub(crate) epoch: i64,
    /// Whether this process has been registered at all.
    pub(crate) was_registered: bool,
    /// The highest controller epoch seen.
    controller_epoch: i32,
    pub(crate) replicas: BTreeMap<TopicPartition, Replica>,
    /// Fetches of followers that wait for records.
    parked: Vec<(Asker, BrokerId, Vec<FetchPart>, i64)>,
    /// ISRs to be stored.
    pub(crate) proposals: Mailbox<Proposal>,
    next_waiter: u64,
}

impl Broker {
    pub(crate) fn new(
        id: BrokerId,
        port: Port,
        disk: Rc<RefCell<Disk>>,
        oracle: Oracle,
        cluster: &Cluster,
    ) -> Broker {
        Broker {
            id,
            port,
            disk,
            oracle,
            rules: cluster.rules(),
            mistakes: cluster.mistakes,
            image: Image::default(),
            epoch: -1,
            was_registered: false,
            controller_epoch: 0,
            replicas: BTreeMap::new(),
            parked: Vec::new(),
            proposals: Mailbox::default(),
            next_waiter: 0,
        }
    }

    fn log_end(&self, tp: &TopicPartition) -> Offset {
        self.disk.borrow().logs.get(tp).map_or(0, Log::end)
    }

    pub(crate) fn latest_epoch(&self, tp: &TopicPartition) -> Option<LeaderEpoch> {
        self.disk.borrow().logs.get(tp)?.epochs.latest()
    }

    /// Feeds a replica's brain and carries out what it wants.
    pub(crate) fn step(&mut self, tp: &TopicPartition, event: Event) {
        let Some(replica) = self.replicas.get_mut(tp) else {
            return;
        };
        let mut actions = Actions::new();
        replica.brain.step(self.port.now_ms(), event, &mut actions);
        for action in actions {
            self.act(tp, action);
        }
    }

    fn act(&mut self, tp: &TopicPartition, action: Action) {
        let (id, latest) = (self.id, self.latest_epoch(tp));
        let Some(replica) = self.replicas.get_mut(tp) else {
            return;
        };
        let topic_id = replica.topic_id;
        match action {
            Action::AssignEpoch { epoch, start } => {
                if let Some(log) = self.disk.borrow_mut().logs.get_mut(tp) {
                    log.epochs.assign(epoch, start);
                }
                let high_watermark = replica.brain.high_watermark();
                self.oracle.leads(id, (tp, topic_id), epoch, high_watermark);
            }
            Action::AdvanceHighWatermark(at) => {
                let role = (
                    replica.brain.leader_epoch(),
                    replica.brain.leader().is_some(),
                );
                let of = (tp, replica.topic_id);
                self.oracle.high_watermark(id, of, role, at);
            }
            Action::StoreIsr {
                isr,
                leader_epoch,
                expected,
            } => {
                let line = || format!("broker {id} proposes {isr:?} for {tp} at {expected}");
                self.oracle.note(line);
                self.proposals.put(Proposal {
                    partition: tp.clone(),
                    topic_id: replica.topic_id,
                    isr: isr.to_vec(),
                    leader_epoch,
                    expected,
                    controller_epoch: replica.controller_epoch,
                });
            }
            Action::Answer { waiter, result } => {
                let Some(((connection, token), offset)) = replica.waiting.remove(&waiter) else {
                    return;
                };
                let result = match result {
                    Ok(()) => {
                        let epoch = replica.brain.leader_epoch();
                        self.oracle.acked(id, (tp, topic_id), epoch, offset);
                        Ok(offset)
                    }
                    Err(WaitError::NotEnoughReplicasAfterAppend) => {
                        Err(Refused::NotEnoughReplicasAfterAppend)
                    }
                    Err(WaitError::LeadershipLost | WaitError::Offline) => Err(Refused::NotLeader),
                    Err(WaitError::TimedOut) => Err(Refused::TimedOut),
                };
                self.port.answer(connection, token, Body::Produced(result));
            }
            Action::TruncateTo(end) => {
                if let Some(log) = self.disk.borrow_mut().logs.get_mut(tp) {
                    log.truncate(end);
                }
                self.oracle.truncated(id, tp, topic_id, end);
                self.truncated(tp);
            }
            Action::TruncateFullyAndStartAt(start) => {
                // No log of this world ever loses its beginning.
                self.oracle.broken(format!(
                    "broker {id} starts {tp} anew at {start}, latest epoch {latest:?}"
                ));
            }
            Action::AdvanceLogStart(_) => {}
        }
    }

    fn truncated(&mut self, tp: &TopicPartition) {
        let event = Event::Truncated {
            log_start: 0,
            log_end: self.log_end(tp),
            latest_epoch: self.latest_epoch(tp),
        };
        self.step(tp, event);
    }

    /// Deadlines and lag are looked at.
    pub(crate) fn tick(&mut self) {
        let all: Vec<_> = self.replicas.keys().cloned().collect();
        for tp in all {
            self.step(&tp, Event::Tick);
        }
        self.look_again();
    }

    /// What is in memory reaches the disk.
    pub(crate) fn flush(&mut self) {
        self.disk.borrow_mut().flush();
    }

    /// Writes the high-watermark checkpoint.
    pub(crate) fn checkpoint(&self) {
        let mut disk = self.disk.borrow_mut();
        for (tp, replica) in &self.replicas {
            let at = replica.brain.high_watermark();
            disk.high_watermarks.insert(tp.clone(), at);
        }
    }

    // Requests of controllers.

    fn admit(&mut self, sender: Sender) -> Result<(), RequestRefused> {
        if sender.broker_epoch != -1 && sender.broker_epoch < self.epoch {
            return Err(RequestRefused::StaleBrokerEpoch);
        }
        if sender.controller_epoch < self.controller_epoch {
            return Err(RequestRefused::StaleControllerEpoch);
        }
        self.controller_epoch = sender.controller_epoch;
        Ok(())
    }

    /// Carries out a controller's request (`Receiver::receive`).
    pub(crate) fn receive(&mut self, request: Request) -> Result<ReplicaAnswers, RequestRefused> {
        let sender = match &request {
            Request::LeaderAndIsr(request) => request.sender,
            Request::UpdateMetadata(request) => request.sender,
            Request::StopReplica(request) => request.sender,
        };
        let admitted = self.admit(sender);
        self.oracle.note(|| {
            let told = told(&request);
            let from = (sender.controller, sender.controller_epoch);
            format!(
                "broker {} is told by {from:?}: {told}, {admitted:?}",
                self.id
            )
        });
        admitted?;
        match request {
            Request::UpdateMetadata(request) => {
                self.update_metadata(request);
                Ok(Vec::new())
            }
            Request::LeaderAndIsr(request) => Ok(self.leader_and_isr(request)),
            Request::StopReplica(request) => Ok(self.stop_replicas(request)),
        }
    }

    fn update_metadata(&mut self, request: UpdateMetadata) {
        self.image.controller = Some(request.sender.controller);
        let brokers = request.brokers.iter();
        self.image.brokers = brokers.map(|broker| (broker.id, broker.epoch)).collect();
        if request.complete {
            self.image.partitions.clear();
        }
        let mut moved = Vec::new();
        for update in request.partitions.iter().cloned() {
            let epoch = match &update.image {
                Some(image) if image.replicas.contains(&self.id) => None,
                Some(image) => Some(image.leader_epoch),
                None => Some(LeaderEpoch::MAX),
            };
            if let Some(epoch) = epoch {
                moved.push((update.partition.clone(), epoch));
            }
            match update.image {
                Some(image) => {
                    let value = (update.topic_id, image);
                    self.image.partitions.insert(update.partition, value);
                }
                None => {
                    self.image.partitions.remove(&update.partition);
                }
            }
        }
        let live = Arc::new(self.live());
        let all: Vec<_> = self.replicas.keys().cloned().collect();
        for tp in all {
            self.step(&tp, Event::LiveBrokers(Arc::clone(&live)));
        }
        for (tp, epoch) in moved {
            self.moved_away(&tp, epoch);
        }
        self.look_again();
    }

    /// The partition has no replica here. Whoever still leads it missed that it moved.
    fn moved_away(&mut self, tp: &TopicPartition, epoch: LeaderEpoch) {
        let stale = self.replicas.get(tp).is_some_and(|replica| {
            replica.brain.leader().is_some() && replica.brain.leader_epoch() < epoch
        });
        if stale {
            let _ = self.stop(&StopReplicaPartition {
                partition: tp.clone(),
                leader_epoch: -1,
                delete: false,
            });
        }
    }

    fn live(&self) -> BTreeSet<BrokerId> {
        self.image.brokers.keys().copied().collect()
    }

    fn leader_and_isr(&mut self, request: LeaderAndIsr) -> ReplicaAnswers {
        let live = self.live();
        let mut answers = Vec::new();
        for state in request.partitions {
            let tp = state.partition.clone();
            let result = self.assign(state, &live);
            answers.push((tp, result));
        }
        self.look_again();
        answers
    }

    /// `ReplicaManager::apply`, which mirrors `ReplicaManager.becomeLeaderOrFollower`.
    fn assign(
        &mut self,
        state: LeaderAndIsrPartition,
        live: &BTreeSet<BrokerId>,
    ) -> Result<(), ReplicaError> {
        let tp = state.partition.clone();
        if let Some(replica) = self.replicas.get(&tp) {
            let (local, asked) = (replica.topic_id, state.topic_id);
            if !local.is_zero() && !asked.is_zero() && local != asked {
                return Err(ReplicaError::InconsistentTopicId);
            }
            if state.leader_epoch <= replica.brain.leader_epoch() {
                return Err(ReplicaError::StaleLeaderEpoch);
            }
        }
        if !state.replicas.contains(&self.id) {
            return Err(ReplicaError::NotAReplica);
        }
        if !self.replicas.contains_key(&tp) {
            self.open(&tp, state.topic_id, live)?;
        }
        let log_end = self.log_end(&tp);
        let leadership = Leadership {
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            replicas: state.replicas.iter().copied().collect(),
            isr: state.isr.iter().copied().collect(),
        };
        if let Some(replica) = self.replicas.get_mut(&tp) {
            replica.controller_epoch = state.controller_epoch;
        }
        let event = match state.leader {
            Some(leader) if leader == self.id => Event::MadeLeader {
                leadership,
                log_start: 0,
                log_end,
            },
            Some(leader) if !live.contains(&leader) => return Ok(()),
            leader => Event::MadeFollower {
                leadership,
                leader,
                log_end,
                latest_epoch: self.latest_epoch(&tp),
            },
        };
        self.step(&tp, event);
        Ok(())
    }

    fn open(
        &mut self,
        tp: &TopicPartition,
        topic_id: TopicId,
        live: &BTreeSet<BrokerId>,
    ) -> Result<(), ReplicaError> {
        let mut disk = self.disk.borrow_mut();
        let checkpoint = disk.high_watermarks.get(tp).copied().unwrap_or(0);
        let log = disk.logs.entry(tp.clone()).or_insert(Log::new(topic_id));
        if log.topic_id != topic_id {
            return Err(ReplicaError::InconsistentTopicId);
        }
        let brain = Partition::new(self.id, self.rules, log.end(), checkpoint);
        drop(disk);
        let replica = Replica {
            brain,
            topic_id,
            controller_epoch: 0,
            waiting: BTreeMap::new(),
        };
        self.replicas.insert(tp.clone(), replica);
        self.step(tp, Event::LiveBrokers(Arc::new(live.clone())));
        Ok(())
    }

    fn stop_replicas(&mut self, request: StopReplica) -> ReplicaAnswers {
        let stop = |stop: StopReplicaPartition| {
            let result = self.stop(&stop);
            (stop.partition, result)
        };
        let answers = request.partitions.into_iter().map(stop).collect();
        self.look_again();
        answers
    }

    fn stop(&mut self, stop: &StopReplicaPartition) -> Result<(), ReplicaError> {
        let tp = &stop.partition;
        if let Some(replica) = self.replicas.get(tp) {
            if stop.leader_epoch >= 0 && stop.leader_epoch < replica.brain.leader_epoch() {
                return Err(ReplicaError::FencedLeaderEpoch);
            }
            let brain = &replica.brain;
            let leadership = Leadership {
                leader_epoch: brain.leader_epoch(),
                partition_epoch: brain.partition_epoch(),
                replicas: brain.replicas().clone(),
                isr: brain.replicas().clone(),
            };
            let event = Event::MadeFollower {
                leadership,
                leader: None,
                log_end: self.log_end(tp),
                latest_epoch: self.latest_epoch(tp),
            };
            self.step(tp, event);
        }
        if stop.delete {
            self.replicas.remove(tp);
            let mut disk = self.disk.borrow_mut();
            disk.high_watermarks.remove(tp);
            if let Some(log) = disk.logs.remove(tp) {
                drop(disk);
                self.oracle.deleted(self.id, tp, log.topic_id);
            }
        }
        Ok(())
    }

    // Requests of clients and followers.

    /// Serves a request, now or later. Nothing is heard before the first registration, as at the start
    /// of a real broker: what comes then was meant for the process before.
    pub(crate) fn serve(&mut self, asker: Asker, body: Body) {
        if !self.was_registered {
            return;
        }
        let answer = match body {
            Body::Control(request) => Body::Controlled(self.receive(request)),
            Body::Fetch(from, parts) => return self.fetch(asker, from, parts),
            Body::EpochEnd {
                partition,
                leader_epoch,
                epoch,
            } => Body::EpochEnded(self.led(&partition, Some(leader_epoch)).map(|()| {
                let disk = self.disk.borrow();
                let log = disk.logs.get(&partition);
                let end = log.map_or((-1, -1), |log| log.epochs.end_offset(epoch, log.end()));
                match self.mistakes.epochless_answers {
                    true => (-1, end.1),
                    false => end,
                }
            })),
            Body::Ends {
                partition,
                leader_epoch,
            } => {
                let led = self.led(&partition, Some(leader_epoch));
                Body::EndsAre(led.map(|()| (0, self.log_end(&partition))))
            }
            Body::Produce {
                partition,
                record,
                producer,
                all_acks,
            } => match self.produce(asker, &partition, record, producer, all_acks) {
                Some(result) => Body::Produced(result),
                None => return,
            },
            Body::Consume { partition, at } => Body::Consumed(self.consume(&partition, at)),
            Body::Metadata => {
                let partitions = self.image.partitions.iter();
                let partitions = partitions.map(|(tp, (_, image))| (tp.clone(), image.clone()));
                Body::MetadataIs(partitions.collect())
            }
            _ => return,
        };
        self.port.answer(asker.0, asker.1, answer);
    }

    fn led(&self, tp: &TopicPartition, epoch: Option<LeaderEpoch>) -> Result<(), Refused> {
        let replica = self.replicas.get(tp).ok_or(Refused::UnknownTopic)?;
        let checked = replica.brain.check_epoch(epoch, LeaderNeeded::Yes);
        checked.map_err(|error| match error {
            EpochError::Fenced { .. } => Refused::FencedEpoch,
            EpochError::Unknown { .. } => Refused::UnknownEpoch,
            EpochError::NotLeader | EpochError::Offline => Refused::NotLeader,
        })
    }

    fn produce(
        &mut self,
        asker: Asker,
        tp: &TopicPartition,
        record: u64,
        producer: Option<ProducerSequence>,
        all_acks: bool,
    ) -> Option<Result<Offset, Refused>> {
        let Some(replica) = self.replicas.get_mut(tp) else {
            return Some(Err(Refused::UnknownTopic));
        };
        let epoch = match replica.brain.admit(all_acks) {
            Ok(epoch) => epoch,
            Err(RefusedAppend::NotEnoughReplicas { .. }) => {
                return Some(Err(Refused::NotEnoughReplicas));
            }
            Err(_) => return Some(Err(Refused::NotLeader)),
        };
        let mut disk = self.disk.borrow_mut();
        let log = disk.logs.get_mut(tp)?;
        let duplicate = producer.and_then(|producer| log.find(producer));
        let at = match duplicate {
            Some(at) => at,
            None => {
                let last = producer.and_then(|p| log.sequence_of(p.producer));
                if let (Some(producer), Some(last)) = (producer, last)
                    && producer.sequence != last + 1
                {
                    return Some(Err(Refused::OutOfOrder));
                }
                log.append(Entry {
                    epoch,
                    record,
                    producer,
                });
                log.end() - 1
            }
        };
        let log_end = log.end();
        drop(disk);
        if all_acks {
            let id = WaiterId(self.next_waiter);
            self.next_waiter += 1;
            replica.waiting.insert(id, (asker, at));
            self.step(tp, Event::Appended { log_end });
            let deadline = self.port.now_ms() + PRODUCE_TIMEOUT;
            let required = at + 1;
            let waiter = Waiter {
                id,
                required,
                deadline,
            };
            self.step(tp, Event::AwaitHighWatermark(waiter));
            self.look_again();
            return None;
        }
        self.step(tp, Event::Appended { log_end });
        self.look_again();
        Some(Ok(at))
    }

    fn consume(
        &mut self,
        tp: &TopicPartition,
        at: Offset,
    ) -> Result<(Vec<Entry>, Offset), Refused> {
        self.led(tp, None)?;
        let replica = self.replicas.get(tp).ok_or(Refused::UnknownTopic)?;
        let high_watermark = replica.brain.high_watermark();
        let disk = self.disk.borrow();
        let log = disk.logs.get(tp).ok_or(Refused::UnknownTopic)?;
        if at > log.end() {
            return Err(Refused::OutOfRange);
        }
        let entries = log.read(at, high_watermark, FETCH_RECORDS);
        let epoch = replica.brain.leader_epoch();
        let of = (tp, replica.topic_id);
        self.oracle.consumed(self.id, of, epoch, at, &entries);
        Ok((entries, high_watermark))
    }

    fn fetch(&mut self, asker: Asker, from: BrokerId, parts: Vec<FetchPart>) {
        let deadline = self.port.now_ms() + FETCH_WAIT;
        let answer = self.look(from, &parts, true);
        if answer.iter().any(is_worth_telling) {
            self.port.answer(asker.0, asker.1, Body::Fetched(answer));
        } else {
            self.parked.push((asker, from, parts, deadline));
        }
    }

    /// Looks again at fetches that wait.
    fn look_again(&mut self) {
        let now = self.port.now_ms();
        for (asker, from, parts, deadline) in std::mem::take(&mut self.parked) {
            let changed = |part: &FetchPart| is_worth_telling(&self.read(from, part));
            if now >= deadline || parts.iter().any(changed) {
                let answer = Body::Fetched(self.look(from, &parts, false));
                self.port.answer(asker.0, asker.1, answer);
            } else {
                self.parked.push((asker, from, parts, deadline));
            }
        }
    }

    /// One look at all partitions. At the first the leader learns where its follower is.
    fn look(
        &mut self,
        from: BrokerId,
        parts: &[FetchPart],
        first: bool,
    ) -> Vec<Result<FetchedPart, Refused>> {
        let mut answers = Vec::new();
        for part in parts {
            let mut read = self.read(from, part);
            // A follower that has to truncate is not where it says it is.
            if let (
                true,
                Ok(FetchedPart {
                    diverging: None, ..
                }),
            ) = (first, &read)
            {
                let event = Event::FollowerFetched {
                    from,
                    at: part.at,
                    log_start: 0,
                };
                self.step(&part.partition, event);
                if let (Ok(read), Some(replica)) = (&mut read, self.replicas.get(&part.partition)) {
                    read.high_watermark = replica.brain.high_watermark();
                }
            }
            answers.push(read);
        }
        answers
    }

    fn read(&self, from: BrokerId, part: &FetchPart) -> Result<FetchedPart, Refused> {
        self.led(&part.partition, part.leader_epoch)?;
        let unknown = Refused::UnknownTopic;
        let replica = self.replicas.get(&part.partition).ok_or(unknown)?;
        if replica.topic_id != part.topic_id {
            return Err(unknown);
        }
        if let Role::Leader(leader) = replica.brain.role()
            && !leader.followers.contains_key(&from)
        {
            return Err(Refused::UnknownEpoch);
        }
        let disk = self.disk.borrow();
        let log = disk.logs.get(&part.partition).ok_or(unknown)?;
        let mut read = FetchedPart {
            high_watermark: replica.brain.high_watermark(),
            diverging: None,
            entries: Vec::new(),
        };
        if let Some(last) = part.last_epoch {
            let (epoch, end) = log.epochs.end_offset(last, log.end());
            if epoch < 0 || end < 0 {
                return Err(Refused::OutOfRange);
            }
            if epoch < last || end < part.at {
                read.diverging = Some((epoch, end));
                return Ok(read);
            }
        }
        if part.at > log.end() {
            return Err(Refused::OutOfRange);
        }
        read.entries = log.read(part.at, log.end(), FETCH_RECORDS);
        Ok(read)
    }
}

/// Whether a follower should hear of it at once.
fn is_worth_telling(read: &Result<FetchedPart, Refused>) -> bool {
    match read {
        Ok(read) => read.diverging.is_some() || !read.entries.is_empty(),
        Err(_) => true,
    }
}

/// A request in short, for the trace.
fn told(request: &Request) -> String {
    match request {
        Request::UpdateMetadata(request) => format!(
            "UpdateMetadata of {} partitions, brokers {:?}",
            request.partitions.len(),
            request.brokers.iter().map(|b| b.id.0).collect::<Vec<_>>()
        ),
        Request::LeaderAndIsr(request) => {
            let partitions = request.partitions.iter().map(|p| {
                let leader = p.leader.map_or(-1, |id| id.0);
                format!("{} by {leader} in {}", p.partition, p.leader_epoch)
            });
            format!("LeaderAndIsr {:?}", partitions.collect::<Vec<_>>())
        }
        Request::StopReplica(request) => {
            let partitions = request.partitions.iter();
            let partitions = partitions.map(|p| format!("{} delete {}", p.partition, p.delete));
            format!("StopReplica {:?}", partitions.collect::<Vec<_>>())
        }
    }
}
