//! A fake ZooKeeper: nodes with versions and owners, multi-writes that happen as a whole or not at
//! all, sessions that expire, watches that fire once. It is one server: what is written is seen.

use std::collections::{BTreeMap, BTreeSet};

use ottla_controller::{LeaderIsr, TopicNode};
use ottla_metadata::{BrokerId, TopicName, TopicPartition};

/// A session's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(crate) u64);

/// A node's path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    Controller,
    ControllerEpoch,
    Broker(BrokerId),
    Topic(TopicName),
    State(TopicPartition),
    DeleteTopic(TopicName),
    IsrChange(i64),
    PreferredElection,
    Reassignment,
}

/// A node whose children are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Directory {
    Brokers,
    Topics,
    DeleteTopics,
    IsrChanges,
}

impl Path {
    fn parent(&self) -> Option<Directory> {
        match self {
            Path::Broker(_) => Some(Directory::Brokers),
            Path::Topic(_) => Some(Directory::Topics),
            Path::DeleteTopic(_) => Some(Directory::DeleteTopics),
            Path::IsrChange(_) => Some(Directory::IsrChanges),
            _ => None,
        }
    }
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Empty,
    Controller(BrokerId),
    Epoch(i32),
    Topic(TopicNode),
    State(LeaderIsr),
    Partitions(BTreeSet<TopicPartition>),
    Assignments(BTreeMap<TopicPartition, Vec<BrokerId>>),
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) version: i32,
    pub(crate) czxid: i64,
    pub(crate) mzxid: i64,
    pub(crate) owner: Option<SessionId>,
}

/// One operation of a multi-write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Check(Path, i32),
    Create(Path, Value),
    CreateEphemeral(Path, Value),
    Set(Path, Value, Option<i32>),
    /// Deletes; what is not there is an error only if a version is expected.
    Delete(Path, Option<i32>),
    /// Deletes a topic with all below it.
    DeleteTree(TopicName),
    /// Creates the next `isr_change_` node.
    Notify(BTreeSet<TopicPartition>),
}

/// A request of a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    Connect(Option<SessionId>),
    Ping,
    Get(Path, bool),
    Children(Directory, bool),
    /// The controller epoch that the writer believes to hold, for the checker alone, and the ops.
    Multi(Option<i32>, Vec<Op>),
}

/// Why a multi-write was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    BadVersion,
    Exists,
    Missing,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tell {
    Connected(SessionId),
    Expired,
    Pong,
    Found(Option<Node>),
    Listed(Vec<Path>),
    /// The stats of the nodes that were created or set: version and czxid.
    Done(Vec<(i32, i64)>),
    /// Which op failed, and why.
    Refused(usize, Refusal),
    /// A watch fired.
    Fired(Watched),
}

/// What a watch is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Watched {
    Data(Path),
    Children(Directory),
}

/// Something that became visible to all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) path: Path,
    pub(crate) before: Option<Node>,
    pub(crate) after: Option<Node>,
    /// The epoch under which the writer wrote as a controller, if it did.
    pub(crate) as_controller: Option<i32>,
}

/// The server.
#[derive(Debug, Default)]
pub(crate) struct ZooKeeper {
    nodes: BTreeMap<Path, Node>,
    zxid: i64,
    sequence: i64,
    next_session: u64,
    sessions: BTreeMap<SessionId, Session>,
    /// What happened since it was last looked at.
    pub(crate) changes: Vec<Change>,
    /// Watches that fired and have not been sent.
    pub(crate) fired: Vec<(SessionId, Watched)>,
}

/// A client's session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) heard_at: i64,
    watches: BTreeSet<Watched>,
}

impl ZooKeeper {
    pub(crate) fn open(&mut self, now: i64) -> SessionId {
        self.next_session += 1;
        let id = SessionId(self.next_session);
        let session = Session {
            heard_at: now,
            watches: BTreeSet::new(),
        };
        self.sessions.insert(id, session);
        id
    }

    /// Notes that the client was heard of; false if the session is over.
    pub(crate) fn hear(&mut self, id: SessionId, now: i64) -> bool {
        match self.sessions.get_mut(&id) {
            Some(session) => {
                session.heard_at = now;
                true
            }
            None => false,
        }
    }

    /// Sessions that were not heard of for so long.
    pub(crate) fn silent(&self, now: i64, timeout: i64) -> Vec<SessionId> {
        let late = |session: &Session| now.saturating_sub(session.heard_at) >= timeout;
        let sessions = self.sessions.iter().filter(|(_, session)| late(session));
        sessions.map(|(id, _)| *id).collect()
    }

    /// Ends a session: what it owned vanishes.
    pub(crate) fn expire(&mut self, id: SessionId) {
        if self.sessions.remove(&id).is_none() {
            return;
        }
        let owned = self.nodes.iter().filter(|(_, node)| node.owner == Some(id));
        let owned: Vec<Path> = owned.map(|(path, _)| path.clone()).collect();
        for path in owned {
            self.zxid += 1;
            self.put(path, None, None);
        }
    }

    pub(crate) fn is_open(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    pub(crate) fn node(&self, path: &Path) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// All nodes, in order of path.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&Path, &Node)> {
        self.nodes.iter()
    }

