//! `/brokers/topics/<topic>/partitions/<p>/state`: leader and ISR (`TopicPartitionStateZNode`).

use ottla_metadata::{BrokerId, LeaderEpoch};
use serde_json::json;

use super::{Malformed, Znode, json};

const NO_LEADER: i32 = -1;
const RECOVERING: i32 = 1;

/// Leadership of a partition. The znode's data version is the partition epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// The leader, if there is one (`-1` in the payload otherwise).
    pub leader: Option<BrokerId>,
    /// Grows by one with every election.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas, in the writer's order.
    pub isr: Vec<BrokerId>,
    /// Epoch of the controller that decided the leadership.
    pub controller_epoch: i32,
    /// The leader was elected uncleanly and has not recovered yet (KIP-704, IBP 3.2).
    pub recovering: bool,
}

impl Znode for PartitionState {
    fn decode(data: &[u8]) -> Result<PartitionState, Malformed> {
        let fields = json::object(data)?;
        let leader = fields.int("leader")?;
        Ok(PartitionState {
            leader: (leader != NO_LEADER).then_some(BrokerId(leader)),
            leader_epoch: fields.int("leader_epoch")?,
            isr: fields.brokers("isr")?,
            controller_epoch: fields.int("controller_epoch")?,
            recovering: fields.optional_int("leader_recovery_state")? == Some(RECOVERING),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut object = json!({
            "controller_epoch": self.controller_epoch,
            "leader": self.leader.map_or(NO_LEADER, |id| id.0),
            "version": 1,
            "leader_epoch": self.leader_epoch,
            "isr": json::ids(&self.isr),
        });
        if self.recovering {
            object["leader_recovery_state"] = json!(RECOVERING);
        }
        json::text(&object)
    }
}
