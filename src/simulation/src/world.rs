//! The world: clock, agenda, network, ZooKeeper, processes. One event at a time; whoever it concerns
//! acts until nothing is left to do at that instant.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

use ottla_metadata::{BrokerId, TopicId, TopicName, TopicPartition};

use crate::broker::Broker;
use crate::client::{Client, Orders};
use crate::disk::Disk;
use crate::driver::{Driver, Inputs};
use crate::message::Body;
use crate::network::{Arrival, Connection, Network, Parcel, Peer, Place};
use crate::options::Cluster;
use crate::oracle::Oracle;
use crate::port::{Command, MILLI, Micros, Port, Task, Token, poll_all};
use crate::random::Random;
use crate::session::Zk;
use crate::zookeeper::{Ask, Path, SessionId, Tell, Value, Watched, ZooKeeper};
use crate::{fetcher, isr};

/// How often ZooKeeper looks for silent sessions.
const SESSION_CHECK: Micros = 100 * MILLI;

/// Something that happens.
pub(crate) enum Event {
    Arrival(Parcel),
    /// What arrived while the receiver was stopped.
    Received(Parcel),
    /// The opener learns that its connection is gone.
    Noticed(Connection),
    Woken(u64, Token),
    /// A request has no answer.
    Failed(u64, Token),
    Sessions,
    /// The watchdog of a dead process removes its nodes.
    Watchdog(SessionId),
    Operator,
}

struct Scheduled {
    at: Micros,
    number: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Scheduled) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Scheduled) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Scheduled) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// A broker's process.
pub(crate) struct BrokerProcess {
    pub(crate) broker: Rc<RefCell<Broker>>,
    zk: Zk,
    inputs: Inputs,
}

/// A process that runs, or is stopped for a while.
pub(crate) struct Process {
    place: Place,
    port: Port,
    tasks: Vec<Task>,
    pub(crate) paused: bool,
    /// What happened while it was stopped.
    inbox: Vec<Event>,
    pub(crate) broker: Option<BrokerProcess>,
}

/// The world.
pub(crate) struct World {
    pub(crate) now: Micros,
    agenda: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    pub(crate) cluster: Cluster,
    pub(crate) network: Network,
    pub(crate) zk: ZooKeeper,
    /// Through which connection ZooKeeper reaches a session, and what it has yet to tell.
    connections: BTreeMap<SessionId, Connection>,
    sessions: BTreeMap<Connection, SessionId>,
    untold: BTreeMap<SessionId, Vec<Watched>>,
    pub(crate) processes: BTreeMap<u64, Process>,
    next_process: u64,
    pub(crate) disks: BTreeMap<BrokerId, Rc<RefCell<Disk>>>,
    pub(crate) oracle: Oracle,
    pub(crate) orders: Rc<RefCell<Orders>>,
    /// Brokers whose next write will be carried out, but the answer lost.
    pub(crate) deaf: BTreeSet<Place>,
    seed: u64,
    pub(crate) events: u64,
}

impl World {
    pub(crate) fn new(seed: u64, cluster: Cluster, oracle: Oracle) -> World {
        let network = Network::new(Random::stream(seed, "network"), cluster.calm);
        let mut world = World {
            now: 0,
            agenda: BinaryHeap::new(),
            scheduled: 0,
            cluster,
            network,
            zk: ZooKeeper::default(),
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            untold: BTreeMap::new(),
            processes: BTreeMap::new(),
            next_process: 1,
            disks: BTreeMap::new(),
            oracle,
            orders: Rc::default(),
            deaf: BTreeSet::new(),
            seed,
            events: 0,
        };
        for id in world.broker_ids() {
            let disk: Rc<RefCell<Disk>> = Rc::default();
            world.oracle.add_disk(id, Rc::clone(&disk));
            world.disks.insert(id, disk);
        }
        world.schedule(SESSION_CHECK, Event::Sessions);
        world
    }

    pub(crate) fn broker_ids(&self) -> Vec<BrokerId> {
        (1..=self.cluster.brokers).map(BrokerId).collect()
    }

    pub(crate) fn schedule(&mut self, after: Micros, event: Event) {
        self.schedule_at(self.now + after, event);
    }

    fn schedule_at(&mut self, at: Micros, event: Event) {
        self.scheduled += 1;
        self.agenda.push(Reverse(Scheduled {
            at: at.max(self.now),
            number: self.scheduled,
            event,
        }));
    }

