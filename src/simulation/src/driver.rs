//! The task that keeps a broker registered, stands for controller and drives the controller brain:
//! `ottla-cluster`'s driver, membership, context and carrying out of actions, thinly.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use ottla_controller::{
    Action, Controller, Event, Fence, Loaded, Read, StateNode, StoreOutcome, TermEvent, TopicNode,
    TopicRead, UncleanElection, WaiterId,
};
use ottla_metadata::{BrokerId, BrokerInfo, TopicId, TopicName, TopicPartition};

use crate::broker::{Asker, Broker};
use crate::message::Body;
use crate::options::Cluster;
use crate::outbox::Outboxes;
use crate::port::{Either, Mailbox, Port, either};
use crate::random::Random;
use crate::session::{Expired, SessionEvent, WriteError, Zk};
use crate::zookeeper::{Directory, Node, Op, Path, Value, Watched};

type Shared = Rc<RefCell<Broker>>;

/// Pause before something that failed is tried again, in milliseconds.
const RETRY_PAUSE: i64 = 1_000;

/// An answer of a broker to a controller, with the controller's epoch.
pub(crate) type Answer = (i32, TermEvent);

/// What the driver is told besides what ZooKeeper says.
#[derive(Clone, Default)]
pub(crate) struct Inputs {
    pub(crate) watches: Mailbox<Watched>,
    pub(crate) answers: Mailbox<Answer>,
    /// Requests that only a controller answers.
    pub(crate) commands: Mailbox<(Asker, Body)>,
}

enum Input {
    Session(SessionEvent),
    Answer(Answer),
    Command(Asker, Body),
    Watch(Watched),
    Retry,
}

/// The term is over: another controller, or no session.
struct TermOver;

impl From<Expired> for TermOver {
    fn from(_: Expired) -> TermOver {
        TermOver
    }
}

type Assignments = BTreeMap<TopicPartition, Vec<BrokerId>>;

#[derive(Default)]
struct States {
    reads: Vec<(TopicPartition, Read<StateNode>)>,
    written: BTreeMap<TopicPartition, i64>,
}

/// What the task owns.
pub(crate) struct Driver {
    id: BrokerId,
    broker: Shared,
    port: Port,
    zk: Zk,
    pub(crate) inputs: Inputs,
    brain: Controller,
    outboxes: Outboxes,
    actions: VecDeque<Action>,
    fence: Option<Fence>,
    /// The generation of the session in which we registered; 0 for none.
    registered_in: u64,
    retry_at: Option<i64>,
    unclean: UncleanElection,
    /// Whether leaders ask the controller to change ISRs.
    told_by_leaders: bool,
    random: Random,
    waiters: BTreeMap<WaiterId, Asker>,
    next_waiter: u64,
}

impl Driver {
    pub(crate) fn new(
        broker: Shared,
        zk: Zk,
        inputs: Inputs,
        cluster: &Cluster,
        random: Random,
    ) -> Driver {
        let (id, port) = (broker.borrow().id, broker.borrow().port.clone());
        Driver {
            id,
            outboxes: Outboxes::new(broker.clone(), inputs.answers.clone()),
            broker,
            port,
            zk,
            inputs,
            brain: Controller::new(id, cluster.settings()),
            actions: VecDeque::new(),
            fence: None,
            registered_in: 0,
            retry_at: None,
            unclean: UncleanElection {
                default: cluster.unclean,
                ..UncleanElection::default()
            },
            told_by_leaders: cluster.alter_partition,
            random,
            waiters: BTreeMap::new(),
            next_waiter: 0,
        }
    }

    /// Never ends.
    pub(crate) async fn run(mut self) {
        loop {
            let input = self.next().await;
            if self.take(input).await.is_err() {
                // The session's end is announced, and everything begins anew.
                self.depose();
            }
            self.act().await;
        }
    }

