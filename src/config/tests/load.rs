//! Whole files, from text to typed configuration or to the error a person reads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ottla_config::{
    CompressionType, ConfigError, MetadataVersion, ServerConfig, TimestampType, Warning,
};
use ottla_metadata::BrokerId;

fn load(name: &str, text: &str) -> Result<(ServerConfig, Vec<Warning>), ConfigError> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("the file is written");
    ServerConfig::load(&path, &[])
}

/// The file that tutorials hand out.
const FAMILIAR: &str = "\
broker.id=0
listeners=PLAINTEXT://:9092
port=9092
num.network.threads=4
num.io.threads=8
log.dirs=/tmp/kafka-logs
num.partitions=5
num.recovery.threads.per.data.dir=1
log.retention.hours=168
log.segment.bytes=1073741824
log.cleaner.enable=false
zookeeper.connect=localhost:2181
zookeeper.connection.timeout.ms=6000
queued.max.requests =500
log.cleanup.policy = delete
";

fn check_familiar(config: &ServerConfig) {
    assert_eq!(config.identity.broker_id, Some(BrokerId(0)));
    assert_eq!(config.listeners.bind.len(), 1);
    assert_eq!(config.listeners.bind[0].host, None);
    assert_eq!(config.listeners.bind[0].port, 9092);
    assert_eq!(config.listeners.advertised[0].port, 9092);
    assert!(!config.listeners.advertised[0].host.is_empty());
    assert_eq!(config.listeners.inter_broker, "PLAINTEXT");
    assert_eq!(config.storage.dirs, [PathBuf::from("/tmp/kafka-logs")]);
    assert_eq!(config.topics.num_partitions, 5);
    assert_eq!(config.topic_defaults.retention_ms, Some(168 * 3_600_000));
    assert_eq!(config.topic_defaults.segment_bytes, 1 << 30);
    assert_eq!(config.zookeeper.connect, "localhost:2181");
    assert_eq!(config.zookeeper.connection_timeout, Duration::from_secs(6));
    assert_eq!(config.zookeeper.session_timeout, Duration::from_secs(18));
    assert_eq!(config.network.queued_max_requests, 500);
    assert!(config.topic_defaults.delete && !config.topic_defaults.compact);
    assert!(!config.storage.cleaner_enable);
}

#[test]
fn the_familiar_file_is_understood_as_written() {
    let (config, warnings) = load("server-0.properties", FAMILIAR).unwrap();
    check_familiar(&config);
    let warned: Vec<_> = warnings.iter().map(|w| w.key.as_str()).collect();
    assert_eq!(
        warned,
        [
            "num.io.threads",
            "num.network.threads",
            "queued.max.requests",
            "port"
        ]
    );
    let port = warnings.last().unwrap().to_string();
    assert!(
        port.contains("server-0.properties:3: port: ignored"),
        "{port}"
    );
}

#[test]
fn toml_says_the_same() {
    let text = r#"
        listeners = "PLAINTEXT://:9092"
        broker.id = 0
        num = { network.threads = 4, io.threads = 8, partitions = 5 }
        "num.recovery.threads.per.data.dir" = "1"
        queued.max.requests = 500
        [log]
        dirs = ["/tmp/kafka-logs"]
        retention.hours = 168
        segment.bytes = 1_073_741_824
        cleaner.enable = false
        cleanup.policy = "delete"
        [zookeeper]
        connect = "localhost:2181"
        connection.timeout.ms = 6000
    "#;
    let (config, _) = load("server-0.toml", text).unwrap();
    check_familiar(&config);
}

