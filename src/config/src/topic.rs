//! A topic's configuration: its own settings over the broker's.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{ChangeError, InvalidValue};
use crate::settings::Values;
use crate::table::{topic_key, topic_keys};
use crate::{MetadataVersion, ServerConfig, Value};

/// `message.timestamp.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's time is kept.
    CreateTime,
    /// The broker writes the time of the append.
    LogAppendTime,
}

/// `compression.type`, with the level where the codec has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// As the producer sent it.
    Producer,
    /// Always plain.
    Uncompressed,
    /// `compression.gzip.level`: 1 to 9, or -1 for the library's choice.
    Gzip(i32),
    /// Snappy has no levels.
    Snappy,
    /// `compression.lz4.level`: 1 to 17.
    Lz4(i32),
    /// `compression.zstd.level`: -131072 to 22.
    Zstd(i32),
}

/// Everything a topic's replicas go by (Kafka's `LogConfig`). `i64::MAX` means "never" or "no
/// limit" where Kafka's default is `Long.MAX_VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `segment.bytes`: at least 14.
    pub segment_bytes: u32,
    /// `segment.ms`: at least 1.
    pub segment_ms: i64,
    /// `segment.jitter.ms`.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: at least 4.
    pub segment_index_bytes: u32,
    /// `flush.messages`.
    pub flush_messages: i64,
    /// `flush.ms`.
    pub flush_ms: i64,
    /// `retention.bytes`; `None` is unlimited.
    pub retention_bytes: Option<i64>,
    /// `retention.ms`; `None` is unlimited.
    pub retention_ms: Option<i64>,
    /// `max.message.bytes`: the largest batch, as stored.
    pub max_message_bytes: u32,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u32,
    /// `file.delete.delay.ms`.
    pub file_delete_delay: Duration,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`: 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `cleanup.policy` has `compact`.
    pub compact: bool,
    /// `cleanup.policy` has `delete`.
    pub delete: bool,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
    /// `min.insync.replicas`: at least 1.
    pub min_insync_replicas: u32,
    /// `compression.type` and its level.
    pub compression: CompressionType,
    /// `preallocate`.
    pub preallocate: bool,
    /// `message.format.version` as it counts: 3.0-IV1 when the inter-broker protocol is that new.
    pub message_format: MetadataVersion,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`, or `.difference.max.ms` when that is unset.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`, or `.difference.max.ms` when that is unset.
    pub timestamp_after_max_ms: i64,
    /// `message.downconversion.enable`.
    pub down_conversion: bool,
    /// `leader.replication.throttled.replicas`: `*` or `partition:broker` pairs.
    pub leader_throttled_replicas: Vec<String>,
    /// `follower.replication.throttled.replicas`, likewise.
    pub follower_throttled_replicas: Vec<String>,
}

/// The values of every topic key, in the words of the table.
pub(crate) type TopicValues = BTreeMap<&'static str, Value>;

impl TopicConfig {
    /// A topic's settings over the broker's.
    ///
    /// # Errors
    /// An unknown key, a bad value, or values that contradict each other (`INVALID_CONFIG`).
    pub fn resolve(
        server: &ServerConfig,
        overrides: &BTreeMap<String, String>,
    ) -> Result<TopicConfig, ChangeError> {
        if let Some(stranger) = overrides.keys().find(|name| topic_key(name).is_none()) {
            return Err(ChangeError::UnknownTopicKey(stranger.clone()));
        }
        let values = values(&server.values, overrides)?;
        check(&values)?;
        Ok(typed(&values))
    }

    /// Like [`TopicConfig::resolve`], for settings that ZooKeeper holds already: what cannot be
    /// used is left out and reported.
    pub fn resolve_stored(
        server: &ServerConfig,
        overrides: &BTreeMap<String, String>,
    ) -> (TopicConfig, Vec<ChangeError>) {
        let mut problems = Vec::new();
        let mut usable = BTreeMap::new();
        for (name, value) in overrides {
            match topic_key(name).map(|key| key.parse(value)) {
                Some(Ok(_)) => {
                    usable.insert(name.clone(), value.clone());
                }
                Some(Err(error)) => problems.push(error.into()),
                None => problems.push(ChangeError::UnknownTopicKey(name.clone())),
            }
        }
        match TopicConfig::resolve(server, &usable) {
            Ok(config) => (config, problems),
            Err(error) => {
                problems.push(error);
                (server.topic_defaults.clone(), problems)
            }
        }
    }
}

/// The broker's values with the topic's own on top.
pub(crate) fn values(
    broker: &Values,
    overrides: &BTreeMap<String, String>,
) -> Result<TopicValues, InvalidValue> {
    let mut values = defaults(broker);
    for key in topic_keys() {
        if let Some(text) = overrides.get(key.name) {
            values.insert(key.name, key.parse(text)?);
        }
    }
    Ok(values)
}

/// What a topic without settings goes by (`KafkaConfig.extractLogConfigMap`).
fn defaults(broker: &Values) -> TopicValues {
    let mut values: TopicValues = topic_keys()
        .iter()
        .filter_map(|key| {
            let value = broker.of_synonyms(key).or_else(|| key.default_value())?;
            Some((key.name, value))
        })
        .collect();
    if whole(&values, "retention.ms") < 0 {
        values.insert("retention.ms", Value::Whole(-1));
    }
    let difference = whole(&values, "message.timestamp.difference.max.ms");
    for name in [
        "message.timestamp.before.max.ms",
        "message.timestamp.after.max.ms",
    ] {
        if whole(&values, name) == i64::MAX {
            values.insert(name, Value::Whole(difference));
        }
    }
    let protocol = version(broker.text("inter.broker.protocol.version"));
    if protocol.ignores_message_format() {
        let ignored = MetadataVersion::V3_0_IV1.name().to_owned();
        values.insert("message.format.version", Value::Text(ignored));
    }
    values
}

/// Checks that need more than one value (`LogConfig.validateTopicLogConfigValues`).
pub(crate) fn check(values: &TopicValues) -> Result<(), ChangeError> {
    let [least, most] =
        ["min.compaction.lag.ms", "max.compaction.lag.ms"].map(|name| whole(values, name));
    if least > most {
        return Err(ChangeError::Conflict(format!(
            "conflict topic config setting min.compaction.lag.ms ({least}) > \
             max.compaction.lag.ms ({most})"
        )));
    }
    if flag(values, "remote.log.delete.on.disable") || flag(values, "remote.log.copy.disable") {
        return Err(ChangeError::Conflict(
            "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` \
             under Zookeeper's mode."
                .to_owned(),
        ));
    }
    if flag(values, "remote.storage.enable") {
        return Err(ChangeError::Conflict(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured \
             with remote log storage."
                .to_owned(),
        ));
    }
    Ok(())
}

