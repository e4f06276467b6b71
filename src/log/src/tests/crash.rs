//! The disk stops, tears or fails at the n-th operation, for every n: whatever was acknowledged
//! must be there when the log is opened again.

use std::path::Path;
use std::sync::Arc;

use ottla_metadata::TopicId;

use super::support::*;
use crate::faults::{Faults, Mode};
use crate::io::Disk;
use crate::{Log, LogConfig, LogDirs, LogManager, LogManagerConfig};

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 1200,
        index_interval_bytes: 150,
        retention_ms: -1,
        ..LogConfig::default()
    })
}

fn load(disk: Disk) -> Result<LogManager, crate::LogError> {
    let dirs = LogDirs::lock_disks(vec![disk]).unwrap();
    let manager = LogManager::load(dirs, LogManagerConfig::default(), |_| config(), NOW)?;
    // Background work is done by the test, so that operations come in the same order every time.
    manager.stop_background();
    Ok(manager)
}

/// What the log has promised, and what it may hold beyond that.
#[derive(Debug, Default)]
struct Promised {
    /// Appended and acknowledged: offsets below this are there after a crash of the process.
    acknowledged: i64,
    /// Flushed: offsets below this are there even after a power cut.
    flushed: i64,
    /// The end at most: an append that failed may have reached the disk all the same.
    possible: i64,
    /// The log start at least and at most.
    start: (i64, i64),
}

/// A bit of everything, until the disk fails.
fn work(manager: &LogManager, promised: &mut Promised) -> Result<(), Box<dyn std::error::Error>> {
    let log = manager.get_or_create(&partition(), TopicId([7; 16]), config())?;
    let mut sequence = 0;
    for round in 0..6_i64 {
        for i in 0..7 {
            let spec = Spec {
                count: 2,
                timestamp: NOW + round * 100 + i,
                producer: Some((5, 0, sequence)),
                ..Spec::default()
            };
            promised.possible = promised.acknowledged + 2;
            log.append_as_leader(set(&spec), round as i32, NOW)?;
            promised.acknowledged += 2;
            sequence += 2;
        }
        match round {
            0 | 4 => {
                log.flush_to(promised.acknowledged)?;
                promised.flushed = promised.acknowledged;
            }
            1 => {
                log.run_background();
                log.set_high_watermark(promised.acknowledged);
                let start = promised.acknowledged - 10;
                promised.start.1 = start;
                log.advance_log_start_offset(start)?;
                log.apply_retention(NOW)?;
                if log.is_offline() {
                    return Err("offline".into());
                }
                manager.housekeeping(i64::MAX - 1);
                if log.is_offline() {
                    return Err("offline".into());
                }
                promised.start.0 = start;
                promised.flushed = promised.flushed.max(log.recovery_point());
            }
            3 => {
                let to = promised.acknowledged - 6;
                promised.acknowledged = to;
                promised.flushed = promised.flushed.min(to);
                log.truncate_to(to)?;
                promised.possible = to;
                sequence -= 6;
            }
            _ => {}
        }
    }
    manager.shutdown(NOW)?;
    promised.flushed = promised.acknowledged;
    Ok(())
}

/// Opens what is left, and compares.
fn check(dir: &Path, promised: &Promised, at_least: i64, context: &str) {
    check_with(dir, promised, at_least, context, whole);
}