    /// Lets the next thing happen, if it is due by `until`. Answers what only the operator can do.
    pub(crate) fn turn(&mut self, until: Micros) -> Turn {
        match self.agenda.peek() {
            Some(Reverse(next)) if next.at <= until => {}
            _ => {
                self.now = until;
                return Turn::Idle;
            }
        }
        let Some(Reverse(next)) = self.agenda.pop() else {
            return Turn::Idle;
        };
        self.now = next.at;
        self.events += 1;
        self.oracle.set_now(self.now);
        self.oracle.mark(self.now.unsigned_abs());
        self.oracle.mark(next.number);
        if let Event::Operator = next.event {
            return Turn::Operator;
        }
        self.happen(next.event);
        Turn::Done
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival(parcel) => self.arrive(parcel),
            Event::Received(parcel) => self.received(parcel),
            Event::Noticed(connection) => self.noticed(connection),
            Event::Woken(process, token) => {
                if self.is_awake(process, || Event::Woken(process, token)) {
                    self.deliver(process, token, Ok(Body::Woken));
                }
            }
            Event::Failed(process, token) => {
                if self.is_awake(process, || Event::Failed(process, token)) {
                    self.deliver(process, token, Err(crate::port::Lost));
                }
            }
            Event::Sessions => {
                for id in self
                    .zk
                    .silent(self.now, self.cluster.session_timeout * MILLI)
                {
                    self.expire(id);
                }
                self.schedule(SESSION_CHECK, Event::Sessions);
            }
            Event::Watchdog(session) => self.expire(session),
            Event::Operator => {}
        }
        self.zookeeper_changed();
    }

    // Processes.

    /// Whether the process can act now; if it is stopped, the event waits for it.
    fn is_awake(&mut self, process: u64, event: impl FnOnce() -> Event) -> bool {
        match self.processes.get_mut(&process) {
            Some(process) if process.paused => {
                process.inbox.push(event());
                false
            }
            Some(_) => true,
            None => false,
        }
    }

    fn deliver(&mut self, process: u64, token: Token, answer: Result<Body, crate::port::Lost>) {
        if let Some(at) = self.processes.get(&process) {
            at.port.deliver(token, answer);
        }
        self.poll(process);
    }

    /// Lets a process act.
    pub(crate) fn poll(&mut self, number: u64) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        process.port.set_now(self.now);
        poll_all(&process.port, &mut process.tasks);
        let (port, place) = (process.port.clone(), process.place);
        let from = Peer {
            place,
            process: number,
        };
        for command in port.take_commands() {
            self.carry_out(from, command);
        }
    }

    fn carry_out(&mut self, from: Peer, command: Command) {
        match command {
            Command::Send(through, to, token, body) => {
                let to = Peer {
                    place: to,
                    process: self.process_at(to).unwrap_or(0),
                };
                match self.network.ask(self.now, through, from, to, token) {
                    Some((to, at)) => {
                        let parcel = Parcel {
                            through,
                            from,
                            to,
                            token,
                            is_answer: false,
                            body,
                        };
                        self.schedule_at(at, Event::Arrival(parcel));
                    }
                    None => self.schedule(MILLI, Event::Failed(from.process, token)),
                }
            }
            Command::Answer(through, token, body) => {
                if let Some((from, to, at)) = self.network.answer(self.now, through) {
                    let parcel = Parcel {
                        through,
                        from,
                        to,
                        token,
                        is_answer: true,
                        body,
                    };
                    self.schedule_at(at, Event::Arrival(parcel));
                }
            }
            Command::Close(connection) => {
                for token in self.network.close(connection) {
                    self.schedule(0, Event::Failed(from.process, token));
                }
            }
            Command::Wake(token, at) => self.schedule_at(at, Event::Woken(from.process, token)),
            Command::Exit => self.exit(from.process),
        }
    }

    /// The process that runs there now.
    pub(crate) fn process_at(&self, place: Place) -> Option<u64> {
        if place == Place::ZooKeeper {
            return Some(0);
        }
        let mut processes = self.processes.iter();
        processes.find(|(_, p)| p.place == place).map(|(n, _)| *n)
    }

    fn is_alive(&self, peer: Peer) -> bool {
        match peer.place {
            Place::ZooKeeper => true,
            _ => self.processes.contains_key(&peer.process),
        }
    }

    pub(crate) fn start(&mut self, place: Place) -> (u64, Port) {
        let number = self.next_process;
        self.next_process += 1;
        let port = Port::new(number, self.now);
        let process = Process {
            place,
            port: port.clone(),
            tasks: Vec::new(),
            paused: false,
            inbox: Vec::new(),
            broker: None,
        };
        self.processes.insert(number, process);
        (number, port)
    }

    /// Starts a broker on its disk.
    pub(crate) fn start_broker(&mut self, id: BrokerId) {
        let Some(disk) = self.disks.get(&id).cloned() else {
            return;
        };
        self.oracle.note(|| format!("broker {id} starts"));
        self.oracle.disturbed(id);
        let (number, port) = self.start(Place::Broker(id));
        let cluster = self.cluster.clone();
        let oracle = self.oracle.clone();
        let broker = Rc::new(RefCell::new(Broker::new(
            id,
            port.clone(),
            disk,
            oracle,
            &cluster,
        )));
        let zk = Zk::new(&port, cluster.session_timeout);
        let inputs = Inputs::default();
        let random = Random::stream(self.seed, &format!("broker {number}"));
        let driver = Driver::new(
            Rc::clone(&broker),
            zk.clone(),
            inputs.clone(),
            &cluster,
            random,
        );
        port.spawn(zk.clone().keep());
        port.spawn(driver.run());
        match cluster.alter_partition {
            true => port.spawn(isr::ask_controller(Rc::clone(&broker))),
            false => port.spawn(isr::write_directly(Rc::clone(&broker), zk.clone())),
        }
        for leader in self.broker_ids() {
            if leader != id {
                port.spawn(fetcher::follow(Rc::clone(&broker), leader));
            }
        }
        let beats = [
            (cluster.lag_max / 4, Broker::tick as fn(&mut Broker)),
            (cluster.flush_every, |broker| broker.flush()),
            (cluster.checkpoint_every, |broker| broker.checkpoint()),
        ];
        for (every, beat) in beats {
            let (port, broker) = (port.clone(), Rc::clone(&broker));
            port.clone().spawn(async move {
                loop {
                    let _ = port.sleep(every).await;
                    beat(&mut broker.borrow_mut());
                }
            });
        }
        if let Some(process) = self.processes.get_mut(&number) {
            process.broker = Some(BrokerProcess { broker, zk, inputs });
        }
        self.poll(number);
    }

    /// The broker's process, if it runs.
    pub(crate) fn broker(&self, id: BrokerId) -> Option<&Process> {
        let number = self.process_at(Place::Broker(id))?;
        self.processes.get(&number)
    }

    /// Kills a broker's process; its page cache stays.
    pub(crate) fn kill(&mut self, id: BrokerId) {
        let Some(number) = self.process_at(Place::Broker(id)) else {
            return;
        };
        self.oracle.note(|| format!("broker {id} dies"));
        self.oracle.disturbed(id);
        let process = self.processes.remove(&number);
        for connection in self.network.process_ended(number) {
            let notice = self.network.notice();
            self.schedule(notice, Event::Noticed(connection));
        }
        let session = process.and_then(|process| process.broker?.zk.session());
        if let Some(session) = session {
            self.connections.remove(&session);
            if self.cluster.watchdog {
                self.schedule(30 * MILLI, Event::Watchdog(session));
            }
        }
    }

    /// A broker ends in good order.
    fn exit(&mut self, number: u64) {
        let Some(Place::Broker(id)) = self.processes.get(&number).map(|p| p.place) else {
            return;
        };
        self.oracle.note(|| format!("broker {id} stops"));
        let process = self.processes.get(&number);
        let Some(broker) = process.and_then(|process| process.broker.as_ref()) else {
            return;
        };
        broker.broker.borrow_mut().flush();
        broker.broker.borrow().checkpoint();
        let session = broker.zk.session();
        self.kill(id);
        if let Some(session) = session {
            self.expire(session);
        }
    }

    /// Has a broker leave in good order.
    pub(crate) fn shut_down(&mut self, id: BrokerId) {
        self.oracle.disturbed(id);
        let Some(number) = self.process_at(Place::Broker(id)) else {
            return;
        };
        if let Some(process) = self.processes.get(&number).filter(|p| !p.paused)
            && let Some(broker) = &process.broker
        {
            let leave = crate::shutdown::leave(Rc::clone(&broker.broker));
            process.port.spawn(leave);
            self.poll(number);
        }
    }

    pub(crate) fn pause(&mut self, id: BrokerId) {
        let number = self.process_at(Place::Broker(id));
        if let Some(process) = number.and_then(|number| self.processes.get_mut(&number)) {
            self.oracle.note(|| format!("broker {id} is stopped"));
            self.oracle.disturbed(id);
            process.paused = true;
        }
    }

    pub(crate) fn resume(&mut self, id: BrokerId) {
        let Some(number) = self.process_at(Place::Broker(id)) else {
            return;
        };
        let Some(process) = self.processes.get_mut(&number).filter(|p| p.paused) else {
            return;
        };
        self.oracle.note(|| format!("broker {id} goes on"));
        self.oracle.disturbed(id);
        process.paused = false;
        for event in std::mem::take(&mut process.inbox) {
            self.happen(event);
        }
    }

    /// Starts the clients of a partition.
    pub(crate) fn start_clients(&mut self, tp: &TopicPartition, topic: TopicId, idempotent: bool) {
        self.orders
            .borrow_mut()
            .partitions
            .insert(tp.clone(), topic);
        for role in 0..2 {
            let number = u32::try_from(self.next_process).unwrap_or(u32::MAX);
            let (process, port) = self.start(Place::Client(number));
            let random = Random::stream(self.seed, &format!("client {number}"));
            let client = Client {
                number,
                port: port.clone(),
                oracle: self.oracle.clone(),
                orders: Rc::clone(&self.orders),
                brokers: self.broker_ids(),
                random: Rc::new(RefCell::new(random)),
            };
            match role {
                0 => port.spawn(client.produce(tp.clone(), topic, idempotent)),
                _ => port.spawn(client.consume(tp.clone(), topic)),
            }
            self.poll(process);
        }
    }

    // The network.

    fn arrive(&mut self, parcel: Parcel) {
        let lives = self.is_alive(parcel.to);
        match self.network.arrive(&parcel, lives) {
            Arrival::Gone => {
                if let Body::Tell(Tell::Fired(watched)) = parcel.body
                    && let Some(session) = self.sessions.get(&parcel.through)
                {
                    self.fire(*session, watched);
                }
                let notice = self.network.notice();
                self.schedule(notice, Event::Noticed(parcel.through));
            }
            Arrival::Received if parcel.to.place == Place::ZooKeeper => self.asked(parcel),
            Arrival::Received => self.received(parcel),
        }
    }

    fn received(&mut self, parcel: Parcel) {
        let number = parcel.to.process;
        if self.processes.get(&number).is_some_and(|p| p.paused) {
            if let Some(process) = self.processes.get_mut(&number) {
                process.inbox.push(Event::Received(parcel));
            }
            return;
        }
        if parcel.is_answer && parcel.token != 0 {
            return self.deliver(number, parcel.token, Ok(parcel.body));
        }
        let Some(process) = self.processes.get(&number) else {
            return;
        };
        process.port.set_now(self.now);
        if let Some(broker) = &process.broker {
            let asker = (parcel.through, parcel.token);
            match parcel.body {
                Body::Tell(Tell::Fired(watched)) => broker.inputs.watches.put(watched),
                body @ (Body::AlterPartition(..) | Body::Shutdown(..)) => {
                    broker.inputs.commands.put((asker, body));
                }
                body => broker.broker.borrow_mut().serve(asker, body),
            }
        }
        self.poll(number);
    }

    fn noticed(&mut self, connection: Connection) {
        let Some((opener, waiting)) = self.network.reap(connection) else {
            return;
        };
        for token in waiting {
            self.happen(Event::Failed(opener.process, token));
        }
    }

    // ZooKeeper.

    fn asked(&mut self, parcel: Parcel) {
        let Body::Ask(ask) = parcel.body else {
            return;
        };
        let through = parcel.through;
        let session = self.sessions.get(&through).copied();
        if let Some(session) = session {
            self.zk.hear(session, self.now);
        }
        let tell = match (ask, session) {
            (Ask::Connect(old), _) => match old {
                Some(id) if !self.zk.hear(id, self.now) => Tell::Expired,
                old => {
                    let id = old.unwrap_or_else(|| self.zk.open(self.now));
                    self.oracle
                        .note(|| format!("{id:?} is connected to {:?}", parcel.from.place));
                    self.sessions.insert(through, id);
                    self.connections.insert(id, through);
                    Tell::Connected(id)
                }
            },
            (_, None) => return,
            (_, Some(session)) if !self.zk.is_open(session) => return,
            (Ask::Ping, _) => Tell::Pong,
            (Ask::Get(path, watch), Some(session)) => {
                Tell::Found(self.zk.get(session, &path, watch))
            }
            (Ask::Children(of, watch), Some(session)) => {
                Tell::Listed(self.zk.children(session, of, watch))
            }
            (Ask::Multi(as_controller, ops), session) => {
                if self.deaf.remove(&parcel.from.place) {
                    let _ = self.zk.multi(session, as_controller, ops);
                    self.network.break_off(through);
                    self.schedule(MILLI, Event::Noticed(through));
                    return;
                }
                match self.zk.multi(session, as_controller, ops) {
                    Ok(stats) => Tell::Done(stats),
                    Err((at, why)) => Tell::Refused(at, why),
                }
            }
        };
        let missed = match tell {
            Tell::Connected(session) => self.untold.remove(&session).unwrap_or_default(),
            _ => Vec::new(),
        };
        // Watches that fired are told before the answer that would show why.
        self.zookeeper_changed();
        self.tell(through, parcel.token, tell);
        for watched in missed {
            self.tell(through, 0, Tell::Fired(watched));
        }
    }

    fn tell(&mut self, through: Connection, token: Token, tell: Tell) {
        let from = Peer {
            place: Place::ZooKeeper,
            process: 0,
        };
        self.carry_out(from, Command::Answer(through, token, Body::Tell(tell)));
    }

    pub(crate) fn expire(&mut self, session: SessionId) {
        if !self.zk.is_open(session) {
            return;
        }
        self.oracle.note(|| format!("{session:?} expires"));
        self.zk.expire(session);
        if let Some(connection) = self.connections.remove(&session) {
            self.network.break_off(connection);
            let notice = self.network.notice();
            self.schedule(notice, Event::Noticed(connection));
        }
        self.zookeeper_changed();
    }

    /// Tells the oracle what changed, and sessions which watches fired.
    pub(crate) fn zookeeper_changed(&mut self) {
        for change in std::mem::take(&mut self.zk.changes) {
            if let (Path::Topic(name), None) = (&change.path, &change.after) {
                let mut orders = self.orders.borrow_mut();
                orders.partitions.retain(|tp, _| tp.topic != *name);
            }
            self.oracle.changed(&change);
        }
        for (session, watched) in std::mem::take(&mut self.zk.fired) {
            self.fire(session, watched);
        }
    }

    fn fire(&mut self, session: SessionId, watched: Watched) {
        match self.connections.get(&session) {
            Some(connection) if self.network.is_open(*connection) => {
                self.tell(*connection, 0, Tell::Fired(watched));
            }
            _ => self.untold.entry(session).or_default().push(watched),
        }
    }

    /// The topics as stored, by name.
    pub(crate) fn topics(&self) -> BTreeMap<TopicName, (ottla_controller::TopicNode, i32)> {
        let topic = |(path, node): (&Path, &crate::zookeeper::Node)| match (path, &node.value) {
            (Path::Topic(name), Value::Topic(topic)) => {
                Some((name.clone(), (topic.clone(), node.version)))
            }
            _ => None,
        };
        self.zk.nodes().filter_map(topic).collect()
    }

    /// Asks the controller to move partitions, if it can be asked.
    pub(crate) fn reassign(&mut self, moves: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>) {
        let Some(Value::Controller(id)) = self.zk.node(&Path::Controller).map(|n| &n.value) else {
            return;
        };
        let Some(number) = self.process_at(Place::Broker(*id)) else {
            return;
        };
        let process = self.processes.get(&number).filter(|p| !p.paused);
        if let Some(broker) = process.and_then(|process| process.broker.as_ref()) {
            let nobody = (Connection(0), 0);
            broker.inputs.commands.put((nobody, Body::Reassign(moves)));
            self.poll(number);
        }
    }

    /// The session of a broker's process.
    pub(crate) fn session_of(&self, id: BrokerId) -> Option<SessionId> {
        self.broker(id)?.broker.as_ref()?.zk.session()
    }
}

/// What a turn was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something happened.
    Done,
    /// Nothing is due.
    Idle,
    /// The operator's turn.
    Operator,
}