    async fn next(&mut self) -> Input {
        let (events, inputs) = (self.zk.events.clone(), self.inputs.clone());
        let ready = std::future::poll_fn(move |_| {
            let input = events.try_take().map(Input::Session);
            let input = input.or_else(|| inputs.answers.try_take().map(Input::Answer));
            let input = input.or_else(|| {
                let command = inputs.commands.try_take();
                command.map(|(asker, body)| Input::Command(asker, body))
            });
            match input.or_else(|| inputs.watches.try_take().map(Input::Watch)) {
                Some(input) => Poll::Ready(input),
                None => Poll::Pending,
            }
        });
        let Some(at) = self.retry_at else {
            return ready.await;
        };
        match either(ready, self.port.sleep(at - self.port.now_ms())).await {
            Either::Left(input) => input,
            Either::Right(_) => Input::Retry,
        }
    }

    async fn take(&mut self, input: Input) -> Result<(), Expired> {
        match input {
            Input::Session(SessionEvent::Connected(generation)) => {
                if generation != self.registered_in {
                    self.depose();
                    self.broker.borrow_mut().epoch = -1;
                }
                self.join().await
            }
            Input::Session(SessionEvent::Expired) => {
                self.depose();
                Ok(())
            }
            Input::Answer((epoch, event)) => {
                self.step(Event::InTerm(epoch, event));
                Ok(())
            }
            Input::Command(asker, body) => {
                self.command(asker, body);
                Ok(())
            }
            Input::Watch(watched) => self.watch_fired(watched).await,
            Input::Retry => {
                self.retry_at = None;
                self.join().await
            }
        }
    }

    fn step(&mut self, event: Event) {
        self.actions.extend(self.brain.step(event));
        if !self.brain.is_elected() {
            self.outboxes.clear();
        }
    }

    fn step_in_term(&mut self, event: TermEvent) {
        if let Some(epoch) = self.brain.term() {
            self.step(Event::InTerm(epoch, event));
        }
    }

    fn depose(&mut self) {
        let dropped = std::mem::take(&mut self.actions);
        self.step(Event::Deposed);
        for action in dropped {
            if let Action::AnswerShutdown(waiter, _) | Action::AnswerAlteration(waiter, _) = action
            {
                // Their connection ends; they ask again.
                self.waiters.remove(&waiter);
            }
        }
        // What the brain answers when it resigns.
        let left = std::mem::take(&mut self.actions);
        for action in left {
            self.answer(action);
        }
    }

    fn command(&mut self, asker: Asker, body: Body) {
        self.next_waiter += 1;
        let waiter = WaiterId(self.next_waiter);
        let event = match body {
            Body::AlterPartition(broker, broker_epoch, partitions) => TermEvent::AlterPartition {
                waiter,
                broker,
                broker_epoch,
                partitions,
            },
            Body::Reassign(partitions) => TermEvent::Reassign { waiter, partitions },
            Body::Shutdown(broker, broker_epoch) => TermEvent::ControlledShutdown {
                waiter,
                broker,
                broker_epoch,
            },
            _ => return,
        };
        self.waiters.insert(waiter, asker);
        self.step(Event::InTerm(self.brain.term().unwrap_or(-1), event));
    }

    fn answer(&mut self, action: Action) {
        let (waiter, body) = match action {
            Action::AnswerShutdown(waiter, result) => (waiter, Body::ShutDown(result)),
            Action::AnswerAlteration(waiter, result) => (waiter, Body::Altered(result)),
            _ => return,
        };
        if let Some((connection, token)) = self.waiters.remove(&waiter) {
            self.port.answer(connection, token, body);
        }
    }

    // Membership.

    async fn join(&mut self) -> Result<(), Expired> {
        let generation = self.zk.generation();
        if self.registered_in != generation || !self.is_registered().await? {
            self.register().await?;
        }
        if self.registered_in == generation && !self.brain.is_elected() {
            self.elect().await?;
        }
        Ok(())
    }

    async fn is_registered(&mut self) -> Result<bool, Expired> {
        let node = self.zk.get(Path::Broker(self.id), true).await?;
        let epoch = self.broker.borrow().epoch;
        Ok(node.is_some_and(|node| node.czxid == epoch))
    }

    fn is_ours(&self, node: &Node) -> bool {
        let disk = &self.broker.borrow().disk;
        let ours = &disk.borrow().sessions;
        node.owner.is_some_and(|owner| ours.contains(&owner))
    }

    fn remember_session(&self) {
        if let Some(session) = self.zk.session() {
            let disk = Rc::clone(&self.broker.borrow().disk);
            disk.borrow_mut().sessions.insert(session);
        }
    }

