//! A fake network: connections deliver in order, each in its own time; a cut link loses what is
//! under way and, sooner or later, the connection. What one end has sent before it closed still
//! arrives, as with TCP, so that requests of the past may come late.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::BrokerId;

use crate::message::Body;
use crate::port::{MILLI, Micros, Token};
use crate::random::Random;

/// Where a process runs, or a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Broker(BrokerId),
    Client(u32),
    ZooKeeper,
}

/// A connection's number; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Connection(pub(crate) u64);

/// A process or service at one end: where it runs and which process it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peer {
    pub(crate) place: Place,
    pub(crate) process: u64,
}

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) through: Connection,
    pub(crate) from: Peer,
    pub(crate) to: Peer,
    /// The request that this asks or answers; 0 for what nobody asked for.
    pub(crate) token: Token,
    pub(crate) is_answer: bool,
    pub(crate) body: Body,
}

struct Link {
    opener: Peer,
    acceptor: Peer,
    /// When the last message to each end arrives.
    to_opener: Micros,
    to_acceptor: Micros,
    closed: bool,
    /// Requests of the opener without an answer.
    waiting: BTreeSet<Token>,
}

/// How the network is today.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Longest usual delay.
    pub(crate) delay: Micros,
    /// Once in so many messages, something holds it up.
    pub(crate) stall_one_in: i64,
    /// For so long at most.
    pub(crate) stall: Micros,
}

/// The network.
pub(crate) struct Network {
    random: Random,
    pub(crate) weather: Weather,
    links: BTreeMap<Connection, Link>,
    /// Connections that were forgotten: nothing goes through them any more.
    gone: BTreeSet<Connection>,
    cut: BTreeSet<(Place, Place)>,
}

/// What came of an arrival.
pub(crate) enum Arrival {
    /// The receiver gets it.
    Received,
    /// Nobody gets it.
    Gone,
}

impl Network {
    pub(crate) fn new(random: Random, weather: Weather) -> Network {
        Network {
            random,
            weather,
            links: BTreeMap::new(),
            gone: BTreeSet::new(),
            cut: BTreeSet::new(),
        }
    }

    pub(crate) fn cut(&mut self, a: Place, b: Place) {
        self.cut.insert((a.min(b), a.max(b)));
    }

    pub(crate) fn mend(&mut self) {
        self.cut.clear();
    }

    pub(crate) fn is_cut(&self, a: Place, b: Place) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    fn delay(&mut self) -> Micros {
        let usual = self.random.between(50, self.weather.delay.max(51));
        if self.random.one_in(self.weather.stall_one_in) {
            return usual + self.random.between(0, self.weather.stall);
        }
        usual
    }

    /// Takes a request of the opener; answers when it arrives, or `None` if there is no connection
    /// any more.
    pub(crate) fn ask(
        &mut self,
        now: Micros,
        through: Connection,
        opener: Peer,
        acceptor: Peer,
        token: Token,
    ) -> Option<(Peer, Micros)> {
        let delay = self.delay();
        if self.gone.contains(&through) {
            return None;
        }
        let link = self.links.entry(through).or_insert(Link {
            opener,
            acceptor,
            to_opener: now,
            to_acceptor: now,
            closed: false,
            waiting: BTreeSet::new(),
        });
        if link.closed {
            return None;
        }
        link.waiting.insert(token);
        link.to_acceptor = link.to_acceptor.max(now + delay) + 1;
        Some((link.acceptor, link.to_acceptor))
    }

    /// Takes a message of the acceptor; answers to whom and when it arrives.
    pub(crate) fn answer(
        &mut self,
        now: Micros,
        through: Connection,
    ) -> Option<(Peer, Peer, Micros)> {
        let delay = self.delay();
        let link = self.links.get_mut(&through).filter(|link| !link.closed)?;
        link.to_opener = link.to_opener.max(now + delay) + 1;
        Some((link.acceptor, link.opener, link.to_opener))
    }

    /// A message arrives, if its way is not cut and its receiver lives. A lost one takes the
    /// connection with it.
    pub(crate) fn arrive(&mut self, parcel: &Parcel, receiver_lives: bool) -> Arrival {
        let cut = self.is_cut(parcel.from.place, parcel.to.place);
        let Some(link) = self.links.get_mut(&parcel.through) else {
            // The opener has closed it: what it sent before still arrives.
            return match parcel.is_answer || cut || !receiver_lives {
                true => Arrival::Gone,
                false => Arrival::Received,
            };
        };
        if cut || !receiver_lives || link.closed {
            link.closed = true;
            return Arrival::Gone;
        }
        if parcel.is_answer {
            link.waiting.remove(&parcel.token);
        }
        Arrival::Received
    }

    /// Whether the connection is of no use any more and the opener has not been told: it is
    /// forgotten, and these requests have no answer.
    pub(crate) fn reap(&mut self, through: Connection) -> Option<(Peer, BTreeSet<Token>)> {
        if !self.links.get(&through)?.closed {
            return None;
        }
        let link = self.links.remove(&through)?;
        self.gone.insert(through);
        Some((link.opener, link.waiting))
    }

    /// The acceptor breaks it off.
    pub(crate) fn break_off(&mut self, through: Connection) {
        if let Some(link) = self.links.get_mut(&through) {
            link.closed = true;
        }
    }

    /// Whether the acceptor may still use it.
    pub(crate) fn is_open(&self, through: Connection) -> bool {
        self.links.get(&through).is_some_and(|link| !link.closed)
    }

    /// The opener closes it. Answers the requests that have no answer.
    pub(crate) fn close(&mut self, through: Connection) -> BTreeSet<Token> {
        self.gone.insert(through);
        let link = self.links.remove(&through);
        link.map(|link| link.waiting).unwrap_or_default()
    }

    /// A process is gone: all its connections break. Answers those whose openers must hear it.
    pub(crate) fn process_ended(&mut self, process: u64) -> Vec<Connection> {
        self.links.retain(|_, link| link.opener.process != process);
        let mut broken = Vec::new();
        for (connection, link) in &mut self.links {
            if link.acceptor.process == process && !link.closed {
                link.closed = true;
                broken.push(*connection);
            }
        }
        broken
    }

    /// How long it takes until an end notices that the other is gone.
    pub(crate) fn notice(&mut self) -> Micros {
        self.random.between(MILLI, 50 * MILLI)
    }
}
