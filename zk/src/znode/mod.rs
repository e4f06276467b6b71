//! The payloads of Kafka's znodes, one file per kind.
//!
//! Writers produce what Kafka 3.9 writes, key order included. Readers take everything that Kafka
//! has written since 0.8 and are as strict as Kafka's: an int is a JSON integer, a string a JSON
//! string, unknown keys are ignored except where Kafka refuses them.

mod broker;
mod cluster_id;
mod config;
mod config_change;
mod consumer_offset;
mod consumer_registration;
mod controller;
mod feature;
mod isr_change;
mod json;
mod log_dir_event;
mod partition_owner;
mod partition_state;
mod preferred_election;
mod producer_id_block;
mod reassignment;
#[cfg(test)]
mod tests;
mod topic;

pub use broker::{BrokerRegistration, RegistrationVersion};
pub use cluster_id::ClusterId;
pub use config::{ConfigEntity, ConfigKind, EntityConfig};
pub use config_change::ConfigChange;
pub use consumer_offset::ConsumerOffset;
pub use consumer_registration::{ConsumerRegistration, Subscription};
pub use controller::{ControllerEpoch, ControllerRegistration};
pub use feature::{Feature, FeatureLevels, FeatureStatus, FeatureVersion};
pub use isr_change::IsrChange;
pub use log_dir_event::{LOG_DIR_FAILURE, LogDirEvent};
pub use partition_owner::PartitionOwner;
pub use partition_state::PartitionState;
pub use preferred_election::PreferredElection;
pub use producer_id_block::{PRODUCER_ID_BLOCK_SIZE, ProducerIdBlock};
pub use reassignment::Reassignment;
pub use topic::TopicZnode;

/// Why a payload was refused; joined with the path it becomes [`crate::MalformedZnode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) String);

/// A payload that can be read and written.
pub trait Znode: Sized {
    /// Reads what some version of Kafka wrote.
    ///
    /// # Errors
    /// The payload is none that Kafka would accept.
    fn decode(data: &[u8]) -> Result<Self, Malformed>;

    /// Writes what Kafka 3.9 writes.
    fn encode(&self) -> Vec<u8>;
}
