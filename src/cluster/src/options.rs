//! What this crate needs to know of the broker's configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ottla_metadata::{BrokerId, Endpoint};

/// How to reach ZooKeeper.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// `zookeeper.connect`: `host:port,host:port/chroot`. The chroot is created.
    pub connect: String,
    /// `zookeeper.session.timeout.ms`.
    pub session_timeout: Duration,
    /// `zookeeper.connection.timeout.ms`, or the session timeout where unset.
    pub connection_timeout: Duration,
}

/// How the broker shows itself under `/brokers/ids`.
#[derive(Clone, Debug)]
pub struct Registration {
    /// `broker.id`, given or generated.
    pub id: BrokerId,
    /// `advertised.listeners`, with real ports.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Whether `inter.broker.protocol.version` is at least 2.7-IV0: JSON version 5 instead of 4.
    pub with_features: bool,
    /// Where the session's id is kept, so that a broker killed with -9 recognises its own old
    /// registration: a file in a locked log directory. `None` keeps none.
    pub session_file: Option<PathBuf>,
}

/// The rest.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether `inter.broker.protocol.version` is at least 2.8-IV0: topics get ids.
    pub topic_ids: bool,
    /// Whether it is at least 3.2-IV0: a leader elected uncleanly is marked as recovering.
    pub leader_recovery: bool,
    /// `delete.topic.enable`.
    pub delete_topics: bool,
    /// `unclean.leader.election.enable` of the properties file.
    pub unclean_election: bool,
    /// `num.partitions`.
    pub default_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
}

/// A topic to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// The name, not yet checked.
    pub name: String,
    /// Number of partitions; -1 for `num.partitions`, or with a manual assignment.
    pub partitions: i32,
    /// Replication factor; -1 for `default.replication.factor`, or with a manual assignment.
    pub replication_factor: i16,
    /// Manual assignment: partition and its replicas; empty for none.
    pub assignment: Vec<(i32, Vec<BrokerId>)>,
    /// Topic configs, validated by the caller.
    pub configs: BTreeMap<String, String>,
}

/// Partitions to add to a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPartitions {
    /// The topic.
    pub topic: String,
    /// How many partitions the topic shall have in all.
    pub count: i32,
    /// Replicas of the new partitions in order; `None` lets the broker choose.
    pub assignment: Option<Vec<Vec<BrokerId>>>,
}

/// How long to wait, and whether to do it at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitOptions {
    /// How long to wait for the change to show in the image. Zero does not wait and reports the
    /// time-out, as Kafka does for timeouts of zero and below.
    pub timeout: Duration,
    /// Check only.
    pub validate_only: bool,
}
