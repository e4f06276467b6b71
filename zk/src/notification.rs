//! Notices: sequential nodes that somebody reads in order and deletes (Kafka's
//! `ZkNodeChangeNotificationListener` and the controller's event directories).

use futures::{StreamExt, TryStreamExt};
use ottla_metadata::BrokerId;

use crate::error::{Conflict, MalformedZnode, WriteError, WriteResult, ZkError};
use crate::node::{NodeStat, decode, stopped};
use crate::path;
use crate::watch::{Watch, WatchEvent};
use crate::zk::Zk;
use crate::znode::{IsrChange, LogDirEvent, Znode};

/// How often a notice is sent again when its answer is lost.
const NOTIFY_ATTEMPTS: usize = 10;

/// The number that ZooKeeper gave to a sequential node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub i64);

/// A notice and its place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered<T> {
    /// Its number.
    pub sequence: Sequence,
    /// Its node's stat; notices are purged by their age.
    pub stat: NodeStat,
    /// What it says.
    pub value: Result<T, MalformedZnode>,
}

impl Zk {
    pub(crate) async fn notify<T: Znode>(
        &self,
        directory: &str,
        prefix: &str,
        notice: &T,
    ) -> WriteResult<Sequence> {
        let session = self.live_for_write()?;
        let at = format!("{directory}/{prefix}");
        let data = notice.encode();
        let mut outcome = session.create_sequential(&at, &data).await;
        for _ in 1..NOTIFY_ATTEMPTS {
            match outcome {
                Err(WriteError::Unknown { .. }) => {}
                Err(ref error) if error.conflict() == Some(Conflict::Missing) => {
                    if session.ensure(directory).await.is_err() {
                        return Err(WriteError::SessionExpired);
                    }
                }
                settled => return settled.map(Sequence),
            }
            outcome = session.create_sequential(&at, &data).await;
        }
        outcome.map(Sequence)
    }

    pub(crate) async fn notifications<T: Znode>(
        &self,
        directory: &str,
        prefix: &str,
        event: Option<WatchEvent>,
    ) -> Result<Vec<Numbered<T>>, ZkError> {
        let session = self.live()?;
        let names = session.children(directory, event).await?;
        let mut notices: Vec<(Sequence, String)> = names
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| {
                let number = name.strip_prefix(prefix)?.parse().ok()?;
                Some((Sequence(number), format!("{directory}/{name}")))
            })
            .collect();
        notices.sort_unstable();
        let session = &session;
        let read: Vec<Option<Numbered<T>>> = futures::stream::iter(notices)
            .map(|(sequence, at)| async move {
                let raw = session.get(&at, None).await?;
                let stat = raw.as_ref().map(|(_, stat)| *stat);
                let value = decode(&at, raw).map(|found| found.map(|found| found.value));
                // One that has vanished meanwhile has been read by all who had to.
                Ok::<_, ZkError>(stat.zip(value.transpose()).map(|(stat, value)| Numbered {
                    sequence,
                    stat,
                    value,
                }))
            })
            .buffered(self.in_flight())
            .try_collect()
            .await?;
        Ok(read.into_iter().flatten().collect())
    }

    pub(crate) async fn delete_notifications(
        &self,
        directory: &str,
        prefix: &str,
        notices: &[Sequence],
    ) -> Result<(), ZkError> {
        let session = self.live()?;
        let session = &session;
        // Owned items: a stream over borrowed ones makes a future that cannot be spawned.
        futures::stream::iter(notices.to_vec())
            .map(|Sequence(number)| async move {
                let at = format!("{directory}/{prefix}{number:010}");
                loop {
                    match session.delete(&at, None).await {
                        Ok(()) => return Ok(()),
                        Err(error) if error.conflict() == Some(Conflict::Missing) => return Ok(()),
                        Err(WriteError::Unknown { .. }) => {}
                        Err(error) => return Err(stopped(error, "deleting notifications")),
                    }
                }
            })
            .buffer_unordered(self.in_flight())
            .try_collect()
            .await
    }

    /// A leader tells the controller which partition states it has rewritten (IBP below 2.7).
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn notify_isr_change(&self, change: &IsrChange) -> WriteResult<Sequence> {
        self.notify(path::ISR_CHANGES, path::ISR_CHANGE_PREFIX, change)
            .await
    }

    /// The ISR notices that are there, oldest first.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn isr_changes(&self, watch: Watch) -> Result<Vec<Numbered<IsrChange>>, ZkError> {
        let event = (watch == Watch::Arm).then_some(WatchEvent::IsrChangesChanged);
        self.notifications(path::ISR_CHANGES, path::ISR_CHANGE_PREFIX, event)
            .await
    }

    /// A broker tells the controller that one of its log directories has failed.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn notify_log_dir_failure(&self, broker: BrokerId) -> WriteResult<Sequence> {
        let event = LogDirEvent { broker };
        self.notify(path::LOG_DIR_EVENTS, path::LOG_DIR_EVENT_PREFIX, &event)
            .await
    }

    /// The notices of failed log directories, oldest first.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn log_dir_events(
        &self,
        watch: Watch,
    ) -> Result<Vec<Numbered<LogDirEvent>>, ZkError> {
        let event = (watch == Watch::Arm).then_some(WatchEvent::LogDirEventsChanged);
        self.notifications(path::LOG_DIR_EVENTS, path::LOG_DIR_EVENT_PREFIX, event)
            .await
    }
}
