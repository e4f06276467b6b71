//! What a log does when all is well.

use ottla_records::AppendSource;

use super::support::*;
use crate::{AppendError, CleanupPolicy, LogConfig, ReadError};

fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 4096,
        index_interval_bytes: 256,
        ..LogConfig::default()
    }
}

#[test]
fn append_read_restart() {
    let mut fixture = Fixture::new(small());
    let log = fixture.log();
    for i in 0..200 {
        let appended = append(
            &log,
            &Spec {
                count: 1 + i % 3,
                ..Spec::default()
            },
        );
        assert_eq!(appended.next_offset, log.log_end_offset());
        assert_eq!(appended.log_append_time, -1);
    }
    let end = log.log_end_offset();
    assert!(log.segment_count() > 3);
    for from in 0..end {
        let found = read_all(&log, from, end, 700);
        assert_eq!(found.len() as i64, end - from, "from {from}");
        assert_eq!(found[0].offset, from);
    }
    log.set_high_watermark(end - 5);
    drop(log);
    fixture.restart();
    let log = fixture.log();
    assert_eq!(log.log_end_offset(), end);
    assert_eq!(log.high_watermark(), end - 5);
    assert_eq!(log.topic_id(), Some(ottla_metadata::TopicId([7; 16])));
    assert_eq!(log.recovery_point(), end);
    assert_eq!(read_all(&log, 0, end, 100_000).len() as i64, end);
    let appended = append(&log, &Spec::default());
    assert_eq!(appended.first_offset, end);
    drop(log);
    fixture.crash();
    let log = fixture.log();
    assert_eq!(log.log_end_offset(), end + 1);
    assert_eq!(read_all(&log, 0, end + 1, 100_000).len() as i64, end + 1);
}

#[test]
fn the_upper_bound_is_kept() {
    let fixture = Fixture::new(small());
    let log = fixture.log();
    for _ in 0..100 {
        append(
            &log,
            &Spec {
                count: 2,
                ..Spec::default()
            },
        );
    }
    let end = log.log_end_offset();
    for from in [0, 7, 90, 180, 199] {
        for upper in (from..=end).step_by(3) {
            let found = read_all(&log, from, upper, 5000);
            // A bound inside a batch hides all of it.
            let visible = upper - upper % 2;
            let expected = (visible - from).max(0);
            assert_eq!(found.len() as i64, expected, "{from}..{upper}");
        }
    }
    assert!(matches!(
        log.read(end + 1, 1, end, true),
        Err(ReadError::OffsetOutOfRange { .. })
    ));
    assert!(log.read(end, 1, end, true).unwrap().is_none());
    let small = log.read(0, 10, end, false).unwrap().unwrap();
    assert_eq!(small.len, 10);
    assert!(small.first_entry_size > 10);
}

#[test]
fn idempotent_producers() {
    let mut fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    let spec = |epoch, sequence, count| Spec {
        count,
        producer: Some((9, epoch, sequence)),
        ..Spec::default()
    };
    // Whatever a producer of whom nothing is known begins with.
    assert_eq!(append(&log, &spec(0, 5, 2)).first_offset, 0);
    assert_eq!(append(&log, &spec(0, 7, 3)).first_offset, 2);
    for again in 0..2 {
        let appended = append(&log, &spec(0, 5, 2));
        assert!(appended.duplicate, "{again}");
        assert_eq!((appended.first_offset, appended.last_offset), (0, 1));
    }
    let refused = |epoch, sequence| {
        log.append_as_leader(set(&spec(epoch, sequence, 1)), 0, NOW)
            .unwrap_err()
    };
    assert!(matches!(
        refused(0, 11),
        AppendError::OutOfOrderSequence {
            last_sequence: 9,
            ..
        }
    ));
    assert!(matches!(
        refused(0, 5),
        AppendError::OutOfOrderSequence { .. }
    ));
    assert!(matches!(
        refused(1, 3),
        AppendError::OutOfOrderSequence { .. }
    ));
    assert_eq!(append(&log, &spec(1, 0, 1)).first_offset, 5);
    assert!(matches!(
        refused(0, 10),
        AppendError::InvalidProducerEpoch { current: 1, .. }
    ));
    assert_eq!(log.log_end_offset(), 6);
    drop(log);
    for clean in [true, false] {
        if clean {
            fixture.restart();
        } else {
            fixture.crash();
        }
        let log = fixture.log();
        assert!(append(&log, &spec(1, 0, 1)).duplicate, "clean {clean}");
        let producers = log.active_producers();
        assert_eq!(producers.len(), 1);
        assert_eq!((producers[0].epoch, producers[0].last_sequence), (1, 0));
    }
}

