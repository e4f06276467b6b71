//! What the brokers said last about the cluster.

use std::collections::BTreeMap;

use ottla_metadata::{BrokerId, TopicId, TopicName};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::MetadataResponse;

use crate::address::host_port;

/// A live broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub id: BrokerId,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

impl NodeView {
    /// `host:port`.
    pub fn address(&self) -> String {
        host_port(&self.host, self.port)
    }
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// `LEADER_NOT_AVAILABLE` and the like.
    pub error: i16,
    /// The leader, if there is one.
    pub leader: Option<BrokerId>,
    /// Its epoch, -1 from brokers older than 2.1.
    pub leader_epoch: i32,
    /// Assigned replicas in order of preference.
    pub replicas: Vec<BrokerId>,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Replicas that are offline.
    pub offline: Vec<BrokerId>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// `UNKNOWN_TOPIC_OR_PARTITION` and the like.
    pub error: i16,
    /// Its id; zero from brokers older than 2.8.
    pub id: TopicId,
    /// Whether it belongs to the brokers themselves.
    pub internal: bool,
    /// Partitions by number.
    pub partitions: BTreeMap<i32, PartitionView>,
}

/// One answer to a `Metadata` request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// The cluster's id; none from brokers older than 0.10.1.
    pub cluster_id: Option<String>,
    /// The controller, if there is one; none from brokers older than 0.10.
    pub controller: Option<BrokerId>,
    /// Live brokers.
    pub brokers: BTreeMap<BrokerId, NodeView>,
    /// The topics asked for, those in error included.
    pub topics: BTreeMap<TopicName, TopicView>,
}

impl ClusterView {
    pub(crate) fn new(response: &MetadataResponse) -> ClusterView {
        let brokers = response.brokers.iter().map(|b| NodeView {
            id: BrokerId(b.node_id.0),
            host: b.host.to_string(),
            port: b.port,
            rack: b.rack.as_ref().map(ToString::to_string),
        });
        let topics = response.topics.iter().filter_map(|topic| {
            let name: TopicName = TopicName::from(topic.name.as_ref()?.as_str());
            let partitions = topic.partitions.iter().map(|p| {
                let view = PartitionView {
                    error: p.error_code,
                    leader: broker(p.leader_id.0),
                    leader_epoch: p.leader_epoch,
                    replicas: p.replica_nodes.iter().map(|id| BrokerId(id.0)).collect(),
                    isr: p.isr_nodes.iter().map(|id| BrokerId(id.0)).collect(),
                    offline: p.offline_replicas.iter().map(|id| BrokerId(id.0)).collect(),
                };
                (p.partition_index, view)
            });
            let view = TopicView {
                error: topic.error_code,
                id: TopicId(*topic.topic_id.as_bytes()),
                internal: topic.is_internal,
                partitions: partitions.collect(),
            };
            Some((name, view))
        });
        ClusterView {
            cluster_id: response.cluster_id.as_ref().map(ToString::to_string),
            controller: broker(response.controller_id.0),
            brokers: brokers.map(|node| (node.id, node)).collect(),
            topics: topics.collect(),
        }
    }

    /// The broker that leads the partition, if it is alive.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<&NodeView> {
        let leader = self.topics.get(topic)?.partitions.get(&partition)?.leader?;
        self.brokers.get(&leader)
    }

    /// Whether the topic is said to exist.
    pub fn has_topic(&self, topic: &str) -> bool {
        self.topics
            .get(topic)
            .is_some_and(|t| t.error != ErrorCode::UnknownTopicOrPartition.code())
    }
}

fn broker(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}
