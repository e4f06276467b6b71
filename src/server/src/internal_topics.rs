//! The topics that brokers keep for themselves, as they are created when first asked for.

use ottla_cluster::NewTopic;
use ottla_config::ServerConfig;

/// What is created when somebody asks for a topic that does not exist.
pub(crate) fn automatic(config: &ServerConfig, name: &str) -> NewTopic {
    match name {
        "__consumer_offsets" => {
            let groups = &config.groups;
            new_topic(
                name,
                groups.offsets_partitions,
                groups.offsets_replication_factor,
                &[
                    ("cleanup.policy", "compact"),
                    ("compression.type", "producer"),
                    ("segment.bytes", &groups.offsets_segment_bytes.to_string()),
                ],
            )
        }
        "__transaction_state" => {
            let transactions = &config.transactions;
            new_topic(
                name,
                transactions.state_partitions,
                transactions.state_replication_factor,
                &[
                    ("cleanup.policy", "compact"),
                    ("compression.type", "uncompressed"),
                    (
                        "min.insync.replicas",
                        &transactions.state_min_isr.to_string(),
                    ),
                    (
                        "segment.bytes",
                        &transactions.state_segment_bytes.to_string(),
                    ),
                    ("unclean.leader.election.enable", "false"),
                ],
            )
        }
        name => {
            let topics = &config.topics;
            new_topic(
                name,
                topics.num_partitions,
                topics.default_replication_factor,
                &[],
            )
        }
    }
}

fn new_topic(
    name: &str,
    partitions: i32,
    replication_factor: i16,
    configs: &[(&str, &str)],
) -> NewTopic {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    NewTopic {
        name: name.to_owned(),
        partitions,
        replication_factor,
        assignment: Vec::new(),
        configs: configs.iter().map(owned).collect(),
    }
}