fn check_with(
    dir: &Path,
    promised: &Promised,
    at_least: i64,
    context: &str,
    whole: impl Fn(&Log, i64, i64, &str),
) {
    let manager = load(Disk::new(dir.to_owned())).unwrap_or_else(|e| panic!("{context}: {e}"));
    let log = manager
        .get_or_create(&partition(), TopicId([7; 16]), config())
        .unwrap();
    let end = log.log_end_offset();
    let start = log.log_start_offset();
    let possible = promised.possible.max(promised.acknowledged + 6);
    assert!(end >= at_least, "{context}: end {end}, {promised:?}");
    assert!(end <= possible, "{context}: end {end}, {promised:?}");
    assert!(start <= promised.start.1, "{context}: start {start}");
    assert!(
        at_least == 0 || start >= promised.start.0,
        "{context}: start {start}, {promised:?}"
    );
    whole(&log, start, end, context);
    // Life goes on: the producer is known, and the log can be stopped and opened again.
    if let Some(producer) = log.active_producers().first() {
        let next = producer.last_sequence + 1;
        let spec = Spec {
            producer: Some((5, 0, next)),
            ..Spec::default()
        };
        append(&log, &spec);
    } else {
        append(&log, &Spec::default());
    }
    let end = log.log_end_offset();
    drop(log);
    manager.shutdown(NOW).unwrap();
    drop(manager);
    let manager = load(Disk::new(dir.to_owned())).unwrap();
    let log = manager.get(&partition()).unwrap();
    assert_eq!(log.log_end_offset(), end, "{context}");
    whole(&log, start, end, context);
    assert_eq!(log.recovery_point(), end, "{context}");
}

fn whole(log: &Log, start: i64, end: i64, context: &str) {
    let offsets: Vec<i64> = read_all(log, start, end, 500)
        .iter()
        .map(|record| record.offset)
        .collect();
    assert_eq!(offsets, (start..end).collect::<Vec<i64>>(), "{context}");
    let found = log.offset_for_timestamp(NOW, end).unwrap();
    assert_eq!(found.is_some(), start < end, "{context}");
}

/// Operations of an undisturbed run.
fn operations() -> u64 {
    let root = tempdir();
    let faults = Arc::new(Faults::new(u64::MAX, Mode::Stop));
    let disk = Disk::with_faults(root.path().join("logs"), Arc::clone(&faults));
    let mut promised = Promised::default();
    work(&load(disk).unwrap(), &mut promised).unwrap();
    check(
        &root.path().join("logs"),
        &promised,
        promised.acknowledged,
        "undisturbed",
    );
    faults.done()
}

fn every_operation(mode: Mode, after: impl Fn(&Path, &Faults, &Promised, &str)) {
    let all = operations();
    assert!(all > 100, "{all} operations are too few to show anything");
    let mut failed = 0;
    for at in 0..all {
        let root = tempdir();
        let dir = root.path().join("logs");
        let faults = Arc::new(Faults::new(at, mode));
        let mut promised = Promised::default();
        let disk = Disk::with_faults(dir.clone(), Arc::clone(&faults));
        let ended = match load(disk) {
            Ok(manager) => work(&manager, &mut promised),
            Err(e) => Err(e.into()),
        };
        failed += u64::from(ended.is_err());
        after(&dir, &faults, &promised, &format!("{mode:?} at {at}"));
    }
    assert!(failed > all / 2, "{failed} of {all}");
}

#[test]
fn killed_before_an_operation() {
    every_operation(Mode::Stop, |dir, _, promised, context| {
        check(dir, promised, promised.acknowledged, context);
    });
}

#[test]
fn killed_within_a_write() {
    for keep in [1, 60] {
        every_operation(Mode::Tear(keep), |dir, _, promised, context| {
            check(dir, promised, promised.acknowledged, context);
        });
    }
}

#[test]
fn one_operation_fails() {
    every_operation(Mode::FailOnce, |dir, _, promised, context| {
        check(dir, promised, promised.acknowledged, context);
    });
}

/// Of every file only what was synced is left.
#[test]
fn power_cut() {
    every_operation(Mode::Stop, |dir, faults, promised, context| {
        let synced = faults.synced_lengths();
        let replica = dir.join(partition().to_string());
        for entry in std::fs::read_dir(&replica).into_iter().flatten() {
            let path = entry.unwrap().path();
            let kept = synced.get(&path).copied().unwrap_or(0);
            let name = path.file_name().unwrap().to_str().unwrap();
            // Files that are replaced as a whole are synced under another name before.
            if !name.starts_with('0') || name.ends_with(".deleted") {
                continue;
            }
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            if file.metadata().unwrap().len() > kept {
                file.set_len(kept).unwrap();
            }
        }
        std::fs::write(dir.join(crate::boot::FILE_NAME), "another").unwrap();
        // Above what was flushed, and as long as no recovery point was stored, a power cut may leave
        // a later segment without the end of the one before, as in Kafka.
        let flushed = promised.flushed;
        check_with(
            dir,
            promised,
            flushed,
            context,
            |log, start, end, context| {
                let offsets: Vec<i64> = read_all(log, start, end, 500)
                    .iter()
                    .map(|record| record.offset)
                    .collect();
                let below: Vec<i64> = offsets.iter().copied().filter(|o| *o < flushed).collect();
                assert_eq!(below, (start..flushed).collect::<Vec<i64>>(), "{context}");
                assert!(offsets.is_sorted(), "{context}");
            },
        );
    });
}

