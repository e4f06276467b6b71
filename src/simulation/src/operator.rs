//! Whoever makes trouble: kills, stops, cuts, expires; and the admin, who makes and moves topics.
//! Afterwards the operator heals everything.

use std::collections::{BTreeMap, BTreeSet};

use ottla_controller::{Assignment, TopicNode};
use ottla_metadata::{BrokerId, TopicId, TopicName, TopicPartition};

use crate::network::Place;
use crate::port::{MILLI, Micros};
use crate::random::Random;
use crate::world::{Event, World};
use crate::zookeeper::{Op, Path, Value};

/// How long a broker may take to leave in good order.
const LEAVING: Micros = 8_000 * MILLI;

/// The operator.
pub(crate) struct Operator {
    faults: Random,
    admin: Random,
    next_topic: u32,
    /// When somebody was last asked to leave in good order.
    left_at: Micros,
}

impl Operator {
    pub(crate) fn new(seed: u64) -> Operator {
        Operator {
            faults: Random::stream(seed, "operator"),
            admin: Random::stream(seed, "admin"),
            next_topic: 0,
            left_at: 0,
        }
    }

    /// An id that no topic has.
    pub(crate) fn topic_id(&mut self) -> TopicId {
        TopicId(self.admin.id())
    }

    /// When the operator looks in next.
    pub(crate) fn pause(&mut self) -> i64 {
        self.faults.between(20, 900) * MILLI
    }

    /// One mischief.
    pub(crate) fn act(&mut self, world: &mut World) {
        let faults = world.cluster.faults;
        let ids = world.broker_ids();
        let Some(id) = self.faults.pick(&ids).copied() else {
            return;
        };
        let other = self.faults.pick(&ids).copied().unwrap_or(id);
        // Until a controller has brought back an id that an old tool dropped, it is remembered by
        // running brokers alone.
        let fragile = world.topics().values().any(|(node, _)| node.id.is_zero());
        match self.faults.between(0, 14) {
            0 | 1 | 8 | 13 if fragile => {}
            0 | 1 if faults.processes => world.kill(id),
            2..=4 if faults.processes => self.start_somebody(world),
            5 if faults.processes => world.pause(id),
            6 | 7 if faults.processes => ids.iter().for_each(|id| world.resume(*id)),
            8 if faults.processes => {
                self.left_at = world.now;
                world.shut_down(id);
            }
            9 if faults.network && id != other => {
                world
                    .oracle
                    .note(|| format!("{id} and {other} are cut off from each other"));
                world.network.cut(Place::Broker(id), Place::Broker(other));
            }
            10 if faults.network => match self.faults.one_in(3) {
                true => world.network.mend(),
                false => {
                    world
                        .oracle
                        .note(|| format!("{id} is cut off from ZooKeeper"));
                    world.network.cut(Place::Broker(id), Place::ZooKeeper);
                }
            },
            11 if faults.network => {
                world.oracle.note(|| "the network is mended".to_owned());
                world.network.mend();
            }
            12 if faults.sessions => {
                if let Some(session) = world.session_of(id) {
                    world.expire(session);
                }
            }
            13 if faults.power => {
                world.kill(id);
                let disk = world.disks.get(&id).cloned();
                if let Some(disk) = disk {
                    let lost = disk.borrow_mut().power_failed(&mut self.faults);
                    world
                        .oracle
                        .note(|| format!("the power of {id} fails: {lost:?}"));
                    world.oracle.power_failed(id, &lost);
                }
            }
            _ => {}
        }
        if faults.admin && self.admin.one_in(4) {
            self.administer(world);
        }
    }

    fn start_somebody(&mut self, world: &mut World) {
        let ids = world.broker_ids().into_iter();
        let dead: Vec<BrokerId> = ids.filter(|id| world.broker(*id).is_none()).collect();
        if let Some(id) = self.faults.pick(&dead) {
            world.start_broker(*id);
        }
    }

    /// Everything works again.
    pub(crate) fn heal(&mut self, world: &mut World) {
        world.oracle.note(|| "healing begins".to_owned());
        world.network.mend();
        world.network.weather = world.cluster.calm;
        for id in world.broker_ids() {
            world.resume(id);
        }
        self.restart(world);
        world.orders.borrow_mut().produce = false;
    }

    /// Whoever is down is started; somebody may just have left in good order.
    pub(crate) fn restart(&mut self, world: &mut World) {
        for id in world.broker_ids() {
            if world.broker(id).is_none() {
                world.start_broker(id);
            }
        }
    }

    /// The calm is over.
    pub(crate) fn begin(&mut self, world: &mut World) {
        world.network.weather = match world.cluster.faults.network {
            true => world.cluster.rough,
            false => world.cluster.calm,
        };
        world.orders.borrow_mut().produce = true;
        let pause = self.pause();
        world.schedule(pause, Event::Operator);
    }

