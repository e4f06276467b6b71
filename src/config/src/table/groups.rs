//! Consumer groups.

use crate::key::Importance::{High, Medium};
use crate::key::ValueType::{Int, Long, Short};
use crate::key::{Check, KeyDef};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(
        Medium,
        "group.min.session.timeout.ms",
        Int,
        Some("6000"),
        "Shortest session timeout a group member may ask for.",
    )
    .implemented(),
    KeyDef::new(
        Medium,
        "group.max.session.timeout.ms",
        Int,
        Some("1800000"),
        "Longest session timeout a group member may ask for.",
    )
    .implemented(),
    KeyDef::new(
        Medium,
        "group.initial.rebalance.delay.ms",
        Int,
        Some("3000"),
        "How long a new group waits for more members before its first assignment.",
    )
    .implemented(),
    KeyDef::new(
        Medium,
        "group.max.size",
        Int,
        Some("2147483647"),
        "Most members of a group.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        High,
        "offset.metadata.max.bytes",
        Int,
        Some("4096"),
        "Longest text that may be stored with an offset.",
    )
    .implemented(),
    KeyDef::new(
        High,
        "offsets.topic.num.partitions",
        Int,
        Some("50"),
        "Partitions of __consumer_offsets. Must not change once it exists.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        High,
        "offsets.topic.replication.factor",
        Short,
        Some("3"),
        "Replicas of __consumer_offsets.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        High,
        "offsets.topic.segment.bytes",
        Int,
        Some("104857600"),
        "Segment size of __consumer_offsets.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        High,
        "offsets.topic.compression.codec",
        Int,
        Some("0"),
        "Codec of __consumer_offsets by number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.",
    )
    .implemented(),
    KeyDef::new(
        High,
        "offsets.load.buffer.size",
        Int,
        Some("5242880"),
        "Bytes read at once while offsets are loaded.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        High,
        "offsets.retention.minutes",
        Int,
        Some("10080"),
        "How long offsets of an empty group are kept.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        High,
        "offsets.retention.check.interval.ms",
        Long,
        Some("600000"),
        "How often they are checked for that.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        High,
        "offsets.commit.timeout.ms",
        Int,
        Some("5000"),
        "How long a commit waits for replicas.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        High,
        "offsets.commit.required.acks",
        Short,
        Some("-1"),
        "Acknowledgements a commit needs; leave it at -1.",
    ),
];
