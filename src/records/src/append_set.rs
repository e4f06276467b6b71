//! Validated records on their way into a log.

use std::io::IoSlice;

use smallvec::SmallVec;

use crate::control::ControlRecord;
use crate::error::InvalidRecords;
use crate::format::{Compression, Magic, ProducerInfo, TimestampType};

/// What the log has to know about a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchInfo {
    /// Size in bytes.
    pub size: usize,
    /// Offset of the first record; relative to the set until offsets are assigned.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Largest timestamp, -1 for none.
    pub max_timestamp: i64,
    /// Last offset of the batch if it has a timestamp, else -1 (what a time index entry names).
    pub offset_of_max_timestamp: i64,
    /// Format.
    pub magic: Magic,
    /// Codec.
    pub compression: Compression,
    /// Who set the timestamps.
    pub timestamp_type: TimestampType,
    /// Producer fields.
    pub producer: Option<ProducerInfo>,
    /// Part of a transaction.
    pub transactional: bool,
    /// What a control batch says.
    pub control: Option<ControlRecord>,
    /// Number of records.
    pub record_count: u32,
}

/// Records that passed [`crate::validate`], ready to get offsets and be written.
#[derive(Debug)]
pub struct AppendSet {
    infos: SmallVec<[BatchInfo; 1]>,
}

impl AppendSet {
    /// The batches, in order.
    pub fn batches(&self) -> &[BatchInfo] {
        &self.infos
    }

    /// No batch at all: an empty or truncated set from an old client, which is not an error.
    pub fn is_empty(&self) -> bool {
        self.infos.is_empty()
    }

    /// Bytes to write. May change in `assign_offsets` (only for compressed v0).
    pub fn size(&self) -> usize {
        todo!()
    }

    /// Number of records, and so of offsets to assign.
    pub fn record_count(&self) -> u64 {
        todo!()
    }

    /// Largest timestamp of all batches, -1 for none.
    pub fn max_timestamp(&self) -> i64 {
        todo!()
    }

    /// Last offset of the first batch that has the largest timestamp, -1 for none; valid once offsets are assigned.
    pub fn offset_of_max_timestamp(&self) -> i64 {
        todo!()
    }

    /// The append time if the topic is set to LogAppendTime.
    pub fn log_append_time(&self) -> Option<i64> {
        todo!()
    }

    /// Gives the records the offsets from `first` on and stamps the leader epoch. May be called again with other values.
    ///
    /// No checksum of v1 or v2 covers what this changes. Compressed v0 holds absolute offsets inside, so it is compressed here.
    ///
    /// # Errors
    /// The offsets pass `i64::MAX`; compressed v0 became too large.
    pub fn assign_offsets(&mut self, first: i64, leader_epoch: i32) -> Result<(), InvalidRecords> {
        let _ = (first, leader_epoch);
        todo!()
    }

    /// The bytes in order, for `pwritev`: the patched head and the untouched body of a single batch, or one owned piece.
    pub fn io_slices(&self) -> SmallVec<[IoSlice<'_>; 4]> {
        todo!()
    }
}
