//! Topics through Apache's own tools.

use std::collections::BTreeMap;

use crate::{ApacheVersion, Broker, apache_tool};

/// Creates a topic with Apache's `kafka-topics` of 3.9; `options` are further arguments.
pub fn create_topic(broker: &Broker, topic: &str, partitions: i32, options: &[&str]) {
    let (address, partitions) = (broker.address(), partitions.to_string());
    let mut arguments = vec!["--bootstrap-server", &address, "--create", "--topic", topic];
    arguments.extend(["--partitions", &partitions]);
    arguments.extend(options);
    topics_tool(&arguments);
}

/// Apache's `kafka-topics` of 3.9.
pub fn topics_tool(arguments: &[&str]) -> String {
    apache_tool(
        ApacheVersion::V3_9,
        "org.apache.kafka.tools.TopicCommand",
        arguments,
    )
}

/// End offsets by partition, as Apache's `kafka-get-offsets` of 3.9 sees them.
pub fn end_offsets(broker: &Broker, topic: &str) -> BTreeMap<i32, usize> {
    let output = apache_tool(
        ApacheVersion::V3_9,
        "org.apache.kafka.tools.GetOffsetShell",
        &["--bootstrap-server", &broker.address(), "--topic", topic],
    );
    output
        .lines()
        .map(|line| {
            let mut parts = line.rsplit(':');
            let end = parts.next().and_then(|n| n.parse().ok());
            let partition = parts.next().and_then(|n| n.parse().ok());
            partition
                .zip(end)
                .unwrap_or_else(|| panic!("not topic:partition:offset: {line}"))
        })
        .collect()
}