#[test]
fn sequences_wrap() {
    let fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    let spec = |sequence, count| Spec {
        count,
        producer: Some((1, 0, sequence)),
        ..Spec::default()
    };
    append(&log, &spec(i32::MAX - 2, 3));
    append(&log, &spec(0, 1));
    append(&log, &spec(1, 1));
    assert!(append(&log, &spec(i32::MAX - 2, 3)).duplicate);
    let fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    append(&log, &spec(i32::MAX - 1, 4));
    assert!(append(&log, &spec(i32::MAX - 1, 4)).duplicate);
    assert!(!append(&log, &spec(2, 1)).duplicate);
}

#[test]
fn transactions_hold_back_the_stable_offset() {
    use ottla_records::{BatchBuilder, ControlRecord, validate};
    let mut fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    let data = |sequence| Spec {
        producer: Some((3, 0, sequence)),
        transactional: true,
        ..Spec::default()
    };
    let marker = |log: &crate::Log, marker| {
        let bytes = BatchBuilder::end_transaction(0, NOW, 3, 0, marker);
        let set = validate(bytes.into(), &rules(AppendSource::Coordinator)).unwrap();
        log.append_as_leader(set, 0, NOW)
    };
    append(&log, &Spec::default());
    append(&log, &data(0));
    log.set_high_watermark(2);
    assert_eq!(log.last_stable_offset(), 1);
    let outside = Spec {
        transactional: false,
        ..data(1)
    };
    assert!(matches!(
        log.append_as_leader(set(&outside), 0, NOW),
        Err(AppendError::InvalidTxnState(3))
    ));
    drop(log);
    fixture.restart();
    let log = fixture.log();
    assert_eq!(
        log.last_stable_offset(),
        1,
        "an open transaction survives a restart"
    );
    marker(
        &log,
        ControlRecord::Abort {
            coordinator_epoch: 4,
        },
    )
    .unwrap();
    assert_eq!(log.last_stable_offset(), 1, "the marker is not replicated");
    log.set_high_watermark(3);
    assert_eq!(log.last_stable_offset(), 3);
    let aborted = log.aborted_transactions(0, 3).unwrap();
    assert_eq!(aborted.len(), 1);
    assert_eq!((aborted[0].producer_id, aborted[0].first_offset), (3, 1));
    assert!(matches!(
        marker(
            &log,
            ControlRecord::Commit {
                coordinator_epoch: 3
            }
        ),
        Err(AppendError::TransactionCoordinatorFenced { current: 4, .. })
    ));
    drop(log);
    fixture.crash();
    let log = fixture.log();
    assert_eq!(log.aborted_transactions(0, 3).unwrap(), aborted);
    assert_eq!(log.aborted_transactions(3, 3).unwrap(), []);
}

#[test]
fn followers_keep_offsets_and_epochs() {
    let fixture = Fixture::new(small());
    let log = fixture.log();
    let mut bytes = Vec::new();
    for (base, epoch) in [(0, 1), (3, 1), (10, 4)] {
        bytes.extend_from_slice(&batch_bytes(
            &Spec {
                count: 3,
                ..Spec::default()
            },
            base,
            epoch,
        ));
    }
    let whole = bytes.len();
    bytes.extend_from_slice(&batch_bytes(&Spec::default(), 13, 4)[..40]);
    let appended = log.append_as_follower(bytes.clone().into(), NOW).unwrap();
    assert_eq!(appended.unwrap().next_offset, 13);
    assert_eq!(log.size(), whole as u64);
    assert_eq!(log.latest_epoch(), Some(4));
    assert_eq!(log.epoch_end_offset(1), (1, 10));
    assert_eq!(log.epoch_end_offset(4), (4, 13));
    assert!(matches!(
        log.append_as_follower(bytes.into(), NOW),
        Err(AppendError::UnexpectedOffset { first: 0, end: 13 })
    ));
    let mut damaged = batch_bytes(&Spec::default(), 13, 4).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(
        log.append_as_follower(damaged.into(), NOW),
        Err(AppendError::Corrupt(_))
    ));
    assert_eq!(
        log.append_as_follower(bytes::Bytes::new(), NOW).unwrap(),
        None
    );
    let offsets: Vec<i64> = read_all(&log, 0, 13, 9999)
        .iter()
        .map(|r| r.offset)
        .collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4, 5, 10, 11, 12]);
    // From inside the gap on.
    assert_eq!(read_all(&log, 7, 13, 9999)[0].offset, 10);
}

