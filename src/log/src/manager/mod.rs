//! All logs of a broker.

mod checkpoints;
mod future;
mod housekeeping;
mod load;
mod shutdown;
mod status;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_metadata::{Offset, TopicId, TopicPartition};
use parking_lot::{Mutex, RwLock};
use tracing::{info, warn};

use self::checkpoints::Written;
use self::housekeeping::Schedule;
use crate::clock;
use crate::config::{LogConfig, LogManagerConfig};
use crate::dirs::LogDirs;
use crate::error::{LogError, StorageError};
use crate::io::Disk;
use crate::log::{LoadRequest, Log, Shared};
use crate::place::Home;

/// A file in a replica's directory that names the directory of the replica that takes its place.
/// Other brokers leave it alone.
pub(crate) const MOVED_MARKER: &str = "ottla-moved-to";

/// All logs in all log directories.
#[derive(Debug)]
pub struct LogManager {
    dirs: LogDirs,
    config: LogManagerConfig,
    shared: Arc<Shared>,
    logs: RwLock<HashMap<TopicPartition, Arc<Log>>>,
    /// Replicas that are to take the place of those in `logs`.
    futures: RwLock<HashMap<TopicPartition, Arc<Log>>>,
    /// Where replicas that are not here yet are to be created.
    preferred: Mutex<HashMap<TopicPartition, PathBuf>>,
    /// Held while a replica's directory is created or renamed.
    changes: Mutex<()>,
    written: Mutex<Written>,
    schedule: Mutex<Schedule>,
}

impl LogManager {
    /// The log directories.
    pub fn dirs(&self) -> &LogDirs {
        &self.dirs
    }

    /// The log of a partition. It may be in a directory that has failed since:
    /// [`Log::is_offline`].
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.read().get(partition).map(Arc::clone)
    }

    /// Whether a log directory has failed. A replica that is not new and not found may then lie
    /// there, and must not be created anew elsewhere.
    pub fn has_offline_dir(&self) -> bool {
        self.failed_dirs() > 0
    }

    /// How many log directories have failed.
    pub fn failed_dirs(&self) -> usize {
        let disks = self.dirs.disks().iter();
        disks.filter(|disk| disk.failure().is_some()).count()
    }

    /// The log of a partition; if there is none it is created, in the directory with the fewest
    /// replicas.
    ///
    /// # Errors
    /// The log belongs to a topic of another id; no directory could take a new one.
    pub fn get_or_create(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
        config: Arc<LogConfig>,
    ) -> Result<Arc<Log>, LogError> {
        if let Some(log) = self.get(partition) {
            log.assign_topic_id(topic_id)?;
            return Ok(log);
        }
        let _changing = self.changes.lock();
        let log = match self.get(partition) {
            Some(log) => log,
            None => self.create(partition, config)?,
        };
        log.assign_topic_id(topic_id)?;
        Ok(log)
    }

    fn create(
        &self,
        partition: &TopicPartition,
        config: Arc<LogConfig>,
    ) -> Result<Arc<Log>, LogError> {
        // Offsets of a deleted namesake must not be taken for this log's after a crash.
        if self.written.lock().is_stale(partition) {
            self.write_checkpoints();
        }
        let mut last = LogError::NoLiveDirectory;
        let wanted = self.preferred.lock().get(partition).cloned();
        let mut disks = self.disks_by_load();
        if let Some(wanted) = &wanted {
            disks.retain(|disk| disk.root() == wanted);
        }
        for disk in disks {
            let home = Arc::new(Home {
                dir: disk.root().join(partition.to_string()),
                disk: Arc::clone(&disk),
            });
            let created = Log::create(LoadRequest {
                partition: partition.clone(),
                home,
                shared: Arc::clone(&self.shared),
                config: Arc::clone(&config),
                clean: true,
                rebooted: false,
                recovery_point: 0,
                log_start: 0,
                high_watermark: 0,
                now: clock::now_ms(),
            });
            match created {
                Ok(log) => {
                    info!(%partition, dir = %disk.root().display(), "created a log");
                    self.preferred.lock().remove(partition);
                    self.logs
                        .write()
                        .insert(partition.clone(), Arc::clone(&log));
                    self.shared
                        .high_watermarks_moved
                        .store(true, Ordering::Release);
                    return Ok(log);
                }
                // What was half made is not known to be sound.
                Err(e) => {
                    let failed: Result<(), _> = disk.insist(Err(e));
                    last = failed.err().map_or(last, LogError::from);
                }
            }
        }
        Err(last)
    }

    /// Directories that can take a new replica, the one with the fewest first.
    fn disks_by_load(&self) -> Vec<Arc<Disk>> {
        let mut disks: Vec<Arc<Disk>> = self.dirs.live().map(Arc::clone).collect();
        if disks.len() > 1 {
            let logs = self.logs.read();
            disks.sort_by_cached_key(|disk| logs.values().filter(|l| l.is_on(disk)).count());
        }
        disks
    }

    /// Renames the replica's directory for deletion and forgets the log; the files go after
    /// `file.delete.delay.ms`. A future replica goes too. Answers whether there was such a log.
    ///
    /// # Errors
    /// The directory failed.
    pub fn schedule_delete(&self, partition: &TopicPartition) -> Result<bool, LogError> {
        let _changing = self.changes.lock();
        self.preferred.lock().remove(partition);
        let future = self.futures.write().remove(partition);
        if let Some(Err(error)) = future.map(|future| self.discard_dir(&future)) {
            // The next start finds a future replica of nothing, which does no harm.
            warn!(%partition, %error, "the future replica stays");
        }
        let Some(log) = self.logs.write().remove(partition) else {
            return Ok(false);
        };
        self.discard_dir(&log)?;
        Ok(true)
    }

    /// All logs, in the order of their names.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        let mut all: Vec<Arc<Log>> = self.logs.read().values().map(Arc::clone).collect();
        all.sort_by(|a, b| a.partition().cmp(b.partition()));
        all
    }

    /// Logs and future ones.
    fn all(&self) -> Vec<Arc<Log>> {
        let mut all = self.logs();
        all.extend(self.futures.read().values().map(Arc::clone));
        all
    }

    /// Puts new configs of a topic in force for its logs.
    pub fn update_config(&self, topic: &str, config: &Arc<LogConfig>) {
        for log in self.all() {
            if &*log.partition().topic == topic {
                log.set_config(Arc::clone(config));
            }
        }
    }

    /// The high watermark that a log came up with: the checkpointed one within the log's bounds.
    /// 0 for a partition without a log.
    pub fn checkpointed_high_watermark(&self, partition: &TopicPartition) -> Offset {
        self.get(partition).map_or(0, |log| log.high_watermark())
    }

    /// Leaves background work to the caller.
    #[cfg(test)]
    pub(crate) fn stop_background(&self) {
        self.shared.background.stop();
    }

    fn logs_on<'a>(&self, disk: &'a Disk) -> impl Iterator<Item = Arc<Log>> + use<'a> {
        let mut logs = self.all();
        logs.retain(|log| log.is_on(disk));
        logs.into_iter()
    }
}

impl Drop for LogManager {
    /// Without [`LogManager::shutdown`] the logs are left as after a crash.
    fn drop(&mut self) {
        self.shared.background.stop();
    }
}

/// A failure has taken the directory offline and was logged by that; whoever works on many
/// directories goes on with the others.
fn tolerate<T>(result: Result<T, StorageError>) -> Option<T> {
    result.ok()
}
