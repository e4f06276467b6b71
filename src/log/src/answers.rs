//! What the log answers with.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use ottla_metadata::{LeaderEpoch, Millis, Offset, TopicPartition};

/// A range of a segment file that holds the records a read asked for. Its end may cut a batch in
/// two, as Kafka's does; its start never does.
#[derive(Clone, Debug)]
pub struct LogSlice {
    /// The segment's file.
    pub file: Arc<File>,
    /// Where the range begins in the file.
    pub position: u64,
    /// Bytes in the range, at least 1.
    pub len: usize,
    /// Bytes of the first batch; larger than `len` when the batch is cut.
    pub first_entry_size: usize,
    /// Base offset of the segment.
    pub segment_base: Offset,
}

/// A successful append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record; for a duplicate, of the original one.
    pub first_offset: Offset,
    /// Offset of the last record; for a duplicate, of the original one.
    pub last_offset: Offset,
    /// The log end offset after the append.
    pub next_offset: Offset,
    /// The time given to the records, -1 when their own timestamps were kept.
    pub log_append_time: Millis,
    /// The log start offset at that time.
    pub log_start_offset: Offset,
    /// The producer had appended the same batch before; nothing was written now.
    pub duplicate: bool,
    /// `flush.messages` asks for a flush: the append is durable once
    /// [`crate::Log::flush_to`] of this offset has returned.
    pub needs_flush_to: Option<Offset>,
}

/// The outcome of a search by timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Timestamp of the record found.
    pub timestamp: Millis,
    /// Its offset.
    pub offset: Offset,
    /// The leader epoch of the record, if the log knows it.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// An aborted transaction that touches a range of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: i64,
    /// Offset of the transaction's first record.
    pub first_offset: Offset,
}

/// A producer that the log remembers, as DescribeProducers shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Last sequence number, -1 for none.
    pub last_sequence: i32,
    /// Timestamp of its last batch.
    pub last_timestamp: Millis,
    /// Epoch of the coordinator that wrote the last marker, -1 for none.
    pub coordinator_epoch: i32,
    /// Where the open transaction begins.
    pub current_txn_first_offset: Option<Offset>,
}

/// A log directory as DescribeLogDirs shows it.
#[derive(Clone, Debug)]
pub struct DirStatus {
    /// The directory.
    pub path: PathBuf,
    /// Why it is offline, if it is.
    pub offline: Option<String>,
    /// Size of its volume in bytes, -1 when unknown.
    pub total_bytes: i64,
    /// What is left of it for us, -1 when unknown.
    pub usable_bytes: i64,
    /// The replicas in it.
    pub replicas: Vec<ReplicaStatus>,
}

/// A replica as DescribeLogDirs shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// The partition.
    pub partition: TopicPartition,
    /// Bytes of its segments.
    pub size: u64,
    /// How far behind it is: a current replica its high watermark, which is never, a future one the
    /// current one; -1 when that is not there (`ReplicaManager.getLogEndOffsetLag`).
    pub offset_lag: i64,
    /// Whether it is on its way here from another directory.
    pub is_future: bool,
}
