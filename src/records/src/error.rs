//! What can be wrong with records.

use crate::format::Compression;

/// An entry whose frame, header or checksum is wrong: nothing inside can be trusted.
/// `CORRUPT_MESSAGE` on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorruptBatch {
    /// The size field is below what the format needs.
    #[error("entry claims {size} bytes where its format needs at least {minimum}")]
    TooSmall {
        /// The size field, in bytes.
        size: i32,
        /// The least the format needs.
        minimum: usize,
    },
    /// The magic byte names no format.
    #[error("unknown magic {0}")]
    UnknownMagic(i8),
    /// The attributes name a codec that does not exist.
    #[error("unknown compression codec {0}")]
    UnknownCompression(u8),
    /// The checksum over the content differs from the stored one.
    #[error("checksum is {computed:#010x} where {stored:#010x} is stored")]
    Checksum {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The slice does not hold exactly one entry.
    #[error("entry has {actual} bytes where its header says {expected}")]
    WrongLength {
        /// Bytes the header announces.
        expected: usize,
        /// Bytes at hand.
        actual: usize,
    },
    /// Key or value of a v0 or v1 message reaches past its end.
    #[error("a field reaches past the end of the message")]
    FieldPastEnd,
}

/// Why bytes do not decompress.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// The stream is not in the codec's format, or fails the codec's own checksum.
    #[error("malformed stream")]
    Malformed,
    /// The stream ends too early.
    #[error("stream ends too early")]
    Truncated,
    /// The output passes the bound (`inflate_limit`): a decompression bomb.
    #[error("more than {limit} bytes come out")]
    TooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
}

/// Records inside an intact entry that cannot be read. `INVALID_RECORD` on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// The batch announces a negative number of records.
    #[error("batch announces {0} records")]
    NegativeCount(i32),
    /// A varint has more bytes than its type allows.
    #[error("variable-length number is too long")]
    VarintTooLong,
    /// The bytes end inside a record.
    #[error("records end too early")]
    Truncated,
    /// A record's fields do not add up to its length.
    #[error("record length does not match its fields")]
    LengthMismatch,
    /// A negative number of headers, or more than the record can hold.
    #[error("record announces {0} headers")]
    HeaderCount(i32),
    /// A header key without a length.
    #[error("header key has length {0}")]
    HeaderKey(i32),
    /// Bytes follow the last announced record.
    #[error("bytes remain after the last record")]
    TrailingBytes,
    /// A single record passes the bound for one that has to be held in memory whole.
    #[error("record of {0} bytes is too large to convert")]
    TooLarge(usize),
    /// A compressed v0 or v1 message without a value, or one with no message inside.
    #[error("compressed message has no messages inside")]
    EmptyWrapper,
    /// A compressed message inside a compressed message.
    #[error("compressed message inside a compressed message")]
    NestedCompression,
    /// A v0 or v1 message compressed with zstd, which those formats do not know.
    #[error("zstd in a message of format v0 or v1")]
    ZstdInLegacy,
    /// A compressed v1 message whose offset is below that of its last inner message and not 0.
    #[error(
        "offset {wrapper} of the compressed message is below the last inner offset {last_inner}"
    )]
    WrapperOffset {
        /// Offset of the outer message.
        wrapper: i64,
        /// Relative offset of the last inner message.
        last_inner: i64,
    },
    /// A control batch whose record is not a control record.
    #[error("control record has no version and type")]
    ControlRecord,
}

