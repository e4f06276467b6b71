//! `/config/changes/config_change_N`: "read that entity's configuration again"
//! (`ConfigEntityChangeNotificationZNode`).

use serde_json::json;

use super::config::{ConfigEntity, ConfigKind};
use super::{Malformed, Znode, json};

/// A notice that an entity's configuration has changed. Written as version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// Whose configuration.
    pub entity: ConfigEntity,
}

impl Znode for ConfigChange {
    /// Versions 1 (0.9, 0.10.0) and 2, as Kafka 3.9.
    fn decode(data: &[u8]) -> Result<ConfigChange, Malformed> {
        let fields = json::object(data)?;
        let entity = match fields.int("version")? {
            1 => {
                let name = fields.string("entity_name")?;
                match fields.string("entity_type")? {
                    "topics" => ConfigKind::Topics.entity(name),
                    "clients" => ConfigKind::Clients.entity(name),
                    _ => None,
                }
            }
            2 => ConfigEntity::parse(fields.string("entity_path")?),
            version => {
                return Err(Malformed(format!(
                    "version {version} of a config change is not known"
                )));
            }
        };
        entity
            .map(|entity| ConfigChange { entity })
            .ok_or_else(|| Malformed("no such kind of entity".to_owned()))
    }

    fn encode(&self) -> Vec<u8> {
        json::text(&json!({ "version": 2, "entity_path": self.entity.to_string() }))
    }
}
