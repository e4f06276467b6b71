//! Scripts instead of seeds: a quiet cluster in which a test makes exactly the trouble it wants.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ottla_controller::{
    Assignment, LeaderIsr, ReplicaAnswers, Request, RequestRefused, Sender, TopicNode,
};
use ottla_metadata::{BrokerId, LeaderEpoch, Millis, Offset, TopicId, TopicName, TopicPartition};
use ottla_partition::Truncation;

use crate::message::{Body, FetchPart, Refused};
use crate::network::{Place, Weather};
use crate::operator::Operator;
use crate::options::{Cluster, Faults, Mistakes, Options};
use crate::oracle::Oracle;
use crate::port::{MILLI, Port};
use crate::settled;
use crate::world::{Turn, World};
use crate::zookeeper::{Op, Path, Value};

/// How long an answer may take, in virtual milliseconds.
const PATIENCE: Millis = 5_000;

/// The cluster of a script. All timeouts are long compared with what a script does by itself.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// How many brokers, with ids from 1.
    pub brokers: i32,
    /// `min.insync.replicas`.
    pub min_isr: usize,
    /// How followers truncate.
    pub truncation: Truncation,
    /// Whether leaders store ISRs through the controller, or by themselves.
    pub alter_partition: bool,
    /// `unclean.leader.election.enable`.
    pub unclean: bool,
    /// Mistakes to be made.
    pub mistakes: Mistakes,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            brokers: 4,
            min_isr: 1,
            truncation: Truncation::OnFetch,
            alter_partition: true,
            unclean: false,
            mistakes: Mistakes::default(),
        }
    }
}

/// A cluster and its script.
pub struct Scenario {
    world: World,
    operator: Operator,
    client: (u64, Port),
    records: u64,
}

impl Scenario {
    /// A cluster at rest, whose controller is the last broker.
    pub fn new(setup: Setup) -> Scenario {
        let options = Options {
            brokers: Some(setup.brokers),
            ..Options::default()
        };
        let calm = Weather {
            delay: MILLI,
            stall_one_in: i64::MAX,
            stall: 0,
        };
        let cluster = Cluster {
            faults: Faults::NONE,
            min_isr: setup.min_isr,
            truncation: setup.truncation,
            alter_partition: setup.alter_partition,
            unclean: setup.unclean,
            watchdog: false,
            lag_max: 2_000,
            session_timeout: 6_000,
            flush_every: 1_000_000_000,
            checkpoint_every: 100,
            calm,
            rough: calm,
            mistakes: setup.mistakes,
            ..Cluster::draw(0, &options)
        };
        let oracle = Oracle::new(setup.unclean, true);
        let mut world = World::new(0, cluster, oracle);
        let client = world.start(Place::Client(0));
        let mut scenario = Scenario {
            world,
            operator: Operator::new(0),
            client,
            records: 0,
        };
        for id in (1..=setup.brokers).rev() {
            scenario.start(id);
            scenario.run(100);
        }
        scenario
    }

    /// Lets so many virtual milliseconds pass, or fewer if a rule is broken.
    pub fn run(&mut self, ms: Millis) {
        let until = self.world.now + ms * MILLI;
        while self.violation().is_none() && self.world.turn(until) != Turn::Idle {}
    }

    /// Lets time pass until all is well.
    ///
    /// # Errors
    /// It is not within a minute, or a rule was broken.
    pub fn settle(&mut self) -> Result<(), String> {
        let mut why = None;
        for _ in 0..300 {
            self.run(200);
            if let Some(violation) = self.violation() {
                return Err(violation);
            }
            why = settled::unsettled(&self.world);
            if why.is_none() {
                return Ok(());
            }
        }
        why.map_or(Ok(()), Err)
    }

    /// The rule that was broken, if one was.
    pub fn violation(&self) -> Option<String> {
        self.world.oracle.violation()
    }

    /// What happened so far, line by line.
    pub fn trace(&self) -> Vec<String> {
        self.world.oracle.take_trace()
    }

    // Trouble.

    /// Kills a process; its page cache stays.
    pub fn kill(&mut self, id: i32) {
        self.world.kill(BrokerId(id));
    }

    /// Starts a broker.
    pub fn start(&mut self, id: i32) {
        self.world.start_broker(BrokerId(id));
    }

    /// Stops a process for a while (SIGSTOP).
    pub fn pause(&mut self, id: i32) {
        self.world.pause(BrokerId(id));
    }

    /// Lets it go on.
    pub fn resume(&mut self, id: i32) {
        self.world.resume(BrokerId(id));
        self.world.zookeeper_changed();
    }

    /// A broker's power fails, and with it goes the log of one partition from `end` on.
    pub fn fail_power(&mut self, id: i32, tp: &TopicPartition, end: Offset) {
        self.kill(id);
        if let Some(disk) = self.world.disks.get(&BrokerId(id)) {
            if let Some(log) = disk.borrow_mut().logs.get_mut(tp) {
                log.truncate(end);
            }
            let lost = [(tp.clone(), end)];
            self.world.oracle.power_failed(BrokerId(id), &lost);
        }
    }

