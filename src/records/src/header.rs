//! The header of one entry: a v2 batch, or a v0 or v1 message.

use crate::error::CorruptBatch;
use crate::format::{
    CODEC_MASK, Compression, LOG_OVERHEAD, MAGIC_AT, MIN_ENTRY_SIZE, Magic, NO_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, ProducerInfo, SIZE_AT,
    TIMESTAMP_TYPE_BIT, TimestampType, increment_sequence, legacy, v2,
};
use crate::wire;

/// The parsed header of an entry.
///
/// Parsing believes the fields as far as they are needed to read on; whether the content is intact
/// is for [`crate::verify`] to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    magic: Magic,
    size: usize,
    /// The first eight bytes: base offset of a v2 batch, (last) offset of a message.
    offset: i64,
    crc: u32,
    attributes: i16,
    compression: Compression,
    leader_epoch: i32,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    record_count: Option<i32>,
}

impl BatchHeader {
    /// Reads the header at the start of `prefix`.
    ///
    /// `None` means that more bytes are needed: [`crate::MAX_HEADER_SIZE`] bytes, or the whole
    /// entry, always suffice.
    ///
    /// # Errors
    /// A size below the format's overhead, an unknown magic or codec.
    pub fn parse(prefix: &[u8]) -> Result<Option<BatchHeader>, CorruptBatch> {
        let Some((size, magic)) = frame(prefix)? else {
            return Ok(None);
        };
        match magic {
            Magic::V0 | Magic::V1 => BatchHeader::parse_legacy(prefix, size, magic),
            Magic::V2 => BatchHeader::parse_v2(prefix, size),
        }
    }

    fn parse_legacy(
        prefix: &[u8],
        size: usize,
        magic: Magic,
    ) -> Result<Option<BatchHeader>, CorruptBatch> {
        let (Some(offset), Some(crc), Some(attributes)) = (
            wire::i64_at(prefix, 0),
            wire::u32_at(prefix, legacy::CRC_AT),
            prefix.get(legacy::ATTRIBUTES_AT).copied(),
        ) else {
            return Ok(None);
        };
        let timestamp = match magic {
            Magic::V0 => NO_TIMESTAMP,
            Magic::V1 | Magic::V2 => match wire::i64_at(prefix, legacy::TIMESTAMP_AT) {
                Some(timestamp) => timestamp,
                None => return Ok(None),
            },
        };
        Ok(Some(BatchHeader {
            magic,
            size,
            offset,
            crc,
            attributes: i16::from(attributes),
            compression: codec(attributes)?,
            leader_epoch: NO_LEADER_EPOCH,
            last_offset_delta: 0,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            record_count: None,
        }))
    }

    fn parse_v2(prefix: &[u8], size: usize) -> Result<Option<BatchHeader>, CorruptBatch> {
        let Some(head) = prefix.first_chunk::<{ v2::RECORDS_AT }>() else {
            return Ok(None);
        };
        let attributes = wire::i16_in(head, v2::ATTRIBUTES_AT);
        Ok(Some(BatchHeader {
            magic: Magic::V2,
            size,
            offset: wire::i64_in(head, 0),
            crc: wire::u32_in(head, v2::CRC_AT),
            attributes,
            // Only the low byte carries flags.
            compression: codec(attributes.to_be_bytes()[1])?,
            leader_epoch: wire::i32_in(head, v2::LEADER_EPOCH_AT),
            last_offset_delta: wire::i32_in(head, v2::LAST_OFFSET_DELTA_AT),
            base_timestamp: wire::i64_in(head, v2::BASE_TIMESTAMP_AT),
            max_timestamp: wire::i64_in(head, v2::MAX_TIMESTAMP_AT),
            producer_id: wire::i64_in(head, v2::PRODUCER_ID_AT),
            producer_epoch: wire::i16_in(head, v2::PRODUCER_EPOCH_AT),
            base_sequence: wire::i32_in(head, v2::BASE_SEQUENCE_AT),
            record_count: Some(wire::i32_in(head, v2::RECORD_COUNT_AT)),
        }))
    }

    /// Format of the entry.
    pub fn magic(&self) -> Magic {
        self.magic
    }

    /// Size of the whole entry in bytes, its first twelve included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Offset of the first record; `None` for a compressed v0 or v1 message, where only
    /// decompression tells.
    pub fn base_offset(&self) -> Option<i64> {
        match self.magic {
            Magic::V2 => Some(self.offset),
            Magic::V0 | Magic::V1 if self.compression == Compression::None => Some(self.offset),
            Magic::V0 | Magic::V1 => None,
        }
    }

