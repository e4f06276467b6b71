//! Records that wait together.

use bytes::Bytes;
use ottla_metadata::TopicPartition;
use ottla_records::{BatchBuilder, BatchOptions, Compression, Magic};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::{Delivery, ProducerOptions, ProducerRecord};
use crate::ClientError;

/// What a record takes in a batch besides its content, at most: lengths, deltas, attributes.
const RECORD_OVERHEAD: usize = 21;
/// The same of a header.
const HEADER_OVERHEAD: usize = 10;
/// The head of a v2 batch.
const BATCH_OVERHEAD: usize = 61;

/// A record that waits for its acknowledgement.
#[derive(Debug)]
pub(super) struct Pending {
    record: ProducerRecord,
    timestamp_ms: i64,
    /// The most it takes in a batch of its own.
    pub(super) size: usize,
    pub(super) memory: Option<OwnedSemaphorePermit>,
    reply: oneshot::Sender<Result<Delivery, ClientError>>,
}

impl Pending {
    pub(super) fn new(
        record: ProducerRecord,
        reply: oneshot::Sender<Result<Delivery, ClientError>>,
    ) -> Pending {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = record
            .headers
            .iter()
            .map(|(name, value)| HEADER_OVERHEAD + name.len() + length(value))
            .sum();
        let content = length(&record.key) + length(&record.value) + headers;
        Pending {
            timestamp_ms: record.timestamp_ms.unwrap_or_else(now_ms),
            size: BATCH_OVERHEAD + RECORD_OVERHEAD + content,
            memory: None,
            record,
            reply,
        }
    }
}

/// The place of an idempotent batch among those of its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base: i32,
}

/// Records for one partition that are sent together.
#[derive(Debug)]
pub(super) struct Batch {
    records: Vec<Pending>,
    bytes: usize,
    pub(super) created: Instant,
    pub(super) attempts: u32,
    /// Not to be sent before; set after a failure.
    pub(super) not_before: Option<Instant>,
    /// Kept once given, so that a repetition is recognised.
    pub(super) sequence: Option<Sequence>,
}

impl Batch {
    pub(super) fn new(first: Pending) -> Batch {
        let mut batch = Batch {
            records: Vec::new(),
            bytes: BATCH_OVERHEAD,
            created: Instant::now(),
            attempts: 0,
            not_before: None,
            sequence: None,
        };
        batch.push(first);
        batch
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Bytes before compression, at most.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn has_room(&self, record: &Pending, limit: usize) -> bool {
        self.bytes + record.size - BATCH_OVERHEAD <= limit
    }

    pub(super) fn push(&mut self, record: Pending) {
        self.bytes += record.size - BATCH_OVERHEAD;
        self.records.push(record);
    }

    /// The batch in the format that the version of the request carries.
    pub(super) fn build(
        &self,
        partition: &TopicPartition,
        produce_version: i16,
        options: &ProducerOptions,
    ) -> Result<Bytes, ClientError> {
        let compression = options.compression;
        let mut batch = BatchOptions {
            magic: match produce_version {
                ..=1 => Magic::V0,
                2 => Magic::V1,
                3.. => Magic::V2,
            },
            compression,
            level: options
                .compression_level
                .unwrap_or_else(|| compression.default_level()),
            ..BatchOptions::default()
        };
        if let Some(sequence) = self.sequence {
            batch.producer_id = sequence.producer_id;
            batch.producer_epoch = sequence.producer_epoch;
            batch.base_sequence = sequence.base;
        }
        let bad = |reason: String| ClientError::BadRecords {
            partition: partition.clone(),
            reason,
        };
        if compression == Compression::Zstd && produce_version < 7 {
            return Err(bad("the broker is too old for zstd".to_owned()));
        }
        let mut builder = BatchBuilder::new(batch).map_err(|e| bad(e.to_string()))?;
        for Pending {
            record,
            timestamp_ms,
            ..
        } in &self.records
        {
            let headers: Vec<_> = record
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_deref()))
                .collect();
            builder
                .append(
                    *timestamp_ms,
                    record.key.as_deref(),
                    record.value.as_deref(),
                    &headers,
                )
                .map_err(|e| bad(e.to_string()))?;
        }
        let built = builder.build().map_err(|e| bad(e.to_string()))?;
        Ok(Bytes::from(built))
    }

    /// Two halves, in order, for a broker that found the whole too large; the batch itself if it
    /// has only one record.
    pub(super) fn split(mut self) -> Result<[Batch; 2], Batch> {
        let tail = self.records.split_off(self.records.len() / 2);
        if self.records.is_empty() {
            self.records = tail;
            return Err(self);
        }
        let half = |records: Vec<Pending>| Batch {
            bytes: records
                .iter()
                .fold(BATCH_OVERHEAD, |sum, r| sum + r.size - BATCH_OVERHEAD),
            records,
            created: self.created,
            attempts: self.attempts,
            not_before: None,
            sequence: None,
        };
        Ok([half(self.records), half(tail)])
    }

    /// Tells all who wait. Whoever no longer listens does not want to know.
    pub(super) fn settle(
        self,
        partition: &TopicPartition,
        result: Result<(i64, i64), ClientError>,
    ) {
        for (delta, pending) in (0_i64..).zip(self.records) {
            let fate = match &result {
                Ok((base, log_append_time_ms)) => Ok(Delivery {
                    partition: partition.clone(),
                    offset: if *base < 0 { -1 } else { base + delta },
                    log_append_time_ms: *log_append_time_ms,
                }),
                Err(error) => Err(error.clone()),
            };
            drop(pending.reply.send(fate));
        }
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