#[test]
fn retention_by_size_time_and_log_start() {
    let fixture = Fixture::new(LogConfig {
        retention_bytes: 10_000,
        ..small()
    });
    let log = fixture.log();
    for i in 0..400 {
        append(
            &log,
            &Spec {
                timestamp: NOW + i,
                ..Spec::default()
            },
        );
    }
    let segments = log.segment_count();
    assert_eq!(
        log.apply_retention(NOW).unwrap(),
        0,
        "nothing is replicated"
    );
    log.set_high_watermark(log.log_end_offset());
    assert!(log.apply_retention(NOW).unwrap() > 0);
    assert!(log.size() >= 10_000 && log.size() < 10_000 + 4096);
    let start = log.log_start_offset();
    assert!(start > 0);
    assert!(matches!(
        log.read(start - 1, 1, 400, true),
        Err(ReadError::OffsetOutOfRange { .. })
    ));
    assert_eq!(read_all(&log, start, 400, 9999).len() as i64, 400 - start);
    assert!(log.segment_count() < segments);

    // DeleteRecords.
    assert_eq!(log.advance_log_start_offset(401).unwrap(), None);
    assert_eq!(log.advance_log_start_offset(start).unwrap(), Some(false));
    assert_eq!(log.advance_log_start_offset(390).unwrap(), Some(true));
    log.apply_retention(NOW).unwrap();
    assert_eq!(log.segment_count(), 1);
    assert_eq!(log.log_start_offset(), 390);

    // Time: everything goes, and an empty segment takes its place.
    fixture.manager().update_config(
        "topic",
        &std::sync::Arc::new(LogConfig {
            retention_ms: 1000,
            ..small()
        }),
    );
    assert_eq!(log.apply_retention(NOW + 1000).unwrap(), 0);
    assert_eq!(log.apply_retention(NOW + 5000).unwrap(), 1);
    assert_eq!(
        (log.log_start_offset(), log.size(), log.segment_count()),
        (400, 0, 1)
    );
    assert_eq!(append(&log, &Spec::default()).first_offset, 400);

    // The files go when their time has come.
    let files = |suffix: &str| {
        std::fs::read_dir(fixture.replica_dir())
            .unwrap()
            .filter(|e| {
                e.as_ref()
                    .unwrap()
                    .file_name()
                    .to_str()
                    .unwrap()
                    .ends_with(suffix)
            })
            .count()
    };
    assert!(files(".deleted") > 0);
    fixture.manager().housekeeping(i64::MAX);
    assert_eq!(files(".deleted"), 0);
    assert_eq!(files(".log"), 1);
}

#[test]
fn compacted_topics_are_not_deleted() {
    let fixture = Fixture::new(LogConfig {
        retention_bytes: 0,
        retention_ms: 0,
        cleanup_policy: CleanupPolicy {
            delete: false,
            compact: true,
        },
        ..small()
    });
    let log = fixture.log();
    for _ in 0..400 {
        append(&log, &Spec::default());
    }
    log.set_high_watermark(400);
    assert_eq!(log.apply_retention(NOW * 2).unwrap(), 0);
    log.advance_log_start_offset(200).unwrap();
    assert!(log.apply_retention(NOW * 2).unwrap() > 0);
    assert_eq!(log.log_start_offset(), 200);
}

