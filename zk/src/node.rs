//! Single nodes: read with retries, written once, in one session.

use std::time::Duration;

use zookeeper_client::{Acls, CreateMode, Error, MultiReadResult, Stat};

use crate::error::{Conflict, MalformedZnode, WriteError, WriteResult, ZkError};
use crate::lane::Lane;
use crate::record::SessionId;
use crate::session::Session;
use crate::watch::WatchEvent;
use crate::znode::Znode;

/// Reads on their way at once for each request that would have read them all; see `BULK_IN_FLIGHT`.
const SINGLE_READS_IN_FLIGHT: usize = 16;

/// What ZooKeeper knows of a node besides its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeStat {
    /// Data version ("zkVersion"): 0 when created, one more with every write.
    pub version: i32,
    /// The transaction that created the node; of a registration, the broker epoch.
    pub czxid: i64,
    /// The transaction of the last write.
    pub mzxid: i64,
    /// When it was created, in milliseconds since the Unix epoch by the server's clock.
    pub ctime_ms: i64,
    /// When it was last written, likewise.
    pub mtime_ms: i64,
    /// The session it vanishes with.
    pub ephemeral_owner: Option<SessionId>,
}

impl From<Stat> for NodeStat {
    fn from(stat: Stat) -> NodeStat {
        NodeStat {
            version: stat.version,
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            ctime_ms: stat.ctime,
            mtime_ms: stat.mtime,
            ephemeral_owner: (stat.ephemeral_owner != 0).then_some(SessionId(stat.ephemeral_owner)),
        }
    }
}

/// A node's payload together with its stat at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The payload.
    pub value: T,
    /// The stat.
    pub stat: NodeStat,
}

/// One of many nodes that were read: absent, malformed, or there.
pub type ReadOne<T> = Result<Option<Versioned<T>>, MalformedZnode>;

/// Bytes and stat of a node.
pub(crate) type Raw = (Vec<u8>, NodeStat);

pub(crate) fn decode<T: Znode>(path: &str, raw: Option<Raw>) -> ReadOne<T> {
    raw.map(|(data, stat)| {
        let value = T::decode(&data).map_err(|malformed| MalformedZnode {
            path: path.to_owned(),
            reason: malformed.0,
        })?;
        Ok(Versioned { value, stat })
    })
    .transpose()
}

/// How a request ended that has brought no answer of the wanted kind.
pub(crate) enum Failure {
    /// The connection broke: it may have been carried out or not.
    Lost,
    /// The session has ended. Requests of an ended session are not carried out.
    Expired,
    /// Not carried out, because of what is there.
    Conflict(Conflict),
    /// Not carried out for another reason.
    Refused(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::NodeExists => Failure::Conflict(Conflict::Exists),
            Error::NoNode => Failure::Conflict(Conflict::Missing),
            Error::BadVersion => Failure::Conflict(Conflict::BadVersion),
            Error::NotEmpty => Failure::Conflict(Conflict::NotEmpty),
            Error::SessionExpired | Error::ClientClosed => Failure::Expired,
            // An I/O error is `Custom`; the others tell of a connection in the same state.
            Error::ConnectionLoss
            | Error::Timeout
            | Error::SessionMoved
            | Error::Custom(_)
            | Error::UnexpectedError(_)
            | Error::UnmarshalError { .. } => Failure::Lost,
            other => Failure::Refused(other),
        }
    }
}

impl Failure {
    /// The outcome of a write that was sent once.
    pub(crate) fn of_write(self, path: &str) -> WriteError {
        let path = path.to_owned();
        match self {
            Failure::Lost => WriteError::Unknown { path },
            Failure::Expired => WriteError::SessionExpired,
            Failure::Conflict(conflict) => WriteError::Conflict { path, conflict },
            Failure::Refused(source) => WriteError::Refused { path, source },
        }
    }
}

/// Before an operation with a lost answer is repeated. The crate holds requests back while it is
/// disconnected, so this is only against a connection that breaks with every request.
const REPEAT_PAUSE: Duration = Duration::from_millis(20);

/// Fails, unless the read is to be repeated.
async fn repeat_or(error: Error, action: &'static str, path: &str) -> Result<(), ZkError> {
    let refused = |source| ZkError::Refused {
        action,
        path: path.to_owned(),
        source,
    };
    match error {
        // A reply that cannot be parsed would be the same again.
        Error::UnmarshalError { .. } => Err(refused(error)),
        error => match settled(error.clone()).await {
            Failure::Lost => Ok(()),
            Failure::Expired => Err(ZkError::SessionExpired),
            Failure::Conflict(_) => Err(refused(error)),
            Failure::Refused(source) => Err(refused(source)),
        },
    }
}

/// What an error means; a lost answer only after a pause.
pub(crate) async fn settled(error: Error) -> Failure {
    let failure = Failure::from(error);
    if matches!(failure, Failure::Lost) {
        tokio::time::sleep(REPEAT_PAUSE).await;
    }
    failure
}

