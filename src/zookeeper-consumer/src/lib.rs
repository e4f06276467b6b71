//! The consumer of Kafka 0.8 to 1.1, which shares its work through ZooKeeper instead of a
//! coordinator (Kafka's `ZookeeperConsumerConnector`, removed in 2.0).
//!
//! Every member of a group registers under `/consumers/<group>/ids`, sees who else is there,
//! computes for itself who reads what ([`assign`]), and claims its share under `owners`. Since all
//! compute the same from the same nodes, the shares fit together as soon as all have seen the last
//! change; until then a claim simply fails, since the owner before is still there.
//!
//! - Pure: [`assign`] and [`GroupView`], Kafka's two strategies; `rebalance`, what to do when.
//! - [`ZookeeperConsumer`] drives them with ZooKeeper and the brokers registered there.
//!
//! Unlike Kafka's, a member keeps what stays its own over a rebalance, and reads the offset of a
//! partition after it has claimed it, when its former owner has surely committed for the last time.
//! Both are invisible to the others.
//!
//! Absent on purpose: more than one stream, and offsets at the coordinator (`offsets.storage=kafka`).

mod assignment;
mod config;
mod consumer;
mod error;
mod filter;
mod group;
mod offsets;
mod rebalance;

pub use assignment::{AssignmentStrategy, ConsumerThread, assign};
pub use config::{ConsumerConfig, Reset};
pub use consumer::ZookeeperConsumer;
pub use error::ConsumerError;
pub use filter::{BadFilter, TopicFilter};
pub use group::GroupView;