    async fn register(&mut self) -> Result<(), Expired> {
        self.remember_session();
        let (generation, path) = (self.zk.generation(), Path::Broker(self.id));
        let mut old = None;
        let epoch = loop {
            let mut ops = Vec::new();
            if let Some(version) = old {
                ops.push(Op::Delete(path.clone(), Some(version)));
            }
            ops.push(Op::CreateEphemeral(path.clone(), Value::Empty));
            match self.zk.multi(None, ops).await {
                Ok(stats) => break stats.last().map_or(-1, |stat| stat.1),
                Err(WriteError::Expired) => return Err(Expired),
                Err(_) => {}
            }
            old = None;
            let Some(node) = self.zk.get(path.clone(), false).await? else {
                continue;
            };
            if node.owner == self.zk.session() {
                break node.czxid;
            }
            if !self.is_ours(&node) {
                self.registered_in = 0;
                self.retry_at = Some(self.port.now_ms() + RETRY_PAUSE);
                return Ok(());
            }
            old = Some(node.version);
        };
        self.registered_in = generation;
        self.broker.borrow_mut().epoch = epoch;
        self.broker.borrow_mut().was_registered = true;
        self.is_registered().await?;
        Ok(())
    }

    /// `Zk::elect`.
    async fn elect(&mut self) -> Result<(), Expired> {
        self.remember_session();
        let mut tried = None;
        loop {
            let (epoch, version) = self.controller_epoch().await?;
            let holder = self.zk.get(Path::Controller, true).await?;
            if let Some(holder) = &holder {
                let mistaken = self.broker.borrow().mistakes.trusts_controller_node;
                if holder.owner == self.zk.session() && tried == Some(epoch) && !mistaken {
                    self.won(Fence { epoch, version });
                    return Ok(());
                }
                if mistaken || !self.is_ours(holder) {
                    return Ok(());
                }
            }
            let mut ops = vec![Op::Check(Path::ControllerEpoch, version)];
            if let Some(holder) = &holder {
                ops.push(Op::Delete(Path::Controller, Some(holder.version)));
            }
            ops.push(Op::CreateEphemeral(
                Path::Controller,
                Value::Controller(self.id),
            ));
            let next = epoch + 1;
            ops.push(Op::Set(
                Path::ControllerEpoch,
                Value::Epoch(next),
                Some(version),
            ));
            tried = Some(next);
            match self.zk.multi(None, ops).await {
                Ok(stats) => {
                    let version = stats.last().map_or(version + 1, |stat| stat.0);
                    self.won(Fence {
                        epoch: next,
                        version,
                    });
                    return Ok(());
                }
                Err(WriteError::Expired) => return Err(Expired),
                Err(_) => {}
            }
        }
    }

    fn won(&mut self, fence: Fence) {
        self.fence = Some(fence);
        self.step(Event::Elected(fence));
    }

    async fn controller_epoch(&self) -> Result<(i32, i32), Expired> {
        loop {
            let node = self.zk.get(Path::ControllerEpoch, false).await?;
            if let Some(Node {
                value: Value::Epoch(epoch),
                version,
                ..
            }) = node
            {
                return Ok((epoch, version));
            }
            let zero = Op::Create(Path::ControllerEpoch, Value::Epoch(0));
            if self.zk.multi(None, vec![zero]).await == Err(WriteError::Expired) {
                return Err(Expired);
            }
        }
    }

    async fn controller_changed(&mut self) -> Result<(), Expired> {
        if let Some(term) = self.brain.term() {
            let (epoch, _) = self.controller_epoch().await?;
            let holder = self.zk.get(Path::Controller, true).await?;
            let holder = holder.map(|node| node.value);
            if epoch == term && holder == Some(Value::Controller(self.id)) {
                return Ok(());
            }
            self.depose();
        }
        if self.retry_at.is_none() && self.registered_in != 0 {
            self.elect().await?;
        }
        Ok(())
    }

    // Watches and reads.

