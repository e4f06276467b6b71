//! Stopping cleanly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla_metadata::Millis;
use tracing::info;

use super::LogManager;
use crate::error::{LogError, StorageError};
use crate::io::Disk;
use crate::log::Log;

/// Left in a log directory by a clean stop; its presence counts, not its content.
pub(super) const CLEAN_MARKER: &str = ".kafka_cleanshutdown";
/// What Kafka 3.7 and newer write with ZooKeeper.
const MARKER_CONTENT: &[u8] = br#"{"version":0,"brokerEpoch":-1}"#;

/// Up to so many logs are synced file by file; more are synced with their whole file system.
pub(super) const SYNC_ONE_BY_ONE: usize = 8;

impl LogManager {
    /// Flushes, writes snapshots, checkpoints and the mark of a clean stop, and closes the logs.
    /// Directories that fail meanwhile stay without mark; the others get theirs.
    ///
    /// # Errors
    /// A directory failed.
    pub fn shutdown(&self, now: Millis) -> Result<(), LogError> {
        self.shared.background.stop();
        let mut failed = None;
        for disk in self.dirs.live() {
            match self.stop_dir(disk) {
                Ok(()) => info!(dir = %disk.root().display(), "stopped cleanly"),
                Err(e) => failed = Some(e),
            }
        }
        self.shared.trash.empty(now);
        match failed {
            Some(e) => Err(e.into()),
            None => Ok(()),
        }
    }

    fn stop_dir(&self, disk: &Disk) -> Result<(), StorageError> {
        let logs: Vec<Arc<Log>> = self.logs_on(disk).collect();
        let unsynced = AtomicUsize::new(0);
        self.each(&logs, |log| {
            unsynced.fetch_add(usize::from(log.settle()?), Ordering::Relaxed);
            Ok(())
        })?;
        let unsynced = unsynced.into_inner();
        let all_at_once = unsynced > SYNC_ONE_BY_ONE && disk.sync_file_system()?;
        let synced = all_at_once || unsynced == 0;
        self.each(&logs, |log| log.close_settled(synced))?;
        self.write_checkpoints_on(disk)?;
        disk.replace(&disk.root().join(CLEAN_MARKER), MARKER_CONTENT)
    }

    /// Does something with every log, on `num.recovery.threads.per.data.dir` threads.
    fn each(
        &self,
        logs: &[Arc<Log>],
        act: impl Fn(&Log) -> Result<(), StorageError> + Sync,
    ) -> Result<(), StorageError> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<(), StorageError> {
            while let Some(log) = logs.get(next.fetch_add(1, Ordering::Relaxed)) {
                act(log)?;
            }
            Ok(())
        };
        let threads = self.config.recovery_threads_per_dir.clamp(1, 256);
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for other in others {
                if let Ok(theirs) = other.join() {
                    result = result.and(theirs);
                }
            }
            result
        })
    }
}
