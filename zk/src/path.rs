//! Where things are in ZooKeeper (Kafka's `ZkData`). The table with payloads is in `zk/LAYOUT.md`.

use ottla_metadata::{BrokerId, TopicPartition};

pub(crate) const CONSUMERS: &str = "/consumers";
pub(crate) const BROKER_IDS: &str = "/brokers/ids";
pub(crate) const TOPICS: &str = "/brokers/topics";
pub(crate) const BROKER_SEQ_ID: &str = "/brokers/seqid";
pub(crate) const CLUSTER_ID: &str = "/cluster/id";
pub(crate) const CONTROLLER: &str = "/controller";
pub(crate) const CONTROLLER_EPOCH: &str = "/controller_epoch";
pub(crate) const CONFIG: &str = "/config";
pub(crate) const CONFIG_CHANGES: &str = "/config/changes";
pub(crate) const CONFIG_CHANGE_PREFIX: &str = "config_change_";
pub(crate) const DELETE_TOPICS: &str = "/admin/delete_topics";
pub(crate) const REASSIGN_PARTITIONS: &str = "/admin/reassign_partitions";
pub(crate) const PREFERRED_ELECTION: &str = "/admin/preferred_replica_election";
pub(crate) const ISR_CHANGES: &str = "/isr_change_notification";
pub(crate) const ISR_CHANGE_PREFIX: &str = "isr_change_";
pub(crate) const LOG_DIR_EVENTS: &str = "/log_dir_event_notification";
pub(crate) const LOG_DIR_EVENT_PREFIX: &str = "log_dir_event_";
pub(crate) const PRODUCER_ID_BLOCK: &str = "/latest_producer_id_block";
pub(crate) const FEATURE: &str = "/feature";

/// The paths that every start of a broker creates (`ZkData.PersistentZkPaths`), but for
/// `/latest_producer_id_block`: we can only create nodes with empty data, where Kafka's have none, and
/// its controllers take that one for unreadable.
pub(crate) const PERSISTENT: [&str; 13] = [
    CONSUMERS,
    BROKER_IDS,
    TOPICS,
    CONFIG_CHANGES,
    DELETE_TOPICS,
    BROKER_SEQ_ID,
    ISR_CHANGES,
    LOG_DIR_EVENTS,
    "/config/topics",
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
];

pub(crate) fn broker(id: BrokerId) -> String {
    format!("{BROKER_IDS}/{id}")
}

pub(crate) fn topic(name: &str) -> String {
    format!("{TOPICS}/{name}")
}

pub(crate) fn partitions(topic: &str) -> String {
    format!("{TOPICS}/{topic}/partitions")
}

pub(crate) fn partition(topic: &str, partition: i32) -> String {
    format!("{TOPICS}/{topic}/partitions/{partition}")
}

pub(crate) fn partition_state(topic: &str, partition: i32) -> String {
    format!("{TOPICS}/{topic}/partitions/{partition}/state")
}

pub(crate) fn delete_topic(name: &str) -> String {
    format!("{DELETE_TOPICS}/{name}")
}

pub(crate) fn consumer_offset(group: &str, topic: &str, partition: i32) -> String {
    format!("{CONSUMERS}/{group}/offsets/{topic}/{partition}")
}

pub(crate) fn consumer_group(group: &str) -> String {
    format!("{CONSUMERS}/{group}")
}

pub(crate) fn consumers(group: &str) -> String {
    format!("{CONSUMERS}/{group}/ids")
}

pub(crate) fn consumer(group: &str, consumer: &str) -> String {
    format!("{CONSUMERS}/{group}/ids/{consumer}")
}

pub(crate) fn partition_owner(group: &str, partition: &TopicPartition) -> String {
    let TopicPartition { topic, partition } = partition;
    format!("{CONSUMERS}/{group}/owners/{topic}/{partition}")
}

pub(crate) fn consumer_offsets(group: &str) -> String {
    format!("{CONSUMERS}/{group}/offsets")
}

/// The parent of a node, `None` for nodes directly below the root.
pub(crate) fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/')
        .map(|(parent, _)| parent)
        .filter(|parent| !parent.is_empty())
}
