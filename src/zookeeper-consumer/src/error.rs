//! What can go wrong, by what the caller does about it.

use ottla_client::ClientError;
use ottla_zk::{WriteError, ZkError};

use crate::filter::BadFilter;

/// A consumer could not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// A group's name becomes part of a path.
    #[error(
        "group.id {group:?} is illegal, contains a character other than ASCII alphanumerics, '.', '_' and '-'"
    )]
    BadGroup {
        /// The name.
        group: String,
    },
    /// Our own pattern, or that of another member.
    #[error(transparent)]
    BadFilter(#[from] BadFilter),
    /// The first rebalance failed as often as it may.
    #[error("{consumer} can't rebalance after {tries} retries")]
    RebalanceFailed {
        /// The member.
        consumer: String,
        /// `rebalance.max.retries`.
        tries: u32,
        /// What the last try failed for; none if partitions were still owned by others.
        #[source]
        cause: Option<Box<ConsumerError>>,
    },
    /// ZooKeeper could not be read.
    #[error(transparent)]
    Zk(#[from] ZkError),
    /// ZooKeeper could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The brokers failed in a way that does not pass.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl ConsumerError {
    /// Whether a rebalance that met it may be tried again.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            ConsumerError::Zk(ZkError::Closed) | ConsumerError::Write(WriteError::Closed) => false,
            ConsumerError::BadGroup { .. } | ConsumerError::RebalanceFailed { .. } => false,
            ConsumerError::BadFilter(_)
            | ConsumerError::Zk(_)
            | ConsumerError::Write(_)
            | ConsumerError::Client(_) => true,
        }
    }
}
