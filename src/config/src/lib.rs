//! Everything a broker can be told: one table of keys, and what is made of it.
//!
//! [`broker_keys`] and [`topic_keys`] are the table. [`ServerConfig::load`] reads a file against
//! it, [`ServerConfig::with_dynamic`] adds what ZooKeeper holds, [`TopicConfig::resolve`] puts a
//! topic's settings on top, `describe_*` answer DescribeConfigs, [`reference`] writes the manual.
//!
//! Nothing here knows who reads a value; other crates take the fields they need.

mod build;
mod change;
mod checks;
mod describe;
mod dynamic;
mod error;
mod key;
mod legacy;
mod listeners;
mod properties;
pub mod reference;
mod server;
mod settings;
mod table;
mod toml_file;
mod topic;
mod value;
mod version;

pub use change::{Operation, apply};
pub use describe::{ConfigEntry, ConfigSource, ConfigSynonym};
pub use dynamic::Target;
pub use error::{ChangeError, ConfigError, InvalidValue, Origin, Warning};
pub use key::{Check, Importance, KeyDef, Support, Synonym, Unit, Update, ValueType};
pub use properties::{BadLine, Entry, parse as parse_properties};
pub use server::{
    ControllerConfig, FetchConfig, GroupConfig, Identity, Listener, Listeners, NetworkConfig,
    ReplicationConfig, ServerConfig, StorageConfig, TopicsConfig, TransactionConfig,
    ZooKeeperConfig,
};
pub use table::{broker_key, broker_keys, listener_override, topic_key, topic_keys};
pub use topic::{CompressionType, TimestampType, TopicConfig};
pub use value::Value;
pub use version::{MetadataVersion, UnknownVersion};
