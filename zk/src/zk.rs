//! The handle.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use tokio::sync::watch;

use crate::connect::{ConnectString, ZkConfig, first_connection};
use crate::error::ZkError;
use crate::node::{Raw, ReadOne, decode};
use crate::path;
use crate::record::OwnSessions;
use crate::session::{Session, SessionEvent, Sessions};
use crate::watch::{WatchEvent, WatchEvents};
use crate::znode::Znode;

/// Requests of one bulk operation that are on their way at once, if
/// `zookeeper.max.in.flight.requests` does not ask for more. ZooKeeper answers a connection in
/// order, so more of them only fill its queue (which it bounds at 1000 by default).
const BULK_IN_FLIGHT: usize = 128;
/// Small nodes that are read by one request. The answer has 300 bytes for each, unless somebody else
/// has put more there.
const READ_TOGETHER: usize = 100;
/// Such requests that are on their way at once.
const READS_IN_FLIGHT: usize = 8;
/// How long [`Zk::close`] waits for the server.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// A connection to ZooKeeper that outlives its sessions. Cheap to clone.
#[derive(Clone)]
pub struct Zk {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) own: OwnSessions,
    in_flight: usize,
    chroot: String,
}

/// Whoever drops the last handle without closing it gets a closed session all the same.
impl Drop for Inner {
    fn drop(&mut self) {
        self.sessions.stop();
    }
}

impl Zk {
    /// Connects, and creates the chroot where the connect string has one.
    ///
    /// While ZooKeeper is away it is tried again until the connection timeout has passed. Later
    /// losses are mended without end.
    ///
    /// # Errors
    /// [`ZkError::BadConnectString`], [`ZkError::Unreachable`].
    pub async fn connect(config: ZkConfig) -> Result<Zk, ZkError> {
        let to = ConnectString::parse(&config.connect)?;
        let client = first_connection(&config, &to).await?;
        tracing::info!(servers = %to.servers, chroot = %to.chroot, "connected to ZooKeeper");
        let own = OwnSessions::load(config.session_record.clone()).await;
        let in_flight = config.max_in_flight.max(BULK_IN_FLIGHT);
        let chroot = to.chroot.clone();
        let sessions = Sessions::start(client, config, to).await;
        Ok(Zk {
            inner: Arc::new(Inner {
                sessions,
                own,
                in_flight,
                chroot,
            }),
        })
    }

    /// Ends the session, so that its ephemeral nodes vanish at once. All later operations fail
    /// with `Closed`. Waits a moment for the server's confirmation.
    pub async fn close(&self) {
        self.inner.sessions.close(CLOSE_PATIENCE).await;
    }

    /// How the connection is, now and in the future.
    pub fn session(&self) -> watch::Receiver<SessionEvent> {
        self.inner.sessions.events()
    }

    /// The changes seen by watches from now on. Each subscriber gets every event.
    pub fn watch_events(&self) -> WatchEvents {
        self.inner.sessions.subscribers.subscribe()
    }

    /// The path that all others are below; empty for the root.
    pub fn chroot(&self) -> &str {
        &self.inner.chroot
    }

    pub(crate) fn live(&self) -> Result<Session, ZkError> {
        self.inner.sessions.live()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.inner.in_flight
    }

    /// Creates the persistent paths that every start of a broker creates
    /// (`KafkaZkClient.createTopLevelPaths`).
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn create_top_level_paths(&self) -> Result<(), ZkError> {
        let session = self.live()?;
        futures::stream::iter(path::PERSISTENT)
            .map(|path| session.ensure(path))
            .buffer_unordered(self.in_flight())
            .try_collect()
            .await
    }

    /// Reads many nodes, pipelined; answers in the order of the request.
    pub(crate) async fn read_many<K, T: Znode>(
        &self,
        keys: Vec<K>,
        path: impl Fn(&K) -> String,
        watch: impl Fn(&K) -> Option<WatchEvent>,
    ) -> Result<Vec<(K, ReadOne<T>)>, ZkError> {
        let session = self.live()?;
        let session = &session;
        futures::stream::iter(keys)
            .map(|key| {
                let (path, watch) = (path(&key), watch(&key));
                async move {
                    let raw = session.get(&path, watch).await?;
                    Ok((key, decode(&path, raw)))
                }
            })
            .buffered(self.in_flight())
            .try_collect()
            .await
    }

    /// Reads many small nodes without watching them, many by one request; answers in the order of
    /// the request.
    pub(crate) async fn read_together<K, T: Znode>(
        &self,
        keys: Vec<K>,
        path: impl Fn(&K) -> String,
    ) -> Result<Vec<(K, ReadOne<T>)>, ZkError> {
        let session = self.live()?;
        let paths: Vec<String> = keys.iter().map(path).collect();
        let chunks: Vec<Vec<String>> = paths.chunks(READ_TOGETHER).map(<[_]>::to_vec).collect();
        let raws: Vec<Vec<Option<Raw>>> = futures::stream::iter(chunks)
            .map(|paths| {
                let session = session.clone();
                async move { session.get_all(&paths).await }
            })
            .buffered(READS_IN_FLIGHT)
            .try_collect()
            .await?;
        let nodes = paths.iter().zip(raws.into_iter().flatten());
        let nodes = nodes.map(|(path, raw)| decode(path, raw));
        Ok(keys.into_iter().zip(nodes).collect())
    }

    /// Reads one node.
    pub(crate) async fn read<T: Znode>(
        &self,
        path: &str,
        watch: Option<WatchEvent>,
    ) -> Result<Option<crate::Versioned<T>>, ZkError> {
        let raw = self.live()?.get(path, watch).await?;
        Ok(decode(path, raw)?)
    }
}

impl Zk {
    pub(crate) fn live_for_write(&self) -> crate::WriteResult<Session> {
        self.live().map_err(|error| match error {
            ZkError::Closed => crate::WriteError::Closed,
            _ => crate::WriteError::SessionExpired,
        })
    }
}