/// What to do about an operation on behalf of a larger one whose answer was lost or refused.
pub(crate) fn stopped(error: WriteError, action: &'static str) -> ZkError {
    match error {
        WriteError::Unknown { .. } => ZkError::Unknown { action },
        WriteError::SessionExpired => ZkError::SessionExpired,
        WriteError::Closed => ZkError::Closed,
        WriteError::Conflict { path, .. } => ZkError::Contended { path, action },
        WriteError::Refused { path, source } => ZkError::Refused {
            action,
            path,
            source,
        },
    }
}

impl Session {
    /// Reads a node, and arms a watch on it, present or not, if `watch` says what its change means.
    pub(crate) async fn get(
        &self,
        path: &str,
        watch: Option<WatchEvent>,
    ) -> Result<Option<Raw>, ZkError> {
        if let Some(event) = self.unarmed(watch) {
            return self.get_and_watch(path, event).await;
        }
        loop {
            match self.client.get_data(path).await {
                Ok((data, stat)) => return Ok(Some((data, stat.into()))),
                Err(Error::NoNode) => return Ok(None),
                Err(error) => repeat_or(error, "the reading", path).await?,
            }
        }
    }

    /// Reads nodes by one request, where the server is new enough.
    pub(crate) async fn get_all(&self, paths: &[String]) -> Result<Vec<Option<Raw>>, ZkError> {
        let first = paths.first().map_or("/", String::as_str);
        let refused = |path: &String, source| ZkError::Refused {
            action: "the reading",
            path: path.clone(),
            source,
        };
        while !self.dialect.reads_singly() {
            let mut reader = self.client.new_multi_reader();
            for path in paths {
                let added = reader.add_get_data(path);
                added.map_err(|source| refused(path, source))?;
            }
            match reader.commit().await {
                Ok(results) if results.len() == paths.len() => {
                    let nodes = results.into_iter().zip(paths);
                    let node = |(result, path)| match result {
                        MultiReadResult::Data { data, stat } => Ok(Some((data, stat.into()))),
                        MultiReadResult::Error { err: Error::NoNode } => Ok(None),
                        MultiReadResult::Error { err } => Err(refused(path, err)),
                        _ => Err(refused(path, Error::MarshallingError)),
                    };
                    return nodes.map(node).collect();
                }
                Ok(_) | Err(Error::Unimplemented) => self.dialect.read_singly(),
                Err(error) => repeat_or(error, "the reading", first).await?,
            }
        }
        let mut nodes = Vec::with_capacity(paths.len());
        for some in paths.chunks(SINGLE_READS_IN_FLIGHT) {
            let mut reads = Vec::with_capacity(some.len());
            for path in some {
                reads.push(self.get(path, None));
            }
            nodes.extend(futures::future::try_join_all(reads).await?);
        }
        Ok(nodes)
    }

    /// The watch to arm; none if it is in place already.
    fn unarmed(&self, watch: Option<WatchEvent>) -> Option<WatchEvent> {
        watch.filter(|event| !self.lanes.main().watches.is_armed(event))
    }

    async fn get_and_watch(&self, path: &str, event: WatchEvent) -> Result<Option<Raw>, ZkError> {
        loop {
            let (lane, bytes) = self.lane(path).await?;
            match lane.client.get_and_watch_data(path).await {
                Ok((data, stat, watcher)) => {
                    lane.watches.add(event, bytes, watcher).await;
                    return Ok(Some((data, stat.into())));
                }
                // A failed read arms nothing.
                Err(Error::NoNode) => match lane.client.check_and_watch_stat(path).await {
                    Ok((stat, watcher)) => {
                        lane.watches.add(event.clone(), bytes, watcher).await;
                        if stat.is_none() {
                            return Ok(None);
                        }
                    }
                    Err(error) => self.next_lane(&lane, bytes, error, path).await?,
                },
                Err(error) => self.next_lane(&lane, bytes, error, path).await?,
            }
        }
    }

    /// A connection to arm a watch with, and the bytes set aside for it.
    async fn lane(&self, path: &str) -> Result<(Lane, usize), ZkError> {
        let bytes = self.lanes.bytes(path);
        let lane = self.lanes.with_room(bytes).await?;
        Ok((lane, bytes))
    }

    /// After a failure: whether to try again, through another connection if one besides the main
    /// one has lost its session.
    async fn next_lane(
        &self,
        lane: &Lane,
        bytes: usize,
        error: Error,
        path: &str,
    ) -> Result<(), ZkError> {
        lane.watches.release(bytes);
        let lane_only = lane.client.state().is_terminated() && !self.client.state().is_terminated();
        match lane_only {
            true => Ok(()),
            false => repeat_or(error, "the reading", path).await,
        }
    }

    /// The stat of a node.
    pub(crate) async fn stat(&self, path: &str) -> Result<Option<NodeStat>, ZkError> {
        loop {
            match self.client.check_stat(path).await {
                Ok(stat) => return Ok(stat.map(NodeStat::from)),
                Err(error) => repeat_or(error, "the reading", path).await?,
            }
        }
    }

