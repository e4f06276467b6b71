//! A Kafka client: outgoing connections, and on them a producer, a consumer without groups, and
//! the administrative requests.
//!
//! - [`Connection`]: one TCP connection; typed requests, pipelined, in negotiated versions.
//! - [`Cluster`]: connections to all brokers, and what they say about topics and leaders.
//! - [`Producer`], [`Consumer`], [`Admin`]: built on a [`Cluster`].
//!
//! Answers are decoded behind the protocol crate's guards, so a hostile broker can make a call
//! fail but neither panic nor allocate more than it sent.

mod address;
mod admin;
mod cluster;
mod connection;
mod consumer;
mod consumer_protocol;
mod error;
mod groups;
mod offsets;
mod partitioner;
mod producer;
mod versions;
mod view;

pub use address::{host_port, parse_bootstrap};
pub use admin::{Admin, AlterOp, ConfigResource, ConfigSource, NewTopic, ResourceType};
pub use cluster::{Cluster, ClusterOptions, Topics};
pub use connection::{Connection, ConnectionOptions};
pub use consumer::{Consumer, ConsumerOptions, ConsumerRecord, Isolation};
pub use consumer_protocol::{
    BadConsumerProtocol, decode_assignment, decode_subscription, encode_assignment,
    encode_subscription,
};
pub use error::ClientError;
pub use groups::{Committed, GroupDescription, GroupListing, GroupMember};
pub use offsets::{FoundOffset, OffsetSpec};
pub use partitioner::{murmur2, partition_of_key};
pub use producer::{Delivery, Idempotence, Producer, ProducerOptions, ProducerRecord};
pub use versions::BrokerVersions;
pub use view::{ClusterView, NodeView, PartitionView, TopicView};