#[test]
fn defaults_are_kafkas() {
    let (config, warnings) =
        ServerConfig::from_settings([("zookeeper.connect", "zk:2181/kafka")]).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.identity.broker_id, None);
    assert_eq!(config.storage.dirs, [Path::new("/tmp/kafka-logs")]);
    assert_eq!(config.listeners.bind[0].port, 9092);
    assert_eq!(config.zookeeper.connection_timeout, Duration::from_secs(18));
    assert_eq!(
        config.network.connections_max_idle,
        Some(Duration::from_secs(600))
    );
    assert_eq!(config.network.queued_max_request_bytes, None);
    assert_eq!(config.network.request_max_bytes, 104_857_600);
    assert_eq!(config.inter_broker_protocol, MetadataVersion::LATEST);
    assert_eq!(config.replication.lag_max_messages, None);
    assert_eq!(config.fetch.max_bytes, 57_671_680);
    let topic = &config.topic_defaults;
    assert_eq!(topic.segment_ms, 604_800_000);
    assert_eq!(topic.flush_messages, i64::MAX);
    assert_eq!(topic.flush_ms, i64::MAX);
    assert_eq!(topic.retention_bytes, None);
    assert_eq!(topic.max_message_bytes, 1_048_588);
    assert_eq!(topic.compression, CompressionType::Producer);
    assert_eq!(topic.timestamp_type, TimestampType::CreateTime);
    assert_eq!(topic.timestamp_after_max_ms, i64::MAX);
    assert_eq!(topic.message_format, MetadataVersion::V3_0_IV1);
}

fn with(settings: &[(&str, &str)]) -> Result<(ServerConfig, Vec<Warning>), ConfigError> {
    let zookeeper = [("zookeeper.connect", "localhost:2181")];
    ServerConfig::from_settings(zookeeper.iter().chain(settings).copied())
}

#[test]
fn a_bad_value_names_file_line_key_value_and_remedy() {
    let check = |text: &str, parts: &[&str]| {
        let error = load("s.properties", text).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{error}\nlacks {part}");
        }
    };
    check(
        "zookeeper.connect=z\n\nlog.retention.hours = soon\n",
        &[
            "s.properties:3: log.retention.hours=soon: not a number of type INT; right would be a whole number of 32 bits",
        ],
    );
    check(
        "broker.id=-2\n",
        &["s.properties:1: broker.id=-2: right would be a number from 0"],
    );
    check(
        "log.cleanup.policy=delete,shrink\n",
        &["s.properties:1", "shrink", "compact, delete"],
    );
    check("a=\\u00zz\n", &["s.properties:1: \\u00zz is no character"]);
    check(
        "broker.id=1\n",
        &["zookeeper.connect is not set", "localhost:2181"],
    );
    check(
        "process.roles=broker\n",
        &["s.properties:1: process.roles=broker", "ZooKeeper"],
    );
    check(
        "log.retention.ms=0\nzookeeper.connect=z",
        &["s.properties:1: log.retention.ms=0", "-1"],
    );
    check(
        "inter.broker.protocol.version=1.9\n",
        &["Version 1.9 is not a valid version"
            .to_lowercase()
            .as_str()
            .get(8..)
            .unwrap()],
    );
    let missing = ServerConfig::load(Path::new("/no/such.properties"), &[]).unwrap_err();
    assert!(missing.to_string().contains("/no/such.properties"));
}

#[test]
fn overrides_beat_the_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("s.properties");
    std::fs::write(&path, FAMILIAR).unwrap();
    let overrides = [("broker.id".to_owned(), "7".to_owned())];
    let (config, _) = ServerConfig::load(&path, &overrides).unwrap();
    assert_eq!(config.identity.broker_id, Some(BrokerId(7)));
    let bad = [("broker.id".to_owned(), "x".to_owned())];
    let error = ServerConfig::load(&path, &bad).unwrap_err().to_string();
    assert!(error.starts_with("--override: broker.id=x"), "{error}");
}

