//! Why a broker does not start, or a change of configuration is refused.

use std::fmt;
use std::io;
use std::path::PathBuf;

pub use crate::value::InvalidValue;

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line on which the setting begins.
        line: usize,
    },
    /// `--override`.
    CommandLine,
    /// `/config/brokers/<id>` in ZooKeeper.
    DynamicBroker,
    /// `/config/brokers/<default>` in ZooKeeper.
    DynamicDefault,
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::CommandLine => f.write_str("--override"),
            Origin::DynamicBroker => f.write_str("dynamic configuration of this broker"),
            Origin::DynamicDefault => f.write_str("dynamic configuration of all brokers"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not in its format.
    #[error("{origin}: {problem}")]
    Syntax {
        /// The line.
        origin: Origin,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A key that must be set is missing.
    #[error("{key} is not set: {hint}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What to write.
        hint: String,
    },
    /// A value that does not fit its key, or not the values of other keys.
    #[error("{origin}: {key}={value}: {problem}")]
    Invalid {
        /// Where it was set.
        origin: Origin,
        /// The key.
        key: String,
        /// What was given, masked for passwords.
        value: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
}

/// A change of configuration that Kafka answers with `INVALID_CONFIG` or `INVALID_REQUEST`.
/// Displays in Kafka's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// A topic key that does not exist.
    #[error("Unknown topic config name: {0}")]
    UnknownTopicKey(String),
    /// A value that its key does not take.
    #[error(transparent)]
    Value(#[from] InvalidValue),
    /// Values that contradict each other.
    #[error("{0}")]
    Conflict(String),
    /// Broker keys that only a restart changes.
    #[error("Cannot update these configs dynamically: {}", set(.0))]
    ReadOnly(Vec<String>),
    /// Security keys without a listener's prefix.
    #[error(
        "These security configs can be dynamically updated only per-listener using the listener prefix: {}",
        set(.0)
    )]
    NeedsListener(Vec<String>),
    /// Keys that can be set for one broker only.
    #[error(
        "Cannot update these configs at default cluster level, broker id must be specified: {}",
        set(.0)
    )]
    NeedsBroker(Vec<String>),
}

/// Scala's way to print a set.
fn set(names: &[String]) -> String {
    format!("Set({})", names.join(", "))
}

/// Something in the configuration that does not stop the start but should be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it was set.
    pub origin: Origin,
    /// The key.
    pub key: String,
    /// What becomes of it.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.key, self.message)
    }
}