    /// Cuts two brokers off from each other.
    pub fn cut(&mut self, a: i32, b: i32) {
        let place = |id| Place::Broker(BrokerId(id));
        self.world.network.cut(place(a), place(b));
    }

    /// Cuts a broker off from ZooKeeper.
    pub fn cut_from_zookeeper(&mut self, id: i32) {
        let place = Place::Broker(BrokerId(id));
        self.world.network.cut(place, Place::ZooKeeper);
    }

    /// Mends all cuts.
    pub fn mend(&mut self) {
        self.world.network.mend();
    }

    /// ZooKeeper takes a broker's session for dead, whether the process is or not.
    pub fn expire(&mut self, id: i32) {
        let node = self.world.zk.node(&Path::Broker(BrokerId(id)));
        if let Some(session) = node.and_then(|node| node.owner) {
            self.world.expire(session);
        }
    }

    /// The next write of that broker to ZooKeeper is carried out, but its answer is lost with the
    /// connection.
    pub fn lose_next_answer(&mut self, id: i32) {
        self.world.deaf.insert(Place::Broker(BrokerId(id)));
    }

    /// Somebody deletes `/controller`.
    pub fn delete_controller_node(&mut self) {
        self.write(vec![Op::Delete(Path::Controller, None)]);
    }

    /// Somebody rewrites a state node as it is: only its version changes.
    pub fn touch_state(&mut self, tp: &TopicPartition) {
        if let Some(state) = self.state(tp) {
            let path = Path::State(tp.clone());
            self.write(vec![Op::Set(path, Value::State(state), None)]);
        }
    }

    /// A tool of an old release rewrites a topic's node, without the id that it does not know.
    pub fn drop_topic_id(&mut self, name: &str) {
        let name = TopicName::from(name);
        if let Some((node, _)) = self.world.topics().remove(&name) {
            let id = TopicId::ZERO;
            let node = TopicNode { id, ..node };
            self.write(vec![Op::Set(Path::Topic(name), Value::Topic(node), None)]);
        }
    }

    fn write(&mut self, ops: Vec<Op>) {
        let _ = self.world.zk.multi(None, None, ops);
        self.world.zookeeper_changed();
    }

    // Use.

    /// Creates a topic with these replicas.
    pub fn create(&mut self, name: &str, partitions: &[&[i32]]) {
        let assignment = |replicas: &&[i32]| Assignment {
            replicas: replicas.iter().copied().map(BrokerId).collect(),
            ..Assignment::default()
        };
        let partitions = (0..).zip(partitions.iter().map(assignment)).collect();
        let node = TopicNode {
            id: self.operator.topic_id(),
            partitions,
            version: 0,
        };
        let path = Path::Topic(TopicName::from(name));
        self.write(vec![Op::Create(path, Value::Topic(node))]);
    }

    /// Asks the controller to move a partition to other brokers.
    pub fn reassign(&mut self, tp: &TopicPartition, replicas: &[i32]) {
        let target = replicas.iter().copied().map(BrokerId).collect();
        self.world.reassign([(tp.clone(), Some(target))].into());
    }

    /// Sends a record with acks=all to the leader as stored.
    ///
    /// # Errors
    /// It was not acknowledged.
    pub fn produce(&mut self, tp: &TopicPartition) -> Result<Offset, String> {
        let leader = self.leader(tp).ok_or("there is no leader")?;
        self.send(leader, tp, true)
    }

    /// Sends a record with acks=1 to a broker.
    ///
    /// # Errors
    /// It was refused.
    pub fn append(&mut self, to: i32, tp: &TopicPartition) -> Result<Offset, String> {
        self.send(to, tp, false)
    }

    fn send(&mut self, to: i32, tp: &TopicPartition, all_acks: bool) -> Result<Offset, String> {
        self.records += 1;
        let body = Body::Produce {
            partition: tp.clone(),
            record: self.records,
            producer: None,
            all_acks,
        };
        match self.call(to, body) {
            Some(Body::Produced(result)) => result.map_err(|refused| format!("{refused:?}")),
            _ => Err("no answer".to_owned()),
        }
    }

