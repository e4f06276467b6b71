//! The table: every key of Kafka 3.9 in ZooKeeper mode, and what this broker makes of it. Keys that
//! Kafka does not have begin with `ottla.`; an Apache broker passes over them.
//!
//! Parsing, validation, DescribeConfigs and `config/reference.md` all come from here. Names, types,
//! defaults and bounds are Kafka's; the words are ours.

mod cleaner;
mod controller;
mod groups;
mod identity;
mod listeners;
mod log;
mod metrics;
mod network;
mod quotas;
mod remote;
mod replication;
mod sasl;
mod security;
mod ssl;
mod topic;
mod topics;
mod transactions;
mod zookeeper;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::key::{KeyDef, Synonym, Unit};

const CLEANUP_POLICIES: &[&str] = &["compact", "delete"];
const COMPRESSION_TYPES: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];

const RETENTION: &[Synonym] = &[
    same("log.retention.ms"),
    synonym("log.retention.minutes", Unit::Minutes),
    synonym("log.retention.hours", Unit::Hours),
];
const ROLL: &[Synonym] = &[same("log.roll.ms"), synonym("log.roll.hours", Unit::Hours)];
const ROLL_JITTER: &[Synonym] = &[
    same("log.roll.jitter.ms"),
    synonym("log.roll.jitter.hours", Unit::Hours),
];
const FLUSH_INTERVAL: &[Synonym] = &[
    same("log.flush.interval.ms"),
    same("log.flush.scheduler.interval.ms"),
];

const fn synonym(key: &'static str, unit: Unit) -> Synonym {
    Synonym { key, unit }
}

const fn same(key: &'static str) -> Synonym {
    synonym(key, Unit::Same)
}

/// A chapter of the reference: a heading and its keys.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) keys: &'static [KeyDef],
}

const fn section(title: &'static str, keys: &'static [KeyDef]) -> Section {
    Section { title, keys }
}

/// The broker's keys by subject.
pub(crate) const BROKER_SECTIONS: &[Section] = &[
    section("The broker and its place", identity::KEYS),
    section("ZooKeeper", zookeeper::KEYS),
    section("Listeners", listeners::KEYS),
    section("Connections and requests", network::KEYS),
    section("The log", log::KEYS),
    section("Compaction", cleaner::KEYS),
    section("Topics", topics::KEYS),
    section("Replication", replication::KEYS),
    section("Controller", controller::KEYS),
    section("Consumer groups", groups::KEYS),
    section("Transactions", transactions::KEYS),
    section("Quotas", quotas::KEYS),
    section("Metrics", metrics::KEYS),
    section("Security", security::KEYS),
    section("SASL", sasl::KEYS),
    section("TLS", ssl::KEYS),
    section("Tiered storage", remote::KEYS),
];

/// The keys of a topic, in order of name.
pub fn topic_keys() -> &'static [KeyDef] {
    topic::KEYS
}

/// The keys of a broker, by subject.
pub fn broker_keys() -> impl Iterator<Item = &'static KeyDef> {
    BROKER_SECTIONS.iter().flat_map(|section| section.keys)
}

/// The broker key of that name.
pub fn broker_key(name: &str) -> Option<&'static KeyDef> {
    static BY_NAME: OnceLock<BTreeMap<&str, &KeyDef>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| broker_keys().map(|key| (key.name, key)).collect());
    by_name.get(name).copied()
}

/// The topic key of that name.
pub fn topic_key(name: &str) -> Option<&'static KeyDef> {
    let at = topic::KEYS.binary_search_by(|key| key.name.cmp(name));
    at.ok().and_then(|at| topic::KEYS.get(at))
}

/// The broker key that a `listener.name.<listener>.<key>` setting overrides for one listener, with
/// the listener's name. SASL keys may carry the mechanism in between.
pub fn listener_override(name: &str) -> Option<(&str, &'static KeyDef)> {
    let (listener, rest) = name.strip_prefix("listener.name.")?.split_once('.')?;
    if let Some(key) = broker_key(rest) {
        return Some((listener, key));
    }
    let (_mechanism, rest) = rest.split_once('.')?;
    let per_mechanism = [
        "sasl.jaas.config",
        "sasl.login.callback.handler.class",
        "sasl.login.class",
        "sasl.server.callback.handler.class",
        "connections.max.reauth.ms",
    ];
    per_mechanism
        .contains(&rest)
        .then(|| broker_key(rest))
        .flatten()
        .map(|key| (listener, key))
}

/// Keys of Kafka's KRaft mode, which have no meaning with ZooKeeper.
pub(crate) fn is_kraft_only(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "broker.heartbeat.interval.ms",
        "broker.session.timeout.ms",
        "controller.listener.names",
        "early.start.listeners",
        "eligible.leader.replicas.enable",
        "initial.broker.registration.timeout.ms",
        "log.dir.failure.timeout.ms",
        "metadata.log.dir",
        "metadata.log.max.record.bytes.between.snapshots",
        "metadata.log.max.snapshot.interval.ms",
        "metadata.log.segment.bytes",
        "metadata.log.segment.min.bytes",
        "metadata.log.segment.ms",
        "metadata.max.idle.interval.ms",
        "metadata.max.retention.bytes",
        "metadata.max.retention.ms",
        "node.id",
        "process.roles",
        "sasl.mechanism.controller.protocol",
        "server.max.startup.time.ms",
        "telemetry.max.bytes",
        "unclean.leader.election.interval.ms",
        "unstable.api.versions.enable",
        "unstable.feature.versions.enable",
        "zookeeper.metadata.migration.enable",
        "zookeeper.metadata.migration.min.batch.size",
        "group.coordinator.append.linger.ms",
        "group.coordinator.new.enable",
        "group.coordinator.rebalance.protocols",
        "group.coordinator.threads",
    ];
    const PREFIXES: &[&str] = &["controller.quorum.", "group.consumer.", "group.share."];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_fits_its_own_key() {
        for key in broker_keys().chain(topic_keys()) {
            if let Some(default) = key.default {
                assert!(key.parse(default).is_ok(), "{} = {default}", key.name);
                assert!(key.default_value().is_some(), "{}", key.name);
            }
            assert!(key.doc.ends_with('.'), "{}: {}", key.name, key.doc);
        }
    }

    #[test]
    fn keys_are_declared_once_and_synonyms_exist() {
        let kafka = |key: &&KeyDef| !key.name.starts_with("ottla.");
        assert_eq!(broker_keys().filter(kafka).count(), 268);
        let names: std::collections::BTreeSet<_> = broker_keys().map(|key| key.name).collect();
        assert_eq!(names.len(), broker_keys().count());
        assert!(topic_keys().is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(topic_keys().len(), 36);
        for key in broker_keys().chain(topic_keys()) {
            for synonym in key.synonyms {
                assert!(broker_key(synonym.key).is_some(), "{}", synonym.key);
            }
            assert!(!is_kraft_only(key.name), "{}", key.name);
        }
    }

    #[test]
    fn listeners_may_have_their_own_values() {
        let found = |name| listener_override(name).map(|(listener, key)| (listener, key.name));
        assert_eq!(
            found("listener.name.external.max.connections"),
            Some(("external", "max.connections"))
        );
        assert_eq!(
            found("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config"),
            Some(("sasl_ssl", "sasl.jaas.config"))
        );
        assert_eq!(found("listener.name.x.no.such.key"), None);
        assert_eq!(found("max.connections"), None);
    }
}
