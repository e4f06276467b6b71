//! The proof over what clients saw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::{Answer, Event, FinalLog, Guarantee, RecordId, Violation};

/// A record's way, as its writer saw it.
#[derive(Clone, Copy, Debug)]
struct Way {
    sent: Duration,
    guarantee: Guarantee,
    acked: Option<Duration>,
    offset: Option<i64>,
}

type Ways = BTreeMap<(i32, RecordId), Way>;

/// Compares what was seen with the partitions at the end. Empty means that all promises were kept.
///
/// `last` has every partition of the topic, read to its high watermark after all faults were mended.
pub fn verify(events: &[(Duration, Event)], last: &BTreeMap<i32, FinalLog>) -> BTreeSet<Violation> {
    let ways = ways(events);
    let mut found = BTreeSet::new();
    for (partition, log) in last {
        check_records(*partition, log, &ways, &mut found);
        check_order(*partition, log, &ways, &mut found);
        check_time(*partition, log, &ways, &mut found);
    }
    check_acknowledgements(&ways, last, &mut found);
    check_offsets(events, last, &mut found);
    check_readers(events, &mut found);
    check_watermarks(events, last, &mut found);
    found
}

fn ways(events: &[(Duration, Event)]) -> Ways {
    let mut ways = Ways::new();
    for (at, event) in events {
        match event {
            Event::Sent {
                record,
                partition,
                guarantee,
            } => {
                ways.entry((*partition, *record)).or_insert(Way {
                    sent: *at,
                    guarantee: *guarantee,
                    acked: None,
                    offset: None,
                });
            }
            Event::Answered {
                record,
                partition,
                answer: Answer::Acked(offset),
            } => {
                if let Some(way) = ways.get_mut(&(*partition, *record)) {
                    way.acked = Some(*at);
                    way.offset = *offset;
                }
            }
            _ => {}
        }
    }
    ways
}

/// Nothing twice that may stand there once, nothing that nobody sent.
fn check_records(partition: i32, log: &FinalLog, ways: &Ways, found: &mut BTreeSet<Violation>) {
    let mut offsets: BTreeMap<RecordId, Vec<i64>> = BTreeMap::new();
    for (offset, record) in &log.records {
        offsets.entry(*record).or_default().push(*offset);
    }
    for (record, offsets) in offsets {
        let Some(way) = ways.get(&(partition, record)) else {
            found.insert(Violation::Invented {
                record,
                partition,
                offset: offsets.first().copied().unwrap_or(-1),
            });
            continue;
        };
        if way.guarantee == Guarantee::Once && offsets.len() > 1 {
            found.insert(Violation::Duplicate {
                record,
                partition,
                offsets,
            });
        }
    }
}

/// All that was acknowledged is there, where the acknowledgement said.
fn check_acknowledgements(
    ways: &Ways,
    last: &BTreeMap<i32, FinalLog>,
    found: &mut BTreeSet<Violation>,
) {
    let mut standing: BTreeMap<(i32, RecordId), Vec<i64>> = BTreeMap::new();
    for (partition, log) in last {
        for (offset, record) in &log.records {
            let offsets = standing.entry((*partition, *record)).or_default();
            offsets.push(*offset);
        }
    }
    let acked = ways.iter().filter(|(_, way)| way.acked.is_some());
    for ((partition, record), way) in acked {
        let offsets = standing.get(&(*partition, *record));
        match (offsets.and_then(|o| o.first()), way.offset) {
            (None, offset) => {
                found.insert(Violation::Lost {
                    record: *record,
                    partition: *partition,
                    offset,
                });
            }
            (Some(first), Some(acked)) if offsets.is_some_and(|o| !o.contains(&acked)) => {
                found.insert(Violation::Moved {
                    record: *record,
                    partition: *partition,
                    acked,
                    found: *first,
                });
            }
            _ => {}
        }
    }
}

