//! Topic settings, broker settings that change at run time, and what DescribeConfigs says of both.

use std::collections::BTreeMap;

use ottla_config::{
    ConfigEntry, ConfigSource, ServerConfig, Target, TopicConfig, ValueType, topic_keys,
};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    pairs.iter().map(owned).collect()
}

fn server(settings: &[(&str, &str)]) -> ServerConfig {
    let mut all = map(settings);
    all.insert("zookeeper.connect".to_owned(), "localhost:2181".to_owned());
    ServerConfig::from_settings(all).expect("good settings").0
}

#[test]
fn topics_override_their_broker() {
    let server = server(&[("log.retention.hours", "1"), ("log.segment.bytes", "1000")]);
    let topic = TopicConfig::resolve(&server, &map(&[("segment.bytes", "2000")])).unwrap();
    assert_eq!(topic.segment_bytes, 2000);
    assert_eq!(topic.retention_ms, Some(3_600_000));
    assert_eq!(server.topic_defaults.segment_bytes, 1000);
    let topic = TopicConfig::resolve(&server, &map(&[("retention.ms", "-1")])).unwrap();
    assert_eq!(topic.retention_ms, None);
    let topic = map(&[
        ("cleanup.policy", "compact,delete"),
        ("compression.type", "zstd"),
    ]);
    let topic = TopicConfig::resolve(&server, &topic).unwrap();
    assert!(topic.compact && topic.delete);
    assert_eq!(topic.compression, ottla_config::CompressionType::Zstd(3));
}

#[test]
fn bad_topic_settings_are_refused_in_kafkas_words() {
    let check = |settings: &[(&str, &str)], expected: &str| {
        let error = TopicConfig::resolve(&server(&[]), &map(settings)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        &[("retention.ms", "abc")],
        "Invalid value abc for configuration retention.ms: Not a number of type LONG",
    );
    check(&[("no.such", "1")], "Unknown topic config name: no.such");
    check(
        &[("segment.bytes", "13")],
        "Invalid value 13 for configuration segment.bytes: Value must be at least 14",
    );
    check(
        &[("compression.type", "rar")],
        "Invalid value rar for configuration compression.type: String must be one of: \
         uncompressed, zstd, lz4, snappy, gzip, producer",
    );
    check(
        &[
            ("min.compaction.lag.ms", "9"),
            ("max.compaction.lag.ms", "8"),
        ],
        "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (8)",
    );
    check(
        &[("remote.log.copy.disable", "true")],
        "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under \
         Zookeeper's mode.",
    );
}

#[test]
fn what_is_stored_wrongly_is_left_out() {
    let stored = map(&[
        ("retention.ms", "abc"),
        ("segment.ms", "5"),
        ("no.such", "1"),
    ]);
    let (topic, problems) = TopicConfig::resolve_stored(&server(&[]), &stored);
    assert_eq!(topic.segment_ms, 5);
    assert_eq!(topic.retention_ms, Some(604_800_000));
    assert_eq!(problems.len(), 2);
    let conflict = map(&[
        ("min.compaction.lag.ms", "9"),
        ("max.compaction.lag.ms", "8"),
    ]);
    let (topic, problems) = TopicConfig::resolve_stored(&server(&[]), &conflict);
    assert_eq!(topic, server(&[]).topic_defaults);
    assert_eq!(problems.len(), 1);
}

#[test]
fn dynamic_settings_beat_the_file() {
    let fixed = server(&[("log.retention.ms", "1000"), ("message.max.bytes", "10")]);
    let (config, warnings) = fixed.with_dynamic(
        &map(&[("message.max.bytes", "20"), ("log.retention.ms", "2000")]),
        &map(&[("message.max.bytes", "30"), ("max.connections", "5")]),
    );
    assert_eq!(warnings, []);
    assert_eq!(config.topic_defaults.max_message_bytes, 30);
    assert_eq!(config.topic_defaults.retention_ms, Some(2000));
    assert_eq!(config.network.max_connections, 5);
    // Taking them away again leads back to the file.
    let (config, _) = config.with_dynamic(&map(&[]), &map(&[]));
    assert_eq!(config.topic_defaults.max_message_bytes, 10);
    assert_eq!(config.topic_defaults.retention_ms, Some(1000));
}

#[test]
fn unusable_dynamic_settings_are_left_out() {
    let (config, warnings) = server(&[]).with_dynamic(
        &map(&[("num.partitions", "7"), ("listeners", "PLAINTEXT://:1")]),
        &map(&[
            ("message.max.bytes", "x"),
            ("log.segment.bytes", "500"),
            ("mine", "1"),
        ]),
    );
    assert_eq!(config.topics.num_partitions, 1);
    assert_eq!(config.topic_defaults.segment_bytes, 500);
    let keys: Vec<_> = warnings.iter().map(|w| w.key.as_str()).collect();
    assert_eq!(keys, ["listeners", "num.partitions", "message.max.bytes"]);
}

#[test]
fn dynamic_changes_are_validated() {
    let check = |settings: &[(&str, &str)], target, expected: Result<(), &str>| {
        let found = server(&[]).validate_dynamic(&map(settings), target);
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
            (found, _) => panic!("{settings:?}: {found:?}"),
        }
    };
    check(
        &[("log.retention.ms", "5"), ("own.key", "x")],
        Target::AllBrokers,
        Ok(()),
    );
    check(
        &[("num.partitions", "5")],
        Target::OneBroker,
        Err("Cannot update these configs dynamically: Set(num.partitions)"),
    );
    check(
        &[("ssl.keystore.location", "/a")],
        Target::OneBroker,
        Err(
            "These security configs can be dynamically updated only per-listener using the \
             listener prefix: Set(ssl.keystore.location)",
        ),
    );
    check(
        &[("principal.builder.class", "a")],
        Target::AllBrokers,
        Err(
            "Cannot update these configs at default cluster level, broker id must be specified: \
             Set(principal.builder.class)",
        ),
    );
    check(
        &[("log.retention.ms", "x")],
        Target::OneBroker,
        Err("Invalid value x for configuration log.retention.ms: Not a number of type LONG"),
    );
    check(
        &[("num.io.threads", "100")],
        Target::OneBroker,
        Err(
            "Dynamic thread count update validation failed for num.io.threads=100, value should \
             not be greater than double the current value 8",
        ),
    );
    check(
        &[("max.connections.per.ip", "7")],
        Target::AllBrokers,
        Err(
            "max.connections.per.ip cannot be changed while this broker runs; set it in the file \
             and restart",
        ),
    );
    check(
        &[("listeners", "PLAINTEXT://:9095")],
        Target::OneBroker,
        Err("listeners cannot be changed while this broker runs; set it in the file and restart"),
    );
    check(
        &[("leader.replication.throttled.rate", "100")],
        Target::OneBroker,
        Ok(()),
    );
}