#[test]
fn old_keys_for_the_only_listener() {
    let check = |settings: &[(&str, &str)], bind: (Option<&str>, u16), told: (&str, u16)| {
        let (config, warnings) = with(settings).unwrap();
        let listener = &config.listeners.bind[0];
        assert_eq!(
            (listener.host.as_deref(), listener.port),
            bind,
            "{settings:?}"
        );
        let endpoint = &config.listeners.advertised[0];
        if told.0 != "*" {
            assert_eq!(endpoint.host, told.0, "{settings:?}");
        }
        assert_eq!(endpoint.port, told.1, "{settings:?}");
        assert!(warnings.len() >= settings.len().min(1));
    };
    check(&[("port", "9093")], (None, 9093), ("*", 9093));
    check(
        &[("host.name", "10.0.0.1"), ("port", "9093")],
        (Some("10.0.0.1"), 9093),
        ("10.0.0.1", 9093),
    );
    check(
        &[("port", "9093"), ("advertised.host.name", "kafka.example")],
        (None, 9093),
        ("kafka.example", 9093),
    );
    check(
        &[
            ("listeners", "PLAINTEXT://:9095"),
            ("advertised.host.name", "k"),
        ],
        (None, 9095),
        ("k", 9095),
    );
    check(
        &[("host.name", "h"), ("advertised.port", "19092")],
        (Some("h"), 9092),
        ("h", 19092),
    );
    check(
        &[
            ("advertised.listeners", "PLAINTEXT://a:1"),
            ("advertised.port", "2"),
        ],
        (None, 9092),
        ("a", 1),
    );
    assert!(with(&[("port", "99999")]).is_err());
}