    fn administer(&mut self, world: &mut World) {
        let topics = world.topics();
        let names: Vec<TopicName> = topics.keys().cloned().collect();
        let Some(name) = self.admin.pick(&names).cloned() else {
            return self.create(world, None);
        };
        let marked = world.zk.node(&Path::DeleteTopic(name.clone())).is_some();
        match self.admin.between(0, 7) {
            0 if names.len() < 4 => {
                let again = self.admin.one_in(2).then_some(name);
                self.create(world, again);
            }
            1 if names.len() > 1 && !marked => {
                let mark = Op::Create(Path::DeleteTopic(name), Value::Empty);
                self.write(world, vec![mark]);
            }
            2 if !marked => self.grow(world, name),
            3 | 4 => self.reassign(world),
            _ => {
                let mut partitions = BTreeSet::new();
                for (name, (node, _)) in topics {
                    let tp = |number: &i32| TopicPartition::new(name.clone(), *number);
                    partitions.extend(node.partitions.keys().map(tp));
                }
                let value = Value::Partitions(partitions);
                self.write(world, vec![Op::Create(Path::PreferredElection, value)]);
            }
        }
    }

    fn write(&mut self, world: &mut World, ops: Vec<Op>) -> bool {
        let written = world.zk.multi(None, None, ops).is_ok();
        world.zookeeper_changed();
        written
    }

    fn assignment(&mut self, world: &World) -> Assignment {
        let mut replicas = self.admin.shuffled(world.broker_ids());
        replicas.truncate(world.cluster.replication);
        Assignment {
            replicas,
            ..Assignment::default()
        }
    }

    /// Creates a topic; a name that was used before may be used again.
    pub(crate) fn create(&mut self, world: &mut World, name: Option<TopicName>) {
        let name = name.unwrap_or_else(|| {
            self.next_topic += 1;
            TopicName::from(format!("t{}", self.next_topic))
        });
        if world.zk.node(&Path::DeleteTopic(name.clone())).is_some() {
            return;
        }
        let mut partitions = BTreeMap::new();
        for number in 0..i32::try_from(self.admin.between(1, 4)).unwrap_or(1) {
            partitions.insert(number, self.assignment(world));
        }
        let node = TopicNode {
            id: self.topic_id(),
            partitions,
            version: 0,
        };
        let path = Path::Topic(name.clone());
        if self.write(world, vec![Op::Create(path, Value::Topic(node.clone()))]) {
            self.serve(world, &name, &node, 0);
        }
    }

    /// Adds a partition. A tool of an old release drops the topic's id; the controller brings it
    /// back.
    fn grow(&mut self, world: &mut World, name: TopicName) {
        let Some((mut node, version)) = world.topics().remove(&name) else {
            return;
        };
        let number = i32::try_from(node.partitions.len()).unwrap_or(0);
        if number >= 5 || node.id.is_zero() {
            return;
        }
        let assignment = self.assignment(world);
        node.partitions.insert(number, assignment);
        let known = node.clone();
        let knows = |id: BrokerId| {
            let process = world.broker(id).and_then(|process| process.broker.as_ref());
            process.is_some_and(|p| p.broker.borrow().image.topic_id(&name) == Some(node.id))
        };
        let nobody_leaves = world.now - self.left_at > LEAVING;
        if self.admin.one_in(2) && nobody_leaves && world.broker_ids().into_iter().all(knows) {
            node.id = TopicId::ZERO;
        }
        let set = Op::Set(Path::Topic(name.clone()), Value::Topic(node), Some(version));
        if self.write(world, vec![set]) {
            self.serve(world, &name, &known, number);
        }
    }

    /// Moves some partitions, by request or by the node of the command line, or cancels it.
    fn reassign(&mut self, world: &mut World) {
        let mut moves = BTreeMap::new();
        for (name, (node, _)) in world.topics() {
            for number in node.partitions.keys() {
                if self.admin.one_in(3) {
                    let target = self.assignment(world).replicas;
                    moves.insert(TopicPartition::new(name.clone(), *number), target);
                }
            }
        }
        match self.admin.between(0, 5) {
            _ if moves.is_empty() => {}
            0 | 1 => {
                let value = Value::Assignments(moves);
                self.write(world, vec![Op::Create(Path::Reassignment, value)]);
            }
            2 => world.reassign(moves.into_keys().map(|tp| (tp, None)).collect()),
            _ => world.reassign(moves.into_iter().map(|(tp, to)| (tp, Some(to))).collect()),
        }
    }

    fn serve(&mut self, world: &mut World, name: &TopicName, node: &TopicNode, from: i32) {
        for number in node.partitions.keys().filter(|number| **number >= from) {
            let tp = TopicPartition::new(name.clone(), *number);
            let idempotent = !self.admin.one_in(3);
            world.start_clients(&tp, node.id, idempotent);
        }
    }
}
