//! A Kafka client: outgoing connections, and on them a producer, consumers with and
//! without a group, and the administrative requests.
//!
//! - [`Connection`]: one TCP connection; typed requests, pipelined, in negotiated versions.
//! - [`Cluster`]: connections to all brokers, and what they say about topics and leaders.
//! - [`Producer`], [`Consumer`], [`GroupConsumer`], [`Admin`]: built on a [`Cluster`].
//!
//! Answers are decoded behind the protocol crate's guards, so a hostile broker can make a call
//! fail but neither panic nor allocate more than it sent.

mod address;
mod admin;
mod assignor;
mod cluster;
mod connection;
mod consumer;
mod consumer_protocol;
mod error;
mod group_consumer;
mod groups;
mod membership;
mod offsets;
mod partitioner;
mod producer;
mod reassign;
mod versions;
mod view;

pub use address::{host_port, parse_bootstrap};
pub use admin::{
    Admin, AlterOp, ConfigResource, ConfigSource, ElectionType, NewTopic, ResourceType,
};
pub use cluster::{Cluster, ClusterOptions, Topics};
pub use connection::{Connection, ConnectionOptions};
pub use consumer::{Consumer, ConsumerOptions, ConsumerRecord, Isolation};
pub use consumer_protocol::{
    BadConsumerProtocol, decode_assignment, decode_subscription, encode_assignment,
    encode_subscription,
};
pub use error::ClientError;
pub use group_consumer::{GroupConsumer, GroupOptions, Subscription};
pub use groups::{Committed, GroupDescription, GroupListing, GroupMember};
pub use offsets::{FoundOffset, OffsetSpec};
pub use partitioner::{murmur2, partition_of_key};
pub use producer::{Delivery, Idempotence, Producer, ProducerOptions, ProducerRecord};
pub use reassign::PartitionResults;
pub use versions::BrokerVersions;
pub use view::{ClusterView, NodeView, PartitionView, TopicView};
