//! `/isr_change_notification/isr_change_N`: a leader tells the controller which partitions' ISR it
//! has changed (`IsrChangeNotificationSequenceZNode`), below IBP 2.7.

use ottla_metadata::TopicPartition;
use serde_json::json;

use super::{Malformed, Znode, json};

/// The partitions whose state node a leader has rewritten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsrChange {
    /// Which.
    pub partitions: Vec<TopicPartition>,
}

impl Znode for IsrChange {
    fn decode(data: &[u8]) -> Result<IsrChange, Malformed> {
        let fields = json::object(data)?;
        Ok(IsrChange {
            partitions: json::as_topic_partitions(fields.array("partitions")?)?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let partitions = json::topic_partitions(&self.partitions);
        json::text(&json!({ "version": 1, "partitions": partitions }))
    }
}