fn whole(values: &TopicValues, name: &str) -> i64 {
    match values.get(name) {
        Some(Value::Whole(number)) => *number,
        _ => 0,
    }
}

fn flag(values: &TopicValues, name: &str) -> bool {
    values.get(name) == Some(&Value::Bool(true))
}

fn text<'a>(values: &'a TopicValues, name: &str) -> &'a str {
    match values.get(name) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

fn list(values: &TopicValues, name: &str) -> Vec<String> {
    match values.get(name) {
        Some(Value::List(items)) => items.clone(),
        _ => Vec::new(),
    }
}

/// A version that was checked when it was parsed.
fn version(text: Option<&str>) -> MetadataVersion {
    text.and_then(|name| name.parse().ok())
        .unwrap_or(MetadataVersion::LATEST)
}

/// Checked values as fields. The table's bounds make every conversion fit; what would not is cut
/// to the nearest number that does.
pub(crate) fn typed(values: &TopicValues) -> TopicConfig {
    let ms = |name| whole(values, name);
    let size = |name| u32::try_from(ms(name).clamp(0, u32::MAX.into())).unwrap_or(0);
    let level = |name| i32::try_from(ms(name)).unwrap_or(0);
    let limit = |name| Some(ms(name)).filter(|limit| *limit >= 0);
    let policies = list(values, "cleanup.policy");
    let has = |policy: &str| policies.iter().any(|p| p.eq_ignore_ascii_case(policy));
    let difference = ms("message.timestamp.difference.max.ms");
    let bound = |name| {
        Some(ms(name))
            .filter(|ms| *ms != i64::MAX)
            .unwrap_or(difference)
    };
    TopicConfig {
        segment_bytes: size("segment.bytes"),
        segment_ms: ms("segment.ms"),
        segment_jitter_ms: ms("segment.jitter.ms"),
        segment_index_bytes: size("segment.index.bytes"),
        flush_messages: ms("flush.messages"),
        flush_ms: ms("flush.ms"),
        retention_bytes: limit("retention.bytes"),
        retention_ms: limit("retention.ms"),
        max_message_bytes: size("max.message.bytes"),
        index_interval_bytes: size("index.interval.bytes"),
        file_delete_delay: Duration::from_millis(ms("file.delete.delay.ms").unsigned_abs()),
        delete_retention_ms: ms("delete.retention.ms"),
        min_compaction_lag_ms: ms("min.compaction.lag.ms"),
        max_compaction_lag_ms: ms("max.compaction.lag.ms"),
        min_cleanable_dirty_ratio: match values.get("min.cleanable.dirty.ratio") {
            Some(Value::Double(ratio)) => *ratio,
            _ => 0.5,
        },
        compact: has("compact"),
        delete: has("delete"),
        unclean_leader_election: flag(values, "unclean.leader.election.enable"),
        min_insync_replicas: size("min.insync.replicas"),
        compression: match text(values, "compression.type") {
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip(level("compression.gzip.level")),
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4(level("compression.lz4.level")),
            "zstd" => CompressionType::Zstd(level("compression.zstd.level")),
            _ => CompressionType::Producer,
        },
        preallocate: flag(values, "preallocate"),
        message_format: version(Some(text(values, "message.format.version"))),
        timestamp_type: match text(values, "message.timestamp.type") {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: bound("message.timestamp.before.max.ms"),
        timestamp_after_max_ms: bound("message.timestamp.after.max.ms"),
        down_conversion: flag(values, "message.downconversion.enable"),
        leader_throttled_replicas: list(values, "leader.replication.throttled.replicas"),
        follower_throttled_replicas: list(values, "follower.replication.throttled.replicas"),
    }
}

/// [`typed`] for the broker's own defaults.
pub(crate) fn typed_defaults(broker: &Values) -> Result<TopicConfig, ChangeError> {
    let values = defaults(broker);
    check(&values)?;
    Ok(typed(&values))
}
