//! What only the controller writes. Every write is carried out together with a check that no other
//! controller has been elected since.

use std::collections::HashSet;

use futures::StreamExt;
use ottla_metadata::{TopicName, TopicPartition};

use crate::election::ControllerFence;
use crate::error::{Conflict, WriteError, WriteResult, ZkError};
use crate::multi::{MultiFailure, Op};
use crate::node::Failure;
use crate::notification::Sequence;
use crate::path;
use crate::session::Session;
use crate::zk::Zk;
use crate::znode::{ConfigEntity, Feature, PartitionState, Reassignment, TopicZnode, Znode};

/// A request stays well below the server's default `jute.maxbuffer` of 1 MiB, and small enough for
/// others to get their turn in between.
const BATCH_BYTES: usize = 128 * 1024;
/// The server answers an operation with up to 80 bytes.
const BATCH_OPS: usize = 300;
/// The server answers when it has written what is waiting. More than this and a loaded one could
/// stay silent for so long that the connection is taken for dead.
const BATCHES_IN_FLIGHT: usize = 8;
/// A batch that one of its writes spoils is sent again without it, this often; then its writes are
/// sent one by one.
const BATCH_ATTEMPTS: usize = 4;

/// A write of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FencedWrite {
    /// Replace a topic's node (assignment, reassignment, id). Kafka expects no version.
    UpdateTopic {
        /// The topic.
        topic: TopicName,
        /// Its new node.
        node: TopicZnode,
        /// The version to replace, if it matters.
        expected: Option<i32>,
    },
    /// Create a partition's first state, with the nodes above it.
    CreatePartitionState {
        /// The partition.
        partition: TopicPartition,
        /// Its state.
        state: PartitionState,
    },
    /// Replace a partition's state.
    UpdatePartitionState {
        /// The partition.
        partition: TopicPartition,
        /// Its new state.
        state: PartitionState,
        /// The partition epoch to replace.
        expected: i32,
    },
    /// Remove the request to delete a topic.
    ClearDeletionMark(TopicName),
    /// Replace what is left of the command line's reassignment.
    UpdateReassignment(Reassignment),
    /// Remove the command line's reassignment.
    DeleteReassignment,
    /// Remove the command line's request for preferred leader elections.
    DeletePreferredElection,
    /// Remove an ISR notice.
    DeleteIsrChange(Sequence),
    /// Remove a notice about a log directory.
    DeleteLogDirEvent(Sequence),
    /// Create `/feature`, or replace it.
    Feature {
        /// Its new content.
        feature: Feature,
        /// The version to replace; none to create it.
        expected: Option<i32>,
    },
    /// Give up `/controller`, so that another broker can be elected.
    Resign,
}

/// An operation and the write it belongs to.
struct Part {
    write: usize,
    op: Op,
    /// A parent, which may be there already.
    parent: bool,
}

/// What goes into one multi.
#[derive(Default)]
struct Batch {
    parts: Vec<Part>,
    bytes: usize,
    /// Topics whose `partitions` node this batch creates.
    topics: HashSet<TopicName>,
}

type Outcomes = Vec<(usize, WriteResult<i32>)>;

