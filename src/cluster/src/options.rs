//! What this crate needs to know of the broker's configuration, and what it can be asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_config::MetadataVersion;
use ottla_metadata::{BrokerId, Endpoint};

/// How the broker shows itself under `/brokers/ids`.
#[derive(Clone, Debug)]
pub struct Registration {
    /// `broker.id`, given or generated.
    pub id: BrokerId,
    /// `advertised.listeners`, with real ports.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `inter.broker.protocol.version`, which decides the form of the node.
    pub version: MetadataVersion,
}

/// The rest.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `inter.broker.protocol.version`.
    pub version: MetadataVersion,
    /// `delete.topic.enable`.
    pub delete_topics: bool,
    /// `unclean.leader.election.enable` of the properties file.
    pub unclean_election: bool,
    /// `num.partitions`.
    pub default_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// Whether and how this broker, as controller, evens out leadership
    /// (`auto.leader.rebalance.enable`).
    pub leader_balance: Option<LeaderBalance>,
    /// The listener that brokers use among themselves (`inter.broker.listener.name`).
    pub inter_broker_listener: String,
    /// The listener that takes a controller's requests: that of `control.plane.listener.name`, or
    /// else the one that brokers use among themselves.
    pub controller_listener: String,
    /// `controller.socket.timeout.ms`.
    pub controller_socket_timeout: Duration,
    /// `request.timeout.ms`.
    pub request_timeout: Duration,
}

/// How leadership is evened out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderBalance {
    /// `leader.imbalance.check.interval.seconds`.
    pub interval: Duration,
    /// `leader.imbalance.per.broker.percentage`.
    pub percentage: i32,
}

/// How a broker that stops has its leaderships moved first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaveOptions {
    /// How often the controller is asked (`controlled.shutdown.max.retries`).
    pub attempts: u32,
    /// The pause in between (`controlled.shutdown.retry.backoff.ms`).
    pub backoff: Duration,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl NewTopic {
    /// A topic with the broker's defaults for everything.
    pub fn named(name: impl Into<String>) -> NewTopic {
        NewTopic {
            name: name.into(),
            partitions: -1,
            replication_factor: -1,
            assignment: Vec::new(),
            configs: BTreeMap::new(),
        }
    }
}

/// Partitions to add to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
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
