//! A broker that serves, and how it stops.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ottla_cluster::{Cluster, LeaveOptions};
use ottla_coordinator::Coordinator;
use ottla_log::LogManager;
use ottla_network::Network;
use ottla_replication::ReplicaManager;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::start::wall_clock;
use crate::watchdog::Watchdog;

/// How long requests that were taken may take to be answered. A long poll ends earlier by itself.
const DRAIN_BOUND: Duration = Duration::from_secs(5);
/// How long leaving ZooKeeper may take; after that the session expires by itself.
const LEAVE_BOUND: Duration = Duration::from_secs(5);

/// All parts, running.
pub(crate) struct Running {
    pub(crate) network: Network,
    pub(crate) housekeeping: JoinHandle<()>,
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) cluster: Cluster,
    pub(crate) replicas: Arc<ReplicaManager>,
    pub(crate) logs: Arc<LogManager>,
    pub(crate) watchdog: Option<Watchdog>,
    /// How leaderships are moved before the stop (`controlled.shutdown.enable`).
    pub(crate) leave: Option<LeaveOptions>,
}

impl Running {
    /// Returns when the broker cannot go on: all log directories have failed.
    pub(crate) async fn failed(&mut self) {
        // A panic ends the process: only a runtime that stops ends it otherwise.
        if (&mut self.housekeeping).await.is_err() {
            std::future::pending().await
        }
    }

    /// Has others take over what is led here, as far as they can; meanwhile clients are served, and
    /// those who hold replicas catch up. Bounded by `controlled.shutdown.*`.
    pub(crate) async fn leave(&self) {
        if let Some(options) = self.leave {
            self.replicas.leave();
            self.cluster.leave(options).await;
        }
    }

    /// Takes no more requests, answers those it has, puts the logs in order, and leaves ZooKeeper
    /// last, so that nobody takes the registration for free while files are still written.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        // Members that wait for each other would use up the whole bound.
        self.coordinator.stop();
        self.network.stop(DRAIN_BOUND).await;
        self.housekeeping.abort();
        // From here on no controller touches the logs.
        self.cluster.stop().await;
        self.replicas.stop_following();
        self.replicas.stop_moving();
        let logs = self.logs;
        let closed = tokio::task::spawn_blocking(move || logs.shutdown(wall_clock())).await;
        if tokio::time::timeout(LEAVE_BOUND, self.cluster.close())
            .await
            .is_err()
        {
            warn!("ZooKeeper did not answer; the session is left to expire");
        } else if let Some(watchdog) = self.watchdog {
            watchdog.stop().await;
        }
        closed?.context("not all logs were closed cleanly; the next start recovers them")?;
        info!("broker stopped");
        Ok(())
    }
}
