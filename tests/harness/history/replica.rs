//! The logs on the disks of the brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ottla_records::{BatchHeader, batches, verify};

use super::Violation;

/// A replica's log as it lies on disk: batches by base offset, as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaLog {
    /// Bytes of each batch by base offset.
    pub batches: BTreeMap<i64, Vec<u8>>,
    /// The offset after the last whole batch.
    pub end: i64,
}

/// Reads all segments of a partition below whichever of a broker's log directories has it, up to the
/// first damage.
///
/// The broker has to be stopped.
pub fn read_replica(log_dirs: &[PathBuf], topic: &str, partition: i32) -> ReplicaLog {
    let mut folders = log_dirs
        .iter()
        .map(|dir| dir.join(format!("{topic}-{partition}")));
    let Some(folder) = folders.find(|folder| folder.exists()) else {
        return ReplicaLog::default();
    };
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut segments: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect();
    segments.sort();
    let mut log = ReplicaLog::default();
    for segment in segments {
        let bytes =
            std::fs::read(&segment).unwrap_or_else(|e| panic!("{}: {e}", segment.display()));
        for batch in batches(&bytes) {
            let Some(header) = batch
                .ok()
                .and_then(|batch| verify(batch).ok().zip(Some(batch)))
            else {
                return log;
            };
            log.push(&header.0, header.1);
        }
    }
    log
}

impl ReplicaLog {
    /// Appends a batch.
    pub fn push(&mut self, header: &BatchHeader, bytes: &[u8]) {
        let base = header.base_offset().unwrap_or(header.last_offset());
        self.batches.insert(base, bytes.to_vec());
        self.end = header.next_offset();
    }

    /// What stands at a base offset, in short.
    fn describe(&self, offset: i64) -> String {
        let Some(bytes) = self.batches.get(&offset) else {
            return "nothing".to_owned();
        };
        match BatchHeader::parse(bytes) {
            Ok(Some(header)) => format!(
                "batch to {} of epoch {}, crc {:08x}",
                header.last_offset(),
                header.leader_epoch(),
                header.crc()
            ),
            _ => "garbage".to_owned(),
        }
    }
}

/// Compares the logs of a partition's replicas, by broker, below its high watermark.
pub fn compare_replicas(
    partition: i32,
    high_watermark: i64,
    logs: &BTreeMap<i32, ReplicaLog>,
) -> BTreeSet<Violation> {
    let mut found = BTreeSet::new();
    for (broker, log) in logs {
        if log.end < high_watermark {
            found.insert(Violation::ReplicaShort {
                partition,
                broker: *broker,
                end: log.end,
                high_watermark,
            });
        }
    }
    let Some((one, first)) = logs.iter().max_by_key(|(_, log)| log.end) else {
        return found;
    };
    for (other, log) in logs {
        let mut offsets: BTreeSet<i64> = first.batches.keys().copied().collect();
        offsets.extend(log.batches.keys());
        // What a short log lacks has been told.
        let end = high_watermark.min(log.end);
        let differs = |offset: &&i64| first.batches.get(offset) != log.batches.get(offset);
        if let Some(offset) = offsets.range(..end).find(differs) {
            found.insert(Violation::ReplicasDiffer {
                partition,
                one: *one,
                other: *other,
                offset: *offset,
                what: format!("{} / {}", first.describe(*offset), log.describe(*offset)),
            });
        }
    }
    found
}
