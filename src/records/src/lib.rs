//! Kafka's record formats: message sets v0 and v1, record batches v2.
//!
//! Pure bytes: no I/O, no clock, no knowledge of who sends or stores them.
//!
//! An **entry** is what a log is made of: a v2 batch, or a v0 or v1 message (which may be
//! compressed and then wraps others).
//!
//! | to | start at |
//! |---|---|
//! | read the header of an entry | [`BatchHeader::parse`] |
//! | walk the entries of a slice | [`batches`] |
//! | check an entry's checksum and frame | [`verify`] |
//! | read the records of an entry | [`records`], or [`RecordCursor`] without copying |
//! | admit what a producer sent | [`validate`], then [`AppendSet::assign_offsets`] |
//! | serve a fetch of an old client | [`down_convert`] |
//! | write records | [`BatchBuilder`] |
//!
//! Every byte is taken for hostile: nothing panics, and nothing is allocated on the word of a
//! length field.

mod append_set;
mod batch_options;
mod batches;
mod body;
mod builder;
mod codec;
mod control;
mod crc;
mod cursor;
mod down_convert;
mod error;
mod format;
mod header;
mod message;
mod record;
mod rules;
mod source;
mod validate;
mod varint;
mod wire;

pub use append_set::{AppendSet, BatchInfo};
pub use batch_options::BatchOptions;
pub use batches::{Batches, batches, verify};
pub use builder::BatchBuilder;
pub use control::{ControlRecord, control_record};
pub use crc::crc32c;
pub use cursor::RecordCursor;
pub use down_convert::{OVERFLOW_MIN_BYTES, down_convert, pad_to};
pub use error::{
    BuildError, ConvertError, CorruptBatch, DecompressError, InvalidRecord, InvalidRecords,
    ReadError,
};
pub use format::{
    Compression, HEADER_SIZE_UP_TO_MAGIC, LOG_OVERHEAD, MAX_HEADER_SIZE, Magic, NO_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, ProducerInfo, TimestampType,
    increment_sequence,
};
pub use header::BatchHeader;
pub use record::{Headers, Record, RecordIter, RecordRef, records};
pub use rules::{AppendRules, AppendSource, TargetCompression};
pub use validate::{MAX_RECORD_ERRORS, validate};
