//! `/controller` and `/controller_epoch`: who decides, and since how many elections.

use ottla_metadata::{BrokerId, Millis};
use serde_json::json;

use super::{Malformed, Znode, json};

/// The holder of `/controller` (`ControllerZNode`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerRegistration {
    /// Who is controller.
    pub broker: BrokerId,
    /// When it was elected; 0 where the payload does not say.
    pub timestamp_ms: Millis,
    /// Greater than zero while a KRaft controller owns the cluster (KIP-866); `-1` otherwise.
    pub kraft_epoch: i32,
}

impl Znode for ControllerRegistration {
    fn decode(data: &[u8]) -> Result<ControllerRegistration, Malformed> {
        let fields = json::object(data)?;
        Ok(ControllerRegistration {
            broker: BrokerId(fields.int("brokerid")?),
            timestamp_ms: fields.long_in_string("timestamp").unwrap_or(0),
            kraft_epoch: fields.optional_int("kraftControllerEpoch")?.unwrap_or(-1),
        })
    }

    fn encode(&self) -> Vec<u8> {
        json::text(&json!({
            "version": 2,
            "brokerid": self.broker.0,
            "timestamp": self.timestamp_ms.to_string(),
            "kraftControllerEpoch": self.kraft_epoch,
        }))
    }
}

/// The number of the current controller's election, as plain text (`ControllerEpochZNode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ControllerEpoch(pub i32);

impl Znode for ControllerEpoch {
    fn decode(data: &[u8]) -> Result<ControllerEpoch, Malformed> {
        std::str::from_utf8(data)
            .ok()
            .and_then(|text| text.parse().ok())
            .map(ControllerEpoch)
            .ok_or_else(|| {
                let text = String::from_utf8_lossy(data);
                Malformed(format!("{text:?} is not a number"))
            })
    }

    fn encode(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}
