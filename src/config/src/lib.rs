//! Everything a broker can be told: one table of keys, and what is made of it.
mod error;
mod key;
mod server;
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
pub use topic::{CompressionType, TimestampType, TopicConfig};
pub use value::Value;
pub use version::{MetadataVersion, UnknownVersion};
