//! The records of `__consumer_offsets`, decoded and encoded
//! (`OffsetCommitKey`, `OffsetCommitValue`, `GroupMetadataKey`, `GroupMetadataValue`).

mod group;
mod key;
mod offset;
mod read;
mod subscription;
mod write;

pub use group::{StoredGroup, StoredMember};
pub use key::Key;
pub use offset::CommittedOffset;
pub(crate) use subscription::subscribed_topics;
pub use write::TooLong;

/// What became of a replayed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It counts.
    Taken,
    /// A key of a version that this broker does not know; skipped, as Kafka does.
    UnknownKey(i16),
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early or a length makes no sense.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A value of a version that this broker does not know.
    #[error("unknown version {version} of {what}")]
    UnknownVersion {
        /// Of what.
        what: &'static str,
        /// Which.
        version: i16,
    },
}

fn malformed(what: &'static str) -> DecodeError {
    DecodeError::Malformed(what)
}