#[test]
fn listeners_are_checked_against_each_other() {
    let refused = |settings: &[(&str, &str)], part: &str| {
        let error = with(settings).unwrap_err().to_string();
        assert!(error.contains(part), "{settings:?}: {error}");
    };
    refused(&[("listeners", "PLAINTEXT//:9092")], "NAME://host:port");
    refused(
        &[("listeners", "PLAINTEXT://:99999")],
        "port from 0 to 65535",
    );
    refused(
        &[("listeners", "OWN://:9092")],
        "OWN has no entry in listener.security.protocol.map",
    );
    refused(&[("listeners", "")], "at least one listener");
    refused(&[("listeners", "PLAINTEXT://:1,PLAINTEXT://:2")], "twice");
    refused(
        &[("listeners", "PLAINTEXT://:9092,SSL://:9092")],
        "port of its own",
    );
    refused(
        &[("listeners", "SSL://:9093")],
        "set inter.broker.listener.name to one of SSL",
    );
    refused(
        &[("listeners", "PLAINTEXT://:9092,SSL://:9093")],
        "listener SSL asks for SSL, which this broker does not offer yet",
    );
    refused(
        &[("listeners", "PLAINTEXT://0.0.0.0:9092")],
        "0.0.0.0 is no address",
    );
    refused(
        &[("advertised.listeners", "OTHER://a:1")],
        "OTHER has no entry",
    );
    refused(
        &[
            (
                "listener.security.protocol.map",
                "A:PLAINTEXT,B:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            ),
            ("listeners", "A://:1,PLAINTEXT://:2"),
            ("advertised.listeners", "B://a:1,PLAINTEXT://a:2"),
        ],
        "B is advertised but not listened on; listeners has A, PLAINTEXT",
    );
    refused(
        &[("listener.security.protocol.map", "A=PLAINTEXT")],
        "NAME:PROTOCOL",
    );
    refused(
        &[
            ("inter.broker.listener.name", "PLAINTEXT"),
            ("security.inter.broker.protocol", "PLAINTEXT"),
        ],
        "only one of this and security.inter.broker.protocol",
    );
    refused(
        &[("control.plane.listener.name", "PLAINTEXT")],
        "PLAINTEXT is the listener of inter.broker.listener.name already",
    );
    refused(
        &[("control.plane.listener.name", "CONTROL")],
        "CONTROL is not advertised: add CONTROL://host:port to listeners",
    );
    let (config, _) = with(&[
        (
            "listeners",
            "internal://127.0.0.1:9092, external://[::1]:9092",
        ),
        (
            "listener.security.protocol.map",
            "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT",
        ),
        ("inter.broker.listener.name", "internal"),
        ("control.plane.listener.name", "external"),
        (
            "advertised.listeners",
            "EXTERNAL://example.org:29092,INTERNAL://127.0.0.1:0",
        ),
        ("listener.name.external.max.connections", "7"),
    ])
    .unwrap();
    assert_eq!(config.listeners.inter_broker, "INTERNAL");
    let control_plane = config.listeners.control_plane.as_deref();
    assert_eq!(control_plane, Some("EXTERNAL"));
    assert_eq!(config.listeners.bind[1].host.as_deref(), Some("::1"));
    assert_eq!(config.listeners.advertised[1].port, 9092);
    assert_eq!(config.network.max_connections_by_listener["EXTERNAL"], 7);
}

#[test]
fn other_values_that_do_not_go_together() {
    let refused = |settings: &[(&str, &str)], part: &str| {
        let error = with(settings).unwrap_err().to_string();
        assert!(error.contains(part), "{settings:?}: {error}");
    };
    refused(&[("broker.id", "1001")], "reserved.broker.max.id (1000)");
    refused(&[("broker.id.generation.enable", "false")], "broker.id=-1");
    refused(
        &[("queued.max.request.bytes", "5")],
        "socket.request.max.bytes (104857600)",
    );
    refused(
        &[("max.connections.per.ip", "0")],
        "max.connections.per.ip.overrides",
    );
    refused(&[("max.connections.per.ip.overrides", "a")], "host:number");
    refused(
        &[("replica.lag.time.max.ms", "100")],
        "replica.fetch.wait.max.ms (500)",
    );
    refused(&[("log.dirs", " , ")], "at least one directory");
    refused(
        &[
            ("log.cleaner.min.compaction.lag.ms", "5"),
            ("log.cleaner.max.compaction.lag.ms", "4"),
        ],
        "conflict",
    );
    refused(
        &[
            ("inter.broker.protocol.version", "0.10.2"),
            ("log.message.format.version", "0.11.0"),
        ],
        "inter.broker.protocol.version 0.11.0 or above",
    );
    assert!(with(&[("broker.id", "1001"), ("reserved.broker.max.id", "5000")]).is_ok());
}

#[test]
fn settings_that_do_nothing_are_said_to() {
    let (_, warnings) = with(&[
        ("log.cleaner.threads", "2"),
        ("node.id", "3"),
        ("controller.quorum.voters", "1@a:1"),
        ("log.retenton.hours", "1"),
        ("quota.producer.default", "1"),
    ])
    .unwrap();
    let said: Vec<_> = warnings.iter().map(Warning::to_string).collect();
    let expected = [
        "--override: controller.quorum.voters: belongs to KRaft mode and has no meaning with ZooKeeper",
        "--override: log.cleaner.threads: accepted, but this broker does not act on it yet",
        "--override: log.retenton.hours: unknown key, ignored; did you mean log.retention.hours?",
        "--override: quota.producer.default: was removed in Kafka 3.0; default quotas are set with kafka-configs",
        "--override: node.id: taken as broker.id",
    ];
    assert_eq!(said, expected);
}

#[test]
fn units_and_old_rules() {
    let (config, _) = with(&[
        ("log.retention.minutes", "30"),
        ("log.retention.hours", "2"),
        ("log.roll.hours", "1"),
        ("log.flush.scheduler.interval.ms", "2000"),
        ("replica.lag.max.messages", "4000"),
        ("inter.broker.protocol.version", "0.8.2"),
        ("log.message.format.version", "0.8.2"),
        ("log.message.timestamp.difference.max.ms", "1000"),
        ("socket.send.buffer.bytes", "-1"),
        ("connections.max.idle.ms", "-1"),
    ])
    .unwrap();
    assert_eq!(config.topic_defaults.retention_ms, Some(1_800_000));
    assert_eq!(config.topic_defaults.segment_ms, 3_600_000);
    assert_eq!(config.topic_defaults.flush_ms, 2000);
    assert_eq!(config.replication.lag_max_messages, Some(4000));
    assert_eq!(config.topic_defaults.message_format.record_format(), 0);
    assert_eq!(config.topic_defaults.timestamp_before_max_ms, 1000);
    assert_eq!(config.topic_defaults.timestamp_after_max_ms, 1000);
    assert_eq!(config.network.socket_send_buffer_bytes, None);
    assert_eq!(config.network.connections_max_idle, None);
}
