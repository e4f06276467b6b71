//! `/admin/preferred_replica_election`: partitions that should return to their preferred leader.

use ottla_metadata::TopicPartition;
use serde_json::json;

use super::{Malformed, Znode, json};

/// A request of the command line for preferred leader elections (`PreferredReplicaElectionZNode`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreferredElection {
    /// Which partitions.
    pub partitions: Vec<TopicPartition>,
}

impl Znode for PreferredElection {
    fn decode(data: &[u8]) -> Result<PreferredElection, Malformed> {
        let fields = json::object(data)?;
        Ok(PreferredElection {
            partitions: json::as_topic_partitions(fields.array("partitions")?)?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let partitions = json::topic_partitions(&self.partitions);
        json::text(&json!({ "version": 1, "partitions": partitions }))
    }
}
