//! What can go wrong, by what the caller does about it.

use std::fmt;
use std::time::Duration;

use ottla_metadata::BrokerId;

use crate::SessionId;

/// A read, or an operation as a whole, could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ZkError {
    /// The connect string cannot be understood.
    #[error(
        "zookeeper.connect={connect:?} is not a list host:port,host:port with an optional /chroot at its end: {reason}"
    )]
    BadConnectString {
        /// The configured value.
        connect: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No server answered within the connection timeout.
    #[error(
        "no ZooKeeper server at {addresses} answered within {} ms (zookeeper.connection.timeout.ms): {reason}; \
         is ZooKeeper running there?", timeout.as_millis()
    )]
    Unreachable {
        /// The servers that were tried.
        addresses: String,
        /// How long.
        timeout: Duration,
        /// The last failure.
        reason: String,
    },
    /// The session is gone. A new one is opened by itself and announced on [`crate::Zk::session`].
    #[error("the ZooKeeper session has expired")]
    SessionExpired,
    /// [`crate::Zk::close`] was called.
    #[error("the ZooKeeper connection is closed")]
    Closed,
    /// A write that this operation consists of may or may not have happened.
    #[error("the connection to ZooKeeper was lost while {action}; it may have happened")]
    Unknown {
        /// What was being done.
        action: &'static str,
    },
    /// Somebody else changed the same node again and again while we tried.
    #[error("ZooKeeper node {path} kept changing while {action}")]
    Contended {
        /// The node.
        path: String,
        /// What was being done.
        action: &'static str,
    },
    /// A node that has to be readable is not.
    #[error(transparent)]
    Malformed(#[from] MalformedZnode),
    /// The server refused: no permission, quota, a server that is too old.
    #[error("ZooKeeper refused {action} of {path}")]
    Refused {
        /// What was asked.
        action: &'static str,
        /// Of which node.
        path: String,
        /// The answer.
        #[source]
        source: zookeeper_client::Error,
    },
}

/// Why a write was not stored; `Ok` is "stored".
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Not stored, because of what is there.
    #[error("{path}: {conflict}")]
    Conflict {
        /// The node.
        path: String,
        /// What stands in the way.
        conflict: Conflict,
    },
    /// The answer was lost: it may have been stored or not, now or in a moment. Read before
    /// anything else is written.
    #[error("{path}: the connection was lost; the write may have happened")]
    Unknown {
        /// The node.
        path: String,
    },
    /// Not stored: the session is gone.
    #[error("the ZooKeeper session has expired")]
    SessionExpired,
    /// Not stored: [`crate::Zk::close`] was called.
    #[error("the ZooKeeper connection is closed")]
    Closed,
    /// Not stored: the server refused (no permission, too large, a server that is too old).
    #[error("ZooKeeper refused the write of {path}")]
    Refused {
        /// The node.
        path: String,
        /// The answer.
        #[source]
        source: zookeeper_client::Error,
    },
}

/// What stood in the way of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The node is already there.
    Exists,
    /// The node, or the parent of the node to create, is not there.
    Missing,
    /// The node's version is not the expected one.
    BadVersion,
    /// The node to delete has children.
    NotEmpty,
    /// Another controller has raised `/controller_epoch`: whoever wrote is no longer controller.
    ControllerMoved,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Conflict::Exists => "the node already exists",
            Conflict::Missing => "the node does not exist",
            Conflict::BadVersion => "the node was changed by somebody else",
            Conflict::NotEmpty => "the node has children",
            Conflict::ControllerMoved => "another broker has become controller",
        })
    }
}

/// The outcome of a write that gives `T` when it is stored.
pub type WriteResult<T> = Result<T, WriteError>;

impl WriteError {
    /// The conflict, if it is one.
    pub fn conflict(&self) -> Option<Conflict> {
        match self {
            WriteError::Conflict { conflict, .. } => Some(*conflict),
            WriteError::Unknown { .. }
            | WriteError::SessionExpired
            | WriteError::Closed
            | WriteError::Refused { .. } => None,
        }
    }
}

/// A node holds what no reader of Kafka would accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ZooKeeper node {path} is malformed: {reason}")]
pub struct MalformedZnode {
    /// The node.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// Why a broker could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The id is taken by a broker that may be alive.
    #[error(
        "broker.id {id} is already registered by {address} since {registered}, session {owner}: stop that broker or \
         choose another broker.id; if it died a moment ago, its session ends by itself within its \
         zookeeper.session.timeout.ms"
    )]
    IdTaken {
        /// The id.
        id: BrokerId,
        /// `host:port` of the holder, or what could be found of it.
        address: String,
        /// When the holder registered, in UTC.
        registered: String,
        /// The holder's session.
        owner: SessionId,
    },
    /// Another id advertises the same address.
    #[error(
        "{endpoint} is already advertised by broker {other}: give this broker its own port, or set \
         advertised.listeners"
    )]
    EndpointTaken {
        /// `host:port`.
        endpoint: String,
        /// Who has it.
        other: BrokerId,
    },
    /// ZooKeeper failed.
    #[error(transparent)]
    Zk(#[from] ZkError),
}
