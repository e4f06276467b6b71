//! Writing records: v2 batches and v0 and v1 message sets.

use crate::batch_options::BatchOptions;
use crate::body::{put_body, put_field};
use crate::codec::Deflater;
use crate::control::ControlRecord;
use crate::crc;
use crate::error::BuildError;
use crate::format::{Compression, LOG_OVERHEAD, MAGIC_AT, Magic, NO_TIMESTAMP, SIZE_AT, v2};
use crate::message;
use crate::record::RecordRef;
use crate::wire;

/// Builds one batch (or, for uncompressed v0 and v1, one message per record).
///
/// Records are compressed as they come; memory is that of the finished batch.
#[derive(Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    out: Deflater,
    /// The record being written, before compression.
    record: Vec<u8>,
    record_count: i32,
    last_offset: i64,
    base_timestamp: i64,
    max_timestamp: i64,
    control: bool,
}

impl BatchBuilder {
    /// An empty batch.
    ///
    /// # Errors
    /// v2 features asked of v0 or v1, a level the codec does not know.
    pub fn new(options: BatchOptions) -> Result<BatchBuilder, BuildError> {
        options.check_format()?;
        let header = vec![0; header_size(options.magic, options.compression)];
        Ok(BatchBuilder {
            out: Deflater::new(options.compression, options.level, options.magic, header)?,
            record: Vec::new(),
            record_count: 0,
            last_offset: options.base_offset,
            base_timestamp: options.delete_horizon_ms.unwrap_or(NO_TIMESTAMP),
            max_timestamp: NO_TIMESTAMP,
            control: false,
            options,
        })
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
        self.append_at(self.next_offset(), timestamp, key, value, headers)
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
        let mut encoded = Vec::new();
        for (name, value) in headers {
            put_field(&mut encoded, Some(name.as_bytes()));
            put_field(&mut encoded, *value);
        }
        self.put(offset, timestamp, key, value, (headers.len(), &encoded))
    }

    /// Adds a record that was read, with its timestamp and headers, at the next offset.
    pub(crate) fn append_record(&mut self, record: &RecordRef<'_>) -> Result<(), BuildError> {
        let headers = (record.headers.len(), record.headers.encoded());
        self.put(
            self.next_offset(),
            record.timestamp,
            record.key,
            record.value,
            headers,
        )
    }

    /// Records so far.
    pub fn record_count(&self) -> usize {
        usize::try_from(self.record_count).unwrap_or(0)
    }

    /// The offset that [`BatchBuilder::append`] would give.
    pub fn next_offset(&self) -> i64 {
        match self.record_count {
            0 => self.options.base_offset,
            _ => self.last_offset.saturating_add(1),
        }
    }

    /// Bytes the batch has now; roughly, and a little late, when compressed.
    pub fn size(&self) -> usize {
        self.out.len()
    }

    /// The finished bytes; empty if there are no records.
    ///
    /// # Errors
    /// A batch past 2 GiB.
    pub fn build(self) -> Result<Vec<u8>, BuildError> {
        if self.record_count == 0 {
            return Ok(Vec::new());
        }
        let BatchBuilder {
            options,
            out,
            record_count,
            last_offset,
            base_timestamp,
            max_timestamp,
            control,
            record: _,
        } = self;
        let mut bytes = out.finish()?;
        let max_timestamp = options.log_append_time_ms.unwrap_or(max_timestamp);
        match options.magic {
            Magic::V2 => {
                let totals = Totals {
                    record_count,
                    last_offset,
                    base_timestamp,
                    max_timestamp,
                    control,
                };
                write_batch_header(&mut bytes, &options, &totals)?;
            }
            Magic::V0 | Magic::V1 if options.compression != Compression::None => {
                let attributes = options.compression.id() | options.timestamp_bit();
                message::write_wrapper_header(
                    &mut bytes,
                    options.magic,
                    last_offset,
                    attributes,
                    max_timestamp,
                )?;
            }
            Magic::V0 | Magic::V1 => {}
        }
        Ok(bytes)
    }

    /// A finished control batch that ends a transaction (KIP-98): the transactional and control
    /// bits, one record, no sequence.
    pub fn end_transaction(
        base_offset: i64,
        timestamp: i64,
        producer_id: i64,
        producer_epoch: i16,
        marker: ControlRecord,
    ) -> Vec<u8> {
        BatchBuilder::new(BatchOptions {
            base_offset,
            producer_id,
            producer_epoch,
            transactional: true,
            ..BatchOptions::default()
        })
        .and_then(|mut builder| {
            builder.control = true;
            builder.append(timestamp, Some(&marker.key()), Some(&marker.value()), &[])?;
            builder.build()
        })
        .expect("an uncompressed v2 batch of one small record breaks no rule of building")
    }

