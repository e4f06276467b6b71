//! Controller.

use crate::key::Importance::{High, Medium};
use crate::key::ValueType::{Boolean, Int, Long};
use crate::key::{Check, KeyDef};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(
        Medium,
        "controller.socket.timeout.ms",
        Int,
        Some("30000"),
        "Timeout of connections from the controller to brokers.",
    )
    .implemented(),
    KeyDef::new(
        High,
        "auto.leader.rebalance.enable",
        Boolean,
        Some("true"),
        "Whether leadership is given back to preferred replicas from time to time.",
    )
    .implemented(),
    KeyDef::new(
        High,
        "leader.imbalance.check.interval.seconds",
        Long,
        Some("300"),
        "How often that is checked.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        High,
        "leader.imbalance.per.broker.percentage",
        Int,
        Some("10"),
        "Share of a broker's partitions that may be led by others before leadership is given back.",
    )
    .implemented(),
    KeyDef::new(
        Medium,
        "controlled.shutdown.enable",
        Boolean,
        Some("true"),
        "Whether a stopping broker hands over its partitions first.",
    )
    .implemented(),
    KeyDef::new(
        Medium,
        "controlled.shutdown.max.retries",
        Int,
        Some("3"),
        "How often it tries.",
    )
    .implemented(),
    KeyDef::new(
        Medium,
        "controlled.shutdown.retry.backoff.ms",
        Long,
        Some("5000"),
        "Pause between two tries.",
    )
    .implemented(),
];
