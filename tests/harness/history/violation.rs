//! What must not be.

use std::fmt;

use super::RecordId;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// Acknowledged, and nowhere to be read.
    Lost {
        /// The record.
        record: RecordId,
        /// Its partition.
        partition: i32,
        /// The offset that the acknowledgement named.
        offset: Option<i64>,
    },
    /// Acknowledged at one offset, and read at others only.
    Moved {
        /// The record.
        record: RecordId,
        /// Its partition.
        partition: i32,
        /// The offset that the acknowledgement named.
        acked: i64,
        /// The first offset at which it stands.
        found: i64,
    },
    /// An idempotent producer's record stands there twice.
    Duplicate {
        /// The record.
        record: RecordId,
        /// Its partition.
        partition: i32,
        /// Where it stands.
        offsets: Vec<i64>,
    },
    /// A record that nobody sent to this partition.
    Invented {
        /// The record.
        record: RecordId,
        /// Where it was read.
        partition: i32,
        /// At which offset.
        offset: i64,
    },
    /// An idempotent producer's records stand in another order than they were sent in.
    OutOfOrder {
        /// The partition.
        partition: i32,
        /// Sent later, stands earlier.
        first: RecordId,
        /// Sent earlier, stands later.
        then: RecordId,
    },
    /// A record that was sent after another one had been acknowledged stands before it.
    OvertakenInTime {
        /// The partition.
        partition: i32,
        /// Acknowledged first.
        acked: RecordId,
        /// Sent after that, and stands before it.
        overtaker: RecordId,
    },
    /// Two records were read, or acknowledged, at the same offset.
    OffsetReused {
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// One of them.
        one: RecordId,
        /// The other.
        other: RecordId,
    },
    /// A consumer was handed an offset that does not follow the one before.
    Gap {
        /// The consumer.
        reader: u16,
        /// The partition.
        partition: i32,
        /// The offset before.
        after: i64,
        /// The offset that came.
        came: i64,
    },
    /// A position that a consumer had reached was not in a leader's log.
    OutOfRange {
        /// The consumer.
        reader: u16,
        /// The partition.
        partition: i32,
        /// The position.
        position: i64,
    },
    /// A consumer was handed what is no batch, or no record of ours.
    Unreadable {
        /// The consumer.
        reader: u16,
        /// The partition.
        partition: i32,
        /// The position.
        position: i64,
        /// What is wrong.
        reason: String,
    },
    /// A leader's high watermark fell within one epoch and one life of its process.
    WatermarkFell {
        /// The partition.
        partition: i32,
        /// The leader.
        leader: i32,
        /// Its epoch.
        epoch: i32,
        /// From here.
        from: i64,
        /// To here.
        to: i64,
    },
    /// Two brokers told a high watermark for one epoch.
    TwoLeaders {
        /// The partition.
        partition: i32,
        /// The epoch.
        epoch: i32,
        /// One.
        one: i32,
        /// The other.
        other: i32,
    },
    /// The high watermark at the end lies below one that was seen before.
    WatermarkLost {
        /// The partition.
        partition: i32,
        /// The one that was seen.
        seen: i64,
        /// The one at the end.
        last: i64,
    },
    /// Two replicas differ below the high watermark.
    ReplicasDiffer {
        /// The partition.
        partition: i32,
        /// One broker.
        one: i32,
        /// Another.
        other: i32,
        /// The first offset at which they do.
        offset: i64,
        /// What stands there.
        what: String,
    },
    /// A replica's log ends below the high watermark, or is damaged there.
    ReplicaShort {
        /// The partition.
        partition: i32,
        /// The broker.
        broker: i32,
        /// Where its log ends.
        end: i64,
        /// The high watermark.
        high_watermark: i64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Lost {
                record,
                partition,
                offset,
            } => write!(
                f,
                "LOST: {record} was acknowledged in partition {partition} at {offset:?} and cannot be read"
            ),
            other => write!(f, "{other:?}"),
        }
    }
}
