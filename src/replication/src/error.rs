//! Why a replica says no. One variant per thing the caller does differently.

use ottla_log::{AppendError, LogError, ReadError, StorageError};
use ottla_partition::{EpochError, RefusedAppend, WaitError};
use ottla_records::InvalidRecords;

/// Why a partition cannot be used on this broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    /// Nobody knows the partition (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("the partition is unknown")]
    Unknown,
    /// It lives elsewhere, or this replica does not lead it (`NOT_LEADER_OR_FOLLOWER`).
    #[error("this broker does not lead the partition")]
    NotLeader,
    /// The request belongs to an older leadership (`FENCED_LEADER_EPOCH`).
    #[error("the request's leader epoch is fenced")]
    FencedLeaderEpoch,
    /// The request belongs to a leadership not heard of yet (`UNKNOWN_LEADER_EPOCH`).
    #[error("the request's leader epoch is not known yet")]
    UnknownLeaderEpoch,
    /// The topic of that name has another id here (`INCONSISTENT_TOPIC_ID`).
    #[error("the topic has another id here")]
    InconsistentTopicId,
    /// The log directory has failed (`KAFKA_STORAGE_ERROR`).
    #[error("the replica's log directory is offline")]
    Offline,
}

impl From<EpochError> for PartitionError {
    fn from(error: EpochError) -> PartitionError {
        match error {
            EpochError::Offline => PartitionError::Offline,
            EpochError::NotLeader => PartitionError::NotLeader,
            EpochError::Fenced { .. } => PartitionError::FencedLeaderEpoch,
            EpochError::Unknown { .. } => PartitionError::UnknownLeaderEpoch,
        }
    }
}

/// Why records were not accepted, or may not be reported as committed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProduceError {
    /// The partition cannot be used.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// A client may not write to the topics that brokers keep for themselves
    /// (`INVALID_TOPIC_EXCEPTION`).
    #[error("clients may not write to an internal topic")]
    InternalTopic,
    /// acks=all and too few replicas in sync; nothing was written (`NOT_ENOUGH_REPLICAS`).
    #[error("{in_sync} replicas are in sync, {required} are required")]
    NotEnoughReplicas {
        /// Size of the ISR.
        in_sync: usize,
        /// The effective minimum.
        required: usize,
    },
    /// Written, but by fewer replicas than required (`NOT_ENOUGH_REPLICAS_AFTER_APPEND`).
    #[error("the records were written to fewer in-sync replicas than required")]
    NotEnoughReplicasAfterAppend,
    /// Written, and not committed in time (`REQUEST_TIMED_OUT`).
    #[error("the records were not committed in time")]
    TimedOut,
    /// The records break a rule of the topic or the format.
    #[error(transparent)]
    Records(#[from] InvalidRecords),
    /// The log refused them.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl From<RefusedAppend> for ProduceError {
    fn from(error: RefusedAppend) -> ProduceError {
        match error {
            RefusedAppend::Offline => PartitionError::Offline.into(),
            RefusedAppend::NotLeader => PartitionError::NotLeader.into(),
            RefusedAppend::NotEnoughReplicas { in_sync, required } => {
                ProduceError::NotEnoughReplicas { in_sync, required }
            }
        }
    }
}

impl From<WaitError> for ProduceError {
    fn from(error: WaitError) -> ProduceError {
        match error {
            WaitError::NotEnoughReplicasAfterAppend => ProduceError::NotEnoughReplicasAfterAppend,
            WaitError::LeadershipLost => PartitionError::NotLeader.into(),
            WaitError::Offline => PartitionError::Offline.into(),
            WaitError::TimedOut => ProduceError::TimedOut,
        }
    }
}

/// Why a partition's part of a fetch failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// The partition cannot be used.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// The epoch of the last record fetched is not known here (`OFFSET_OUT_OF_RANGE`).
    #[error("the epoch of the last fetched record is unknown")]
    UnknownFetchedEpoch,
    /// The log cannot be read there.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why an offset could not be looked up.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ListOffsetsError {
    /// The partition cannot be used.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// The leader is new and does not know yet how far its log is committed
    /// (`OFFSET_NOT_AVAILABLE`, or `LEADER_NOT_AVAILABLE` for old clients).
    #[error("the high watermark lags behind the start of the leader's epoch")]
    NotAvailable,
    /// The log cannot be searched.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why records could not be deleted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeleteRecordsError {
    /// The partition cannot be used.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// Beyond the high watermark, or negative (`OFFSET_OUT_OF_RANGE`).
    #[error("the offset is beyond the high watermark, or negative")]
    OffsetOutOfRange,
    /// `cleanup.policy` of the topic does not have `delete` (`POLICY_VIOLATION`).
    #[error("the topic's cleanup.policy does not allow deletion")]
    NotDeletable,
    /// An internal topic (`INVALID_TOPIC_EXCEPTION`).
    #[error("records of an internal topic cannot be deleted")]
    InternalTopic,
    /// Other replicas have not followed in time (`REQUEST_TIMED_OUT`).
    #[error("not all live replicas deleted the records in time")]
    TimedOut,
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<WaitError> for DeleteRecordsError {
    fn from(error: WaitError) -> DeleteRecordsError {
        match error {
            WaitError::LeadershipLost => PartitionError::NotLeader.into(),
            WaitError::Offline => PartitionError::Offline.into(),
            // The ISR plays no part in a deletion; whoever waits for it can only be late.
            WaitError::TimedOut | WaitError::NotEnoughReplicasAfterAppend => {
                DeleteRecordsError::TimedOut
            }
        }
    }
}

/// Why what the controller said of a partition was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// A log directory is offline (`KAFKA_STORAGE_ERROR`).
    #[error("the replica's log directory is offline")]
    Offline,
    /// The log on disk belongs to a topic with another id (`INCONSISTENT_TOPIC_ID`).
    #[error("the log on disk belongs to a topic with another id")]
    InconsistentTopicId,
    /// This broker is not among the replicas (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("this broker is not one of the partition's replicas")]
    NotAReplica,
    /// The leader epoch is known already, or an older one (`STALE_CONTROLLER_EPOCH`).
    #[error("this leader epoch, or a larger one, is in force")]
    StaleLeaderEpoch,
    /// Stop: a larger leader epoch is in force (`FENCED_LEADER_EPOCH`).
    #[error("a larger leader epoch is in force")]
    FencedLeaderEpoch,
}

impl From<LogError> for ReplicaError {
    fn from(error: LogError) -> ReplicaError {
        match error {
            LogError::InconsistentTopicId { .. } => ReplicaError::InconsistentTopicId,
            LogError::UnknownDirectory(_)
            | LogError::DuplicatePartition { .. }
            | LogError::NoLiveDirectory
            | LogError::Storage(_) => ReplicaError::Offline,
        }
    }
}

/// Why a replica is not moved to another log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveRefused {
    /// `log.dirs` has no such directory (`LOG_DIR_NOT_FOUND`).
    #[error("there is no such log directory")]
    UnknownDir,
    /// The topic's name leaves no room for what marks a moving replica (`INVALID_TOPIC_EXCEPTION`).
    #[error("the topic's name is too long")]
    NameTooLong,
    /// There is no such replica here; if one comes, it is created in that directory
    /// (`REPLICA_NOT_AVAILABLE`).
    #[error("there is no replica of the partition here")]
    NoReplica,
    /// A log directory has failed (`KAFKA_STORAGE_ERROR`).
    #[error("a log directory is offline")]
    Offline,
}
