//! Tiered storage.

use crate::key::Importance::{Low, Medium};
use crate::key::ValueType::{Boolean, Double, Int, Long, String};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(Medium, "remote.fetch.max.wait.ms", Int, Some("500"), "How long a fetch from tiered storage may take.").check(Check::AtLeast(1)).update(Update::ClusterWide),
    KeyDef::new(Low, "remote.log.index.file.cache.total.size.bytes", Long, Some("1073741824"), "Disk space for indexes of tiered segments.").check(Check::AtLeast(1)).update(Update::ClusterWide),
    KeyDef::new(Medium, "remote.log.manager.copier.thread.pool.size", Int, Some("-1"), "Threads that copy segments; -1 follows remote.log.manager.thread.pool.size.").check(Check::AtLeast(-1)),
    KeyDef::new(Medium, "remote.log.manager.copy.max.bytes.per.second", Long, Some("9223372036854775807"), "Most bytes copied to tiered storage per second.").check(Check::AtLeast(1)).update(Update::ClusterWide),
    KeyDef::new(Medium, "remote.log.manager.copy.quota.window.num", Int, Some("11"), "Samples kept for that limit.").check(Check::AtLeast(1)),
    KeyDef::new(Medium, "remote.log.manager.copy.quota.window.size.seconds", Int, Some("1"), "Length of a sample of it.").check(Check::AtLeast(1)),
    KeyDef::new(Medium, "remote.log.manager.expiration.thread.pool.size", Int, Some("-1"), "Threads that remove expired segments; -1 follows remote.log.manager.thread.pool.size.").check(Check::AtLeast(-1)),
    KeyDef::new(Medium, "remote.log.manager.fetch.max.bytes.per.second", Long, Some("9223372036854775807"), "Most bytes fetched from tiered storage per second.").check(Check::AtLeast(1)).update(Update::ClusterWide),
    KeyDef::new(Medium, "remote.log.manager.fetch.quota.window.num", Int, Some("11"), "Samples kept for that limit.").check(Check::AtLeast(1)),
    KeyDef::new(Medium, "remote.log.manager.fetch.quota.window.size.seconds", Int, Some("1"), "Length of a sample of it.").check(Check::AtLeast(1)),
    KeyDef::new(Low, "remote.log.manager.task.interval.ms", Long, Some("30000"), "How often segments are copied and removed.").check(Check::AtLeast(1)),
    KeyDef::new(Low, "remote.log.manager.task.retry.backoff.max.ms", Long, Some("30000"), "Longest pause after a failure.").check(Check::AtLeast(1)).internal(),
    KeyDef::new(Low, "remote.log.manager.task.retry.backoff.ms", Long, Some("500"), "First pause after a failure.").check(Check::AtLeast(1)).internal(),
    KeyDef::new(Low, "remote.log.manager.task.retry.jitter", Double, Some("0.2"), "Random part of the pause.").check(Check::Between(0.0, 0.5)).internal(),
    KeyDef::new(Medium, "remote.log.manager.thread.pool.size", Int, Some("10"), "Threads of tiered storage.").check(Check::AtLeast(1)),
    KeyDef::new(Low, "remote.log.metadata.custom.metadata.max.bytes", Int, Some("128"), "Longest metadata a storage plugin may attach to a segment.").check(Check::AtLeast(0)),
    KeyDef::new(Medium, "remote.log.metadata.manager.class.name", String, Some("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"), "Java class that keeps the metadata of tiered segments.").check(Check::NotEmpty),
    KeyDef::new(Medium, "remote.log.metadata.manager.class.path", String, None, "Class path of it."),
    KeyDef::new(Medium, "remote.log.metadata.manager.impl.prefix", String, Some("rlmm.config."), "Prefix of the settings that are handed to it.").check(Check::NotEmpty),
    KeyDef::new(Medium, "remote.log.metadata.manager.listener.name", String, None, "Listener it uses to reach brokers.").check(Check::NotEmpty),
    KeyDef::new(Medium, "remote.log.reader.max.pending.tasks", Int, Some("100"), "Fetches from tiered storage that may wait.").check(Check::AtLeast(1)),
    KeyDef::new(Medium, "remote.log.reader.threads", Int, Some("10"), "Threads that fetch from tiered storage.").check(Check::AtLeast(1)),
    KeyDef::new(Medium, "remote.log.storage.manager.class.name", String, None, "Java class that stores segments elsewhere.").check(Check::NotEmpty),
    KeyDef::new(Medium, "remote.log.storage.manager.class.path", String, None, "Class path of it."),
    KeyDef::new(Medium, "remote.log.storage.manager.impl.prefix", String, Some("rsm.config."), "Prefix of the settings that are handed to it.").check(Check::NotEmpty),
    KeyDef::new(Medium, "remote.log.storage.system.enable", Boolean, Some("false"), "Whether there is tiered storage."),
];
