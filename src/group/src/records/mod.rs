//! The records of `__consumer_offsets`, decoded and encoded
//! (`OffsetCommitKey`, `OffsetCommitValue`, `GroupMetadataKey`, `GroupMetadataValue`).

use bytes::Bytes;
use ottla_metadata::{Millis, Offset};

use crate::{MemberId, Text};

/// An offset as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to consume.
    pub offset: Offset,
    /// Leader epoch of the last record consumed; `None` when not known.
    pub leader_epoch: Option<i32>,
    /// Whatever the client wanted kept with it.
    pub metadata: Text,
    /// When it was committed, by the broker's or the client's clock.
    pub commit_timestamp: Millis,
    /// When it expires, if the client said so.
    pub expire_timestamp: Option<Millis>,
}

/// A group as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredGroup {
    /// The protocol type; empty of none.
    pub protocol_type: Text,
    /// The generation.
    pub generation: i32,
    /// The protocol chosen.
    pub protocol: Option<Text>,
    /// The leader's member id.
    pub leader: Option<MemberId>,
    /// Since when the group is in its state; `None` in versions 0 and 1.
    pub state_timestamp: Option<Millis>,
    /// The members.
    pub members: Vec<StoredMember>,
}

/// A member as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    /// Its id.
    pub member_id: MemberId,
    /// Its instance id.
    pub instance_id: Option<Text>,
    /// The client's name for itself.
    pub client_id: Text,
    /// Where it came from.
    pub client_host: Text,
    /// How long a rebalance waits for it.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// Its metadata for the protocol chosen.
    pub subscription: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

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
