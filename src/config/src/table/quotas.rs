//! Quotas.

use crate::key::Importance::Low;
use crate::key::ValueType::{Class, Int};
use crate::key::{Check, KeyDef};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(
        Low,
        "quota.window.num",
        Int,
        Some("11"),
        "Samples kept for client quotas.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "quota.window.size.seconds",
        Int,
        Some("1"),
        "Length of a sample of client quotas.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "replication.quota.window.num",
        Int,
        Some("11"),
        "Samples kept for replication quotas.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        Low,
        "replication.quota.window.size.seconds",
        Int,
        Some("1"),
        "Length of a sample of replication quotas.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        Low,
        "alter.log.dirs.replication.quota.window.num",
        Int,
        Some("11"),
        "Samples kept for quotas on moves between directories.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        Low,
        "alter.log.dirs.replication.quota.window.size.seconds",
        Int,
        Some("1"),
        "Length of a sample of such quotas.",
    )
    .check(Check::AtLeast(1))
    .implemented(),
    KeyDef::new(
        Low,
        "controller.quota.window.num",
        Int,
        Some("11"),
        "Samples kept for quotas on topic changes.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "controller.quota.window.size.seconds",
        Int,
        Some("1"),
        "Length of a sample of such quotas.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "client.quota.callback.class",
        Class,
        None,
        "Java class that decides which quota a client gets.",
    ),
];
