//! Replicas that move between log directories.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_metadata::TopicId;

use super::support::*;
use crate::faults::{Faults, Mode};
use crate::io::Disk;
use crate::{Log, LogConfig, LogDirs, LogManager, LogManagerConfig, MoveError};

const ID: TopicId = TopicId([7; 16]);

struct Storage {
    root: tempfile::TempDir,
    manager: LogManager,
}

impl Storage {
    fn new() -> Storage {
        let root = tempdir();
        let manager = load(root.path());
        Storage { root, manager }
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The directory that holds the replica, and the other one.
    fn dirs_of(&self, log: &Log) -> (PathBuf, PathBuf) {
        let (a, b) = (self.dir("a"), self.dir("b"));
        match log.parent_dir() == a {
            true => (a, b),
            false => (b, a),
        }
    }

    fn log(&self) -> Arc<Log> {
        let config = Arc::new(LogConfig::default());
        self.manager
            .get_or_create(&partition(), ID, config)
            .unwrap()
    }

    fn future(&self, dir: &Path) -> Arc<Log> {
        let config = Arc::new(LogConfig::default());
        self.manager
            .create_future(&partition(), dir, ID, config)
            .unwrap()
    }

    /// As after kill -9.
    fn crash(self) -> Storage {
        let Storage { root, manager } = self;
        drop(manager);
        let manager = load(root.path());
        Storage { root, manager }
    }

    /// `dir future lag` of every replica.
    fn status(&self) -> Vec<(String, bool, i64)> {
        let dirs = self.manager.dir_status();
        dirs.iter()
            .flat_map(|dir| {
                let name = dir.path.file_name().unwrap().to_str().unwrap();
                let replicas = dir.replicas.iter();
                replicas.map(move |r| (name.to_owned(), r.is_future, r.offset_lag))
            })
            .collect()
    }
}

fn load(root: &Path) -> LogManager {
    let dirs = LogDirs::lock(&[root.join("a"), root.join("b")]).unwrap();
    let config = Arc::new(LogConfig::default());
    LogManager::load(
        dirs,
        LogManagerConfig::default(),
        |_| Arc::clone(&config),
        NOW,
    )
    .unwrap()
}

/// What one log holds goes into the other.
fn copy(from: &Log, to: &Log) {
    while let Some(slice) = from
        .read(to.log_end_offset(), 100, from.log_end_offset(), true)
        .unwrap()
    {
        let mut bytes = vec![0; slice.len];
        std::os::unix::fs::FileExt::read_exact_at(&*slice.file, &mut bytes, slice.position)
            .unwrap();
        to.append_as_follower(bytes.into(), NOW).unwrap();
    }
}

/// A snapshot has the last batch of a producer only. A leader that moved would have refused the ones
/// before it, and a producer that has five on their way would have sent all of them anew, as others.
#[test]
fn repeated_batches_are_recognised_after_a_move() {
    let storage = Storage::new();
    let log = storage.log();
    let sequence = |sequence| Spec {
        producer: Some((9, 0, sequence)),
        // Producers that were silent for a day are forgotten.
        timestamp: crate::clock::now_ms(),
        ..Spec::default()
    };
    for number in 0..7 {
        append(&log, &sequence(number));
    }
    let (_, new) = storage.dirs_of(&log);
    let future = storage.future(&new);
    copy(&log, &future);
    let moved = storage.manager.replace_with_future(&partition()).unwrap();
    for number in 2..7 {
        let repeated = moved
            .append_as_leader(set(&sequence(number)), 0, NOW)
            .unwrap();
        assert!(repeated.duplicate);
        assert_eq!(repeated.first_offset, i64::from(number));
    }
    assert_eq!(moved.log_end_offset(), 7);
}

#[test]
fn a_future_replica_takes_the_place_of_the_current_one() {
    let storage = Storage::new();
    let log = storage.log();
    for _ in 0..20 {
        append(&log, &Spec::default());
    }
    log.set_high_watermark(15);
    log.assign_epoch(4, 20).unwrap();
    let (old, new) = storage.dirs_of(&log);
    let future = storage.future(&new);
    let name = |dir: &Path| dir.file_name().unwrap().to_str().unwrap().to_owned();
    let mut status = vec![(name(&old), false, 0), (name(&new), true, 20)];
    status.sort();
    assert_eq!(storage.status(), status);
    copy(&log, &future);
    let moved = storage.manager.replace_with_future(&partition()).unwrap();
    assert_eq!(moved.parent_dir(), new);
    assert_eq!(
        (
            moved.log_end_offset(),
            moved.high_watermark(),
            moved.latest_epoch()
        ),
        (20, 15, Some(4))
    );
    assert_eq!(read_all(&moved, 0, 20, 1000).len(), 20);
    assert_eq!(storage.status(), [(name(&new), false, 0)]);
    append(&moved, &Spec::default());
    // Whoever still holds the old one is told that it is closed.
    assert!(log.append_as_leader(set(&Spec::default()), 0, NOW).is_err());
    assert!(!old.join("topic-0").exists());
    let storage = storage.crash();
    assert_eq!(storage.log().log_end_offset(), 21);
    assert_eq!(storage.log().parent_dir(), new);
}

#[test]
fn a_move_survives_a_restart_and_can_be_given_up() {
    let storage = Storage::new();
    let log = storage.log();
    append(&log, &Spec::default());
    append(&log, &Spec::default());
    let (_, new) = storage.dirs_of(&log);
    let future = storage.future(&new);
    let slice = log.read(0, 1, 1, true).unwrap().unwrap();
    assert!(slice.len > 0);
    copy(&log, &future);
    append(&log, &Spec::default());
    drop((log, future));
    let storage = storage.crash();
    let future = storage.manager.future(&partition()).unwrap();
    assert_eq!(future.log_end_offset(), 2);
    assert_eq!(storage.manager.moving(), [partition()]);
    assert!(storage.manager.delete_future(&partition()).unwrap());
    assert!(!storage.manager.delete_future(&partition()).unwrap());
    let storage = storage.crash();
    assert!(storage.manager.future(&partition()).is_none());
    assert_eq!(storage.log().log_end_offset(), 3);
}

#[test]
fn a_deleted_partition_takes_its_future_with_it() {
    let storage = Storage::new();
    let (_, new) = storage.dirs_of(&storage.log());
    storage.future(&new);
    assert!(storage.manager.schedule_delete(&partition()).unwrap());
    assert!(storage.manager.future(&partition()).is_none());
    assert!(storage.status().is_empty());
    let storage = storage.crash();
    assert!(
        storage.manager.future(&partition()).is_none()
            && storage.manager.get(&partition()).is_none()
    );
}

/// The process ended between the two renames: both directories bear the partition's name.
#[test]
fn a_crash_amid_the_exchange_leaves_one_replica() {
    let storage = Storage::new();
    let log = storage.log();
    append(&log, &Spec::default());
    let (old, new) = storage.dirs_of(&log);
    let future = storage.future(&new);
    copy(&log, &future);
    let moved = storage.manager.replace_with_future(&partition()).unwrap();
    append(&moved, &Spec::default());
    let deleted = std::fs::read_dir(&old)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().ends_with("-delete"))
        .unwrap();
    std::fs::rename(deleted, old.join("topic-0")).unwrap();
    let storage = storage.crash();
    assert_eq!(storage.log().parent_dir(), new);
    assert_eq!(storage.log().log_end_offset(), 2);
    assert!(!old.join("topic-0").exists());
}