/// Acknowledged records of an idempotent writer stand in the order of their numbers. One that
/// failed may have been stored late, by an attempt that was given up.
fn check_order(partition: i32, log: &FinalLog, ways: &Ways, found: &mut BTreeSet<Violation>) {
    let mut newest: BTreeMap<u16, RecordId> = BTreeMap::new();
    for (_, record) in &log.records {
        let way = ways.get(&(partition, *record));
        if !way.is_some_and(|w| w.guarantee == Guarantee::Once && w.acked.is_some()) {
            continue;
        }
        match newest.get(&record.writer) {
            Some(first) if first.number > record.number => {
                found.insert(Violation::OutOfOrder {
                    partition,
                    first: *first,
                    then: *record,
                });
            }
            _ => drop(newest.insert(record.writer, *record)),
        }
    }
}

/// What was sent after an acknowledgement stands after what was acknowledged, whoever sent it.
fn check_time(partition: i32, log: &FinalLog, ways: &Ways, found: &mut BTreeSet<Violation>) {
    let mut first_acked: Option<(Duration, RecordId)> = None;
    for (offset, record) in log.records.iter().rev() {
        let Some(way) = ways.get(&(partition, *record)) else {
            continue;
        };
        if let Some((at, acked)) = first_acked
            && way.sent > at
        {
            found.insert(Violation::OvertakenInTime {
                partition,
                acked,
                overtaker: *record,
            });
        }
        // Of a record that stands there twice only the place that was acknowledged counts.
        let here = way.offset.is_none_or(|acked| acked == *offset)
            && (way.offset.is_some() || way.guarantee == Guarantee::Once);
        if let Some(at) = way.acked.filter(|_| here)
            && first_acked.is_none_or(|(first, _)| at < first)
        {
            first_acked = Some((at, *record));
        }
    }
}

/// One offset, one record, for all times and all readers.
fn check_offsets(
    events: &[(Duration, Event)],
    last: &BTreeMap<i32, FinalLog>,
    found: &mut BTreeSet<Violation>,
) {
    let mut holders: BTreeMap<(i32, i64), RecordId> = BTreeMap::new();
    let mut claim = |partition: i32, offset: i64, record: RecordId| {
        let holder = *holders.entry((partition, offset)).or_insert(record);
        if holder != record {
            found.insert(Violation::OffsetReused {
                partition,
                offset,
                one: holder,
                other: record,
            });
        }
    };
    for (partition, log) in last {
        for (offset, record) in &log.records {
            claim(*partition, *offset, *record);
        }
    }
    for (_, event) in events {
        match event {
            Event::Read {
                partition,
                offset,
                record,
                ..
            }
            | Event::Answered {
                partition,
                record,
                answer: Answer::Acked(Some(offset)),
            } => claim(*partition, *offset, *record),
            _ => {}
        }
    }
}

/// Consumers are handed one offset after the other.
fn check_readers(events: &[(Duration, Event)], found: &mut BTreeSet<Violation>) {
    let mut reached: BTreeMap<(u16, i32), i64> = BTreeMap::new();
    for (_, event) in events {
        match event {
            Event::Read {
                reader,
                partition,
                offset,
                ..
            } => {
                let before = reached.insert((*reader, *partition), *offset);
                if let Some(after) = before.filter(|before| before + 1 != *offset) {
                    found.insert(Violation::Gap {
                        reader: *reader,
                        partition: *partition,
                        after,
                        came: *offset,
                    });
                }
            }
            Event::OutOfRange {
                reader,
                partition,
                position,
            } => {
                found.insert(Violation::OutOfRange {
                    reader: *reader,
                    partition: *partition,
                    position: *position,
                });
            }
            Event::Unreadable {
                reader,
                partition,
                position,
                reason,
            } => {
                found.insert(Violation::Unreadable {
                    reader: *reader,
                    partition: *partition,
                    position: *position,
                    reason: reason.clone(),
                });
            }
            _ => {}
        }
    }
}

