//! What handlers work on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use ottla_cluster::Cluster;
use ottla_config::ServerConfig;
use ottla_coordinator::Coordinator;
use ottla_metadata::{BrokerId, Millis};
use ottla_replication::ReplicaManager;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::cluster_port::ClusterPort;
use crate::fetch_sessions::FetchSessions;
use crate::gate::Gate;
use crate::producer_ids::ProducerIds;

/// The drivers, running.
pub struct Parts {
    /// This broker's id.
    pub broker: BrokerId,
    /// The replicas here.
    pub replicas: Arc<ReplicaManager>,
    /// The groups here.
    pub coordinator: Arc<Coordinator>,
    /// The cluster.
    pub cluster: Cluster,
    /// The configuration in force: the file's with what ZooKeeper holds on top.
    pub config: Arc<ArcSwap<ServerConfig>>,
}

/// Everything a handler may use. Shared by all connections.
pub struct Context {
    pub(crate) broker: BrokerId,
    pub(crate) replicas: Arc<ReplicaManager>,
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) cluster: Arc<dyn ClusterPort>,
    pub(crate) config: Arc<ArcSwap<ServerConfig>>,
    pub(crate) producer_ids: ProducerIds,
    /// Topics that a request is creating at this moment because it needs them.
    pub(crate) creating: Mutex<HashSet<String>>,
    /// Held while settings are read, changed and stored.
    pub(crate) altering: tokio::sync::Mutex<()>,
    pub(crate) fetch_sessions: FetchSessions,
    /// Permits to convert records for old clients: as many at a time as there are processors.
    pub(crate) conversions: Arc<Semaphore>,
    pub(crate) gate: Gate,
    started: Instant,
}

impl Context {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Arc<Context> {
        let Parts {
            broker,
            replicas,
            coordinator,
            cluster,
            config,
        } = parts;
        Context::over(broker, replicas, coordinator, Arc::new(cluster), config)
    }

    /// The same over any cluster.
    pub(crate) fn over(
        broker: BrokerId,
        replicas: Arc<ReplicaManager>,
        coordinator: Arc<Coordinator>,
        cluster: Arc<dyn ClusterPort>,
        config: Arc<ArcSwap<ServerConfig>>,
    ) -> Arc<Context> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Context {
            broker,
            replicas,
            coordinator,
            cluster,
            config,
            producer_ids: ProducerIds::default(),
            creating: Mutex::default(),
            altering: tokio::sync::Mutex::default(),
            fetch_sessions: FetchSessions::default(),
            conversions: Arc::new(Semaphore::new(processors)),
            gate: Gate::shut(),
            started: Instant::now(),
        })
    }

    /// Milliseconds since the start: the clock of sessions.
    pub(crate) fn now_ms(&self) -> Millis {
        Millis::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }
}
