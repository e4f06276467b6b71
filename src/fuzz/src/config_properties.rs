//! `server.properties`: parsed, and built into a configuration.

use ottla_config::{ServerConfig, parse_properties};

/// The target.
pub fn run(input: &[u8]) {
    let Ok(entries) = parse_properties(input) else {
        return;
    };
    let settings = entries.into_iter().map(|entry| (entry.key, entry.value));
    if let Ok((config, _)) = ServerConfig::from_settings(settings) {
        config.describe_broker();
    }
}

/// Files as people write them.
pub fn corpus() -> Vec<Vec<u8>> {
    let texts = [
        "broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:9092\nlog.dirs=/tmp/a,/tmp/b\nzookeeper.connect=h:2181/c\n",
        "# a comment\n! another\nbroker.id : 1\nlog.retention.hours\\\n  =168\nzookeeper.connect h:1,[::1]:2\n",
        "broker.id=2\nzookeeper.connect=h\nlisteners=A://:9092,B://[::]:9093\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\ninter.broker.listener.name=A\nmax.connections.per.ip.overrides=h:1,i:2\n",
        "zookeeper.connect=h\\u0041\nbroker.id=3\nlog.retention.ms=-1\nlog.segment.bytes=1073741824\nnum.partitions=3\nlog.cleanup.policy=compact,delete\ncompression.type=gzip\nlog.message.timestamp.type=LogAppendTime\nmessage.max.bytes=1000012\ninter.broker.protocol.version=2.0\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}