impl Zk {
    /// Carries out the controller's writes, each on its own: one that is not stored does not
    /// affect the others. Many go into one request and many requests are on their way at once.
    /// The answers are in the order of the writes and give the node's new version (0 for one that
    /// was created or deleted).
    ///
    /// With [`Conflict::ControllerMoved`] all writes from that one on have failed likewise.
    /// [`WriteError::Unknown`] asks for a re-read before anything else is written.
    pub async fn write_fenced(
        &self,
        fence: &ControllerFence,
        writes: Vec<FencedWrite>,
    ) -> Vec<WriteResult<i32>> {
        let count = writes.len();
        let session = match self.live_for_write() {
            Ok(session) => session,
            Err(error) => return (0..count).map(|_| Err(same(&error))).collect(),
        };
        let session = &session;
        let in_flight = self.in_flight();
        let batches = batches(writes, BATCH_BYTES, BATCH_OPS);
        let mut outcomes: Outcomes = futures::stream::iter(batches)
            .map(|parts| run(session, *fence, parts, in_flight))
            .buffered(BATCHES_IN_FLIGHT)
            .concat()
            .await;
        outcomes.sort_by_key(|(write, _)| *write);
        debug_assert_eq!(outcomes.len(), count);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Removes all that ZooKeeper has of a topic whose replicas are deleted: its node with all
    /// below it, its configuration, the request to delete it, in this order, so that a deletion
    /// that stops half-way is taken up again.
    ///
    /// # Errors
    /// The outcomes of a write. After `Unknown` it can be repeated.
    pub async fn delete_topic_fenced(
        &self,
        fence: &ControllerFence,
        topic: &str,
    ) -> WriteResult<()> {
        let session = self.live_for_write()?;
        let partitions = path::partitions(topic);
        let below = session
            .children(&partitions, None)
            .await
            .map_err(|error| write_error(error, &partitions))?;
        let mut paths = Vec::new();
        for name in below.unwrap_or_default() {
            paths.push(format!("{partitions}/{name}/state"));
            paths.push(format!("{partitions}/{name}"));
        }
        paths.push(partitions);
        paths.push(path::topic(topic));
        let config = ConfigEntity::Topic(topic.to_owned());
        paths.push(format!("{}/{config}", path::CONFIG));
        paths.push(path::delete_topic(topic));
        for chunk in paths.chunks(BATCH_OPS / 2) {
            delete_all(&session, fence, chunk).await?;
        }
        Ok(())
    }

    /// Removes all notices of ISR changes and log directories, as a new controller does before it
    /// reads everything anyway.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn clear_notifications(&self, fence: &ControllerFence) -> Result<(), ZkError> {
        let session = self.live()?;
        for directory in [path::LOG_DIR_EVENTS, path::ISR_CHANGES] {
            let names = session.children(directory, None).await?;
            let paths: Vec<String> = names
                .unwrap_or_default()
                .iter()
                .map(|name| format!("{directory}/{name}"))
                .collect();
            for chunk in paths.chunks(BATCH_OPS) {
                delete_all(&session, fence, chunk)
                    .await
                    .map_err(|error| crate::node::stopped(error, "deleting notifications"))?;
            }
        }
        Ok(())
    }
}

/// Deletes nodes in the order given; those that are gone already are fine.
async fn delete_all(
    session: &Session,
    fence: &ControllerFence,
    paths: &[String],
) -> WriteResult<()> {
    let check = fence_op(*fence);
    let mut left: Vec<Op> = paths
        .iter()
        .map(|path| Op::Delete {
            path: path.clone(),
            expected: None,
        })
        .collect();
    while !left.is_empty() {
        match session.multi(std::iter::once(&check).chain(&left)).await {
            Ok(_) => return Ok(()),
            Err(MultiFailure { index, failure }) => match (index, failure) {
                (Some(0), failure) => return Err(moved_or(failure)),
                (Some(index), Failure::Conflict(Conflict::Missing)) if index <= left.len() => {
                    left.remove(index - 1);
                }
                (index, failure) => {
                    let op = index.and_then(|index| left.get(index.checked_sub(1)?));
                    let path = op.or(left.first()).map_or("", Op::path);
                    return Err(failure.of_write(path));
                }
            },
        }
    }
    Ok(())
}

fn fence_op(fence: ControllerFence) -> Op {
    Op::Check {
        path: path::CONTROLLER_EPOCH.to_owned(),
        version: fence.zk_version,
    }
}

/// The failure of the check itself.
fn moved_or(failure: Failure) -> WriteError {
    match failure {
        Failure::Conflict(_) => WriteError::Conflict {
            path: path::CONTROLLER_EPOCH.to_owned(),
            conflict: Conflict::ControllerMoved,
        },
        other => other.of_write(path::CONTROLLER_EPOCH),
    }
}

fn write_error(error: ZkError, path: &str) -> WriteError {
    match error {
        ZkError::Closed => WriteError::Closed,
        ZkError::Refused { source, .. } => WriteError::Refused {
            path: path.to_owned(),
            source,
        },
        _ => WriteError::SessionExpired,
    }
}

/// The same outcome for another write.
fn same(error: &WriteError) -> WriteError {
    match error {
        WriteError::Conflict { path, conflict } => WriteError::Conflict {
            path: path.clone(),
            conflict: *conflict,
        },
        WriteError::Unknown { path } => WriteError::Unknown { path: path.clone() },
        WriteError::SessionExpired => WriteError::SessionExpired,
        WriteError::Closed => WriteError::Closed,
        WriteError::Refused { path, source } => WriteError::Refused {
            path: path.clone(),
            source: source.clone(),
        },
    }
}

