//! Replicas that move to another log directory (KIP-113): beside the current replica a future one
//! grows in `<topic>-<partition>.<unique>-future`, until it takes the current one's place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_metadata::{TopicId, TopicPartition};
use tracing::{info, warn};

use super::{LogManager, MOVED_MARKER, tolerate};
use crate::clock;
use crate::config::LogConfig;
use crate::error::{LogError, MoveError, StorageError};
use crate::io::Disk;
use crate::log::{LoadRequest, Log};
use crate::names;
use crate::place::Home;

/// Replicas to come whose directories are remembered: anybody may name any partition.
const MAX_PREFERRED: usize = 200_000;

impl LogManager {
    /// The replica that is to take the place of the partition's current one.
    pub fn future(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.futures.read().get(partition).map(Arc::clone)
    }

    /// All partitions with a future replica.
    pub fn moving(&self) -> Vec<TopicPartition> {
        self.futures.read().keys().cloned().collect()
    }

    /// Checks that a replica can be moved to a directory (`LogManager.isLogDirOnline`).
    ///
    /// # Errors
    /// `dir` is no log directory or has failed, or the name would be too long.
    pub fn check_move(&self, partition: &TopicPartition, dir: &Path) -> Result<(), MoveError> {
        if names::future_dir(partition, 0_u128).is_none() {
            return Err(MoveError::NameTooLong);
        }
        self.disk_at(dir)?.check()?;
        Ok(())
    }

    /// Remembers where the replica is to be created when it comes, unless it is there or on its way
    /// (`LogManager.maybeUpdatePreferredLogDir`).
    pub fn prefer_dir(&self, partition: &TopicPartition, dir: &Path) {
        let is_there = |log: Option<Arc<Log>>| log.is_some_and(|log| log.parent_dir() == dir);
        if is_there(self.get(partition)) || is_there(self.future(partition)) {
            return;
        }
        let mut preferred = self.preferred.lock();
        if preferred.len() < MAX_PREFERRED || preferred.contains_key(partition) {
            preferred.insert(partition.clone(), dir.to_owned());
        } else {
            warn!(%partition, "too many replicas are to come: its directory is not remembered");
        }
    }

    /// Begins an empty future replica in `dir`.
    ///
    /// # Errors
    /// `dir` cannot be used, the replica is there already or is moving elsewhere.
    pub fn create_future(
        &self,
        partition: &TopicPartition,
        dir: &Path,
        topic_id: TopicId,
        config: Arc<LogConfig>,
    ) -> Result<Arc<Log>, MoveError> {
        let disk = self.disk_at(dir)?;
        disk.check()?;
        let _changing = self.changes.lock();
        let current = self.get(partition).ok_or(MoveError::NoReplica)?;
        if current.is_on(&disk) || self.future(partition).is_some() {
            return Err(MoveError::AlreadyThere);
        }
        if self.written.lock().is_stale(partition) {
            self.write_checkpoints();
        }
        let unique = u128::from_be_bytes(TopicId::random().0);
        let name = names::future_dir(partition, unique).ok_or(MoveError::NameTooLong)?;
        let log = Log::create(LoadRequest {
            partition: partition.clone(),
            home: Arc::new(Home {
                dir: disk.root().join(name),
                disk: Arc::clone(&disk),
            }),
            shared: Arc::clone(&self.shared),
            config,
            clean: true,
            rebooted: false,
            recovery_point: 0,
            log_start: 0,
            high_watermark: 0,
            now: clock::now_ms(),
        });
        let log = disk.insist(log)?;
        log.assign_topic_id(topic_id)?;
        info!(%partition, dir = %dir.display(), "a future replica begins");
        self.futures
            .write()
            .insert(partition.clone(), Arc::clone(&log));
        Ok(log)
    }

