//! `/brokers/topics/<topic>`: assignment, reassignment in progress, topic id (Kafka's `TopicZNode`).

use std::collections::BTreeMap;

use ottla_metadata::{BrokerId, TopicId};
use serde_json::json;

use super::{Malformed, Znode, json};

/// A topic's replicas. Written as version 3, which needs no higher release than 0.8 to be read:
/// readers ignore the version and what they do not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicZnode {
    /// `topic_id` (KIP-516); absent for topics of clusters below 2.8.
    pub topic_id: Option<TopicId>,
    /// Replicas of each partition in order of preference. While a partition is reassigned, target
    /// and origin.
    pub partitions: BTreeMap<i32, Vec<BrokerId>>,
    /// Only of partitions being reassigned (KIP-455): the replicas that come.
    pub adding_replicas: BTreeMap<i32, Vec<BrokerId>>,
    /// Only of partitions being reassigned: the replicas that go.
    pub removing_replicas: BTreeMap<i32, Vec<BrokerId>>,
}

impl Znode for TopicZnode {
    fn decode(data: &[u8]) -> Result<TopicZnode, Malformed> {
        let fields = json::object(data)?;
        let topic_id = match fields.optional_string("topic_id")? {
            None => None,
            Some(text) => Some(
                text.parse::<TopicId>()
                    .map_err(|e| Malformed(e.to_string()))?,
            ),
        };
        Ok(TopicZnode {
            topic_id,
            partitions: fields.replicas_by_partition("partitions")?,
            adding_replicas: fields.replicas_by_partition("adding_replicas")?,
            removing_replicas: fields.replicas_by_partition("removing_replicas")?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut object = json!({ "partitions": json::replicas_by_partition(&self.partitions) });
        if let Some(id) = self.topic_id {
            object["topic_id"] = json!(id.to_string());
        }
        object["adding_replicas"] = json::replicas_by_partition(&self.adding_replicas);
        object["removing_replicas"] = json::replicas_by_partition(&self.removing_replicas);
        object["version"] = json!(3);
        json::text(&object)
    }
}