#[test]
fn segments_roll_by_time_of_records() {
    let fixture = Fixture::new(LogConfig {
        segment_ms: 1000,
        ..LogConfig::default()
    });
    let log = fixture.log();
    for timestamp in [0, 500, 1000, 1001, 1500] {
        append(
            &log,
            &Spec {
                timestamp: NOW + timestamp,
                ..Spec::default()
            },
        );
    }
    assert_eq!(log.segment_count(), 2);
    assert_eq!(log.legacy_offsets_before(-1, 10, NOW).unwrap(), [5, 3, 0]);
    assert_eq!(log.legacy_offsets_before(-1, 2, NOW).unwrap(), [5, 3]);
    assert_eq!(log.legacy_offsets_before(-2, 10, NOW).unwrap(), [0]);
    assert_eq!(log.legacy_offsets_before(0, 10, NOW).unwrap(), []);
}

#[test]
fn offsets_by_timestamp() {
    let mut fixture = Fixture::new(small());
    let log = fixture.log();
    for i in 0..300 {
        append(
            &log,
            &Spec {
                count: 2,
                timestamp: NOW + i * 10,
                ..Spec::default()
            },
        );
    }
    drop(log);
    for round in 0..3 {
        match round {
            1 => fixture.restart(),
            2 => fixture.crash(),
            _ => {}
        }
        let log = fixture.log();
        for (timestamp, offset) in [(-5, 0), (0, 0), (1, 1), (2, 2), (1500, 300), (2991, 599)] {
            let found = log
                .offset_for_timestamp(NOW + timestamp, 600)
                .unwrap()
                .unwrap();
            assert_eq!(found.offset, offset, "{timestamp} in round {round}");
            assert!(found.timestamp >= NOW + timestamp);
            assert_eq!(found.leader_epoch, Some(0));
        }
        assert_eq!(log.offset_for_timestamp(NOW + 2992, 600).unwrap(), None);
        assert_eq!(log.offset_for_timestamp(NOW + 1500, 300).unwrap(), None);
        let max = log.offset_of_max_timestamp().unwrap().unwrap();
        assert_eq!((max.offset, max.timestamp), (599, NOW + 2991));
    }
}

#[test]
fn truncation() {
    let mut fixture = Fixture::new(small());
    let log = fixture.log();
    for i in 0..300 {
        let set = set(&Spec {
            producer: Some((1, 0, i * 2)),
            count: 2,
            ..Spec::default()
        });
        log.append_as_leader(set, i / 100, NOW).unwrap();
    }
    log.set_high_watermark(600);
    log.truncate_to(700).unwrap();
    assert_eq!(log.log_end_offset(), 600);
    log.truncate_to(450).unwrap();
    assert_eq!(log.log_end_offset(), 450);
    assert_eq!(log.high_watermark(), 450);
    assert_eq!(log.epoch_end_offset(1), (1, 400));
    assert_eq!(log.epoch_end_offset(2), (2, 450));
    assert_eq!(read_all(&log, 0, 450, 9999).len(), 450);
    log.truncate_to(390).unwrap();
    assert_eq!(log.latest_epoch(), Some(1));
    assert_eq!(log.active_producers()[0].last_sequence, 389);
    // In the middle of a batch: it goes, and the log goes on at the offset asked for.
    log.truncate_to(301).unwrap();
    assert_eq!(log.log_end_offset(), 301);
    assert_eq!(read_all(&log, 0, 301, 9999).len(), 300);
    assert_eq!(append(&log, &Spec::default()).first_offset, 301);
    drop(log);
    fixture.crash();
    let log = fixture.log();
    assert_eq!(log.log_end_offset(), 302);
    log.truncate_fully_and_start_at(1000).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (1000, 1000));
    assert_eq!((log.high_watermark(), log.latest_epoch()), (1000, None));
    assert_eq!(append(&log, &Spec::default()).first_offset, 1000);
    drop(log);
    fixture.restart();
    let log = fixture.log();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (1000, 1001));
}

#[test]
fn flushes_are_asked_for_and_shared() {
    let fixture = Fixture::new(LogConfig {
        flush_messages: 1,
        ..small()
    });
    let log = fixture.log();
    let appended = append(&log, &Spec::default());
    assert_eq!(appended.needs_flush_to, Some(1));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let appended = append(&log, &Spec::default());
                    // `None`: somebody else's flush has covered it already.
                    if let Some(upto) = appended.needs_flush_to {
                        log.flush_to(upto).unwrap();
                    }
                    assert!(log.recovery_point() >= appended.next_offset);
                }
            });
        }
    });
    assert_eq!(log.recovery_point(), 401);
}

