//! Metrics.

use crate::key::Importance::Low;
use crate::key::ValueType::{Boolean, Int, List, Long, String};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(
        Low,
        "auto.include.jmx.reporter",
        Boolean,
        Some("true"),
        "Whether Kafka's JMX reporter is always there. This broker has no JMX.",
    )
    .no_use(),
    KeyDef::new(
        Low,
        "kafka.metrics.polling.interval.secs",
        Int,
        Some("10"),
        "How often Kafka's old metrics reporters look.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "kafka.metrics.reporters",
        List,
        Some(""),
        "Java classes of Kafka's old metrics reporters.",
    ),
    KeyDef::new(
        Low,
        "metric.reporters",
        List,
        Some(""),
        "Java classes that receive metrics.",
    )
    .update(Update::ClusterWide),
    KeyDef::new(
        Low,
        "metrics.num.samples",
        Int,
        Some("2"),
        "Samples kept for a metric.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "metrics.recording.level",
        String,
        Some("INFO"),
        "Finest level of metrics that are recorded.",
    ),
    KeyDef::new(
        Low,
        "metrics.sample.window.ms",
        Long,
        Some("30000"),
        "Length of a sample.",
    )
    .check(Check::AtLeast(1)),
];
