//! What the end-to-end tests share: real processes (our broker, Apache's broker and tools,
//! ZooKeeper), real clients of several languages, and the records that travel between them.
//!
//! The programs that we did not write are collected by `scripts/test.sh` below `target/clients`
//! (or `$OTTLA_TEST_CLIENTS`). `OTTLA_TEST_TARGET=apache` runs the broker tests against Apache
//! Kafka instead of Ottla, which proves the tests themselves.

#![allow(clippy::panic, reason = "a harness fails the test that uses it")]

mod apache;
mod broker;
mod client;
mod cluster;
pub mod faults;
pub mod history;
mod member;
mod network;
mod paths;
mod process;
mod record;
mod steady;
mod topic;
mod zookeeper;

pub use apache::{ApacheVersion, apache_tool, java_command};
pub use broker::{Broker, BrokerKind, BrokerOptions, Place};
pub use client::{Client, Codec};
pub use cluster::{ClusterSpec, TestCluster, plain};
pub use member::Member;
pub use network::Network;
pub use paths::{binary, clients_dir, repository};
pub use process::{Process, run, run_ok};
pub use record::{Record, records_for};
pub use steady::Steady;
pub use topic::{create_topic, end_offsets, topics_tool};
pub use zookeeper::{
    Presence, Znode, children, own_zookeeper, wait_for_znode, znode, znodes, zookeeper,
    zookeeper_at,
};

/// A port on 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .expect("a loopback port can be bound")
}