/// Puts the writes into batches. All operations of one write are in the same batch, and every
/// batch creates the parents it needs, so that batches do not depend on each other.
fn batches(writes: Vec<FencedWrite>, max_bytes: usize, max_ops: usize) -> Vec<Vec<Part>> {
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    for (index, write) in writes.into_iter().enumerate() {
        let topic = match &write {
            FencedWrite::CreatePartitionState { partition, .. } => {
                Some(TopicName::clone(&partition.topic))
            }
            _ => None,
        };
        let ops = operations(write);
        let bytes: usize = ops.iter().map(|(op, _)| op.size()).sum();
        let full = batch.bytes + bytes > max_bytes || batch.parts.len() + ops.len() > max_ops;
        if full && !batch.parts.is_empty() {
            batches.push(std::mem::take(&mut batch).parts);
        }
        let skip = usize::from(topic.is_some_and(|topic| !batch.topics.insert(topic)));
        batch.bytes += bytes;
        batch
            .parts
            .extend(ops.into_iter().skip(skip).map(|(op, parent)| Part {
                write: index,
                op,
                parent,
            }));
    }
    if !batch.parts.is_empty() {
        batches.push(batch.parts);
    }
    batches
}

/// The operations of a write, and which of them only make sure of a parent.
fn operations(write: FencedWrite) -> Vec<(Op, bool)> {
    let delete = |path: String| {
        vec![(
            Op::Delete {
                path,
                expected: None,
            },
            false,
        )]
    };
    let set = |path: String, data: Vec<u8>, expected: Option<i32>| {
        vec![(
            Op::Set {
                path,
                data,
                expected,
            },
            false,
        )]
    };
    match write {
        FencedWrite::UpdateTopic {
            topic,
            node,
            expected,
        } => set(path::topic(&topic), node.encode(), expected),
        FencedWrite::CreatePartitionState { partition, state } => {
            let TopicPartition { topic, partition } = partition;
            let create = |path: String, data: Vec<u8>| Op::Create { path, data };
            vec![
                (create(path::partitions(&topic), Vec::new()), true),
                (create(path::partition(&topic, partition), Vec::new()), true),
                (
                    create(path::partition_state(&topic, partition), state.encode()),
                    false,
                ),
            ]
        }
        FencedWrite::UpdatePartitionState {
            partition,
            state,
            expected,
        } => set(
            path::partition_state(&partition.topic, partition.partition),
            state.encode(),
            Some(expected),
        ),
        FencedWrite::ClearDeletionMark(topic) => delete(path::delete_topic(&topic)),
        FencedWrite::UpdateReassignment(left) => {
            set(path::REASSIGN_PARTITIONS.to_owned(), left.encode(), None)
        }
        FencedWrite::DeleteReassignment => delete(path::REASSIGN_PARTITIONS.to_owned()),
        FencedWrite::DeletePreferredElection => delete(path::PREFERRED_ELECTION.to_owned()),
        FencedWrite::DeleteIsrChange(Sequence(number)) => delete(format!(
            "{}/{}{number:010}",
            path::ISR_CHANGES,
            path::ISR_CHANGE_PREFIX
        )),
        FencedWrite::DeleteLogDirEvent(Sequence(number)) => delete(format!(
            "{}/{}{number:010}",
            path::LOG_DIR_EVENTS,
            path::LOG_DIR_EVENT_PREFIX
        )),
        FencedWrite::Feature { feature, expected } => {
            let (path, data) = (path::FEATURE.to_owned(), feature.encode());
            match expected {
                None => vec![(Op::Create { path, data }, false)],
                expected => set(path, data, expected),
            }
        }
        FencedWrite::Resign => delete(path::CONTROLLER.to_owned()),
    }
}

/// Carries out a batch: together, then without those that spoil it, at last one by one.
async fn run(
    session: &Session,
    fence: ControllerFence,
    parts: Vec<Part>,
    in_flight: usize,
) -> Outcomes {
    // Where a batch is not carried out as a whole, a failure would leave the others half done.
    let together = if session.dialect.is_old() {
        0
    } else {
        BATCH_ATTEMPTS
    };
    let (mut outcomes, left) = attempt(session, fence, parts, together).await;
    if left.is_empty() {
        return outcomes;
    }
    let singles = by_write(left);
    let rest: Vec<Outcomes> = futures::stream::iter(singles)
        .map(|parts| async move {
            // Every failure removes at least one operation.
            let attempts = parts.len() + 1;
            attempt(session, fence, parts, attempts).await.0
        })
        .buffered(in_flight)
        .collect()
        .await;
    outcomes.extend(rest.into_iter().flatten());
    outcomes
}

/// Splits a batch into one per write; each gets the parents of its own.
fn by_write(parts: Vec<Part>) -> Vec<Vec<Part>> {
    let mut singles: Vec<Vec<Part>> = Vec::new();
    for part in parts {
        match singles.last_mut() {
            Some(last) if last.first().is_some_and(|p| p.write == part.write) => last.push(part),
            _ => singles.push(vec![part]),
        }
    }
    singles
}