#[test]
fn what_cannot_be_moved() {
    let storage = Storage::new();
    let manager = &storage.manager;
    let config = || Arc::new(LogConfig::default());
    let nowhere = storage.dir("c");
    assert!(matches!(
        manager.check_move(&partition(), &nowhere),
        Err(MoveError::UnknownDir)
    ));
    let long = ottla_metadata::TopicPartition::new("x".repeat(240), 0);
    assert!(matches!(
        manager.check_move(&long, &storage.dir("a")),
        Err(MoveError::NameTooLong)
    ));
    manager.check_move(&partition(), &storage.dir("a")).unwrap();
    assert!(matches!(
        manager.create_future(&partition(), &storage.dir("a"), ID, config()),
        Err(MoveError::NoReplica)
    ));
    let (old, _) = storage.dirs_of(&storage.log());
    assert!(matches!(
        manager.create_future(&partition(), &old, ID, config()),
        Err(MoveError::AlreadyThere)
    ));
}

/// A replica that is not here yet is created where it was asked to be.
#[test]
fn the_directory_of_a_replica_to_come() {
    for name in ["a", "b"] {
        let storage = Storage::new();
        let dir = storage.dir(name);
        storage.manager.prefer_dir(&partition(), &dir);
        assert_eq!(storage.log().parent_dir(), dir);
    }
}

/// A current replica of one record on a disk of its own, and a future one that has caught up.
fn about_to_move(root: &Path, faults: &Arc<Faults>) -> (LogManager, Arc<Log>, PathBuf) {
    let (a, b) = (root.join("a"), root.join("b"));
    let disks = vec![
        Disk::new(a),
        Disk::with_faults(b.clone(), Arc::clone(faults)),
    ];
    let dirs = LogDirs::lock_disks(disks).unwrap();
    let config = Arc::new(LogConfig::default());
    let settings = LogManagerConfig::default();
    let manager = LogManager::load(dirs, settings, |_| Arc::clone(&config), NOW).unwrap();
    manager.stop_background();
    manager.prefer_dir(&partition(), &root.join("a"));
    let log = manager
        .get_or_create(&partition(), ID, Arc::clone(&config))
        .unwrap();
    append(&log, &Spec::default());
    let future = manager.create_future(&partition(), &b, ID, config).unwrap();
    copy(&log, &future);
    (manager, log, b.join("topic-0"))
}

/// Wherever the new directory fails during the exchange, the old replica stays, and no mark on it
/// says that it may go.
#[test]
fn an_exchange_that_fails_leaves_no_mark() {
    let root = tempdir();
    let faults = Arc::new(Faults::new(u64::MAX, Mode::Stop));
    let (manager, ..) = about_to_move(root.path(), &faults);
    let before = faults.done();
    manager.replace_with_future(&partition()).unwrap();
    let all = faults.done();
    let mut renamed = 0;
    let mut failed = 0;
    for at in before..all {
        let root = tempdir();
        let faults = Arc::new(Faults::new(at, Mode::Stop));
        let (manager, log, target) = about_to_move(root.path(), &faults);
        if manager.replace_with_future(&partition()).is_ok() {
            continue; // what comes after the exchange may fail
        }
        failed += 1;
        renamed += u32::from(target.exists());
        let old = root.path().join("a/topic-0");
        assert!(!old.join(crate::manager::MOVED_MARKER).exists(), "{at}");
        assert!(Arc::ptr_eq(&manager.get(&partition()).unwrap(), &log));
        append(&log, &Spec::default());
        assert_eq!(log.log_end_offset(), 2);
    }
    assert!(failed > 1 && renamed > 0, "{failed} {renamed}");
}