    fn put(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: (usize, &[u8]),
    ) -> Result<(), BuildError> {
        let delta = self.offset_delta(offset)?;
        let record_count = self
            .record_count
            .checked_add(1)
            .ok_or(BuildError::TooLarge)?;
        if self.record_count == 0 && self.options.delete_horizon_ms.is_none() {
            self.base_timestamp = timestamp;
        }
        self.record.clear();
        match self.options.magic {
            Magic::V2 => {
                let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
                put_body(
                    &mut self.record,
                    timestamp_delta,
                    delta,
                    key,
                    value,
                    headers,
                )?;
            }
            Magic::V0 | Magic::V1 if headers.0 > 0 => {
                return Err(BuildError::UnsupportedForFormat("headers"));
            }
            Magic::V0 | Magic::V1 => self.put_message(offset, delta, timestamp, key, value)?,
        }
        let size = self.out.len().saturating_add(self.record.len());
        if i32::try_from(size).is_err() {
            return Err(BuildError::TooLarge);
        }
        self.out.write(&self.record)?;
        self.record_count = record_count;
        self.last_offset = offset;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        Ok(())
    }

    /// Inner offsets of v1 are relative, those of v0 absolute; only messages that stand alone carry
    /// the append time.
    fn put_message(
        &mut self,
        offset: i64,
        delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), BuildError> {
        let inside = self.options.compression != Compression::None;
        let fields = message::Fields {
            magic: self.options.magic,
            offset: match self.options.magic {
                Magic::V1 if inside => i64::from(delta),
                Magic::V0 | Magic::V1 | Magic::V2 => offset,
            },
            attributes: self.options.timestamp_bit(),
            timestamp: match self.options.log_append_time_ms {
                Some(append_time) if !inside => append_time,
                Some(_) | None => timestamp,
            },
            key,
            value,
        };
        message::write(&mut self.record, &fields)
    }

    fn offset_delta(&self, offset: i64) -> Result<i32, BuildError> {
        let refused = BuildError::Offset {
            offset,
            previous: self.last_offset,
        };
        if offset < self.next_offset() {
            return Err(refused);
        }
        offset
            .checked_sub(self.options.base_offset)
            .and_then(|delta| i32::try_from(delta).ok())
            .ok_or(refused)
    }
}

/// Bytes in front of the records.
fn header_size(magic: Magic, compression: Compression) -> usize {
    match (magic, compression) {
        (Magic::V2, _) => v2::RECORDS_AT,
        (Magic::V0 | Magic::V1, Compression::None) => 0,
        (Magic::V0 | Magic::V1, _) => message::overhead(magic),
    }
}

/// What is known of a batch once its records are written.
struct Totals {
    record_count: i32,
    last_offset: i64,
    base_timestamp: i64,
    max_timestamp: i64,
    control: bool,
}

fn write_batch_header(
    bytes: &mut [u8],
    options: &BatchOptions,
    totals: &Totals,
) -> Result<(), BuildError> {
    let len = bytes.len().saturating_sub(LOG_OVERHEAD);
    let len = i32::try_from(len).map_err(|_| BuildError::TooLarge)?;
    let last_offset_delta = i32::try_from(totals.last_offset - options.base_offset)
        .map_err(|_| BuildError::TooLarge)?;
    let mut attributes = i16::from(options.compression.id() | options.timestamp_bit());
    for (set, bit) in [
        (options.transactional, v2::TRANSACTIONAL_BIT),
        (totals.control, v2::CONTROL_BIT),
        (options.delete_horizon_ms.is_some(), v2::DELETE_HORIZON_BIT),
    ] {
        attributes |= if set { bit } else { 0 };
    }
    let (head, body) = bytes
        .split_first_chunk_mut::<{ v2::RECORDS_AT }>()
        .ok_or(BuildError::TooLarge)?;
    wire::put(head, 0, options.base_offset.to_be_bytes());
    wire::put(head, SIZE_AT, len.to_be_bytes());
    wire::put(
        head,
        v2::LEADER_EPOCH_AT,
        options.leader_epoch.to_be_bytes(),
    );
    wire::put(head, MAGIC_AT, [Magic::V2.byte()]);
    wire::put(head, v2::ATTRIBUTES_AT, attributes.to_be_bytes());
    wire::put(
        head,
        v2::LAST_OFFSET_DELTA_AT,
        last_offset_delta.to_be_bytes(),
    );
    wire::put(
        head,
        v2::BASE_TIMESTAMP_AT,
        totals.base_timestamp.to_be_bytes(),
    );
    wire::put(
        head,
        v2::MAX_TIMESTAMP_AT,
        totals.max_timestamp.to_be_bytes(),
    );
    wire::put(head, v2::PRODUCER_ID_AT, options.producer_id.to_be_bytes());
    wire::put(
        head,
        v2::PRODUCER_EPOCH_AT,
        options.producer_epoch.to_be_bytes(),
    );
    wire::put(
        head,
        v2::BASE_SEQUENCE_AT,
        options.base_sequence.to_be_bytes(),
    );
    wire::put(head, v2::RECORD_COUNT_AT, totals.record_count.to_be_bytes());
    let crc = crc::batch_crc(head, body);
    wire::put(head, v2::CRC_AT, crc.to_be_bytes());
    Ok(())
}
