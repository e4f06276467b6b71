//! `/config/<kind>/<name>`: dynamic configuration of an entity (`ConfigEntityZNode`).

use std::collections::BTreeMap;
use std::fmt;

use ottla_metadata::BrokerId;
use serde_json::{Map, Value, json};

use super::{Malformed, Znode, json};

/// The name of the entity that stands for all others of its kind.
const DEFAULT: &str = "<default>";

/// What a configuration belongs to. Its [`Display`](fmt::Display) is the entity path of a change
/// notification and the path below `/config`.
///
/// User names and client ids are sanitized as Kafka's `Sanitizer` does (percent-encoding); they
/// are carried here as they stand in the path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigEntity {
    /// `topics/<topic>`.
    Topic(String),
    /// `brokers/<id>`.
    Broker(BrokerId),
    /// `brokers/<default>`.
    BrokerDefault,
    /// `clients/<client>`, sanitized, or `<default>`.
    Client(String),
    /// `users/<user>`, sanitized, or `<default>`.
    User(String),
    /// `users/<user>/clients/<client>`, both sanitized, or `<default>`.
    UserClient(String, String),
    /// `ips/<address>` or `<default>`.
    Ip(String),
}

/// The directories below `/config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    /// `topics`.
    Topics,
    /// `brokers`.
    Brokers,
    /// `clients`.
    Clients,
    /// `users`.
    Users,
    /// `ips`.
    Ips,
}

impl ConfigKind {
    /// The directory's name.
    pub fn name(self) -> &'static str {
        match self {
            ConfigKind::Topics => "topics",
            ConfigKind::Brokers => "brokers",
            ConfigKind::Clients => "clients",
            ConfigKind::Users => "users",
            ConfigKind::Ips => "ips",
        }
    }

    /// The entity of that name directly below the directory; `None` if the name cannot be one.
    pub fn entity(self, name: &str) -> Option<ConfigEntity> {
        if name.is_empty() || name.contains('/') {
            return None;
        }
        Some(match self {
            ConfigKind::Topics => ConfigEntity::Topic(name.to_owned()),
            ConfigKind::Brokers if name == DEFAULT => ConfigEntity::BrokerDefault,
            ConfigKind::Brokers => ConfigEntity::Broker(BrokerId(name.parse().ok()?)),
            ConfigKind::Clients => ConfigEntity::Client(name.to_owned()),
            ConfigKind::Users => ConfigEntity::User(name.to_owned()),
            ConfigKind::Ips => ConfigEntity::Ip(name.to_owned()),
        })
    }
}

impl ConfigEntity {
    /// Reads an entity path such as `topics/t` or `users/u/clients/c`.
    pub fn parse(path: &str) -> Option<ConfigEntity> {
        let mut parts = path.split('/');
        let (kind, name) = (parts.next()?, parts.next()?);
        let kind = [
            ConfigKind::Topics,
            ConfigKind::Brokers,
            ConfigKind::Clients,
            ConfigKind::Users,
            ConfigKind::Ips,
        ]
        .into_iter()
        .find(|known| known.name() == kind)?;
        let entity = kind.entity(name)?;
        match (parts.next(), parts.next(), parts.next(), entity) {
            (None, _, _, entity) => Some(entity),
            (Some("clients"), Some(client), None, ConfigEntity::User(user))
                if !client.is_empty() =>
            {
                Some(ConfigEntity::UserClient(user, client.to_owned()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for ConfigEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigEntity::Topic(name) => write!(f, "topics/{name}"),
            ConfigEntity::Broker(id) => write!(f, "brokers/{id}"),
            ConfigEntity::BrokerDefault => write!(f, "brokers/{DEFAULT}"),
            ConfigEntity::Client(id) => write!(f, "clients/{id}"),
            ConfigEntity::User(user) => write!(f, "users/{user}"),
            ConfigEntity::UserClient(user, client) => write!(f, "users/{user}/clients/{client}"),
            ConfigEntity::Ip(address) => write!(f, "ips/{address}"),
        }
    }
}

/// The overrides of one entity, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityConfig(pub BTreeMap<String, String>);

impl Znode for EntityConfig {
    fn decode(data: &[u8]) -> Result<EntityConfig, Malformed> {
        // 0.8.1 made the nodes of entities without overrides empty.
        if data.is_empty() {
            return Ok(EntityConfig::default());
        }
        Ok(EntityConfig(json::object(data)?.string_map("config")?))
    }

    fn encode(&self) -> Vec<u8> {
        let config: Map<String, Value> = self
            .0
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        json::text(&json!({ "version": 1, "config": config }))
    }
}