/// When every append is flushed, the batches of a segment are on disk before it is left, and only
/// its indexes are to be synced. After a power cut nobody would look at them again.
#[test]
fn indexes_of_a_left_segment_reach_the_disk() {
    let root = tempdir();
    let faults = Arc::new(Faults::new(u64::MAX, Mode::Stop));
    let disk = Disk::with_faults(root.path().join("logs"), Arc::clone(&faults));
    let manager = load(disk).unwrap();
    let log = manager
        .get_or_create(&partition(), TopicId([7; 16]), config())
        .unwrap();
    while log.segment_count() < 2 {
        log.flush_to(log.log_end_offset()).unwrap();
        append(&log, &Spec::default());
    }
    // Whoever crashed now would recover the first segment.
    assert_eq!(log.recovery_point(), log.log_end_offset() - 1);
    assert_eq!(log.recovery_point_to_checkpoint(), 0);
    log.run_background();
    assert!(log.recovery_point_to_checkpoint() > 0);
    let synced = faults.synced_lengths();
    for kind in ["log", "index", "timeindex"] {
        let name = format!("topic-0/{:020}.{kind}", 0);
        let path = root.path().join("logs").join(name);
        let len = std::fs::metadata(&path).unwrap().len();
        assert!(len > 0, "{kind}");
        assert_eq!(synced.get(&path), Some(&len), "{kind}");
    }
}

/// If the mark of a clean stop came back after a power cut, what the cut tore would be trusted.
#[test]
fn the_mark_of_a_clean_stop_is_gone_for_good() {
    let root = tempdir();
    let dir = root.path().join("logs");
    load(Disk::new(dir.clone())).unwrap().shutdown(NOW).unwrap();
    // The removal is the first operation, making it durable the second.
    let faults = Arc::new(Faults::new(1, Mode::FailOnce));
    assert!(load(Disk::with_faults(dir, faults)).is_err());
}

/// A power cut takes the end of a segment and leaves the next one.
#[test]
fn what_follows_a_hole_is_dropped() {
    /// What became of the log: cut at the hole or not.
    fn check(compact: bool, stored: bool, rebooted: bool) -> bool {
        let mut fixture = Fixture::new(LogConfig {
            cleanup_policy: crate::CleanupPolicy {
                delete: !compact,
                compact,
            },
            ..(*config()).clone()
        });
        fixture.manager().stop_background();
        let log = fixture.log();
        append(&log, &Spec::default());
        log.flush_to(1).unwrap();
        if stored {
            fixture.manager().housekeeping(NOW + 60_000);
        }
        while log.segment_count() < 3 {
            append(&log, &Spec::default());
        }
        let end = log.log_end_offset();
        let first = fixture.replica_dir().join(format!("{:020}.log", 0));
        let file = std::fs::OpenOptions::new().write(true).open(first).unwrap();
        let batch = batch_bytes(&Spec::default(), 0, 0).len() as u64;
        file.set_len(batch * 4).unwrap();
        if rebooted {
            std::fs::write(fixture.dir().join(crate::boot::FILE_NAME), "another").unwrap();
        }
        drop(log);
        fixture.crash();
        let log = fixture.log();
        let found = log.log_end_offset();
        assert!(found == 4 || found == end, "{found}");
        append(&log, &Spec::default());
        found == 4
    }
    assert!(check(false, true, true));
    for (compact, stored, rebooted) in [
        (true, true, true),
        (false, false, true),
        (false, true, false),
    ] {
        assert!(
            !check(compact, stored, rebooted),
            "{compact} {stored} {rebooted}"
        );
    }
}