    fn call(&mut self, to: i32, body: Body) -> Option<Body> {
        let (process, port) = self.client.clone();
        port.set_now(self.world.now);
        let to = Place::Broker(BrokerId(to));
        let mut answer = pin!(port.call_within(PATIENCE, port.connection(), to, body));
        let until = self.world.now + 2 * PATIENCE * MILLI;
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
                return answer.ok();
            }
            self.world.poll(process);
            if self.violation().is_some() || self.world.turn(until) == Turn::Idle {
                return None;
            }
        }
    }

    /// Sends a broker what a controller could have sent it.
    pub fn command(
        &mut self,
        to: i32,
        request: Request,
    ) -> Option<Result<ReplicaAnswers, RequestRefused>> {
        match self.call(to, Body::Control(request)) {
            Some(Body::Controlled(result)) => Some(result),
            _ => None,
        }
    }

    /// Asks the controller to let a broker go, as that broker would under this epoch.
    ///
    /// # Errors
    /// The request was refused.
    pub fn ask_to_leave(&mut self, id: i32, epoch: i64) -> Result<(), String> {
        let controller = self.controller().ok_or("there is no controller")?;
        match self.call(controller, Body::Shutdown(BrokerId(id), epoch)) {
            Some(Body::ShutDown(result)) => result.map(|_| ()).map_err(|error| error.to_string()),
            _ => Err("no answer".to_owned()),
        }
    }

    /// Fetches as a follower would.
    ///
    /// # Errors
    /// The leader refused.
    pub fn fetch_as(
        &mut self,
        follower: i32,
        leader: i32,
        tp: &TopicPartition,
        leader_epoch: Option<LeaderEpoch>,
        at: Offset,
    ) -> Result<usize, String> {
        let part = FetchPart {
            partition: tp.clone(),
            topic_id: self.topic_id(&tp.topic),
            leader_epoch,
            at,
            last_epoch: None,
        };
        match self.call(leader, Body::Fetch(BrokerId(follower), vec![part])) {
            Some(Body::Fetched(answers)) => match answers.into_iter().next() {
                Some(Ok(read)) => Ok(read.entries.len()),
                Some(Err(refused)) => Err(name(refused).to_owned()),
                None => Err("no answer".to_owned()),
            },
            _ => Err("no answer".to_owned()),
        }
    }

    // What is.

    /// A partition's state as stored.
    pub fn state(&self, tp: &TopicPartition) -> Option<LeaderIsr> {
        match &self.world.zk.node(&Path::State(tp.clone()))?.value {
            Value::State(state) => Some(state.clone()),
            _ => None,
        }
    }

    /// The leader as stored.
    pub fn leader(&self, tp: &TopicPartition) -> Option<i32> {
        Some(self.state(tp)?.leader?.0)
    }

    /// The in-sync replicas as stored, sorted.
    pub fn isr(&self, tp: &TopicPartition) -> Vec<i32> {
        let isr = self.state(tp).map(|state| state.isr).unwrap_or_default();
        let mut isr: Vec<i32> = isr.into_iter().map(|id| id.0).collect();
        isr.sort_unstable();
        isr
    }

    /// Who is in `/controller`.
    pub fn controller(&self) -> Option<i32> {
        match self.world.zk.node(&Path::Controller)?.value {
            Value::Controller(id) => Some(id.0),
            _ => None,
        }
    }

    /// What the controller in office would say of itself to that broker.
    pub fn sender_to(&self, id: i32) -> Option<Sender> {
        let epoch = match self.world.zk.node(&Path::ControllerEpoch)?.value {
            Value::Epoch(epoch) => epoch,
            _ => return None,
        };
        Some(Sender {
            controller: BrokerId(self.controller()?),
            controller_epoch: epoch,
            broker_epoch: self.broker_epoch(id)?,
        })
    }

    /// The epoch of a broker's registration.
    pub fn broker_epoch(&self, id: i32) -> Option<i64> {
        let node = self.world.zk.node(&Path::Broker(BrokerId(id)))?;
        Some(node.czxid)
    }

    /// The id of a topic as stored.
    pub fn topic_id(&self, name: &str) -> TopicId {
        let topic = self.world.topics().remove(name);
        topic.map_or(TopicId::ZERO, |(node, _)| node.id)
    }

    /// Leader epochs and numbers of the records in a replica's log.
    pub fn log(&self, id: i32, tp: &TopicPartition) -> Vec<(LeaderEpoch, u64)> {
        let Some(disk) = self.world.disks.get(&BrokerId(id)) else {
            return Vec::new();
        };
        let disk = disk.borrow();
        let Some(log) = disk.logs.get(tp) else {
            return Vec::new();
        };
        let entries = log.read(0, log.end(), usize::MAX);
        entries.iter().map(|e| (e.epoch, e.record)).collect()
    }

    /// The high watermark of a replica that runs.
    pub fn high_watermark(&self, id: i32, tp: &TopicPartition) -> Option<Offset> {
        let process = self.world.broker(BrokerId(id))?.broker.as_ref()?;
        let broker = process.broker.borrow();
        Some(broker.replicas.get(tp)?.brain.high_watermark())
    }
}

/// The protocol's name of an error.
fn name(refused: Refused) -> &'static str {
    match refused {
        Refused::NotLeader => "NOT_LEADER_OR_FOLLOWER",
        Refused::FencedEpoch => "FENCED_LEADER_EPOCH",
        Refused::UnknownEpoch => "UNKNOWN_LEADER_EPOCH",
        Refused::UnknownTopic => "UNKNOWN_TOPIC_OR_PARTITION",
        Refused::OutOfRange => "OFFSET_OUT_OF_RANGE",
        Refused::OutOfOrder => "OUT_OF_ORDER_SEQUENCE_NUMBER",
        Refused::NotEnoughReplicas => "NOT_ENOUGH_REPLICAS",
        Refused::NotEnoughReplicasAfterAppend => "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        Refused::TimedOut => "REQUEST_TIMED_OUT",
    }
}
