//! Bad histories, each with the one fault that has to be found in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_records::{BatchBuilder, BatchOptions, verify as intact};

use super::*;

fn id(number: u64) -> RecordId {
    RecordId { writer: 1, number }
}

fn sent(number: u64) -> Event {
    Event::Sent {
        record: id(number),
        partition: 0,
        guarantee: Guarantee::Once,
    }
}

fn sent_at_least_once(number: u64) -> Event {
    Event::Sent {
        record: id(number),
        partition: 0,
        guarantee: Guarantee::AtLeastOnce,
    }
}

fn answered(number: u64, answer: Answer) -> Event {
    Event::Answered {
        record: id(number),
        partition: 0,
        answer,
    }
}

fn acked(number: u64, offset: i64) -> Event {
    answered(number, Answer::Acked(Some(offset)))
}

fn read(offset: i64, number: u64) -> Event {
    Event::Read {
        reader: 7,
        partition: 0,
        offset,
        record: id(number),
    }
}

fn watermark(leader: i32, epoch: i32, value: i64) -> Event {
    Event::Watermark(Watermark {
        reader: 7,
        partition: 0,
        leader,
        epoch,
        value,
    })
}

/// Verifies a history of one partition; one event a second, and at the end records from offset 0.
#[track_caller]
fn check(events: &[Event], last: &[u64], expected: &[Violation]) {
    let events: Vec<_> = (0..)
        .zip(events)
        .map(|(second, event)| (Duration::from_secs(second), event.clone()))
        .collect();
    let log = FinalLog {
        high_watermark: last.len() as i64,
        records: (0..).zip(last.iter().copied().map(id)).collect(),
    };
    let found = verify(&events, &BTreeMap::from([(0, log)]));
    assert_eq!(found, expected.iter().cloned().collect::<BTreeSet<_>>());
}

#[test]
fn a_good_history_has_no_violation() {
    check(&[], &[], &[]);
    check(
        &[
            sent(0),
            sent(1),
            watermark(1, 0, 0),
            acked(0, 0),
            acked(1, 1),
            watermark(1, 0, 2),
            read(0, 0),
            read(1, 1),
            sent(2),
            // Another leader that has not heard of the watermark yet.
            watermark(2, 1, 1),
            watermark(2, 1, 3),
            answered(2, Answer::Failed("timed out".to_owned())),
            sent(3),
            answered(3, Answer::Acked(None)),
        ],
        &[0, 1, 2, 3],
        &[],
    );
    // What failed may be there or not, and where it likes.
    let failed = answered(0, Answer::Failed(String::new()));
    check(&[sent(0), failed.clone()], &[], &[]);
    check(&[sent(0), failed, sent(1), acked(1, 0)], &[1, 0], &[]);
}

#[test]
fn an_acknowledged_record_that_is_gone_is_found() {
    let lost = |offset| Violation::Lost {
        record: id(0),
        partition: 0,
        offset,
    };
    check(&[sent(0), acked(0, 0)], &[], &[lost(Some(0))]);
    check(
        &[sent(0), answered(0, Answer::Acked(None))],
        &[],
        &[lost(None)],
    );
    // Another record took its offset.
    check(
        &[sent(0), sent(1), acked(0, 0)],
        &[1],
        &[
            lost(Some(0)),
            Violation::OffsetReused {
                partition: 0,
                offset: 0,
                one: id(1),
                other: id(0),
            },
        ],
    );
}

#[test]
fn an_acknowledgement_with_another_offset_is_found() {
    let moved = Violation::Moved {
        record: id(0),
        partition: 0,
        acked: 5,
        found: 0,
    };
    check(&[sent(0), acked(0, 5)], &[0], &[moved]);
}

#[test]
fn duplicates_are_found_where_they_are_forbidden() {
    let duplicate = Violation::Duplicate {
        record: id(0),
        partition: 0,
        offsets: vec![0, 1],
    };
    check(&[sent(0), acked(0, 0)], &[0, 0], &[duplicate]);
    check(&[sent_at_least_once(0), acked(0, 1)], &[0, 0], &[]);
}

#[test]
fn records_that_nobody_sent_are_found() {
    let invented = Violation::Invented {
        record: id(9),
        partition: 0,
        offset: 1,
    };
    check(&[sent(0)], &[0, 9], &[invented]);
}

#[test]
fn disorder_of_one_producer_is_found() {
    let disorder = Violation::OutOfOrder {
        partition: 0,
        first: id(1),
        then: id(0),
    };
    check(
        &[sent(0), sent(1), acked(1, 0), acked(0, 1)],
        &[1, 0],
        &[disorder],
    );
    check(
        &[
            sent_at_least_once(0),
            sent_at_least_once(1),
            acked(1, 0),
            acked(0, 1),
        ],
        &[1, 0],
        &[],
    );
}

