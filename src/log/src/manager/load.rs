//! Loading what lies in the log directories.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use ottla_metadata::{Millis, TopicId, TopicPartition};
use parking_lot::{Mutex, RwLock};
use tracing::{error, info, warn};

use super::checkpoints::{Checkpoints, Written};
use super::housekeeping::Schedule;
use super::shutdown::CLEAN_MARKER;
use super::{LogManager, MOVED_MARKER};
use crate::background::Background;
use crate::boot;
use crate::config::{LogConfig, LogManagerConfig};
use crate::dirs::LogDirs;
use crate::error::{LogError, StorageError};
use crate::io::Disk;
use crate::log::{LoadRequest, Log, Shared};
use crate::names::{self, DirName, parse_dir};
use crate::place::Home;
use crate::trash::Trash;

/// What was found in one log directory.
struct Found {
    disk: Arc<Disk>,
    clean: bool,
    rebooted: bool,
    checkpoints: Checkpoints,
    /// In order.
    replicas: Vec<TopicPartition>,
    /// Future replicas and the names of their directories.
    futures: Vec<(TopicPartition, String)>,
}

impl LogManager {
    /// Loads every replica, recovering those of directories that were not stopped cleanly.
    /// A directory that fails goes offline, and its replicas are not loaded.
    ///
    /// # Errors
    /// A directory holds something that no broker leaves there, a partition is in two directories,
    /// or all directories failed.
    pub fn load(
        dirs: LogDirs,
        config: LogManagerConfig,
        config_of: impl Fn(&str) -> Arc<LogConfig> + Sync,
        now: Millis,
    ) -> Result<LogManager, LogError> {
        let shared = Arc::new(Shared {
            trash: Trash::default(),
            background: Background::start(),
            recovery_points_lowered: AtomicBool::new(false),
            high_watermarks_moved: AtomicBool::new(true),
            producer_expiration_ms: config.producer_id_expiration_ms,
            keep_topic_ids: config.keep_topic_ids,
        });
        let mut found = Vec::new();
        for disk in dirs.live() {
            if let Some(dir) = survey(disk, &shared, now)? {
                found.push(dir);
            }
        }
        settle_moved(&mut found, &shared, now)?;
        refuse_duplicates(&found)?;
        let mut written = Written::default();
        for dir in &found {
            for partition in dir.checkpoints.partitions() {
                let is_here = dir.replicas.binary_search(partition).is_ok()
                    || dir.futures.iter().any(|(future, _)| future == partition);
                if !is_here {
                    written.deleted(partition.clone());
                }
            }
        }
        let begun = Instant::now();
        let logs = Mutex::new(HashMap::new());
        let futures = Mutex::new(HashMap::new());
        std::thread::scope(|scope| {
            for dir in &found {
                let (config, config_of, shared) = (&config, &config_of, &shared);
                let loaded = (&logs, &futures);
                scope.spawn(move || load_dir(dir, config, config_of, shared, loaded, now));
            }
        });
        if dirs.live().next().is_none() {
            return Err(LogError::NoLiveDirectory);
        }
        let mut logs = logs.into_inner();
        logs.retain(|_, log: &mut Arc<Log>| !log.is_offline());
        let mut futures = futures.into_inner();
        futures.retain(|_, log: &mut Arc<Log>| !log.is_offline());
        info!(
            logs = logs.len(),
            ms = begun.elapsed().as_millis(),
            "loaded the logs"
        );
        Ok(LogManager {
            schedule: Mutex::new(Schedule::new(&config, now)),
            dirs,
            config,
            shared,
            logs: RwLock::new(logs),
            futures: RwLock::new(futures),
            preferred: Mutex::default(),
            changes: Mutex::new(()),
            written: Mutex::new(written),
        })
    }
}

/// Looks at a log directory; `None` when it fails.
fn survey(disk: &Arc<Disk>, shared: &Shared, now: Millis) -> Result<Option<Found>, LogError> {
    let look = || -> Result<_, StorageError> {
        // From now on a crash is a crash, a power cut too: the mark must not come back.
        let clean = disk.remove(&disk.root().join(CLEAN_MARKER))?;
        if clean {
            disk.sync_dir(disk.root())?;
        }
        let rebooted = boot::rebooted(disk)?;
        let checkpoints = Checkpoints::read(disk)?;
        Ok((clean, rebooted, checkpoints, disk.list(disk.root())?))
    };
    let Ok((clean, rebooted, checkpoints, listed)) = disk.insist(look()) else {
        return Ok(None);
    };
    let mut replicas = Vec::new();
    let mut futures = Vec::new();
    for entry in listed.into_iter().filter(|entry| entry.is_dir) {
        let path = disk.root().join(&entry.name);
        match parse_dir(&entry.name) {
            DirName::Replica(partition) => replicas.push(partition),
            DirName::Delete => {
                let due = now.saturating_add(LogConfig::default().file_delete_delay_ms);
                shared.trash.add_dir(due, disk, path);
            }
            DirName::Future(partition) => futures.push((partition, entry.name)),
            DirName::Stray => warn!(dir = %path.display(), "a stray replica is left alone"),
            DirName::Ignored => {}
            DirName::Unknown => return Err(LogError::UnknownDirectory(path)),
        }
    }
    replicas.sort();
    if clean {
        info!(dir = %disk.root().display(), replicas = replicas.len(), "the last stop was clean");
    } else if !replicas.is_empty() {
        warn!(dir = %disk.root().display(), replicas = replicas.len(), "the last stop was not clean, logs are recovered");
    }
    Ok(Some(Found {
        disk: Arc::clone(disk),
        clean,
        rebooted,
        checkpoints,
        replicas,
        futures,
    }))
}

