//! The crate against a real ZooKeeper. One server, a chroot per test; tests that stop or freeze the
//! server have one of their own.
//!
//! `ZOOKEEPER_CLASSPATH` runs them against another release. With 3.4 two of `lost_answers` fail, since
//! they count requests, and those that expect version 1 of a registration.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, too, may panic"
)]

mod admin;
mod consumer_group;
mod election;
mod fenced;
mod lost_answers;
mod registration;
mod remains;
mod sessions;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::{BrokerId, Endpoint, SecurityProtocol};
use ottla_zk::testing::{self, MemoryRecord};
use ottla_zk::znode::{BrokerRegistration, RegistrationVersion};
use ottla_zk::{SessionEvent, Zk, ZkConfig};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

fn config(connect: &str) -> ZkConfig {
    ZkConfig {
        session_timeout: Duration::from_secs(10),
        connection_timeout: Duration::from_secs(20),
        ..ZkConfig::new(connect)
    }
}

/// A chroot of its own on the shared server.
fn chroot() -> String {
    testing::shared().unwrap().fresh_chroot()
}

async fn connect(connect: &str) -> Zk {
    Zk::connect(config(connect)).await.unwrap()
}

/// A client of an empty cluster.
async fn fresh() -> Zk {
    let zk = connect(&chroot()).await;
    zk.create_top_level_paths().await.unwrap();
    zk
}

/// A broker that keeps a record of its sessions.
async fn broker(connect: &str, record: &Arc<MemoryRecord>) -> Zk {
    let record = Arc::clone(record);
    let zk = Zk::connect(ZkConfig {
        session_record: Some(record),
        ..config(connect)
    })
    .await
    .unwrap();
    zk.create_top_level_paths().await.unwrap();
    zk
}

fn registration(port: u16) -> BrokerRegistration {
    BrokerRegistration {
        version: RegistrationVersion::V5,
        endpoints: vec![Endpoint {
            listener: "PLAINTEXT".to_owned(),
            security_protocol: SecurityProtocol::Plaintext,
            host: "127.0.0.1".to_owned(),
            port,
        }],
        rack: None,
        jmx_port: -1,
        timestamp_ms: 1_700_000_000_000 + i64::from(port),
    }
}

async fn generation(zk: &Zk, at_least: u64) -> SessionEvent {
    let mut session = zk.session();
    let connected = session.wait_for(
        |event| matches!(event, SessionEvent::Connected { generation, .. } if *generation >= at_least),
    );
    *tokio::time::timeout(PATIENCE, connected)
        .await
        .expect("no new session")
        .unwrap()
}

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);
