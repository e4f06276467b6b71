//! Several writes in one request: all are carried out or none.

use zookeeper_client::{Acls, CreateMode, Error, MultiWriteError, MultiWriteResult};

use crate::node::{Failure, NodeStat};
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

impl Session {
    /// Sends the operations as one request. Answers for each the stat of the node it has set.
    pub(crate) async fn multi(
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
            Err(MultiWriteError::RequestFailed { source }) => Err(source.into()),
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