    async fn watch_fired(&mut self, watched: Watched) -> Result<(), Expired> {
        let active = self.brain.is_active();
        match watched {
            Watched::Data(Path::Controller) => self.controller_changed().await?,
            Watched::Data(Path::Broker(id)) => {
                if id == self.id {
                    self.join().await?;
                }
                if self.brain.is_active() {
                    self.read_brokers().await?;
                }
            }
            Watched::Children(Directory::Brokers) if active => self.read_brokers().await?,
            Watched::Data(Path::Topic(topic)) if active => self.read_topics(vec![topic]).await?,
            Watched::Children(Directory::Topics) if active => {
                let names = self.topics().await?;
                self.step_in_term(TermEvent::TopicsListed(names.into_iter().collect()));
            }
            Watched::Children(Directory::DeleteTopics) if active => {
                let marked = self.deletions().await?;
                self.step_in_term(TermEvent::DeletionsListed(marked));
            }
            Watched::Children(Directory::IsrChanges) if active => self.read_isr_changes().await?,
            Watched::Data(Path::PreferredElection) if active => self.read_preferred().await?,
            Watched::Data(Path::Reassignment) if active => self.read_reassignments().await?,
            Watched::Data(Path::State(tp)) if active => self.watch_states(vec![tp]).await?,
            _ => {}
        }
        Ok(())
    }

    async fn brokers(&self) -> Result<BTreeMap<BrokerId, Arc<BrokerInfo>>, Expired> {
        let mut brokers = BTreeMap::new();
        for path in self.zk.children(Directory::Brokers, true).await? {
            let Path::Broker(id) = path else { continue };
            if let Some(node) = self.zk.get(path, true).await? {
                let info = BrokerInfo {
                    id,
                    epoch: node.czxid,
                    endpoints: Vec::new(),
                    rack: None,
                };
                brokers.insert(id, Arc::new(info));
            }
        }
        Ok(brokers)
    }

    async fn read_brokers(&mut self) -> Result<(), Expired> {
        let brokers = self.brokers().await?;
        self.outboxes.retain(&brokers);
        self.step_in_term(TermEvent::Brokers(brokers));
        Ok(())
    }

    async fn topics(&self) -> Result<Vec<TopicName>, Expired> {
        let paths = self.zk.children(Directory::Topics, true).await?;
        let name = |path| match path {
            Path::Topic(name) => Some(name),
            _ => None,
        };
        Ok(paths.into_iter().filter_map(name).collect())
    }

    async fn deletions(&self) -> Result<BTreeSet<TopicName>, Expired> {
        let paths = self.zk.children(Directory::DeleteTopics, true).await?;
        let name = |path| match path {
            Path::DeleteTopic(name) => Some(name),
            _ => None,
        };
        Ok(paths.into_iter().filter_map(name).collect())
    }

    async fn topic_nodes(&mut self, names: Vec<TopicName>) -> Result<Vec<TopicRead>, Expired> {
        let mut reads = Vec::new();
        for topic in names {
            let node = match self.zk.get(Path::Topic(topic.clone()), true).await? {
                Some(Node {
                    value: Value::Topic(node),
                    version,
                    ..
                }) => Read::Found(TopicNode { version, ..node }),
                _ => Read::Missing,
            };
            let known = self.broker.borrow().image.topic_id(&topic);
            let spare_id = known.unwrap_or_else(|| TopicId(self.random.id()));
            reads.push(TopicRead {
                topic,
                node,
                spare_id,
            });
        }
        Ok(reads)
    }

    async fn read_topics(&mut self, names: Vec<TopicName>) -> Result<(), Expired> {
        let reads = self.topic_nodes(names).await?;
        self.step_in_term(TermEvent::TopicsRead(reads));
        Ok(())
    }

    /// State nodes, and which transactions wrote them.
    async fn states(&self, partitions: Vec<TopicPartition>) -> Result<States, Expired> {
        let mut states = States::default();
        for tp in partitions {
            let read = match self.zk.get(Path::State(tp.clone()), false).await? {
                Some(Node {
                    value: Value::State(state),
                    version,
                    mzxid,
                    ..
                }) => {
                    states.written.insert(tp.clone(), mzxid);
                    Read::Found(StateNode { state, version })
                }
                _ => Read::Missing,
            };
            states.reads.push((tp, read));
        }
        Ok(states)
    }

