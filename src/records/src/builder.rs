//! Writing records: v2 batches and v0 and v1 message sets.

use crate::control::ControlRecord;
use crate::error::BuildError;
use crate::format::{
    Compression, Magic, NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
};

/// How a batch is to be written. The default is an uncompressed v2 batch from offset 0 without a producer id.
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

/// Builds one batch (or, for uncompressed v0 and v1, one message per record).
///
/// Records are compressed as they come; memory is that of the finished batch.
#[derive(Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
}

impl BatchBuilder {
    /// An empty batch.
    ///
    /// # Errors
    /// v2 features asked of v0 or v1, a level the codec does not know.
    pub fn new(options: BatchOptions) -> Result<BatchBuilder, BuildError> {
        Ok(BatchBuilder { options })
    }

    /// Adds a record at the next offset.
    ///
    /// # Errors
    /// Headers in v0 or v1; a batch past 2 GiB.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<(), BuildError> {
        let _ = (timestamp, key, value, headers, &self.options);
        todo!()
    }

    /// Adds a record at `offset`, which must be above the last one (compaction leaves gaps).
    ///
    /// # Errors
    /// As [`BatchBuilder::append`], and an offset that does not grow.
    pub fn append_at(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<(), BuildError> {
        let _ = (offset, timestamp, key, value, headers);
        todo!()
    }

    /// Records so far.
    pub fn record_count(&self) -> usize {
        todo!()
    }

    /// Bytes the batch has now, roughly when compressed.
    pub fn size(&self) -> usize {
        todo!()
    }

    /// The finished bytes; empty if there are no records.
    ///
    /// # Errors
    /// A batch past 2 GiB.
    pub fn build(self) -> Result<Vec<u8>, BuildError> {
        todo!()
    }

    /// A finished control batch that ends a transaction (KIP-98): the transactional and control bits, one record, no sequence.
    pub fn end_transaction(
        base_offset: i64,
        timestamp: i64,
        producer_id: i64,
        producer_epoch: i16,
        marker: ControlRecord,
    ) -> Vec<u8> {
        let _ = (base_offset, timestamp, producer_id, producer_epoch, marker);
        todo!()
    }
}