    /// Gives up the move: the future replica goes. Answers whether there was one.
    ///
    /// # Errors
    /// The directory failed.
    pub fn delete_future(&self, partition: &TopicPartition) -> Result<bool, LogError> {
        let _changing = self.changes.lock();
        let removed = self.futures.write().remove(partition);
        match removed {
            Some(log) => {
                self.discard_dir(&log)?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Forgets future replicas in directories that have failed; answers whose they were.
    pub fn drop_failed_futures(&self) -> Vec<TopicPartition> {
        let mut dropped = Vec::new();
        self.futures.write().retain(|partition, log| {
            let failed = log.is_offline();
            if failed {
                log.close();
                dropped.push(partition.clone());
            }
            !failed
        });
        dropped
    }

    /// Puts the future replica in the place of the current one, which goes
    /// (`LogManager.replaceCurrentWithFutureLog`). Nobody may append to either meanwhile, and both
    /// must hold the same records. Answers the log that is current now.
    ///
    /// # Errors
    /// There is no future replica, or a directory failed; then the current replica stays.
    pub fn replace_with_future(&self, partition: &TopicPartition) -> Result<Arc<Log>, LogError> {
        let _changing = self.changes.lock();
        let (Some(current), Some(future)) = (self.get(partition), self.future(partition)) else {
            return Err(StorageError::Closed(partition.clone()).into());
        };
        // Whoever waits for a flush of the log that goes is answered by that.
        current.flush_to(current.log_end_offset())?;
        future.settle()?;
        future.close_settled(false)?;
        self.futures.write().remove(partition);
        let disk = Arc::clone(&future.home().disk);
        let dir = disk.root().join(partition.to_string());
        // After a crash from here on both may bear the name: the mark tells which of them counts.
        let old = current.home();
        let mark = dir.as_os_str().as_encoded_bytes();
        old.disk
            .insist(old.disk.replace(&old.path(MOVED_MARKER), mark))?;
        let log = match self.take_place(&current, &future, dir) {
            Ok(log) => log,
            Err(error) => {
                unmark(&current);
                return Err(error.into());
            }
        };
        self.logs
            .write()
            .insert(partition.clone(), Arc::clone(&log));
        self.shared
            .high_watermarks_moved
            .store(true, Ordering::Release);
        info!(%partition, from = %old.disk.root().display(), to = %disk.root().display(), "the replica has moved");
        tolerate(self.write_checkpoints_on(&disk));
        if let Err(error) = self.discard_dir(&current) {
            warn!(%partition, %error, "the replica's old directory stays");
        }
        Ok(log)
    }

    /// Has the future replica bear the partition's name, and loads it.
    fn take_place(
        &self,
        current: &Log,
        future: &Log,
        dir: PathBuf,
    ) -> Result<Arc<Log>, StorageError> {
        let disk = &future.home().disk;
        disk.rename(&future.home().dir, &dir)?;
        disk.insist(disk.sync_dir(disk.root()))?;
        let loaded = Log::load(LoadRequest {
            partition: current.partition().clone(),
            home: Arc::new(Home {
                dir,
                disk: Arc::clone(disk),
            }),
            shared: Arc::clone(&self.shared),
            config: current.config(),
            clean: true,
            rebooted: false,
            recovery_point: future.log_end_offset(),
            log_start: current.log_start_offset(),
            high_watermark: current.high_watermark(),
            now: clock::now_ms(),
        });
        let log = disk.insist(loaded)?;
        log.take_over_producers(current);
        // An epoch without records is known from the leadership only.
        let epoch = current.latest_epoch();
        if let Some(epoch) = epoch.filter(|epoch| log.latest_epoch() < Some(*epoch)) {
            log.assign_epoch(epoch, log.log_end_offset())?;
        }
        Ok(log)
    }

    fn disk_at(&self, dir: &Path) -> Result<Arc<Disk>, MoveError> {
        let mut disks = self.dirs.disks().iter();
        let found = disks.find(|disk| disk.root() == dir);
        found.map(Arc::clone).ok_or(MoveError::UnknownDir)
    }

    /// Closes a log that is in no map any more, and has its files unlinked later.
    pub(super) fn discard_dir(&self, log: &Log) -> Result<(), LogError> {
        let partition = log.partition();
        log.close();
        self.written.lock().deleted(partition.clone());
        let home = log.home();
        home.disk.check().map_err(LogError::from)?;
        let unique = u128::from_be_bytes(TopicId::random().0);
        let target = home.disk.root().join(names::delete_dir(partition, unique));
        home.disk.rename(&home.dir, &target)?;
        home.disk.insist(home.disk.sync_dir(home.disk.root()))?;
        info!(%partition, dir = %target.display(), "the log is scheduled for deletion");
        let due = clock::now_ms().saturating_add(log.config().file_delete_delay_ms);
        self.shared.trash.add_dir(due, &home.disk, target);
        Ok(())
    }
}

/// The replica stays current after all: with the mark, a start that finds both would delete it. If
/// the mark cannot be removed the directory is offline, so that nothing is added that could go.
fn unmark(current: &Log) {
    let home = current.home();
    let disk = &home.disk;
    let removed = disk
        .remove(&home.path(MOVED_MARKER))
        .and_then(|_| disk.insist(disk.sync_dir(&home.dir)));
    if let Err(error) = removed {
        warn!(partition = %current.partition(), %error, "the mark of a move that failed stays");
    }
}