    async fn read_isr_changes(&mut self) -> Result<(), Expired> {
        let (mut nodes, mut partitions) = (Vec::new(), BTreeSet::new());
        for path in self.zk.children(Directory::IsrChanges, true).await? {
            let Path::IsrChange(number) = path else {
                continue;
            };
            nodes.push(number);
            if let Some(Node {
                value: Value::Partitions(named),
                ..
            }) = self.zk.get(path, false).await?
            {
                partitions.extend(named);
            }
        }
        if !nodes.is_empty() {
            self.step_in_term(TermEvent::IsrNotified { nodes, partitions });
        }
        Ok(())
    }

    async fn read_preferred(&mut self) -> Result<(), Expired> {
        if let Some(Node {
            value: Value::Partitions(partitions),
            ..
        }) = self.zk.get(Path::PreferredElection, true).await?
        {
            self.step_in_term(TermEvent::ElectPreferred(partitions));
        }
        Ok(())
    }

    async fn reassignments(&self) -> Result<Assignments, Expired> {
        let node = self.zk.get(Path::Reassignment, true).await?;
        match node.map(|node| node.value) {
            Some(Value::Assignments(entries)) => Ok(entries),
            _ => Ok(Assignments::new()),
        }
    }

    async fn read_reassignments(&mut self) -> Result<(), Expired> {
        let entries = self.reassignments().await?;
        self.step_in_term(TermEvent::ReassignmentsRead(entries));
        Ok(())
    }

    async fn drop_reassignments(
        &mut self,
        fence: Fence,
        dropped: Assignments,
    ) -> Result<(), TermOver> {
        let mut left = self.reassignments().await?;
        let before = left.len();
        left.retain(|tp, target| dropped.get(tp) != Some(target));
        if left.len() != before {
            let op = match left.is_empty() {
                true => Op::Delete(Path::Reassignment, None),
                false => Op::Set(Path::Reassignment, Value::Assignments(left), None),
            };
            self.write(fence, op).await?;
        }
        Ok(self.read_reassignments().await?)
    }

    /// State nodes of partitions that are being moved, watched where leaders write them.
    async fn watch_states(&mut self, mut partitions: Vec<TopicPartition>) -> Result<(), Expired> {
        let told_by_leaders = self.told_by_leaders;
        partitions.retain(|tp| !told_by_leaders && self.brain.is_reassigning(tp));
        for tp in partitions.clone() {
            self.zk.get(Path::State(tp), true).await?;
        }
        if !partitions.is_empty() {
            let reads = self.states(partitions).await?.reads;
            self.step_in_term(TermEvent::StatesRead(reads));
        }
        Ok(())
    }

    async fn load(&mut self, fence: Fence) -> Result<(), TermOver> {
        let old = self.zk.children(Directory::IsrChanges, false).await?;
        for path in old {
            self.delete(fence, path).await?;
        }
        self.zk.children(Directory::IsrChanges, true).await?;
        let brokers = self.brokers().await?;
        self.outboxes.retain(&brokers);
        let deletions = self.deletions().await?;
        let names = self.topics().await?;
        let topics = self.topic_nodes(names).await?;
        let mut partitions = Vec::new();
        for read in &topics {
            if let Read::Found(node) = &read.node {
                let numbers = node.partitions.keys();
                let tp = |number| TopicPartition::new(Arc::clone(&read.topic), number);
                partitions.extend(numbers.copied().map(tp));
            }
        }
        let mut states = self.states(partitions).await?;
        states
            .reads
            .retain(|(_, read)| !matches!(read, Read::Missing));
        let loaded = Loaded {
            brokers,
            topics,
            states: states.reads,
            written: states.written,
            deletions,
            unclean: self.unclean.clone(),
        };
        let event = TermEvent::Loaded(Box::new(loaded));
        self.step(Event::InTerm(fence.epoch, event));
        self.read_preferred().await?;
        self.read_reassignments().await?;
        // What came between the clearing and the watch.
        self.read_isr_changes().await?;
        Ok(())
    }

    // Actions.

    async fn act(&mut self) {
        while let Some(action) = self.actions.pop_front() {
            if self.carry_out(action).await.is_err() {
                self.depose();
                self.retry_at = Some(self.port.now_ms() + RETRY_PAUSE);
            }
        }
    }