    /// The names of a node's children, unordered; `None` if there is no such node. A watch is
    /// armed only on a node that is there.
    pub(crate) async fn children(
        &self,
        path: &str,
        watch: Option<WatchEvent>,
    ) -> Result<Option<Vec<String>>, ZkError> {
        if let Some(event) = self.unarmed(watch) {
            return self.children_and_watch(path, event).await;
        }
        loop {
            match self.client.list_children(path).await {
                Ok(names) => return Ok(Some(names)),
                Err(Error::NoNode) => return Ok(None),
                Err(error) => repeat_or(error, "the listing", path).await?,
            }
        }
    }

    async fn children_and_watch(
        &self,
        path: &str,
        event: WatchEvent,
    ) -> Result<Option<Vec<String>>, ZkError> {
        loop {
            let (lane, bytes) = self.lane(path).await?;
            match lane.client.list_and_watch_children(path).await {
                Ok((names, watcher)) => {
                    lane.watches.add(event, bytes, watcher).await;
                    return Ok(Some(names));
                }
                Err(Error::NoNode) => {
                    lane.watches.release(bytes);
                    return Ok(None);
                }
                Err(error) => self.next_lane(&lane, bytes, error, path).await?,
            }
        }
    }

    /// Creates a node.
    pub(crate) async fn create(&self, path: &str, data: &[u8]) -> WriteResult<()> {
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        match self.client.create(path, data, &options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(settled(error).await.of_write(path)),
        }
    }

    /// Creates a node that vanishes with the session.
    pub(crate) async fn create_ephemeral(&self, path: &str, data: &[u8]) -> WriteResult<()> {
        let options = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
        match self.client.create(path, data, &options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(settled(error).await.of_write(path)),
        }
    }

    /// Creates a node whose name is the prefix and the next number of the parent's counter.
    pub(crate) async fn create_sequential(&self, prefix: &str, data: &[u8]) -> WriteResult<i64> {
        let options = CreateMode::PersistentSequential.with_acls(Acls::anyone_all());
        match self.client.create(prefix, data, &options).await {
            Ok((_, sequence)) => Ok(sequence.into_i64()),
            Err(error) => Err(settled(error).await.of_write(prefix)),
        }
    }

    /// Writes a node, whatever its version unless one is expected.
    pub(crate) async fn set(
        &self,
        path: &str,
        data: &[u8],
        expected: Option<i32>,
    ) -> WriteResult<NodeStat> {
        match self.client.set_data(path, data, expected).await {
            Ok(stat) => Ok(stat.into()),
            Err(error) => Err(settled(error).await.of_write(path)),
        }
    }

    /// Deletes a node, whatever its version unless one is expected.
    pub(crate) async fn delete(&self, path: &str, expected: Option<i32>) -> WriteResult<()> {
        match self.client.delete(path, expected).await {
            Ok(()) => Ok(()),
            Err(error) => Err(settled(error).await.of_write(path)),
        }
    }

    /// Sets a node's data, whatever its version, and creates the node with its parents where it is
    /// missing. The last writer wins, so repeating it after `Unknown` is safe.
    pub(crate) async fn put(&self, path: &str, data: &[u8]) -> WriteResult<()> {
        loop {
            match self.set(path, data, None).await {
                Ok(_) => return Ok(()),
                Err(error) if error.conflict() == Some(Conflict::Missing) => {}
                Err(error) => return Err(error),
            }
            match self.create(path, data).await {
                Err(error) if error.conflict() == Some(Conflict::Exists) => {}
                Err(error) if error.conflict() == Some(Conflict::Missing) => {
                    let parent = crate::path::parent(path).unwrap_or("/");
                    self.ensure(parent).await.map_err(write_error)?;
                }
                other => return other,
            }
        }
    }

    /// Creates a persistent node and its parents where they are missing. Repeating it is harmless,
    /// hence it survives a lost connection.
    pub(crate) async fn ensure(&self, path: &str) -> Result<(), ZkError> {
        let action = "creating paths";
        let mut missing = vec![path];
        while let Some(&next) = missing.last() {
            match self.create(next, &[]).await {
                Ok(()) => {
                    missing.pop();
                }
                Err(error) => match (error.conflict(), crate::path::parent(next)) {
                    (Some(Conflict::Exists), _) => {
                        missing.pop();
                    }
                    (Some(Conflict::Missing), Some(parent)) => missing.push(parent),
                    _ if matches!(error, WriteError::Unknown { .. }) => {}
                    _ => return Err(stopped(error, action)),
                },
            }
        }
        Ok(())
    }
}

/// The failure of a read, or of the creation of parents, on the way to a write.
pub(crate) fn write_error(error: ZkError) -> WriteError {
    match error {
        ZkError::Closed => WriteError::Closed,
        ZkError::Refused { path, source, .. } => WriteError::Refused { path, source },
        _ => WriteError::SessionExpired,
    }
}
