//! Transactions.

use crate::key::Importance::{High, Low};
use crate::key::ValueType::{Boolean, Int, Short};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(
        High,
        "transaction.state.log.num.partitions",
        Int,
        Some("50"),
        "Partitions of __transaction_state. Must not change once it exists.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        High,
        "transaction.state.log.replication.factor",
        Short,
        Some("3"),
        "Replicas of __transaction_state.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        High,
        "transaction.state.log.min.isr",
        Int,
        Some("2"),
        "min.insync.replicas of __transaction_state.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        High,
        "transaction.state.log.segment.bytes",
        Int,
        Some("104857600"),
        "Segment size of __transaction_state.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        High,
        "transaction.state.log.load.buffer.size",
        Int,
        Some("5242880"),
        "Bytes read at once while transactions are loaded.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        High,
        "transaction.max.timeout.ms",
        Int,
        Some("900000"),
        "Longest transaction timeout a producer may ask for.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        High,
        "transactional.id.expiration.ms",
        Int,
        Some("604800000"),
        "How long an unused transactional id is remembered.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Int,
        Some("10000"),
        "How often transactions that ran out of time are aborted.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        Int,
        Some("3600000"),
        "How often forgotten transactional ids are removed.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "transaction.partition.verification.enable",
        Boolean,
        Some("true"),
        "Whether a transactional write is checked with the coordinator first.",
    )
    .update(Update::ClusterWide),
];