    async fn carry_out(&mut self, action: Action) -> Result<(), TermOver> {
        match action {
            Action::Load(fence) => self.load(fence).await,
            Action::Send(broker, request) => {
                if let Some(epoch) = self.brain.term() {
                    self.outboxes.send(epoch, broker, request);
                }
                Ok(())
            }
            Action::StoreStates(fence, writes) => {
                let mut outcomes = Vec::new();
                for write in writes {
                    let path = Path::State(write.partition.clone());
                    let value = Value::State(write.state);
                    let op = match write.expected {
                        None => Op::Create(path, value),
                        Some(version) => Op::Set(path, value, Some(version)),
                    };
                    outcomes.push((write.partition, self.write(fence, op).await?));
                }
                self.step_in_term(TermEvent::StatesStored(outcomes));
                Ok(())
            }
            Action::ReadStates(partitions) => {
                let reads = self.states(partitions).await?;
                self.step_in_term(TermEvent::StatesRead(reads.reads));
                Ok(())
            }
            Action::StoreTopic { fence, topic, node } => {
                let (path, version) = (Path::Topic(topic.clone()), node.version);
                let op = Op::Set(path, Value::Topic(node), Some(version));
                let outcome = self.write(fence, op).await?;
                self.step_in_term(TermEvent::TopicStored(topic, outcome));
                Ok(())
            }
            Action::ReadTopics(topics) => Ok(self.read_topics(topics).await?),
            Action::RemoveTopic(fence, topic) => {
                let outcome = self.write(fence, Op::DeleteTree(topic.clone())).await?;
                self.step_in_term(TermEvent::TopicRemoved(topic, outcome));
                Ok(())
            }
            Action::RemoveDeletionMarks(fence, topics) => {
                for topic in topics {
                    self.delete(fence, Path::DeleteTopic(topic)).await?;
                }
                Ok(())
            }
            Action::RemoveIsrNotifications(fence, numbers) => {
                for number in numbers {
                    self.delete(fence, Path::IsrChange(number)).await?;
                }
                Ok(())
            }
            Action::RemovePreferredElection(fence) => {
                self.delete(fence, Path::PreferredElection).await?;
                Ok(())
            }
            action @ (Action::AnswerShutdown(..) | Action::AnswerAlteration(..)) => {
                self.answer(action);
                Ok(())
            }
            Action::DropReassignments(fence, entries) => {
                self.drop_reassignments(fence, entries).await
            }
            Action::WatchStates(partitions) => Ok(self.watch_states(partitions).await?),
            Action::Resign => {
                self.resign().await;
                self.retry_at = Some(self.port.now_ms() + RETRY_PAUSE);
                Ok(())
            }
            // Answers to what nobody asks for in this world.
            _ => Ok(()),
        }
    }

    /// Gives up `/controller`, so that somebody is elected.
    async fn resign(&mut self) {
        if let Some(fence) = self.fence {
            let _ = self.delete(fence, Path::Controller).await;
        }
        self.depose();
    }

    /// Deletes a node that has served; tried again if that may not have happened.
    async fn delete(&self, fence: Fence, path: Path) -> Result<(), TermOver> {
        for _ in 0..3 {
            let outcome = self.write(fence, Op::Delete(path.clone(), None)).await?;
            if outcome != StoreOutcome::Unknown {
                break;
            }
        }
        Ok(())
    }

    /// One write of the controller, with the check that it still is.
    async fn write(&self, fence: Fence, op: Op) -> Result<StoreOutcome, TermOver> {
        let check = Op::Check(Path::ControllerEpoch, fence.version);
        let ops = match self.broker.borrow().mistakes.unfenced_writes {
            true => vec![op],
            false => vec![check, op],
        };
        match self.zk.multi(Some(fence.epoch), ops).await {
            Ok(stats) => Ok(StoreOutcome::Stored(stats.last().map_or(0, |stat| stat.0))),
            Err(WriteError::Refused(0, _) | WriteError::Expired) => Err(TermOver),
            Err(WriteError::Refused(..)) => Ok(StoreOutcome::Conflict),
            Err(WriteError::Unknown) => Ok(StoreOutcome::Unknown),
        }
    }
}