/// Of two replicas of a partition, the one that was left for the other goes: the process ended
/// while one took the other's place.
fn settle_moved(found: &mut [Found], shared: &Shared, now: Millis) -> Result<(), LogError> {
    let mut homes: BTreeMap<TopicPartition, Vec<PathBuf>> = BTreeMap::new();
    for dir in &*found {
        for partition in &dir.replicas {
            let path = dir.disk.root().join(partition.to_string());
            homes.entry(partition.clone()).or_default().push(path);
        }
    }
    homes.retain(|_, paths| paths.len() > 1);
    for dir in found {
        let disk = &dir.disk;
        let twice = dir.replicas.iter().filter(|tp| homes.contains_key(*tp));
        for partition in twice.cloned().collect::<Vec<_>>() {
            let path = disk.root().join(partition.to_string());
            let Some(mark) = disk.read_small(&path.join(MOVED_MARKER))? else {
                continue;
            };
            let others = homes.get(&partition).into_iter().flatten();
            let mut others = others.filter(|other| **other != path);
            if others.any(|other| other.as_os_str().as_encoded_bytes() == mark) {
                let unique = u128::from_be_bytes(TopicId::random().0);
                let target = disk.root().join(names::delete_dir(&partition, unique));
                disk.rename(&path, &target)?;
                disk.insist(disk.sync_dir(disk.root()))?;
                warn!(%partition, dir = %disk.root().display(), "the replica has moved: its old directory goes");
                shared.trash.add_dir(now, disk, target);
                dir.replicas.retain(|replica| *replica != partition);
            }
        }
    }
    Ok(())
}

fn refuse_duplicates(found: &[Found]) -> Result<(), LogError> {
    let mut seen: BTreeMap<&TopicPartition, &Arc<Disk>> = BTreeMap::new();
    for dir in found {
        for partition in &dir.replicas {
            if let Some(first) = seen.insert(partition, &dir.disk) {
                let path = |disk: &Arc<Disk>| -> PathBuf { disk.root().to_owned() };
                return Err(LogError::DuplicatePartition {
                    partition: partition.clone(),
                    first: path(first),
                    second: path(&dir.disk),
                });
            }
        }
    }
    Ok(())
}

/// Logs as they are loaded, by partition.
type Loaded = Mutex<HashMap<TopicPartition, Arc<Log>>>;

/// Loads the replicas of one directory with `num.recovery.threads.per.data.dir` threads, future ones
/// into the second map. The first failure takes the directory offline, which ends the others.
fn load_dir(
    dir: &Found,
    config: &LogManagerConfig,
    config_of: &(impl Fn(&str) -> Arc<LogConfig> + Sync),
    shared: &Arc<Shared>,
    (logs, futures): (&Loaded, &Loaded),
    now: Millis,
) {
    let current = dir.replicas.iter().map(|tp| (tp, tp.to_string(), logs));
    let future = dir
        .futures
        .iter()
        .map(|(tp, name)| (tp, name.clone(), futures));
    let all: Vec<(&TopicPartition, String, &Loaded)> = current.chain(future).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((partition, name, into)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let partition = *partition;
            if dir.disk.failure().is_some() {
                return;
            }
            let of = |offsets: &crate::checkpoint::Offsets| {
                offsets.get(partition).copied().unwrap_or(0).max(0)
            };
            let loaded = Log::load(LoadRequest {
                partition: partition.clone(),
                home: Arc::new(Home {
                    disk: Arc::clone(&dir.disk),
                    dir: dir.disk.root().join(name),
                }),
                shared: Arc::clone(shared),
                config: config_of(&partition.topic),
                clean: dir.clean,
                rebooted: dir.rebooted,
                recovery_point: of(&dir.checkpoints.recovery_points),
                log_start: of(&dir.checkpoints.log_starts),
                high_watermark: of(&dir.checkpoints.high_watermarks),
                now,
            });
            // A log that is not loaded must not be taken for one that is not there.
            match dir.disk.insist(loaded) {
                Ok(log) => {
                    into.lock().insert(partition.clone(), log);
                }
                Err(e) => error!(%partition, error = %e, "the log could not be loaded"),
            }
        }
    };
    let threads = config.recovery_threads_per_dir.clamp(1, 256);
    std::thread::scope(|scope| {
        for _ in 1..threads.min(all.len().max(1)) {
            scope.spawn(work);
        }
        work();
    });
}
