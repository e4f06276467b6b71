//! How a batch is to be written.

use crate::error::BuildError;
use crate::format::{
    Compression, Magic, NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
    TIMESTAMP_TYPE_BIT,
};

/// How a batch is to be written. The default is an uncompressed v2 batch from offset 0 without a
/// producer id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Format.
    pub magic: Magic,
    /// Codec. Uncompressed v0 and v1 records become an entry each.
    pub compression: Compression,
    /// Level of the codec.
    pub level: i32,
    /// Offset of the first record.
    pub base_offset: i64,
    /// `Some(ms)`: timestamp type LogAppendTime with this time; `None`: CreateTime.
    pub log_append_time_ms: Option<i64>,
    /// Leader epoch (v2).
    pub leader_epoch: i32,
    /// Producer id (v2), -1 for none.
    pub producer_id: i64,
    /// Producer epoch (v2), -1 for none.
    pub producer_epoch: i16,
    /// Sequence of the first record (v2), -1 for none.
    pub base_sequence: i32,
    /// Part of a transaction (v2).
    pub transactional: bool,
    /// Delete horizon in ms, set by compaction (v2).
    pub delete_horizon_ms: Option<i64>,
}

impl Default for BatchOptions {
    fn default() -> BatchOptions {
        BatchOptions {
            magic: Magic::V2,
            compression: Compression::None,
            level: 0,
            base_offset: 0,
            log_append_time_ms: None,
            leader_epoch: NO_LEADER_EPOCH,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            delete_horizon_ms: None,
        }
    }
}

impl BatchOptions {
    /// The attribute bit of LogAppendTime, which v0 does not know.
    pub(crate) fn timestamp_bit(&self) -> u8 {
        match (self.magic, self.log_append_time_ms) {
            (Magic::V1 | Magic::V2, Some(_)) => TIMESTAMP_TYPE_BIT,
            (Magic::V0 | Magic::V1 | Magic::V2, _) => 0,
        }
    }

    /// Refuses what only v2 can hold.
    pub(crate) fn check_format(&self) -> Result<(), BuildError> {
        if self.magic == Magic::V2 {
            return Ok(());
        }
        let asked = [
            (self.compression == Compression::Zstd, "zstd batches"),
            (self.transactional, "transactional batches"),
            (self.producer_id != NO_PRODUCER_ID, "idempotent batches"),
            (self.delete_horizon_ms.is_some(), "delete horizons"),
        ];
        match asked.into_iter().find(|(asked, _)| *asked) {
            Some((_, feature)) => Err(BuildError::UnsupportedForFormat(feature)),
            None => Ok(()),
        }
    }
}
