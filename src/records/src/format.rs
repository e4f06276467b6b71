//! The words of the record formats, and where each field lies.

/// Bytes every entry starts with: offset (i64) and the size of what follows (i32).
pub const LOG_OVERHEAD: usize = 12;
/// Bytes of an entry up to and including its magic byte, the same in all formats.
pub const HEADER_SIZE_UP_TO_MAGIC: usize = 17;
/// The longest entry header: that of a v2 batch. A prefix this long (or the whole entry) always
/// parses.
pub const MAX_HEADER_SIZE: usize = 61;
/// "No timestamp", the value of every v0 message.
pub const NO_TIMESTAMP: i64 = -1;
/// `producerId` of a batch without idempotence.
pub const NO_PRODUCER_ID: i64 = -1;
/// `producerEpoch` of a batch without idempotence.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// `baseSequence` of a batch without idempotence, and of control batches.
pub const NO_SEQUENCE: i32 = -1;
/// `partitionLeaderEpoch` before a leader has stamped the batch, and of v0 and v1 messages always.
pub const NO_LEADER_EPOCH: i32 = -1;

/// Smallest `size` field of an entry: the overhead of a v0 message.
pub(crate) const MIN_ENTRY_SIZE: usize = 14;
/// Position of the `size` field.
pub(crate) const SIZE_AT: usize = 8;
/// Position of the magic byte.
pub(crate) const MAGIC_AT: usize = 16;

/// Field positions of a v2 batch (`DefaultRecordBatch`).
pub(crate) mod v2 {
    pub(crate) const LEADER_EPOCH_AT: usize = 12;
    pub(crate) const CRC_AT: usize = 17;
    pub(crate) const ATTRIBUTES_AT: usize = 21;
    pub(crate) const LAST_OFFSET_DELTA_AT: usize = 23;
    pub(crate) const BASE_TIMESTAMP_AT: usize = 27;
    pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
    pub(crate) const PRODUCER_ID_AT: usize = 43;
    pub(crate) const PRODUCER_EPOCH_AT: usize = 51;
    pub(crate) const BASE_SEQUENCE_AT: usize = 53;
    pub(crate) const RECORD_COUNT_AT: usize = 57;
    pub(crate) const RECORDS_AT: usize = 61;
    pub(crate) const TRANSACTIONAL_BIT: i16 = 0x10;
    pub(crate) const CONTROL_BIT: i16 = 0x20;
    pub(crate) const DELETE_HORIZON_BIT: i16 = 0x40;
}

/// Field positions of a v0 or v1 message, from the start of the entry (`LegacyRecord`).
pub(crate) mod legacy {
    pub(crate) const CRC_AT: usize = 12;
    pub(crate) const ATTRIBUTES_AT: usize = 17;
    /// Only in v1.
    pub(crate) const TIMESTAMP_AT: usize = 18;
    pub(crate) const KEY_AT_V0: usize = 18;
    pub(crate) const KEY_AT_V1: usize = 26;
}

/// Bits 0 to 2 of the attributes in every format: the codec.
pub(crate) const CODEC_MASK: u8 = 0x07;
/// Bit 3 of the attributes in v1 and v2: the timestamp type.
pub(crate) const TIMESTAMP_TYPE_BIT: u8 = 0x08;

/// The format version of a message or batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Magic {
    /// Messages without timestamps, before 0.10.
    V0 = 0,
    /// Messages with timestamps and relative inner offsets, 0.10.
    V1 = 1,
    /// Record batches, since 0.11 (KIP-98).
    V2 = 2,
}

impl Magic {
    /// The format with this magic byte, if there is one.
    pub fn from_byte(byte: u8) -> Option<Magic> {
        match byte {
            0 => Some(Magic::V0),
            1 => Some(Magic::V1),
            2 => Some(Magic::V2),
            _ => None,
        }
    }

    /// The magic byte.
    pub fn byte(self) -> u8 {
        self as u8
    }
}

/// A compression codec, as the low three bits of the attributes name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Records lie uncompressed.
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// Snappy blocks in xerial's framing.
    Snappy = 2,
    /// LZ4 frame.
    Lz4 = 3,
    /// Zstandard; only in v2 batches (KIP-110).
    Zstd = 4,
}

impl Compression {
    /// All codecs, by id.
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// The codec with this id, if there is one.
    pub fn from_id(id: u8) -> Option<Compression> {
        Compression::ALL.get(usize::from(id)).copied()
    }

    /// The id used in attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The name used in configs: `none`, `gzip`, `snappy`, `lz4`, `zstd`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The codec a config or command line names; `uncompressed` is a synonym of `none`.
    pub fn from_name(name: &str) -> Option<Compression> {
        if name == "uncompressed" {
            return Some(Compression::None);
        }
        Compression::ALL.into_iter().find(|c| c.name() == name)
    }

    /// The level Kafka uses when none is configured.
    pub fn default_level(self) -> i32 {
        match self {
            Compression::None | Compression::Snappy => 0,
            Compression::Gzip => -1,
            Compression::Lz4 => 9,
            Compression::Zstd => 3,
        }
    }
}

/// Who set the timestamps of a batch. v0 messages have none and count as `Create`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer.
    Create,
    /// The broker, when it appended.
    LogAppend,
}

/// The idempotent producer's fields of a v2 batch. Present only if the producer id is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerInfo {
    /// Producer id, never -1.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Sequence of the first record; -1 in control batches.
    pub base_sequence: i32,
    /// Sequence of the last record, wrapping from `i32::MAX` to 0; -1 in control batches.
    pub last_sequence: i32,
}

/// `sequence` moved on by `increment`, wrapping from `i32::MAX` to 0
/// (`DefaultRecordBatch.incrementSequence`).
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(increment) {
        increment
            .wrapping_sub(i32::MAX.wrapping_sub(sequence))
            .wrapping_sub(1)
    } else {
        sequence.wrapping_add(increment)
    }
}