/// Why the records of an entry cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The entry, or a message inside a compressed message, is corrupt.
    #[error("corrupt batch")]
    Corrupt(#[from] CorruptBatch),
    /// The entry is intact but holds no readable records.
    #[error("invalid record")]
    Invalid(#[from] InvalidRecord),
    /// The records do not decompress.
    #[error("cannot decompress {}", codec.name())]
    Decompress {
        /// The codec the attributes name.
        codec: Compression,
        /// What went wrong.
        #[source]
        problem: DecompressError,
    },
}

/// Why a produced set of records is refused. A variant per answer to the producer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecords {
    /// `CORRUPT_MESSAGE`.
    #[error("corrupt batch")]
    Corrupt(#[from] CorruptBatch),
    /// `INVALID_RECORD`.
    #[error("{message}")]
    Invalid {
        /// Index of each refused record and the reason; at most `MAX_RECORD_ERRORS` of them, none
        /// if the batch as a whole is at fault.
        record_errors: Vec<(i32, String)>,
        /// The reason for the partition.
        message: String,
    },
    /// `INVALID_TIMESTAMP`.
    #[error("{message}")]
    InvalidTimestamp {
        /// Index of each refused record and the reason; at most `MAX_RECORD_ERRORS` of them.
        record_errors: Vec<(i32, String)>,
        /// The reason for the partition.
        message: String,
    },
    /// `MESSAGE_TOO_LARGE`.
    #[error("batch of {size} bytes exceeds the maximum of {limit}")]
    TooLarge {
        /// Size of the batch, in bytes.
        size: usize,
        /// `max.message.bytes`.
        limit: usize,
    },
    /// `RECORD_LIST_TOO_LARGE`.
    #[error("records of {size} bytes exceed the segment size {limit}")]
    ListTooLarge {
        /// Size of all batches, in bytes.
        size: usize,
        /// `segment.bytes`.
        limit: usize,
    },
    /// `UNSUPPORTED_COMPRESSION_TYPE`: the codec's id is unknown, or the request, the format or the
    /// cluster is too old for it.
    #[error("compression codec {codec} is not supported here")]
    UnsupportedCompression {
        /// The codec's id.
        codec: u8,
    },
    /// `UNSUPPORTED_FOR_MESSAGE_FORMAT`: transactional, idempotent or control batches or headers on
    /// a topic whose format is below v2.
    #[error("{feature} need message format v2")]
    UnsupportedForFormat {
        /// What the format lacks.
        feature: &'static str,
    },
    /// The records do not decompress. Kafka answers `UNKNOWN_SERVER_ERROR`; `INVALID_RECORD` tells
    /// the producer as much as there is to know.
    #[error("cannot decompress {}", codec.name())]
    Decompress {
        /// The codec the attributes name.
        codec: Compression,
        /// What went wrong.
        #[source]
        problem: DecompressError,
    },
}

impl InvalidRecords {
    pub(crate) fn batch(message: impl Into<String>) -> InvalidRecords {
        InvalidRecords::Invalid {
            record_errors: Vec::new(),
            message: message.into(),
        }
    }
}

impl From<ReadError> for InvalidRecords {
    fn from(error: ReadError) -> InvalidRecords {
        match error {
            ReadError::Corrupt(corrupt) => corrupt.into(),
            ReadError::Invalid(invalid) => InvalidRecords::batch(invalid.to_string()),
            ReadError::Decompress { codec, problem } => {
                InvalidRecords::Decompress { codec, problem }
            }
        }
    }
}

/// Why a batch cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The format is too old for what was asked.
    #[error("{0} need message format v2")]
    UnsupportedForFormat(&'static str),
    /// Offsets must grow, and stay within `i32::MAX` of the first.
    #[error("offset {offset} cannot follow {previous}")]
    Offset {
        /// The refused offset.
        offset: i64,
        /// The one before it.
        previous: i64,
    },
    /// The batch would pass `i32::MAX` bytes.
    #[error("batch grows past 2 GiB")]
    TooLarge,
    /// The codec refused: a level out of its range.
    #[error("cannot compress with {} at level {level}", codec.name())]
    Compress {
        /// The codec.
        codec: Compression,
        /// The level asked for.
        level: i32,
    },
}

/// Why stored records cannot be converted for an old fetch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// `UNSUPPORTED_COMPRESSION_TYPE`: zstd has no place in v0 and v1.
    #[error("zstd batches cannot be converted to an older format")]
    UnsupportedCompression,
    /// `CORRUPT_MESSAGE`: the stored records cannot be read.
    #[error("stored records cannot be read")]
    Read(#[from] ReadError),
    /// `UNKNOWN_SERVER_ERROR`: the converted batch has no valid form.
    #[error("converted records cannot be built")]
    Build(#[from] BuildError),
}
