//! Waiting: for ZooKeeper, no longer than the caller would; for the image to show a change.

use std::future::Future;
use std::time::Duration;

use ottla_zk::{Conflict, SessionEvent, WriteError, Zk, ZkError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::StoreError;
use crate::convert::chain;

/// What ZooKeeper is given at least, however short the request's own timeout: Kafka finishes the
/// write even when the request has timed out.
const MIN_PATIENCE: Duration = Duration::from_secs(5);
/// The same when ZooKeeper is known to be away: other requests of the connection wait meanwhile.
const MIN_PATIENCE_WHEN_AWAY: Duration = Duration::from_millis(100);

/// The time until which ZooKeeper is waited for on behalf of a request with that timeout.
pub(crate) fn patience(zk: &Zk, timeout: Duration) -> Instant {
    let least = match is_connected(zk) {
        true => MIN_PATIENCE,
        false => MIN_PATIENCE_WHEN_AWAY,
    };
    Instant::now() + timeout.max(least)
}

/// Whether ZooKeeper answers, as far as we know.
pub(crate) fn is_connected(zk: &Zk) -> bool {
    matches!(*zk.session().borrow(), SessionEvent::Connected { .. })
}

/// Carries out an operation that must not take longer.
pub(crate) async fn within<T, E: Into<Failed>>(
    deadline: Instant,
    operation: impl Future<Output = Result<T, E>>,
) -> Result<T, Failed> {
    match tokio::time::timeout_at(deadline, operation).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Failed::Store(StoreError::Away)),
    }
}

/// How an operation failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Something is in the way of a write.
    Conflict(Conflict),
    /// The write may have happened.
    Unknown,
    /// ZooKeeper failed.
    Store(StoreError),
}

impl Failed {
    /// For a caller to whom any conflict is a surprise and an unknown outcome a time-out.
    pub(crate) fn into_store(self) -> StoreError {
        match self {
            Failed::Store(error) => error,
            Failed::Unknown => StoreError::Away,
            Failed::Conflict(conflict) => StoreError::Unexpected(conflict.to_string()),
        }
    }
}

impl From<ZkError> for Failed {
    fn from(error: ZkError) -> Failed {
        match error {
            ZkError::SessionExpired | ZkError::Closed | ZkError::Unreachable { .. } => {
                Failed::Store(StoreError::Away)
            }
            ZkError::Unknown { .. } => Failed::Unknown,
            ZkError::BadConnectString { .. }
            | ZkError::Contended { .. }
            | ZkError::Malformed(_)
            | ZkError::Refused { .. } => Failed::Store(StoreError::Unexpected(chain(&error))),
        }
    }
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Failed {
        match error {
            WriteError::Conflict { conflict, .. } => Failed::Conflict(conflict),
            WriteError::Unknown { .. } => Failed::Unknown,
            WriteError::SessionExpired | WriteError::Closed => Failed::Store(StoreError::Away),
            WriteError::Refused { .. } => Failed::Store(StoreError::Unexpected(chain(&error))),
        }
    }
}

/// Waits until `done` holds, looking again whenever `version` changes. False when time is up.
pub(crate) async fn until(
    mut version: watch::Receiver<u64>,
    deadline: Instant,
    mut done: impl FnMut() -> bool,
) -> bool {
    loop {
        version.borrow_and_update();
        if done() {
            return true;
        }
        match tokio::time::timeout_at(deadline, version.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return false,
        }
    }
}
