//! More watches than one connection can carry.
//!
//! After a reconnection a client tells the server of all its watches. The `zookeeper-client` crate
//! gives up the connection, and at last the session, when they do not fit into one request of
//! 128 KiB (seen in 0.11: both requests have one number, and the second answer is taken for
//! stray). So no connection gets more than that; further watches are armed through further
//! connections, each with a session of its own. Most clusters never need one: it takes some 3000
//! topics.
//!
//! What is read together with a watch is read through the connection that has the watch. It may be
//! older than what the main connection sees, if the two are served by different members of the
//! ensemble, but then the watch is still to fire.

use std::sync::Arc;
use std::time::Duration;

use zookeeper_client::Client;

use crate::connect::{ConnectString, ZkConfig, connect_once};
use crate::error::ZkError;
use crate::watch::{Armed, AtEnd, Subscribers, WatchPump};

/// Bytes of paths that one connection watches; below the crate's 128 KiB.
const LANE_BYTES: usize = 120 * 1024;
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// A connection that carries watches.
#[derive(Clone)]
pub(crate) struct Lane {
    pub(crate) client: Client,
    pub(crate) watches: WatchPump,
}

impl Lane {
    /// Whether the watch of such a path fits in; then its bytes are set aside.
    fn takes(&self, bytes: usize) -> bool {
        !self.client.state().is_terminated() && self.watches.reserve(bytes, LANE_BYTES)
    }
}

/// The connections of one generation that carry watches: the main one and what is opened besides.
pub(crate) struct Lanes {
    config: ZkConfig,
    to: ConnectString,
    subscribers: Arc<Subscribers>,
    armed: Armed,
    main: Lane,
    more: tokio::sync::Mutex<Vec<Lane>>,
}

impl Lanes {
    pub(crate) fn new(
        client: Client,
        config: ZkConfig,
        to: ConnectString,
        subscribers: Arc<Subscribers>,
    ) -> Lanes {
        let armed = Armed::default();
        let watches = WatchPump::start(Arc::clone(&subscribers), Arc::clone(&armed), AtEnd::Silent);
        Lanes {
            config,
            to,
            subscribers,
            armed,
            main: Lane { client, watches },
            more: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn main(&self) -> &Lane {
        &self.main
    }

    /// How many bytes the watch of a path takes.
    pub(crate) fn bytes(&self, path: &str) -> usize {
        self.to.chroot.len() + path.len()
    }

    /// A connection with room for a watch of so many bytes, which are set aside.
    pub(crate) async fn with_room(&self, bytes: usize) -> Result<Lane, ZkError> {
        if self.main.takes(bytes) {
            return Ok(self.main.clone());
        }
        let mut more = self.more.lock().await;
        more.retain(|lane| !lane.client.state().is_terminated());
        if let Some(lane) = more.iter().find(|lane| lane.takes(bytes)) {
            return Ok(lane.clone());
        }
        let lane = self.open().await?;
        lane.watches.reserve(bytes, usize::MAX);
        more.push(lane.clone());
        Ok(lane)
    }

    async fn open(&self) -> Result<Lane, ZkError> {
        loop {
            if self.main.client.state().is_terminated() {
                return Err(ZkError::SessionExpired);
            }
            match connect_once(&self.config, &self.to).await {
                Ok(client) => {
                    tracing::debug!("another ZooKeeper connection for watches");
                    let watches = WatchPump::start(
                        Arc::clone(&self.subscribers),
                        Arc::clone(&self.armed),
                        AtEnd::Fire,
                    );
                    return Ok(Lane { client, watches });
                }
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }
}
