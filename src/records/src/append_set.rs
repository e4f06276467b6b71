//! Validated records on their way into a log.

use std::io::IoSlice;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::codec::Deflater;
use crate::control::ControlRecord;
use crate::error::{BuildError, InvalidRecords};
use crate::format::{
    Compression, MAX_HEADER_SIZE, Magic, NO_TIMESTAMP, ProducerInfo, TimestampType, v2,
};
use crate::header;
use crate::message;
use crate::wire;

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
    content: Content,
    log_append_time: Option<i64>,
}

/// The bytes to write.
#[derive(Debug)]
pub(crate) enum Content {
    /// One entry as it came: a copy of its header to patch, and the rest, which stays the
    /// request's.
    Patched {
        head: [u8; MAX_HEADER_SIZE],
        head_len: usize,
        body: Bytes,
    },
    /// Entries that were copied or built.
    Owned(Vec<u8>),
    /// One compressed v0 message, built anew whenever offsets change, because it holds absolute
    /// ones inside.
    CompressedV0(CompressedV0),
}

/// A compressed v0 message to be.
#[derive(Debug)]
pub(crate) struct CompressedV0 {
    /// The inner messages.
    pub(crate) inner: Vec<u8>,
    pub(crate) codec: Compression,
    pub(crate) level: i32,
    pub(crate) max_batch_bytes: usize,
    /// The entry with the offsets assigned last.
    pub(crate) entry: Vec<u8>,
}

impl AppendSet {
    pub(crate) fn new(
        infos: SmallVec<[BatchInfo; 1]>,
        content: Content,
        log_append_time: Option<i64>,
    ) -> AppendSet {
        AppendSet {
            infos,
            content,
            log_append_time,
        }
    }

    pub(crate) fn empty() -> AppendSet {
        AppendSet::new(SmallVec::new(), Content::Owned(Vec::new()), None)
    }

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
        match &self.content {
            Content::Patched { head_len, body, .. } => head_len + body.len(),
            Content::Owned(bytes) => bytes.len(),
            Content::CompressedV0(message) => message.entry.len(),
        }
    }

    /// Number of records, and so of offsets to assign.
    pub fn record_count(&self) -> u64 {
        self.infos
            .iter()
            .map(|info| u64::from(info.record_count))
            .sum()
    }

    /// Largest timestamp of all batches, -1 for none.
    pub fn max_timestamp(&self) -> i64 {
        self.infos
            .iter()
            .map(|info| info.max_timestamp)
            .fold(NO_TIMESTAMP, i64::max)
    }

    /// Last offset of the first batch that has the largest timestamp, -1 for none; valid once
    /// offsets are assigned.
    pub fn offset_of_max_timestamp(&self) -> i64 {
        let max = self.max_timestamp();
        self.infos
            .iter()
            .find(|info| info.max_timestamp == max)
            .map_or(-1, |info| info.offset_of_max_timestamp)
    }

    /// The append time if the topic is set to LogAppendTime.
    pub fn log_append_time(&self) -> Option<i64> {
        self.log_append_time
    }

    /// Gives the records the offsets from `first` on and stamps the leader epoch. May be called
    /// again with other values.
    ///
    /// No checksum of v1 or v2 covers what this changes. Compressed v0 holds absolute offsets
    /// inside, so it is compressed here.
    ///
    /// # Errors
    /// The offsets pass `i64::MAX`; compressed v0 became too large.
    pub fn assign_offsets(&mut self, first: i64, leader_epoch: i32) -> Result<(), InvalidRecords> {
        let mut next = first;
        for info in &mut self.infos {
            let end = next
                .checked_add(i64::from(info.record_count))
                .ok_or_else(|| InvalidRecords::batch("no offsets are left in this partition"))?;
            info.base_offset = next;
            info.last_offset = end.saturating_sub(1);
            info.offset_of_max_timestamp = match info.max_timestamp {
                NO_TIMESTAMP => -1,
                _ => info.last_offset,
            };
            next = end;
        }
        match &mut self.content {
            Content::Patched { head, .. } => {
                if let Some(info) = self.infos.first() {
                    stamp(head, info, leader_epoch);
                }
                Ok(())
            }
            Content::Owned(bytes) => {
                let mut rest = bytes.as_mut_slice();
                for info in &self.infos {
                    let Some((entry, after)) = rest.split_at_mut_checked(info.size) else {
                        break;
                    };
                    stamp(entry, info, leader_epoch);
                    rest = after;
                }
                Ok(())
            }
            Content::CompressedV0(message) => {
                message.build(first)?;
                if let Some(info) = self.infos.first_mut() {
                    info.size = message.entry.len();
                }
                Ok(())
            }
        }
    }

    /// The bytes in order, for `pwritev`: the patched head and the untouched body of a single
    /// batch, or one owned piece.
    pub fn io_slices(&self) -> SmallVec<[IoSlice<'_>; 4]> {
        let mut slices = SmallVec::new();
        let mut push = |bytes| slices.push(IoSlice::new(bytes));
        match &self.content {
            Content::Patched {
                head,
                head_len,
                body,
            } => {
                push(head.get(..*head_len).unwrap_or(head));
                push(body);
            }
            Content::Owned(bytes) => push(bytes),
            Content::CompressedV0(message) => push(&message.entry),
        }
        slices
    }
}

/// Writes the offset of a batch or message, and the epoch where the format has one.
fn stamp(entry: &mut [u8], info: &BatchInfo, leader_epoch: i32) {
    match info.magic {
        Magic::V2 => {
            wire::put(entry, 0, info.base_offset.to_be_bytes());
            wire::put(entry, v2::LEADER_EPOCH_AT, leader_epoch.to_be_bytes());
        }
        Magic::V0 | Magic::V1 => wire::put(entry, 0, info.last_offset.to_be_bytes()),
    }
}

impl CompressedV0 {
    /// Compresses the inner messages with offsets from `first` on.
    pub(crate) fn build(&mut self, first: i64) -> Result<(), InvalidRecords> {
        let mut rest = self.inner.as_mut_slice();
        let mut next = first;
        let mut last = first;
        while let Ok(Some((size, _))) = header::frame(rest) {
            let Some((entry, after)) = rest.split_at_mut_checked(size) else {
                break;
            };
            wire::put(entry, 0, next.to_be_bytes());
            last = next;
            next = next.saturating_add(1);
            rest = after;
        }
        self.entry = self.compress(last).map_err(|error| match error {
            BuildError::Compress { codec, .. } => {
                InvalidRecords::UnsupportedCompression { codec: codec.id() }
            }
            BuildError::TooLarge
            | BuildError::Offset { .. }
            | BuildError::UnsupportedForFormat(_) => self.too_large(self.inner.len()),
        })?;
        if self.entry.len() > self.max_batch_bytes {
            return Err(self.too_large(self.entry.len()));
        }
        Ok(())
    }

    fn compress(&self, last_offset: i64) -> Result<Vec<u8>, BuildError> {
        let header = vec![0; message::overhead(Magic::V0)];
        let mut out = Deflater::new(self.codec, self.level, Magic::V0, header)?;
        out.write(&self.inner)?;
        let mut entry = out.finish()?;
        message::write_wrapper_header(
            &mut entry,
            Magic::V0,
            last_offset,
            self.codec.id(),
            NO_TIMESTAMP,
        )?;
        Ok(entry)
    }

    fn too_large(&self, size: usize) -> InvalidRecords {
        InvalidRecords::TooLarge {
            size,
            limit: self.max_batch_bytes,
        }
    }
}
