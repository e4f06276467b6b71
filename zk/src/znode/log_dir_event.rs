//! `/log_dir_event_notification/log_dir_event_N`: a broker tells the controller that a log
//! directory failed (`LogDirEventNotificationSequenceZNode`, KIP-112).

use ottla_metadata::BrokerId;
use serde_json::json;

use super::{Malformed, Znode, json};

/// The only event that exists: a log directory has failed.
pub const LOG_DIR_FAILURE: i32 = 1;

/// A broker's notice about its log directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogDirEvent {
    /// The broker that has the directory.
    pub broker: BrokerId,
}

impl Znode for LogDirEvent {
    fn decode(data: &[u8]) -> Result<LogDirEvent, Malformed> {
        let fields = json::object(data)?;
        Ok(LogDirEvent {
            broker: BrokerId(fields.int("broker")?),
        })
    }

    fn encode(&self) -> Vec<u8> {
        json::text(&json!({ "version": 1, "broker": self.broker.0, "event": LOG_DIR_FAILURE }))
    }
}
