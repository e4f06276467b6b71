//! The log.

use super::{
    CLEANUP_POLICIES, COMPRESSION_TYPES, FLUSH_INTERVAL, RETENTION, ROLL, ROLL_JITTER,
    TIMESTAMP_TYPES,
};
use crate::key::Importance::{High, Low, Medium};
use crate::key::ValueType::{Boolean, Int, List, Long, String};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(High, "log.dir", String, Some("/tmp/kafka-logs"), "Directory of the log when log.dirs is not set.").implemented(),
    KeyDef::new(High, "log.dirs", String, None, "Directories of the log, separated by commas. Each belongs to one broker alone.").implemented(),
    KeyDef::new(High, "log.segment.bytes", Int, Some("1073741824"), "Size at which a segment is closed and a new one begun.").check(Check::AtLeast(14)).update(Update::ClusterWide).implemented(),
    KeyDef::new(High, "log.roll.ms", Long, None, "Age at which a segment is closed even when it is not full.").update(Update::ClusterWide).implemented().synonyms(ROLL),
    KeyDef::new(High, "log.roll.hours", Int, Some("168"), "The same in hours; log.roll.ms goes first.").check(Check::AtLeast(1)).implemented().synonyms(ROLL),
    KeyDef::new(High, "log.roll.jitter.ms", Long, None, "Random time, up to this, by which a segment is closed earlier, so that not all are closed at once.").update(Update::ClusterWide).implemented().synonyms(ROLL_JITTER),
    KeyDef::new(High, "log.roll.jitter.hours", Int, Some("0"), "The same in hours; log.roll.jitter.ms goes first.").check(Check::AtLeast(0)).implemented().synonyms(ROLL_JITTER),
    KeyDef::new(High, "log.retention.ms", Long, None, "How long records are kept. -1 keeps them without limit.").update(Update::ClusterWide).implemented().synonyms(RETENTION),
    KeyDef::new(High, "log.retention.minutes", Int, None, "The same in minutes; log.retention.ms goes first.").implemented().synonyms(RETENTION),
    KeyDef::new(High, "log.retention.hours", Int, Some("168"), "The same in hours; the other two go first.").implemented().synonyms(RETENTION),
    KeyDef::new(High, "log.retention.bytes", Long, Some("-1"), "How large a partition may grow before its oldest segments go. -1 is without limit.").update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "log.retention.check.interval.ms", Long, Some("300000"), "How often segments are checked for what has expired.").check(Check::AtLeast(1)).implemented(),
    KeyDef::new(Medium, "log.cleanup.policy", List, Some("delete"), "What happens to old segments: delete removes them, compact keeps the last record of each key. Both may be given.").check(Check::Among(CLEANUP_POLICIES)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "log.index.size.max.bytes", Int, Some("10485760"), "Largest size of the indexes of a segment.").check(Check::AtLeast(4)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "log.index.interval.bytes", Int, Some("4096"), "Bytes of records between two entries of the offset index.").check(Check::AtLeast(0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(High, "log.flush.interval.messages", Long, Some("9223372036854775807"), "Force records to disk after this many of them in a partition.").check(Check::AtLeast(1)).update(Update::ClusterWide).implemented(),
    KeyDef::new(High, "log.flush.interval.ms", Long, None, "Force records to disk at the latest after this time. Without a value, log.flush.scheduler.interval.ms.").update(Update::ClusterWide).implemented().synonyms(FLUSH_INTERVAL),
    KeyDef::new(High, "log.flush.scheduler.interval.ms", Long, Some("9223372036854775807"), "How often it is checked whether something must be forced to disk.").implemented(),
    KeyDef::new(High, "log.flush.offset.checkpoint.interval.ms", Int, Some("60000"), "How often the point up to which everything is on disk is written down; recovery starts there.").check(Check::AtLeast(0)).implemented(),
    KeyDef::new(High, "log.flush.start.offset.checkpoint.interval.ms", Int, Some("60000"), "How often the first offset of each partition is written down.").check(Check::AtLeast(0)).implemented(),
    KeyDef::new(High, "log.segment.delete.delay.ms", Long, Some("60000"), "How long a removed segment stays on disk under another name.").check(Check::AtLeast(0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "log.preallocate", Boolean, Some("false"), "Give a new segment its full size at once.").update(Update::ClusterWide).implemented(),
    KeyDef::new(Low, "log.initial.task.delay.ms", Long, Some("30000"), "Pause after the start before the first housekeeping.").check(Check::AtLeast(0)).implemented().internal(),
    KeyDef::new(High, "num.recovery.threads.per.data.dir", Int, Some("1"), "Threads per directory that load and repair the log at the start and close it at the stop.").check(Check::AtLeast(1)).update(Update::ClusterWide).implemented(),
    KeyDef::new(High, "min.insync.replicas", Int, Some("1"), "Replicas that must be in sync for a produce request with acks=all to be accepted.").check(Check::AtLeast(1)).update(Update::ClusterWide).implemented(),
    KeyDef::new(High, "compression.type", String, Some("producer"), "Codec of stored batches. producer keeps what was sent; uncompressed stores plain.").check(Check::OneOf(COMPRESSION_TYPES)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "compression.gzip.level", Int, Some("-1"), "Effort of gzip; -1 is the library's choice.").check(Check::GzipLevel).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "compression.lz4.level", Int, Some("9"), "Effort of lz4.").check(Check::Between(1.0, 17.0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "compression.zstd.level", Int, Some("3"), "Effort of zstd.").check(Check::Between(-131_072.0, 22.0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(High, "message.max.bytes", Int, Some("1048588"), "Largest batch that is accepted, as stored.").check(Check::AtLeast(0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "log.message.format.version", String, Some("3.0-IV1"), "Record format of old clusters, named by a Kafka release. Without effect once inter.broker.protocol.version is 3.0 or above.").check(Check::Version).implemented(),
    KeyDef::new(Medium, "log.message.timestamp.type", String, Some("CreateTime"), "Whether a record carries the producer's time or the time of its append.").check(Check::OneOf(TIMESTAMP_TYPES)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "log.message.timestamp.difference.max.ms", Long, Some("9223372036854775807"), "Old name for the two limits below; counts where they are not set.").check(Check::AtLeast(0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "log.message.timestamp.before.max.ms", Long, Some("9223372036854775807"), "How far a record's time may lie before the broker's.").check(Check::AtLeast(0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "log.message.timestamp.after.max.ms", Long, Some("9223372036854775807"), "How far a record's time may lie after the broker's.").check(Check::AtLeast(0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Low, "log.message.downconversion.enable", Boolean, Some("true"), "Whether records are converted for clients too old for their format. When not, such a fetch fails.").update(Update::ClusterWide).implemented(),
    KeyDef::new(Low, "producer.id.expiration.ms", Int, Some("86400000"), "How long the state of an idempotent producer is kept after its last write.").check(Check::AtLeast(1)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Low, "producer.id.expiration.check.interval.ms", Int, Some("600000"), "How often producers are checked for that.").check(Check::AtLeast(1)).implemented().internal(),
    KeyDef::new(Medium, "log.local.retention.bytes", Long, Some("-2"), "With tiered storage: how much of a partition stays on this machine. -2 follows log.retention.bytes.").check(Check::AtLeast(-2)).update(Update::ClusterWide),
    KeyDef::new(Medium, "log.local.retention.ms", Long, Some("-2"), "With tiered storage: how long records stay on this machine. -2 follows log.retention.ms.").check(Check::AtLeast(-2)).update(Update::ClusterWide),
];
