//! What is found in a log directory at the start.

use std::path::Path;
use std::sync::Arc;

use ottla_metadata::{TopicId, TopicPartition};

use super::support::*;
use crate::{LogConfig, LogDirs, LogError, LogManager, LogManagerConfig};

fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 2000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

fn load(paths: &[std::path::PathBuf]) -> Result<LogManager, LogError> {
    let dirs = LogDirs::lock(paths).unwrap();
    let config = Arc::new(small());
    LogManager::load(
        dirs,
        LogManagerConfig::default(),
        |_| Arc::clone(&config),
        NOW,
    )
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn filled() -> Fixture {
    let fixture = Fixture::new(small());
    let log = fixture.log();
    for i in 0..100 {
        append(
            &log,
            &Spec {
                timestamp: NOW + i,
                ..Spec::default()
            },
        );
    }
    drop(log);
    fixture
}

#[test]
fn foreign_directories_and_duplicates_stop_the_start() {
    let root = tempdir();
    let (a, b) = (root.path().join("a"), root.path().join("b"));
    std::fs::create_dir_all(a.join("lost+found")).unwrap();
    let error = load(std::slice::from_ref(&a)).unwrap_err();
    assert!(error.to_string().contains("lost+found"), "{error}");
    std::fs::remove_dir(a.join("lost+found")).unwrap();
    for dir in [&a, &b] {
        std::fs::create_dir_all(dir.join("topic-3")).unwrap();
    }
    assert!(matches!(
        load(&[a, b]),
        Err(LogError::DuplicatePartition { .. })
    ));
}

#[test]
fn replicas_are_spread_over_the_directories() {
    let root = tempdir();
    let paths = [root.path().join("a"), root.path().join("b")];
    let manager = load(&paths).unwrap();
    for i in 0..10 {
        let partition = TopicPartition::new("t", i);
        manager
            .get_or_create(&partition, TopicId::ZERO, Arc::new(small()))
            .unwrap();
    }
    let status = manager.dir_status();
    assert_eq!(status.len(), 2);
    for dir in &status {
        assert_eq!(dir.replicas.len(), 5);
        assert!(dir.offline.is_none() && dir.usable_bytes > 0);
        assert!(dir.total_bytes >= dir.usable_bytes);
    }
    manager.shutdown(NOW).unwrap();
    drop(manager);
    assert_eq!(load(&paths).unwrap().logs().len(), 10);
}

#[test]
fn topic_ids_must_agree() {
    let fixture = filled();
    let manager = fixture.manager();
    let other = manager.get_or_create(&partition(), TopicId([8; 16]), Arc::new(small()));
    assert!(matches!(other, Err(LogError::InconsistentTopicId { .. })));
    assert!(
        manager
            .get_or_create(&partition(), TopicId([7; 16]), Arc::new(small()))
            .is_ok()
    );
}

#[test]
fn lost_indexes_are_built_anew() {
    let mut fixture = filled();
    fixture.manager().shutdown(NOW).unwrap();
    let index = |fixture: &Fixture, suffix: &str| -> Vec<(String, Vec<u8>)> {
        let dir = fixture.replica_dir();
        names(&dir)
            .into_iter()
            .filter(|name| name.ends_with(suffix))
            .map(|name| (name.clone(), std::fs::read(dir.join(name)).unwrap()))
            .collect()
    };
    let before = (index(&fixture, ".index"), index(&fixture, ".timeindex"));
    for (name, _) in &before.0 {
        std::fs::remove_file(fixture.replica_dir().join(name)).unwrap();
    }
    std::fs::write(
        fixture.replica_dir().join("00000000000000012345.index"),
        "x",
    )
    .unwrap();
    fixture.manager = None;
    fixture.open();
    let log = fixture.log();
    assert_eq!(log.log_end_offset(), 100);
    drop(log);
    fixture.restart();
    let after = (index(&fixture, ".index"), index(&fixture, ".timeindex"));
    assert!(
        before == after,
        "the rebuilt indexes are those that were written"
    );
}

#[test]
fn what_compaction_left_is_finished_or_undone() {
    let mut fixture = filled();
    fixture.manager().shutdown(NOW).unwrap();
    fixture.manager = None;
    let dir = fixture.replica_dir();
    let logs: Vec<String> = names(&dir)
        .into_iter()
        .filter(|name| name.ends_with(".log"))
        .collect();
    assert!(logs.len() > 3);
    // Two segments were merged into one, which was on its way to its place.
    let merged: Vec<u8> = logs[..2]
        .iter()
        .flat_map(|name| std::fs::read(dir.join(name)).unwrap())
        .collect();
    std::fs::write(dir.join(format!("{}.swap", logs[0])), merged).unwrap();
    let index = logs[0].replace(".log", ".index.swap");
    std::fs::write(dir.join(index), "").unwrap();
    // Another was not complete.
    std::fs::write(dir.join(format!("{}.cleaned", logs[3])), "half").unwrap();
    std::fs::write(dir.join(format!("{}.swap", logs[3])), "half").unwrap();
    std::fs::write(dir.join("00000000000000000000.log.deleted"), "").unwrap();
    fixture.open();
    let log = fixture.log();
    assert_eq!(read_all(&log, 0, 100, 900).len(), 100);
    assert_eq!(log.segment_count(), logs.len() - 1);
    for name in names(&dir) {
        for suffix in ["swap", "cleaned", "deleted"] {
            assert!(!name.ends_with(suffix), "{name}");
        }
    }
    assert!(!dir.join(&logs[1]).exists());
}

#[test]
fn preallocated_files_are_trimmed() {
    let mut fixture = Fixture::new(LogConfig {
        preallocate: true,
        ..small()
    });
    let log = fixture.log();
    for _ in 0..30 {
        append(&log, &Spec::default());
    }
    let lengths = |fixture: &Fixture| -> Vec<u64> {
        let dir = fixture.replica_dir();
        let logs = names(&dir).into_iter().filter(|n| n.ends_with(".log"));
        logs.map(|n| std::fs::metadata(dir.join(n)).unwrap().len())
            .collect()
    };
    assert_eq!(lengths(&fixture).last(), Some(&2000));
    let size = log.size();
    drop(log);
    fixture.crash();
    assert_eq!(fixture.log().log_end_offset(), 30);
    assert_eq!(lengths(&fixture).iter().sum::<u64>(), size);
    append(&fixture.log(), &Spec::default());
    fixture.restart();
    assert_eq!(fixture.log().log_end_offset(), 31);
}

#[test]
fn checkpoints_are_written_in_time_and_survive_a_crash() {
    let mut fixture = filled();
    let log = fixture.log();
    log.set_high_watermark(90);
    log.advance_log_start_offset(7).unwrap();
    log.flush_to(100).unwrap();
    let due = fixture.manager().housekeeping(NOW);
    assert_eq!(due, NOW + 5000, "high watermarks come first");
    assert!(!fixture.dir().join("replication-offset-checkpoint").exists());
    fixture.manager().housekeeping(due);
    fixture.manager().housekeeping(NOW + 31_000);
    let read = |name: &str| std::fs::read_to_string(fixture.dir().join(name)).unwrap();
    assert_eq!(read("replication-offset-checkpoint"), "0\n1\ntopic 0 90\n");
    assert_eq!(read("log-start-offset-checkpoint"), "0\n1\ntopic 0 7\n");
    assert_eq!(
        read("recovery-point-offset-checkpoint"),
        "0\n1\ntopic 0 100\n"
    );
    drop(log);
    fixture.crash();
    let log = fixture.log();
    assert_eq!(
        (
            log.log_start_offset(),
            log.high_watermark(),
            log.recovery_point(),
            log.log_end_offset()
        ),
        (7, 90, 100, 100)
    );
}

#[test]
fn a_failed_directory_leaves_the_others_in_service() {
    let root = tempdir();
    let paths = [root.path().join("a"), root.path().join("b")];
    let manager = load(&paths).unwrap();
    for i in 0..4 {
        let partition = TopicPartition::new("t", i);
        let log = manager
            .get_or_create(&partition, TopicId::ZERO, Arc::new(small()))
            .unwrap();
        append(&log, &Spec::default());
    }
    manager.shutdown(NOW).unwrap();
    drop(manager);
    // A segment that cannot be opened, not even by root.
    let dir = paths[0].join("t-0");
    let segment = dir.join("00000000000000000000.log");
    std::fs::remove_file(&segment).unwrap();
    std::fs::create_dir(&segment).unwrap();
    std::fs::remove_dir(&segment).unwrap();
    std::os::unix::fs::symlink(&segment, &segment).unwrap();
    let manager = load(&paths).unwrap();
    assert!(manager.has_offline_dir());
    let offline: Vec<bool> = manager
        .dir_status()
        .iter()
        .map(|d| d.offline.is_some())
        .collect();
    assert_eq!(offline, [true, false]);
    assert_eq!(manager.logs().len(), 2);
    let log = manager
        .get_or_create(
            &TopicPartition::new("new", 0),
            TopicId::ZERO,
            Arc::new(small()),
        )
        .unwrap();
    assert_eq!(log.parent_dir(), paths[1]);
}

/// A file shorter than its index says is no clean log: what comes next must not be written over
/// records that are there.
#[test]
fn a_short_log_behind_a_clean_stop_is_recovered() {
    for (cut_to, grow_by) in [(Some(1), 0), (Some(2), 0), (Some(3), 0), (None, 30)] {
        let mut fixture = filled();
        fixture.manager().shutdown(NOW).unwrap();
        fixture.manager = None;
        let mut logs: Vec<_> = names(&fixture.replica_dir())
            .into_iter()
            .filter(|name| name.ends_with(".log"))
            .collect();
        let last = fixture.replica_dir().join(logs.pop().unwrap());
        let base: i64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&last).unwrap();
        let size = file.metadata().unwrap().len();
        let one = batch_bytes(&Spec::default(), 0, 0).len() as u64;
        let end = match cut_to {
            Some(batches) => {
                // Of the batch behind those that stay, a part is left.
                file.set_len(one * batches + 10).unwrap();
                base + batches as i64
            }
            None => {
                file.set_len(size + grow_by).unwrap();
                100
            }
        };
        fixture.open();
        let log = fixture.log();
        assert_eq!(log.log_end_offset(), end, "{cut_to:?}");
        append(&log, &Spec::default());
        let found = read_all(&log, 0, end + 1, 5000);
        assert_eq!(found.len() as i64, end + 1, "{cut_to:?}");
    }
}
