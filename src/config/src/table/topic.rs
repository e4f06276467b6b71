//! The keys of a topic.

use super::{
    CLEANUP_POLICIES, COMPRESSION_TYPES, FLUSH_INTERVAL, RETENTION, ROLL, ROLL_JITTER,
    TIMESTAMP_TYPES, same,
};
use crate::key::Importance::{Low, Medium};
use crate::key::ValueType::{Boolean, Double, Int, List, Long, String};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(Medium, "cleanup.policy", List, Some("delete"), "What happens to old segments: delete removes them, compact keeps the last record of each key. Both may be given.").check(Check::Among(CLEANUP_POLICIES)).update(Update::Topic).implemented().synonyms(&[same("log.cleanup.policy")]),
    KeyDef::new(Medium, "compression.gzip.level", Int, Some("-1"), "Effort of gzip; -1 is the library's choice.").check(Check::GzipLevel).update(Update::Topic).implemented().synonyms(&[same("compression.gzip.level")]),
    KeyDef::new(Medium, "compression.lz4.level", Int, Some("9"), "Effort of lz4.").check(Check::Between(1.0, 17.0)).update(Update::Topic).implemented().synonyms(&[same("compression.lz4.level")]),
    KeyDef::new(Medium, "compression.type", String, Some("producer"), "Codec of stored batches. producer keeps what was sent; uncompressed stores plain.").check(Check::OneOf(COMPRESSION_TYPES)).update(Update::Topic).implemented().synonyms(&[same("compression.type")]),
    KeyDef::new(Medium, "compression.zstd.level", Int, Some("3"), "Effort of zstd.").check(Check::Between(-131_072.0, 22.0)).update(Update::Topic).implemented().synonyms(&[same("compression.zstd.level")]),
    KeyDef::new(Medium, "delete.retention.ms", Long, Some("86400000"), "How long a tombstone is kept after compaction, so that readers can see it.").check(Check::AtLeast(0)).update(Update::Topic).synonyms(&[same("log.cleaner.delete.retention.ms")]),
    KeyDef::new(Medium, "file.delete.delay.ms", Long, Some("60000"), "How long a removed segment stays on disk under another name.").check(Check::AtLeast(0)).update(Update::Topic).implemented().synonyms(&[same("log.segment.delete.delay.ms")]),
    KeyDef::new(Medium, "flush.messages", Long, Some("9223372036854775807"), "Force records to disk after this many of them.").check(Check::AtLeast(1)).update(Update::Topic).implemented().synonyms(&[same("log.flush.interval.messages")]),
    KeyDef::new(Medium, "flush.ms", Long, Some("9223372036854775807"), "Force records to disk at the latest after this time.").check(Check::AtLeast(0)).update(Update::Topic).implemented().synonyms(FLUSH_INTERVAL),
    KeyDef::new(Medium, "follower.replication.throttled.replicas", List, Some(""), "Replicas whose fetching is throttled, as partition:broker pairs, or * for all.").check(Check::ThrottledReplicas).update(Update::Topic).implemented(),
    KeyDef::new(Medium, "index.interval.bytes", Int, Some("4096"), "Bytes of records between two entries of the offset index.").check(Check::AtLeast(0)).update(Update::Topic).implemented().synonyms(&[same("log.index.interval.bytes")]),
    KeyDef::new(Medium, "leader.replication.throttled.replicas", List, Some(""), "Replicas whose serving to followers is throttled, as partition:broker pairs, or * for all.").check(Check::ThrottledReplicas).update(Update::Topic).implemented(),
    KeyDef::new(Medium, "local.retention.bytes", Long, Some("-2"), "With tiered storage: how much of a partition stays on the broker. -2 follows retention.bytes.").check(Check::AtLeast(-2)).update(Update::Topic).synonyms(&[same("log.local.retention.bytes")]),
    KeyDef::new(Medium, "local.retention.ms", Long, Some("-2"), "With tiered storage: how long records stay on the broker. -2 follows retention.ms.").check(Check::AtLeast(-2)).update(Update::Topic).synonyms(&[same("log.local.retention.ms")]),
    KeyDef::new(Medium, "max.compaction.lag.ms", Long, Some("9223372036854775807"), "Age at which a record is compacted whatever the ratio.").check(Check::AtLeast(1)).update(Update::Topic).synonyms(&[same("log.cleaner.max.compaction.lag.ms")]),
    KeyDef::new(Medium, "max.message.bytes", Int, Some("1048588"), "Largest batch that is accepted, as stored.").check(Check::AtLeast(0)).update(Update::Topic).implemented().synonyms(&[same("message.max.bytes")]),
    KeyDef::new(Low, "message.downconversion.enable", Boolean, Some("true"), "Whether records are converted for clients too old for their format. When not, such a fetch fails.").update(Update::Topic).implemented().synonyms(&[same("log.message.downconversion.enable")]),
    KeyDef::new(Medium, "message.format.version", String, Some("3.0-IV1"), "Record format of old clusters, named by a Kafka release. Without effect once inter.broker.protocol.version is 3.0 or above.").check(Check::Version).update(Update::Topic).implemented().synonyms(&[same("log.message.format.version")]),
    KeyDef::new(Medium, "message.timestamp.after.max.ms", Long, Some("9223372036854775807"), "How far a record's time may lie after the broker's.").check(Check::AtLeast(0)).update(Update::Topic).implemented().synonyms(&[same("log.message.timestamp.after.max.ms")]),
    KeyDef::new(Medium, "message.timestamp.before.max.ms", Long, Some("9223372036854775807"), "How far a record's time may lie before the broker's.").check(Check::AtLeast(0)).update(Update::Topic).implemented().synonyms(&[same("log.message.timestamp.before.max.ms")]),
    KeyDef::new(Medium, "message.timestamp.difference.max.ms", Long, Some("9223372036854775807"), "Old name for the two limits before and after; counts where they are not set.").check(Check::AtLeast(0)).update(Update::Topic).implemented().synonyms(&[same("log.message.timestamp.difference.max.ms")]),
    KeyDef::new(Medium, "message.timestamp.type", String, Some("CreateTime"), "Whether a record carries the producer's time or the time of its append.").check(Check::OneOf(TIMESTAMP_TYPES)).update(Update::Topic).implemented().synonyms(&[same("log.message.timestamp.type")]),
    KeyDef::new(Medium, "min.cleanable.dirty.ratio", Double, Some("0.5"), "Share of the log that must be uncompacted before it is worth the work.").check(Check::Between(0.0, 1.0)).update(Update::Topic).synonyms(&[same("log.cleaner.min.cleanable.ratio")]),
    KeyDef::new(Medium, "min.compaction.lag.ms", Long, Some("0"), "Age below which a record is not compacted.").check(Check::AtLeast(0)).update(Update::Topic).synonyms(&[same("log.cleaner.min.compaction.lag.ms")]),
    KeyDef::new(Medium, "min.insync.replicas", Int, Some("1"), "Replicas that must be in sync for a produce request with acks=all to be accepted.").check(Check::AtLeast(1)).update(Update::Topic).implemented().synonyms(&[same("min.insync.replicas")]),
    KeyDef::new(Medium, "preallocate", Boolean, Some("false"), "Give a new segment its full size at once.").update(Update::Topic).implemented().synonyms(&[same("log.preallocate")]),
    KeyDef::new(Medium, "remote.log.copy.disable", Boolean, Some("false"), "With tiered storage: no longer copy segments. Not in ZooKeeper mode.").update(Update::Topic),
    KeyDef::new(Medium, "remote.log.delete.on.disable", Boolean, Some("false"), "With tiered storage: remove what was copied when it is turned off. Not in ZooKeeper mode.").update(Update::Topic),
    KeyDef::new(Medium, "remote.storage.enable", Boolean, Some("false"), "Keep old segments in tiered storage.").update(Update::Topic),
    KeyDef::new(Medium, "retention.bytes", Long, Some("-1"), "How large a partition may grow before its oldest segments go. -1 is without limit.").update(Update::Topic).implemented().synonyms(&[same("log.retention.bytes")]),
    KeyDef::new(Medium, "retention.ms", Long, Some("604800000"), "How long records are kept. -1 keeps them without limit.").check(Check::AtLeast(-1)).update(Update::Topic).implemented().synonyms(RETENTION),
    KeyDef::new(Medium, "segment.bytes", Int, Some("1073741824"), "Size at which a segment is closed and a new one begun.").check(Check::AtLeast(14)).update(Update::Topic).implemented().synonyms(&[same("log.segment.bytes")]),
    KeyDef::new(Medium, "segment.index.bytes", Int, Some("10485760"), "Largest size of the indexes of a segment.").check(Check::AtLeast(4)).update(Update::Topic).implemented().synonyms(&[same("log.index.size.max.bytes")]),
    KeyDef::new(Medium, "segment.jitter.ms", Long, Some("0"), "Random time, up to this, by which a segment is closed earlier, so that not all are closed at once.").check(Check::AtLeast(0)).update(Update::Topic).implemented().synonyms(ROLL_JITTER),
    KeyDef::new(Medium, "segment.ms", Long, Some("604800000"), "Age at which a segment is closed even when it is not full.").check(Check::AtLeast(1)).update(Update::Topic).implemented().synonyms(ROLL),
    KeyDef::new(Medium, "unclean.leader.election.enable", Boolean, Some("false"), "Whether a replica that is not in sync may become leader when no other is left. Loses records.").update(Update::Topic).implemented().synonyms(&[same("unclean.leader.election.enable")]),
];