/// Sends a batch, again and again without what has failed. Answers the outcomes so far and what
/// was not settled within the attempts.
async fn attempt(
    session: &Session,
    fence: ControllerFence,
    mut parts: Vec<Part>,
    attempts: usize,
) -> (Outcomes, Vec<Part>) {
    let check = fence_op(fence);
    let mut outcomes = Outcomes::new();
    for _ in 0..attempts {
        if parts.is_empty() {
            break;
        }
        let ops = std::iter::once(&check).chain(parts.iter().map(|part| &part.op));
        let MultiFailure { index, failure } = match session.multi(ops).await {
            Ok(stats) => {
                outcomes.extend(stored(parts, &stats));
                return (outcomes, Vec::new());
            }
            Err(failed) => failed,
        };
        let blamed = index.and_then(|index| index.checked_sub(1));
        match blamed.and_then(|at| parts.get(at).map(|part| (at, part.write, part.parent))) {
            Some((at, _, true)) if is_exists(&failure) => {
                parts.remove(at);
            }
            Some((at, write, _)) => {
                let path = parts.get(at).map_or("", |part| part.op.path()).to_owned();
                outcomes.push((write, Err(failure.of_write(&path))));
                remove_write(&mut parts, write);
            }
            // The check, or the request as a whole.
            None => {
                let error = match index {
                    Some(_) => moved_or(failure),
                    None => failure.of_write(path::CONTROLLER_EPOCH),
                };
                outcomes.extend(all_failed(parts, &error));
                return (outcomes, Vec::new());
            }
        }
    }
    (outcomes, parts)
}

fn is_exists(failure: &Failure) -> bool {
    matches!(failure, Failure::Conflict(Conflict::Exists))
}

fn remove_write(parts: &mut Vec<Part>, write: usize) {
    parts.retain(|part| part.write != write);
}

/// The outcomes of a batch that was carried out. `stats` begin with the check's.
fn stored(parts: Vec<Part>, stats: &[Option<crate::NodeStat>]) -> Outcomes {
    let stats = stats.iter().skip(1).chain(std::iter::repeat(&None));
    parts
        .into_iter()
        .zip(stats)
        .filter(|(part, _)| !part.parent)
        .map(|(part, stat)| (part.write, Ok(stat.map_or(0, |stat| stat.version))))
        .collect()
}

fn all_failed(parts: Vec<Part>, error: &WriteError) -> Outcomes {
    parts
        .into_iter()
        .filter(|part| !part.parent)
        .map(|part| (part.write, Err(same(error))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::BrokerId;

    fn create(topic: &str, partition: i32) -> FencedWrite {
        FencedWrite::CreatePartitionState {
            partition: TopicPartition::new(topic, partition),
            state: PartitionState {
                leader: Some(BrokerId(1)),
                leader_epoch: 0,
                isr: vec![BrokerId(1)],
                controller_epoch: 1,
                recovering: false,
            },
        }
    }

    /// Each batch as `write:path` with a `+` before parents.
    fn check(writes: Vec<FencedWrite>, max_bytes: usize, max_ops: usize, expected: &[&[&str]]) {
        let batches: Vec<Vec<String>> = batches(writes, max_bytes, max_ops)
            .iter()
            .map(|batch| {
                batch
                    .iter()
                    .map(|part| {
                        let plus = if part.parent { "+" } else { "" };
                        let path = part.op.path().trim_start_matches("/brokers/topics/");
                        format!("{}:{plus}{path}", part.write)
                    })
                    .collect()
            })
            .collect();
        assert_eq!(batches, expected);
    }

    #[test]
    fn parents_are_created_once_per_batch_and_writes_stay_whole() {
        let writes = || vec![create("a", 0), create("a", 1), create("b", 0)];
        let one = [
            "0:+a/partitions",
            "0:+a/partitions/0",
            "0:a/partitions/0/state",
        ];
        let two = ["1:+a/partitions/1", "1:a/partitions/1/state"];
        let three = [
            "2:+b/partitions",
            "2:+b/partitions/0",
            "2:b/partitions/0/state",
        ];
        check(
            writes(),
            100_000,
            100,
            &[&[&one[..], &two, &three].concat()],
        );
        check(
            writes(),
            100_000,
            3,
            &[&one, &[&["1:+a/partitions"][..], &two].concat(), &three],
        );
        // A write that is too large by itself is sent all the same.
        check(
            writes(),
            1,
            100,
            &[&one, &[&["1:+a/partitions"][..], &two].concat(), &three],
        );
        check(Vec::new(), 1, 1, &[]);
    }
}