#[test]
fn a_duplicate_waits_for_the_flush_of_the_first_copy() {
    let fixture = Fixture::new(LogConfig {
        flush_messages: 1,
        ..small()
    });
    let log = fixture.log();
    let spec = Spec {
        producer: Some((9, 0, 0)),
        ..Spec::default()
    };
    append(&log, &spec);
    let again = append(&log, &spec);
    assert_eq!((again.duplicate, again.needs_flush_to), (true, Some(1)));
    log.flush_to(1).unwrap();
    let again = append(&log, &spec);
    assert_eq!((again.duplicate, again.needs_flush_to), (true, None));
}

#[test]
fn deletion_is_asynchronous_and_a_namesake_starts_anew() {
    let mut fixture = Fixture::new(small());
    let log = fixture.log();
    for _ in 0..100 {
        append(&log, &Spec::default());
    }
    log.set_high_watermark(100);
    log.advance_log_start_offset(50).unwrap();
    fixture.manager().housekeeping(i64::MAX - 1);
    assert!(fixture.manager().schedule_delete(&partition()).unwrap());
    assert!(!fixture.manager().schedule_delete(&partition()).unwrap());
    assert!(matches!(
        log.append_as_leader(set(&Spec::default()), 0, NOW),
        Err(AppendError::Storage(crate::StorageError::Closed(_)))
    ));
    // Whoever still holds the log cannot harm the directory.
    let _ = log.read(60, 100, 100, true);
    assert!(log.flush_to(100).is_err() || log.recovery_point() == 100);
    assert!(!fixture.manager().has_offline_dir());
    let log = fixture.log();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (0, 0));
    append(&log, &Spec::default());
    drop(log);
    fixture.crash();
    assert_eq!(
        fixture.log().log_end_offset(),
        1,
        "the old log start is forgotten"
    );
    let left = |fixture: &Fixture| {
        std::fs::read_dir(fixture.dir())
            .unwrap()
            .filter(|e| {
                e.as_ref()
                    .unwrap()
                    .file_name()
                    .to_str()
                    .unwrap()
                    .ends_with("-delete")
            })
            .count()
    };
    assert_eq!(left(&fixture), 1);
    fixture.manager().housekeeping(i64::MAX);
    assert_eq!(left(&fixture), 0);
}

#[test]
fn a_damaged_end_is_cut_even_after_a_clean_stop() {
    // So many bytes of the segment are left, or, with `None`, there is garbage behind its end.
    fn check(cut: Option<u64>) {
        let mut fixture = Fixture::new(LogConfig {
            index_interval_bytes: 100,
            ..LogConfig::default()
        });
        let log = fixture.log();
        for _ in 0..20 {
            append(&log, &Spec::default());
        }
        drop(log);
        fixture.manager().shutdown(NOW).unwrap();
        fixture.manager = None;
        let path = fixture.replica_dir().join("00000000000000000000.log");
        let file = std::fs::File::options().append(true).open(path).unwrap();
        match cut {
            Some(left) => file.set_len(left).unwrap(),
            None => std::io::Write::write_all(&mut &file, &[0; 5]).unwrap(),
        }
        fixture.open();
        let log = fixture.log();
        let found = read_all(&log, 0, log.log_end_offset(), 1000).len() as i64;
        assert_eq!(found, log.log_end_offset(), "{cut:?}");
        assert_eq!(found == 20, cut.is_none(), "{cut:?}");
        // What is appended now is found again.
        let appended = append(&log, &Spec::default());
        drop(log);
        fixture.restart();
        assert_eq!(fixture.log().log_end_offset(), appended.next_offset);
        let log = fixture.log();
        assert_eq!(read_all(&log, 0, found + 1, 1000).len() as i64, found + 1);
    }
    check(None);
    // A batch has 88 bytes or so: the index leads behind the end, or the last batch is torn.
    check(Some(300));
    check(Some(1500));
}
