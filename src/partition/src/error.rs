//! Why a partition says no.

use ottla_metadata::LeaderEpoch;

/// Why the partition cannot be used in the way that was asked for
/// (`Partition.getLocalLog`, `checkCurrentLeaderEpoch`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// The replica's log directory has failed.
    #[error("the replica is offline")]
    Offline,
    /// A leader is needed and this replica is not it.
    #[error("this broker does not lead the partition")]
    NotLeader,
    /// The request was made for an older leadership than the current one.
    #[error("leader epoch {requested} is fenced; the current one is {current}")]
    Fenced {
        /// What the request carried.
        requested: LeaderEpoch,
        /// What this replica knows.
        current: LeaderEpoch,
    },
    /// The request was made for a leadership that this replica has not heard of yet.
    #[error("leader epoch {requested} is not known yet; the current one is {current}")]
    Unknown {
        /// What the request carried.
        requested: LeaderEpoch,
        /// What this replica knows.
        current: LeaderEpoch,
    },
}

/// Why an append may not happen (`Partition.appendRecordsToLeader`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedAppend {
    /// The replica's log directory has failed.
    #[error("the replica is offline")]
    Offline,
    /// This replica is not the leader.
    #[error("this broker does not lead the partition")]
    NotLeader,
    /// acks=all, and fewer replicas are in sync than `min.insync.replicas` wants.
    #[error("{in_sync} replicas are in sync, {required} are required")]
    NotEnoughReplicas {
        /// Size of the ISR.
        in_sync: usize,
        /// The effective minimum.
        required: usize,
    },
}

/// What went wrong for somebody who waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The record is in the log and committed, but by fewer replicas than the minimum.
    #[error("the records were appended, but to fewer in-sync replicas than required")]
    NotEnoughReplicasAfterAppend,
    /// The replica stopped being the leader while the request waited.
    #[error("leadership was lost while waiting")]
    LeadershipLost,
    /// The replica's log directory failed while the request waited.
    #[error("the replica went offline while waiting")]
    Offline,
    /// The deadline passed. The records are in the log and may still be committed.
    #[error("the wait timed out")]
    TimedOut,
}
