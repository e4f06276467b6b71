//! What can go wrong, one variant per thing a caller does differently.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_metadata::{Offset, TopicId, TopicPartition};
use ottla_records::{CorruptBatch, InvalidRecords};

/// Why the log directories cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogDirError {
    /// No directory was given, or none of those given can be used.
    #[error("none of the directories in log.dirs can be used: {}", list(.0))]
    NoneUsable(Vec<(PathBuf, String)>),
    /// The same directory is listed twice.
    #[error("log.dirs names the directory {} twice", .0.display())]
    ListedTwice(PathBuf),
    /// Another broker works in the directory.
    #[error(
        "the log directory {} is in use by {holder}; stop it, or give each broker its own log.dirs",
        dir.display()
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Who holds the lock, as far as the system tells.
        holder: String,
    },
    /// `meta.properties` cannot be understood.
    #[error("{}: {reason}", file.display())]
    BadMetaProperties {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directories, or a directory and the configuration, disagree about the broker's id.
    #[error(
        "{} belongs to broker {stored}, but {expected_by} says {expected}; correct broker.id or move the directory \
         away", file.display()
    )]
    InconsistentBrokerId {
        /// The file with the other id.
        file: PathBuf,
        /// The id in the file.
        stored: i32,
        /// The id expected.
        expected: i32,
        /// Where the expected id comes from.
        expected_by: String,
    },
    /// The directories, or a directory and ZooKeeper, disagree about the cluster.
    #[error(
        "{} belongs to cluster {stored}, but {expected_by} says {expected}; check zookeeper.connect, or move the \
         directory away", file.display()
    )]
    InconsistentClusterId {
        /// The file with the other id.
        file: PathBuf,
        /// The id in the file.
        stored: String,
        /// The id expected.
        expected: String,
        /// Where the expected id comes from.
        expected_by: String,
    },
    /// The system refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn list(failed: &[(PathBuf, String)]) -> String {
    let each: Vec<String> = failed
        .iter()
        .map(|(dir, why)| format!("{} ({why})", dir.display()))
        .collect();
    each.join(", ")
}

/// The disk, or what lies on it, failed us. To a client this is `KAFKA_STORAGE_ERROR`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// An operation failed; the log directory is offline from now on.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// The system is short of descriptors or memory: nothing was done, nothing is wrong with the
    /// disk, and it can be tried again.
    #[error("cannot {operation} {}: the system is short of resources", path.display())]
    Exhausted {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// The log's directory failed earlier.
    #[error("the log directory {} is offline", .0.display())]
    Offline(PathBuf),
    /// Retention or truncation removed the segment in the same moment; asked again, the log
    /// answers without it.
    #[error("{} was deleted meanwhile", .0.display())]
    SegmentDeleted(PathBuf),
    /// The log was deleted or closed.
    #[error("the log {0} is closed")]
    Closed(TopicPartition),
}

impl StorageError {
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> StorageError {
        StorageError::Io {
            operation,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}

/// Why the logs could not be loaded or a log could not be created.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A directory in a log directory is neither a replica nor one of the known extras.
    #[error(
        "{} is not a replica's directory (topic-partition); Kafka brokers refuse to start on it, so move it out of \
         the log directory", .0.display()
    )]
    UnknownDirectory(PathBuf),
    /// Two log directories hold the same partition.
    #[error(
        "{partition} is both in {} and in {}; move the stale one away", first.display(), second.display()
    )]
    DuplicatePartition {
        /// The partition.
        partition: TopicPartition,
        /// One log directory.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The replica's directory belongs to another topic of that name.
    #[error("{partition} is stored under topic id {stored}, not {asked}")]
    InconsistentTopicId {
        /// The partition.
        partition: TopicPartition,
        /// The id on disk.
        stored: TopicId,
        /// The id that was asked for.
        asked: TopicId,
    },
    /// Every log directory is offline.
    #[error("all log directories are offline")]
    NoLiveDirectory,
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a replica cannot be moved to another log directory.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// `log.dirs` has no such directory (`LOG_DIR_NOT_FOUND`).
    #[error("there is no such log directory")]
    UnknownDir,
    /// The name of the future replica's directory would be too long (`INVALID_TOPIC_EXCEPTION`).
    #[error("the topic's name is too long")]
    NameTooLong,
    /// There is no replica to move (`REPLICA_NOT_AVAILABLE`).
    #[error("there is no replica of the partition")]
    NoReplica,
    /// The replica is in that directory, or on its way to one.
    #[error("the replica is there or moving already")]
    AlreadyThere,
    /// The replica's log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<StorageError> for MoveError {
    fn from(error: StorageError) -> MoveError {
        MoveError::Log(error.into())
    }
}