/// Within an epoch there is one leader whose watermark does not fall. A new leader may begin with an
/// older one, and so may one that was restarted before anyone took its place: it knows the one of
/// its checkpoint. But in the end none that was seen is undercut.
fn check_watermarks(
    events: &[(Duration, Event)],
    last: &BTreeMap<i32, FinalLog>,
    found: &mut BTreeSet<Violation>,
) {
    let mut of_reader: BTreeMap<(u16, i32, i32), i64> = BTreeMap::new();
    let mut leaders: BTreeMap<(i32, i32), i32> = BTreeMap::new();
    let mut highest: BTreeMap<i32, i64> = BTreeMap::new();
    for (_, event) in events {
        let seen = match event {
            Event::Watermark(seen) => seen,
            Event::Restarted { broker } => {
                of_reader.retain(|(_, partition, epoch), _| {
                    leaders.get(&(*partition, *epoch)) != Some(broker)
                });
                continue;
            }
            _ => continue,
        };
        let leader = *leaders
            .entry((seen.partition, seen.epoch))
            .or_insert(seen.leader);
        if leader != seen.leader {
            found.insert(Violation::TwoLeaders {
                partition: seen.partition,
                epoch: seen.epoch,
                one: leader,
                other: seen.leader,
            });
        }
        let before = of_reader.insert((seen.reader, seen.partition, seen.epoch), seen.value);
        if let Some(from) = before.filter(|from| *from > seen.value) {
            found.insert(Violation::WatermarkFell {
                partition: seen.partition,
                leader: seen.leader,
                epoch: seen.epoch,
                from,
                to: seen.value,
            });
        }
        let top = highest.entry(seen.partition).or_insert(seen.value);
        *top = seen.value.max(*top);
    }
    for (partition, seen) in highest {
        let end = last.get(&partition).map_or(0, |log| log.high_watermark);
        if end < seen {
            found.insert(Violation::WatermarkLost {
                partition,
                seen,
                last: end,
            });
        }
    }
}

/// Figures of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records sent.
    pub sent: usize,
    /// Acknowledged ones.
    pub acked: usize,
    /// Those that failed.
    pub failed: usize,
    /// Records handed to consumers.
    pub read: usize,
    /// The longest time without any acknowledgement.
    pub longest_silence: Duration,
    /// Leader epochs seen, over all partitions.
    pub epochs: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sent, {} acknowledged, {} failed, {} read, {} leaderships, longest silence {:.1} s",
            self.sent,
            self.acked,
            self.failed,
            self.read,
            self.epochs,
            self.longest_silence.as_secs_f64()
        )
    }
}

/// Why records failed, by writer, and how many for that reason.
pub fn failures(events: &[(Duration, Event)]) -> BTreeMap<(u16, String), usize> {
    let mut failures = BTreeMap::new();
    for (_, event) in events {
        if let Event::Answered {
            record,
            answer: Answer::Failed(why),
            ..
        } = event
        {
            let why = why.chars().take(160).collect();
            *failures.entry((record.writer, why)).or_default() += 1;
        }
    }
    failures
}

/// Counts.
pub fn summary(events: &[(Duration, Event)]) -> Summary {
    let mut summary = Summary::default();
    let mut epochs = BTreeSet::new();
    let mut last_ack = None;
    for (at, event) in events {
        match event {
            Event::Sent { .. } => summary.sent += 1,
            Event::Answered {
                answer: Answer::Acked(_),
                ..
            } => {
                summary.acked += 1;
                let silence = last_ack.map_or(Duration::ZERO, |last| at.saturating_sub(last));
                summary.longest_silence = summary.longest_silence.max(silence);
                last_ack = Some(*at);
            }
            Event::Answered { .. } => summary.failed += 1,
            Event::Read { .. } => summary.read += 1,
            Event::Watermark(seen) => {
                epochs.insert((seen.partition, seen.epoch));
            }
            Event::OutOfRange { .. } | Event::Unreadable { .. } | Event::Restarted { .. } => {}
        }
    }
    summary.epochs = epochs.len();
    summary
}