    /// The names below a directory.
    pub(crate) fn list(&self, directory: Directory) -> Vec<Path> {
        let paths = self.nodes.keys();
        paths
            .filter(|path| path.parent() == Some(directory))
            .cloned()
            .collect()
    }

    pub(crate) fn get(&mut self, session: SessionId, path: &Path, watch: bool) -> Option<Node> {
        self.watch(session, watch, Watched::Data(path.clone()));
        self.nodes.get(path).cloned()
    }

    pub(crate) fn children(&mut self, session: SessionId, of: Directory, watch: bool) -> Vec<Path> {
        self.watch(session, watch, Watched::Children(of));
        self.list(of)
    }

    fn watch(&mut self, session: SessionId, watch: bool, what: Watched) {
        if let Some(session) = self.sessions.get_mut(&session).filter(|_| watch) {
            session.watches.insert(what);
        }
    }

    /// Carries out all of it or nothing.
    pub(crate) fn multi(
        &mut self,
        session: Option<SessionId>,
        as_controller: Option<i32>,
        ops: Vec<Op>,
    ) -> Result<Vec<(i32, i64)>, (usize, Refusal)> {
        // A trial on a copy of what it touches would do too; nodes are few, a copy is simple.
        let mut trial = self.nodes.clone();
        for (at, op) in ops.iter().enumerate() {
            judge(&mut trial, op).map_err(|refusal| (at, refusal))?;
        }
        self.zxid += 1;
        let mut stats = Vec::new();
        for op in ops {
            let (path, value, owner) = match op {
                Op::Check(..) => continue,
                Op::Delete(path, _) => {
                    if self.nodes.contains_key(&path) {
                        self.put(path, None, as_controller);
                    }
                    continue;
                }
                Op::DeleteTree(topic) => {
                    let below = |path: &&Path| match path {
                        Path::State(tp) => tp.topic == topic,
                        Path::Topic(name) | Path::DeleteTopic(name) => *name == topic,
                        _ => false,
                    };
                    let paths: Vec<Path> = self.nodes.keys().filter(below).cloned().collect();
                    for path in paths {
                        self.put(path, None, as_controller);
                    }
                    continue;
                }
                Op::Create(path, value) => (path, value, None),
                Op::CreateEphemeral(path, value) => (path, value, session),
                Op::Set(path, value, _) => {
                    let owner = self.nodes.get(&path).and_then(|node| node.owner);
                    (path, value, owner)
                }
                Op::Notify(partitions) => {
                    self.sequence += 1;
                    let path = Path::IsrChange(self.sequence);
                    (path, Value::Partitions(partitions), None)
                }
            };
            let old = self.nodes.get(&path);
            let node = Node {
                value,
                version: old.map_or(0, |old| old.version + 1),
                czxid: old.map_or(self.zxid, |old| old.czxid),
                mzxid: self.zxid,
                owner,
            };
            stats.push((node.version, node.czxid));
            self.put(path, Some(node), as_controller);
        }
        Ok(stats)
    }

    fn put(&mut self, path: Path, after: Option<Node>, as_controller: Option<i32>) {
        let before = match &after {
            Some(node) => self.nodes.insert(path.clone(), node.clone()),
            None => self.nodes.remove(&path),
        };
        self.fire(&Watched::Data(path.clone()));
        if let Some(parent) = path
            .parent()
            .filter(|_| before.is_some() != after.is_some())
        {
            self.fire(&Watched::Children(parent));
        }
        self.changes.push(Change {
            path,
            before,
            after,
            as_controller,
        });
    }

    fn fire(&mut self, what: &Watched) {
        for (id, session) in &mut self.sessions {
            if session.watches.remove(what) {
                self.fired.push((*id, what.clone()));
            }
        }
    }
}

/// Tries an operation on `nodes`, where what the earlier ones did is seen.
fn judge(nodes: &mut BTreeMap<Path, Node>, op: &Op) -> Result<(), Refusal> {
    let fresh = |value: &Value, version| Node {
        value: value.clone(),
        version,
        czxid: 0,
        mzxid: 0,
        owner: None,
    };
    match op {
        Op::Check(path, version) => match nodes.get(path) {
            None => Err(Refusal::Missing),
            Some(node) if node.version != *version => Err(Refusal::BadVersion),
            Some(_) => Ok(()),
        },
        Op::Create(path, value) | Op::CreateEphemeral(path, value) => {
            let topic_is_there = match path {
                Path::State(tp) => nodes.contains_key(&Path::Topic(tp.topic.clone())),
                _ => true,
            };
            if !topic_is_there {
                return Err(Refusal::Missing);
            }
            match nodes.insert(path.clone(), fresh(value, 0)) {
                None => Ok(()),
                Some(_) => Err(Refusal::Exists),
            }
        }
        Op::Set(path, value, expected) => match nodes.get_mut(path) {
            None => Err(Refusal::Missing),
            Some(node) if expected.is_some_and(|version| version != node.version) => {
                Err(Refusal::BadVersion)
            }
            Some(node) => {
                *node = fresh(value, node.version + 1);
                Ok(())
            }
        },
        Op::Delete(path, expected) => match (nodes.remove(path), expected) {
            (None, Some(_)) => Err(Refusal::Missing),
            (Some(node), Some(version)) if node.version != *version => Err(Refusal::BadVersion),
            _ => Ok(()),
        },
        Op::DeleteTree(_) | Op::Notify(_) => Ok(()),
    }
}
