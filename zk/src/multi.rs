//! Several writes in one request: all are carried out or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zookeeper_client::{Acls, CreateMode, Error, MultiWriteError, MultiWriteResult};

use crate::node::{Failure, NodeStat, settled};
use crate::session::Session;

/// One operation of a multi.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// The node has this data version.
    Check { path: String, version: i32 },
    /// Create a persistent node.
    Create { path: String, data: Vec<u8> },
    /// Create a node that vanishes with the session.
    CreateEphemeral { path: String, data: Vec<u8> },
    /// Replace the data, at a version if one is expected.
    Set {
        path: String,
        data: Vec<u8>,
        expected: Option<i32>,
    },
    /// Delete, at a version if one is expected.
    Delete { path: String, expected: Option<i32> },
}

impl Op {
    pub(crate) fn path(&self) -> &str {
        match self {
            Op::Check { path, .. }
            | Op::Create { path, .. }
            | Op::CreateEphemeral { path, .. }
            | Op::Set { path, .. }
            | Op::Delete { path, .. } => path,
        }
    }

    /// About as many bytes as it takes in the request.
    pub(crate) fn size(&self) -> usize {
        // Header, lengths, version, flags and an access list of `world:anyone`.
        const OVERHEAD: usize = 64;
        let data = match self {
            Op::Create { data, .. } | Op::CreateEphemeral { data, .. } | Op::Set { data, .. } => {
                data.len()
            }
            Op::Check { .. } | Op::Delete { .. } => 0,
        };
        OVERHEAD + self.path().len() + data
    }
}

/// Why nothing was carried out, or why that is not known.
pub(crate) struct MultiFailure {
    /// The operation to blame, if it was one.
    pub(crate) index: Option<usize>,
    pub(crate) failure: Failure,
}

impl From<Error> for MultiFailure {
    fn from(error: Error) -> MultiFailure {
        MultiFailure {
            index: None,
            failure: error.into(),
        }
    }
}

impl Op {
    fn creates(&self) -> bool {
        matches!(self, Op::Create { .. } | Op::CreateEphemeral { .. })
    }
}

/// What the server is too old for. Servers before 3.5 do not know the creation that the
/// `zookeeper-client` crate puts into a multi, those before 3.6 no multi of reads; they refuse the
/// whole request, undone.
#[derive(Clone, Default)]
pub(crate) struct Dialect(Arc<Old>);

#[derive(Default)]
struct Old {
    multi: AtomicBool,
    reads: AtomicBool,
}

impl Dialect {
    /// Whether creations have to be sent one by one.
    pub(crate) fn is_old(&self) -> bool {
        self.0.multi.load(Ordering::Relaxed)
    }

    /// Whether a request can read but one node.
    pub(crate) fn reads_singly(&self) -> bool {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// The server has refused a multi of reads.
    pub(crate) fn read_singly(&self) {
        self.0.reads.store(true, Ordering::Relaxed);
    }
}

impl Session {
    /// Finds out whether the server is older than 3.6 or 3.5, by requests that change nothing. Now,
    /// because servers close the connection of who asks for what they do not know.
    pub(crate) async fn learn_dialect(&self) {
        // What it finds out it notes; a session that has ended says so to its next user.
        let _ = self.get_all(&["/".to_owned()]).await;
        let probe = [
            Op::Check {
                path: "/ottla-is-not-here".to_owned(),
                version: 0,
            },
            Op::Create {
                path: "/ottla-is-not-here".to_owned(),
                data: Vec::new(),
            },
        ];
        if let Err(MultiFailure {
            failure: Failure::Refused(Error::MarshallingError | Error::Unimplemented),
            ..
        }) = self.send(&probe).await
        {
            tracing::warn!(
                "ZooKeeper is older than 3.5: elections and registrations are not atomic, and a \
                 controller's creations are checked, but not in the same request"
            );
            self.dialect.0.multi.store(true, Ordering::Relaxed);
        }
    }

    /// Sends the operations as one request. Answers for each the stat of the node it has set.
    pub(crate) async fn multi(
        &self,
        ops: impl IntoIterator<Item = &Op>,
    ) -> Result<Vec<Option<NodeStat>>, MultiFailure> {
        let ops: Vec<&Op> = ops.into_iter().collect();
        if self.dialect.is_old() && ops.iter().any(|op| op.creates()) {
            return self.one_by_one(&ops).await;
        }
        self.send(ops).await
    }

    /// The operations in their order, each with all the checks, up to the first that fails.
    async fn one_by_one(&self, ops: &[&Op]) -> Result<Vec<Option<NodeStat>>, MultiFailure> {
        let is_check = |op: &&Op| matches!(op, Op::Check { .. });
        let checks: Vec<&Op> = ops.iter().copied().filter(is_check).collect();
        self.send(checks.iter().copied()).await?;
        let mut stats = Vec::with_capacity(ops.len());
        for (index, op) in ops.iter().enumerate() {
            let failed = |failure| MultiFailure {
                index: Some(index),
                failure,
            };
            let stat = match op {
                Op::Check { .. } => None,
                Op::Create { path, data } => {
                    self.create_as(CreateMode::Persistent, path, data)
                        .await
                        .map_err(failed)?;
                    None
                }
                Op::CreateEphemeral { path, data } => {
                    self.create_as(CreateMode::Ephemeral, path, data)
                        .await
                        .map_err(failed)?;
                    None
                }
                Op::Set { .. } | Op::Delete { .. } => {
                    let sent = self.send(checks.iter().copied().chain([*op])).await;
                    match sent {
                        Ok(stats) => stats.last().copied().flatten(),
                        Err(MultiFailure { index, failure }) => {
                            let check = index.filter(|index| *index < checks.len());
                            return Err(MultiFailure {
                                index: check.or(index.map(|_| stats.len())),
                                failure,
                            });
                        }
                    }
                }
            };
            stats.push(stat);
        }
        Ok(stats)
    }

    async fn create_as(&self, mode: CreateMode, path: &str, data: &[u8]) -> Result<(), Failure> {
        let options = mode.with_acls(Acls::anyone_all());
        match self.client.create(path, data, &options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(settled(error).await),
        }
    }

    async fn send(
        &self,
        ops: impl IntoIterator<Item = &Op>,
    ) -> Result<Vec<Option<NodeStat>>, MultiFailure> {
        let acls = Acls::anyone_all();
        let mut writer = self.client.new_multi_writer();
        for op in ops {
            match op {
                Op::Check { path, version } => writer.add_check_version(path, *version),
                Op::Create { path, data } => {
                    writer.add_create(path, data, &CreateMode::Persistent.with_acls(acls))
                }
                Op::CreateEphemeral { path, data } => {
                    writer.add_create(path, data, &CreateMode::Ephemeral.with_acls(acls))
                }
                Op::Set {
                    path,
                    data,
                    expected,
                } => writer.add_set_data(path, data, *expected),
                Op::Delete { path, expected } => writer.add_delete(path, *expected),
            }?;
        }
        match writer.commit().await {
            Ok(results) => Ok(results.into_iter().map(stat_of).collect()),
            Err(MultiWriteError::RequestFailed { source }) => Err(MultiFailure {
                index: None,
                failure: settled(source).await,
            }),
            Err(MultiWriteError::OperationFailed { index, source }) => Err(MultiFailure {
                index: Some(index),
                failure: source.into(),
            }),
        }
    }
}

fn stat_of(result: MultiWriteResult) -> Option<NodeStat> {
    match result {
        MultiWriteResult::SetData { stat } => Some(stat.into()),
        // The stat of a creation is not filled in by all servers (ZOOKEEPER-4026).
        _ => None,
    }
}