    /// Offset of the last record (of the batch as it was produced: compaction keeps it).
    pub fn last_offset(&self) -> i64 {
        self.offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    /// The offset after the last.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// `lastOffsetDelta`; 0 in v0 and v1.
    pub fn last_offset_delta(&self) -> i32 {
        self.last_offset_delta
    }

    /// Epoch of the leader that appended the batch; -1 in v0 and v1 and before an append.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// Codec of the records.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Who set the timestamps. v0 has none and says `Create`.
    pub fn timestamp_type(&self) -> TimestampType {
        let log_append = self.attributes & i16::from(TIMESTAMP_TYPE_BIT) != 0;
        match self.magic {
            Magic::V1 | Magic::V2 if log_append => TimestampType::LogAppend,
            Magic::V0 | Magic::V1 | Magic::V2 => TimestampType::Create,
        }
    }

    /// What record timestamps are relative to (v2), or the message's timestamp.
    pub fn base_timestamp(&self) -> i64 {
        self.base_timestamp
    }

    /// Largest timestamp of the records; -1 in v0.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// When compaction may drop the batch's tombstones and markers, ms (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.has(v2::DELETE_HORIZON_BIT)
            .then_some(self.base_timestamp)
    }

    /// Producer fields, if the batch has a producer id.
    pub fn producer(&self) -> Option<ProducerInfo> {
        (self.producer_id > NO_PRODUCER_ID).then(|| self.producer_fields())
    }

    /// Producer fields as they are written, with or without a producer id: some clients number
    /// their records all the same. -1 in v0 and v1.
    pub fn producer_fields(&self) -> ProducerInfo {
        let last_sequence = match self.base_sequence {
            NO_SEQUENCE => NO_SEQUENCE,
            base => increment_sequence(base, self.last_offset_delta),
        };
        ProducerInfo {
            id: self.producer_id,
            epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            last_sequence,
        }
    }

    /// `baseSequence`; -1 in v0 and v1 and without idempotence.
    pub fn base_sequence(&self) -> i32 {
        self.base_sequence
    }

    /// Part of a transaction (data or marker).
    pub fn is_transactional(&self) -> bool {
        self.has(v2::TRANSACTIONAL_BIT)
    }

    /// Holds a control record instead of data.
    pub fn is_control(&self) -> bool {
        self.has(v2::CONTROL_BIT)
    }

    /// Number of records; `None` for v0 and v1, which do not say.
    pub fn record_count(&self) -> Option<i32> {
        self.record_count
    }

    /// Stored checksum: CRC-32 of v0 and v1, CRC-32C of v2.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    fn has(&self, bit: i16) -> bool {
        self.magic == Magic::V2 && self.attributes & bit != 0
    }
}

/// Size of the whole entry and its format, as soon as enough bytes are there.
pub(crate) fn frame(prefix: &[u8]) -> Result<Option<(usize, Magic)>, CorruptBatch> {
    let Some(size) = wire::i32_at(prefix, SIZE_AT) else {
        return Ok(None);
    };
    let body = check_size(size, MIN_ENTRY_SIZE)?;
    let Some(byte) = prefix.get(MAGIC_AT).copied() else {
        return Ok(None);
    };
    let magic =
        Magic::from_byte(byte).ok_or(CorruptBatch::UnknownMagic(i8::from_be_bytes([byte])))?;
    match magic {
        Magic::V0 => {}
        Magic::V1 => {
            check_size(size, legacy::KEY_AT_V1 + 8 - LOG_OVERHEAD)?;
        }
        Magic::V2 => {
            check_size(size, v2::RECORDS_AT - LOG_OVERHEAD)?;
        }
    }
    Ok(Some((LOG_OVERHEAD + body, magic)))
}

fn check_size(size: i32, minimum: usize) -> Result<usize, CorruptBatch> {
    match usize::try_from(size) {
        Ok(bytes) if bytes >= minimum => Ok(bytes),
        Ok(_) | Err(_) => Err(CorruptBatch::TooSmall { size, minimum }),
    }
}

fn codec(attributes: u8) -> Result<Compression, CorruptBatch> {
    let id = attributes & CODEC_MASK;
    Compression::from_id(id).ok_or(CorruptBatch::UnknownCompression(id))
}
