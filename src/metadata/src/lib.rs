//! The words every other crate speaks: ids, names, the cluster image, errors on one line.
//!
//! Nothing here does I/O and nothing knows where the image comes from; `ottla-cluster` builds it
//! from ZooKeeper and the controller, everyone else only reads it.

mod error_chain;
mod ids;
mod image;
mod names;

pub use error_chain::ErrorChain;
pub use ids::{BrokerId, ParseTopicIdError, TopicId, TopicName, TopicPartition};
pub use image::{
    BrokerInfo, ClusterImage, ConfigImage, Endpoint, PartitionImage, SecurityProtocol, TopicImage,
};
pub use names::{
    InvalidTopicName, MAX_TOPIC_NAME_LENGTH, collides, is_internal, validate_topic_name,
};

/// Log offset: the position of a record in its partition. "Next" and "end" offsets are exclusive.
pub type Offset = i64;

/// Milliseconds since the Unix epoch, or a monotonic reading in the same unit where said so.
pub type Millis = i64;

/// Epoch of a partition's leadership; grows by one with every election. `-1` is "none".
pub type LeaderEpoch = i32;

/// The absence of a leader epoch on the wire and on disk (`RecordBatch.NO_PARTITION_LEADER_EPOCH`).
pub const NO_EPOCH: LeaderEpoch = -1;
