//! Compaction.

use crate::key::Importance::Medium;
use crate::key::ValueType::{Boolean, Double, Int, Long};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(
        Medium,
        "log.cleaner.enable",
        Boolean,
        Some("true"),
        "Whether logs with the policy compact are compacted.",
    ),
    KeyDef::new(
        Medium,
        "log.cleaner.threads",
        Int,
        Some("1"),
        "Threads that compact.",
    )
    .check(Check::AtLeast(0))
    .update(Update::ClusterWide),
    KeyDef::new(
        Medium,
        "log.cleaner.io.max.bytes.per.second",
        Double,
        Some("1.7976931348623157E308"),
        "Most bytes that compaction reads and writes per second.",
    )
    .update(Update::ClusterWide),
    KeyDef::new(
        Medium,
        "log.cleaner.dedupe.buffer.size",
        Long,
        Some("134217728"),
        "Memory for the table of keys, over all threads; more than 1 MiB each.",
    )
    .update(Update::ClusterWide),
    KeyDef::new(
        Medium,
        "log.cleaner.io.buffer.size",
        Int,
        Some("524288"),
        "Memory for reading and writing, over all threads.",
    )
    .check(Check::AtLeast(0))
    .update(Update::ClusterWide),
    KeyDef::new(
        Medium,
        "log.cleaner.io.buffer.load.factor",
        Double,
        Some("0.9"),
        "How full the table of keys may get.",
    )
    .update(Update::ClusterWide),
    KeyDef::new(
        Medium,
        "log.cleaner.backoff.ms",
        Long,
        Some("15000"),
        "Pause when there is nothing to compact.",
    )
    .check(Check::AtLeast(0))
    .update(Update::ClusterWide),
    KeyDef::new(
        Medium,
        "log.cleaner.min.cleanable.ratio",
        Double,
        Some("0.5"),
        "Share of a log that must be uncompacted before it is worth the work.",
    )
    .check(Check::Between(0.0, 1.0))
    .update(Update::ClusterWide),
    KeyDef::new(
        Medium,
        "log.cleaner.delete.retention.ms",
        Long,
        Some("86400000"),
        "How long a tombstone is kept after compaction, so that readers can see it.",
    )
    .check(Check::AtLeast(0))
    .update(Update::ClusterWide),
    KeyDef::new(
        Medium,
        "log.cleaner.min.compaction.lag.ms",
        Long,
        Some("0"),
        "Age below which a record is not compacted.",
    )
    .check(Check::AtLeast(0))
    .update(Update::ClusterWide),
    KeyDef::new(
        Medium,
        "log.cleaner.max.compaction.lag.ms",
        Long,
        Some("9223372036854775807"),
        "Age at which a record is compacted whatever the ratio.",
    )
    .check(Check::AtLeast(1))
    .update(Update::ClusterWide),
];