#[test]
fn a_record_that_overtakes_an_acknowledged_one_is_found() {
    let overtaken = Violation::OvertakenInTime {
        partition: 0,
        acked: id(0),
        overtaker: id(1),
    };
    check(
        &[
            sent_at_least_once(0),
            acked(0, 1),
            sent_at_least_once(1),
            acked(1, 0),
        ],
        &[1, 0],
        &[overtaken],
    );
    // The place that counts is the acknowledged one.
    check(
        &[sent_at_least_once(0), acked(0, 0), sent_at_least_once(1)],
        &[0, 1, 0],
        &[],
    );
}

#[test]
fn an_offset_with_two_records_is_found() {
    let reused = Violation::OffsetReused {
        partition: 0,
        offset: 0,
        one: id(1),
        other: id(0),
    };
    check(
        &[sent(0), sent(1), read(0, 0)],
        &[1],
        std::slice::from_ref(&reused),
    );
}

#[test]
fn a_gap_and_a_position_out_of_range_are_found() {
    let gap = Violation::Gap {
        reader: 7,
        partition: 0,
        after: 0,
        came: 2,
    };
    check(
        &[sent(0), sent(1), sent(2), read(0, 0), read(2, 2)],
        &[0, 1, 2],
        &[gap],
    );
    let event = Event::OutOfRange {
        reader: 7,
        partition: 0,
        position: 3,
    };
    let violation = Violation::OutOfRange {
        reader: 7,
        partition: 0,
        position: 3,
    };
    check(&[event], &[], &[violation]);
    let event = Event::Unreadable {
        reader: 7,
        partition: 0,
        position: 3,
        reason: "checksum".to_owned(),
    };
    let violation = Violation::Unreadable {
        reader: 7,
        partition: 0,
        position: 3,
        reason: "checksum".to_owned(),
    };
    check(&[event], &[], &[violation]);
}

#[test]
fn watermarks_that_fall_are_found() {
    let fell = Violation::WatermarkFell {
        partition: 0,
        leader: 1,
        epoch: 3,
        from: 1,
        to: 0,
    };
    check(
        &[sent(0), watermark(1, 3, 1), watermark(1, 3, 0)],
        &[0],
        &[fell],
    );
    let restarted = Event::Restarted { broker: 1 };
    check(
        &[sent(0), watermark(1, 3, 1), restarted, watermark(1, 3, 0)],
        &[0],
        &[],
    );
    let lost = Violation::WatermarkLost {
        partition: 0,
        seen: 2,
        last: 1,
    };
    check(&[sent(0), watermark(1, 3, 2)], &[0], &[lost]);
    let two = Violation::TwoLeaders {
        partition: 0,
        epoch: 3,
        one: 1,
        other: 2,
    };
    check(
        &[sent(0), watermark(1, 3, 0), watermark(2, 3, 1)],
        &[0],
        &[two],
    );
}

/// A log of batches, each with its leader epoch and values.
fn log(written: &[(i32, &[&str])]) -> ReplicaLog {
    let mut log = ReplicaLog::default();
    for (epoch, values) in written {
        let options = BatchOptions {
            base_offset: log.end,
            leader_epoch: *epoch,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options).unwrap();
        for value in *values {
            builder
                .append(1, None, Some(value.as_bytes()), &[])
                .unwrap();
        }
        let bytes = builder.build().unwrap();
        log.push(&intact(&bytes).unwrap(), &bytes);
    }
    log
}

#[track_caller]
fn check_logs(high_watermark: i64, logs: &[ReplicaLog], expected: &[(i32, Option<i64>)]) {
    let logs = (1..).zip(logs.iter().cloned()).collect();
    let found: Vec<(i32, Option<i64>)> = compare_replicas(0, high_watermark, &logs)
        .into_iter()
        .map(|violation| match violation {
            Violation::ReplicasDiffer { other, offset, .. } => (other, Some(offset)),
            Violation::ReplicaShort { broker, .. } => (broker, None),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn replicas_that_differ_below_the_watermark_are_found() {
    let good = log(&[(0, &["a"]), (0, &["b", "c"]), (1, &["d"])]);
    let same = [good.clone(), good.clone()];
    check_logs(4, &same, &[]);
    let other_epoch = log(&[(0, &["a"]), (0, &["b", "c"]), (2, &["d"])]);
    check_logs(4, &[good.clone(), other_epoch.clone()], &[(1, Some(3))]);
    // Above the watermark they may.
    check_logs(3, &[good.clone(), other_epoch], &[]);
    let other_batches = log(&[(0, &["a"]), (0, &["b"]), (0, &["c"]), (1, &["d"])]);
    check_logs(4, &[good.clone(), other_batches], &[(1, Some(1))]);
    let short = log(&[(0, &["a"])]);
    check_logs(4, &[good.clone(), short.clone()], &[(2, None)]);
    check_logs(1, &[good, short], &[]);
}
