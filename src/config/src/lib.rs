//! Everything a broker can be told: one table of keys, and what is made of it.
mod build;
mod checks;
mod error;
mod key;
mod legacy;
mod listeners;
mod properties;
mod server;
mod settings;
mod table;
mod toml_file;
mod topic;
mod value;
mod version;

pub use error::{ChangeError, ConfigError, InvalidValue, Origin, Warning};
pub use key::{Check, Importance, KeyDef, Synonym, Unit, Update, ValueType};
pub use server::{
    ControllerConfig, FetchConfig, GroupConfig, Identity, Listener, Listeners, NetworkConfig,
    ReplicationConfig, ServerConfig, StorageConfig, TopicsConfig, TransactionConfig,
    ZooKeeperConfig,
};
pub use table::{broker_key, broker_keys, listener_override, topic_key, topic_keys};
pub use topic::{CompressionType, TimestampType, TopicConfig};
pub use value::Value;
pub use version::{MetadataVersion, UnknownVersion};