/// Why an append was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The producer's epoch is older than the one last seen (`INVALID_PRODUCER_EPOCH`).
    #[error("producer {producer_id} appends with epoch {epoch}, but epoch {current} was seen")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// The epoch of the batch.
        epoch: i16,
        /// The epoch in force.
        current: i16,
    },
    /// The batch does not continue the producer's sequence (`OUT_OF_ORDER_SEQUENCE_NUMBER`).
    #[error("producer {producer_id} appends sequence {sequence} after {last_sequence}")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// The first sequence number of the batch.
        sequence: i32,
        /// The last one appended, -1 for none.
        last_sequence: i32,
    },
    /// A batch outside a transaction while one of the producer is open (`INVALID_TXN_STATE`).
    #[error("producer {0} has an open transaction and appends outside of it")]
    InvalidTxnState(i64),
    /// A marker from a transaction coordinator that was replaced
    /// (`TRANSACTION_COORDINATOR_FENCED`).
    #[error(
        "a marker for producer {producer_id} comes from coordinator epoch {epoch}, but {current} was seen"
    )]
    TransactionCoordinatorFenced {
        /// The producer.
        producer_id: i64,
        /// The marker's coordinator epoch.
        epoch: i32,
        /// The epoch in force.
        current: i32,
    },
    /// A replicated set does not begin at or after the log end offset, or its offsets do not grow.
    #[error("replicated records begin at {first}, but the log ends at {end}")]
    UnexpectedOffset {
        /// First offset of the offending batch.
        first: Offset,
        /// What the log, or the batch before, ends with (exclusive).
        end: Offset,
    },
    /// A replicated set is larger than a segment (`RECORD_LIST_TOO_LARGE`).
    #[error("the record set has {size} bytes, a segment {limit}")]
    SetTooLarge {
        /// Bytes of the set.
        size: usize,
        /// `segment.bytes`.
        limit: u32,
    },
    /// Replicated bytes are damaged (`CORRUPT_MESSAGE`).
    #[error(transparent)]
    Corrupt(#[from] CorruptBatch),
    /// The records cannot take the offsets they would get.
    #[error(transparent)]
    InvalidRecords(#[from] InvalidRecords),
    /// The disk failed (`KAFKA_STORAGE_ERROR`).
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a read was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is below the log start or above the log end (`OFFSET_OUT_OF_RANGE`).
    #[error("offset {offset} is not between {start} and {end}")]
    OffsetOutOfRange {
        /// What was asked for.
        offset: Offset,
        /// Log start offset.
        start: Offset,
        /// Log end offset.
        end: Offset,
    },
    /// What lies in the segment is not a batch (`CORRUPT_MESSAGE`).
    #[error("{} is corrupt at byte {position}", file.display())]
    Corrupt {
        /// The segment.
        file: PathBuf,
        /// Where.
        position: u64,
        /// What is wrong.
        #[source]
        reason: CorruptBatch,
    },
    /// The disk failed (`KAFKA_STORAGE_ERROR`).
    #[error(transparent)]
    Storage(#[from] StorageError),
}
