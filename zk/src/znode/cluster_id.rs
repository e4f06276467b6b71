//! `/cluster/id`: the name of the cluster, drawn once (KIP-78).

use ottla_metadata::TopicId;
use serde_json::json;

use super::{Malformed, Znode, json};

/// The cluster's id: 22 characters of URL-safe base64, but anything is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterId(pub String);

impl ClusterId {
    /// Draws a new one: 16 random bytes as `CoreUtils.generateUuidAsBase64` makes them.
    pub fn random() -> ClusterId {
        ClusterId(TopicId::random().to_string())
    }
}

impl Znode for ClusterId {
    fn decode(data: &[u8]) -> Result<ClusterId, Malformed> {
        let fields = json::object(data)?;
        Ok(ClusterId(fields.string("id")?.to_owned()))
    }

    fn encode(&self) -> Vec<u8> {
        json::text(&json!({ "version": "1", "id": self.0 }))
    }
}
