//! One replica's log.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ottla_metadata::{LeaderEpoch, Millis, Offset, TopicId, TopicPartition};

use crate::answers::{AbortedTransaction, ActiveProducer, Appended, LogSlice, TimestampOffset};
use crate::config::LogConfig;
use crate::error::{AppendError, ReadError, StorageError};

/// The log of one replica: segments, indexes, epochs and producers. Every method may be called
/// from any thread; appends of one log exclude each other, reads exclude nobody.
#[derive(Debug)]
pub struct Log {}

#[allow(clippy::todo, unused_variables)]
impl Log {
    /// The partition.
    pub fn partition(&self) -> &TopicPartition {
        todo!()
    }
    /// The log directory (a member of `log.dirs`) that holds the replica.
    pub fn parent_dir(&self) -> &Path {
        todo!()
    }
    /// The topic's id as stored in `partition.metadata`.
    pub fn topic_id(&self) -> Option<TopicId> {
        todo!()
    }
    /// The configs in force.
    pub fn config(&self) -> Arc<LogConfig> {
        todo!()
    }
    /// Whether the log directory has failed.
    pub fn is_offline(&self) -> bool {
        todo!()
    }
    /// First offset that may be read.
    pub fn log_start_offset(&self) -> Offset {
        todo!()
    }
    /// Offset of the next append.
    pub fn log_end_offset(&self) -> Offset {
        todo!()
    }
    /// The high watermark as last set.
    pub fn high_watermark(&self) -> Offset {
        todo!()
    }
    /// Sets the high watermark, clamped to `[log start, log end]`; answers what it is now.
    pub fn set_high_watermark(&self, offset: Offset) -> Offset {
        todo!()
    }
    /// The first offset that a read-committed consumer may not see: the high watermark, or the
    /// beginning of the first transaction that is open or whose marker is not below it.
    pub fn last_stable_offset(&self) -> Offset {
        todo!()
    }
    /// Everything below this is on disk for sure.
    pub fn recovery_point(&self) -> Offset {
        todo!()
    }
    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        todo!()
    }
    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        todo!()
    }
    /// Appends validated records of a client or coordinator: assigns offsets, checks producers.
    pub fn append_as_leader(
        &self,
        set: ottla_records::AppendSet,
        leader_epoch: LeaderEpoch,
        now: Millis,
    ) -> Result<Appended, AppendError> {
        todo!()
    }
    /// Appends what a leader sent; offsets and epochs are kept. A partial batch at the end is cut off.
    /// Answers `None` when there is no whole batch.
    pub fn append_as_follower(
        &self,
        records: Bytes,
        now: Millis,
    ) -> Result<Option<Appended>, AppendError> {
        todo!()
    }
    /// Makes everything below `offset` durable. Blocks; concurrent callers share one sync.
    pub fn flush_to(&self, offset: Offset) -> Result<(), StorageError> {
        todo!()
    }
    /// Lends the records from `from` on, at most `max_bytes` of one segment and none at or above `upper_bound`.
    /// `None` when there are none. With `min_one` the first batch is lent whole even if larger than `max_bytes`.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        upper_bound: Offset,
        min_one: bool,
    ) -> Result<Option<LogSlice>, ReadError> {
        todo!()
    }
    /// The first record below `upper_bound` whose timestamp is at least `timestamp`.
    pub fn offset_for_timestamp(
        &self,
        timestamp: Millis,
        upper_bound: Offset,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        todo!()
    }
    /// The first record with the largest timestamp of the log (ListOffsets -3).
    pub fn offset_of_max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        todo!()
    }
    /// ListOffsets v0: up to `max` segment boundaries, descending; `timestamp` may be -1 or -2.
    pub fn legacy_offsets_before(&self, timestamp: Millis, max: usize, now: Millis) -> Vec<Offset> {
        todo!()
    }
    /// The newest leader epoch the log knows.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        todo!()
    }
    /// The epoch of the record at `offset`.
    pub fn epoch_of_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        todo!()
    }
    /// OffsetForLeaderEpoch: the largest known epoch not above `epoch` and where it ends;
    /// (-1, -1) when unknown.
    pub fn epoch_end_offset(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        todo!()
    }
    /// Records that `epoch` begins at `start`.
    pub fn assign_epoch(&self, epoch: LeaderEpoch, start: Offset) -> Result<(), StorageError> {
        todo!()
    }
    /// Drops everything at and above `offset`.
    pub fn truncate_to(&self, offset: Offset) -> Result<(), StorageError> {
        todo!()
    }
    /// Drops everything and starts anew at `offset`.
    pub fn truncate_fully_and_start_at(&self, offset: Offset) -> Result<(), StorageError> {
        todo!()
    }
    /// Raises the log start offset (DeleteRecords, or the leader's in a fetch response). Never lowers it; answers
    /// whether it moved. An offset above the high watermark is refused with `None`.
    pub fn advance_log_start_offset(&self, offset: Offset) -> Result<Option<bool>, StorageError> {
        todo!()
    }
    /// Aborted transactions that touch `[from, upto)`.
    pub fn aborted_transactions(
        &self,
        from: Offset,
        upto: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        todo!()
    }
    /// The producers that the log remembers.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        todo!()
    }
}