fn find<'a>(entries: &'a [ConfigEntry], name: &str) -> &'a ConfigEntry {
    entries
        .iter()
        .find(|entry| entry.name == name)
        .expect("the key is described")
}

fn synonyms(entry: &ConfigEntry) -> Vec<String> {
    let text = |s: &ottla_config::ConfigSynonym| {
        format!(
            "{}={} {:?}",
            s.name,
            s.value.as_deref().unwrap_or("null"),
            s.source
        )
    };
    entry.synonyms.iter().map(text).collect()
}

#[test]
fn brokers_are_described_with_sources_and_synonyms() {
    let (config, _) = server(&[("log.retention.hours", "2"), ("my.key", "v")]).with_dynamic(
        &map(&[("log.retention.ms", "9")]),
        &map(&[("message.max.bytes", "8")]),
    );
    let entries = config.describe_broker();
    assert!(entries.is_sorted_by(|a, b| a.name < b.name));

    let retention = find(&entries, "log.retention.ms");
    assert_eq!(retention.value.as_deref(), Some("9"));
    assert_eq!(retention.source, ConfigSource::DynamicDefaultBroker);
    assert!(!retention.read_only);
    assert_eq!(
        synonyms(retention),
        [
            "log.retention.ms=9 DynamicDefaultBroker",
            "log.retention.hours=2 StaticBroker",
            "log.retention.hours=168 Default",
        ]
    );
    let size = find(&entries, "message.max.bytes");
    assert_eq!(
        (size.value.as_deref(), size.source),
        (Some("8"), ConfigSource::DynamicBroker)
    );
    let partitions = find(&entries, "num.partitions");
    assert_eq!(partitions.source, ConfigSource::Default);
    assert!(partitions.read_only);
    assert_eq!(synonyms(partitions), ["num.partitions=1 Default"]);
    let rack = find(&entries, "broker.rack");
    assert_eq!(
        (rack.value.as_deref(), rack.source),
        (None, ConfigSource::Default)
    );
    let password = find(&entries, "ssl.keystore.password");
    assert!(password.sensitive && password.value.is_none());
    // As in Kafka, what nobody knows is treated as a secret.
    let own = find(&entries, "my.key");
    assert!(own.sensitive && own.value.is_none() && own.value_type.is_none());
    assert!(
        !entries
            .iter()
            .any(|entry| entry.name == "producer.id.expiration.check.interval.ms")
    );

    let shared = config.describe_broker_defaults();
    assert_eq!(shared.len(), 1);
    assert_eq!(
        synonyms(&shared[0]),
        ["log.retention.ms=9 DynamicDefaultBroker"]
    );
}

#[test]
fn topics_are_described_with_sources_and_synonyms() {
    let config = server(&[("log.segment.bytes", "700"), ("log.retention.hours", "2")]);
    let entries = config.describe_topic(&map(&[("segment.bytes", "500"), ("odd", "1")]));
    assert_eq!(entries.len(), topic_keys().len() + 1);
    let segment = find(&entries, "segment.bytes");
    assert_eq!(segment.value.as_deref(), Some("500"));
    assert_eq!(segment.source, ConfigSource::Topic);
    assert_eq!(segment.value_type, Some(ValueType::Int));
    assert_eq!(
        synonyms(segment),
        [
            "segment.bytes=500 Topic",
            "log.segment.bytes=700 StaticBroker",
            "log.segment.bytes=1073741824 Default",
        ]
    );
    // Kafka reports no synonyms where only the hours are set, and calls the value a default.
    let retention = find(&entries, "retention.ms");
    assert_eq!(retention.value.as_deref(), Some("7200000"));
    assert_eq!(retention.source, ConfigSource::Default);
    assert_eq!(
        find(&entries, "cleanup.policy").value.as_deref(),
        Some("delete")
    );
    assert_eq!(
        find(&entries, "min.cleanable.dirty.ratio").value.as_deref(),
        Some("0.5")
    );
    assert_eq!(
        find(&entries, "message.format.version").value.as_deref(),
        Some("3.0-IV1")
    );
}
