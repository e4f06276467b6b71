//! Fake disks. A log is a list of records, one to a batch. What was not flushed survives the death
//! of the process, for it is in the page cache, but not the failure of power.

use std::collections::{BTreeMap, BTreeSet};

use ottla_log::Epochs;
use ottla_metadata::{LeaderEpoch, Offset, TopicId, TopicPartition};

use crate::random::{Random, mix};
use crate::zookeeper::SessionId;

/// An idempotent producer and the number it gave to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProducerSequence {
    pub(crate) producer: u64,
    pub(crate) sequence: i32,
}

/// A record in a log, with the leader epoch of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) epoch: LeaderEpoch,
    pub(crate) record: u64,
    pub(crate) producer: Option<ProducerSequence>,
}

/// The log of a replica.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) topic_id: TopicId,
    entries: Vec<Entry>,
    /// The hash of all entries up to and with this one.
    hashes: Vec<u64>,
    pub(crate) epochs: Epochs,
    flushed: Offset,
}

/// The disk of a broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) logs: BTreeMap<TopicPartition, Log>,
    /// The file `replication-offset-checkpoint`.
    pub(crate) high_watermarks: BTreeMap<TopicPartition, Offset>,
    /// Sessions of this broker that may still own nodes (`zookeeper-session`).
    pub(crate) sessions: BTreeSet<SessionId>,
}

pub(crate) fn index(offset: Offset) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

pub(crate) fn offset(index: usize) -> Offset {
    Offset::try_from(index).unwrap_or(Offset::MAX)
}

/// The hash of a log that ends with this entry, `before` being that of what precedes it.
pub(crate) fn chain(before: u64, entry: &Entry) -> u64 {
    let epoch = u64::from(entry.epoch.unsigned_abs());
    mix(before ^ mix(entry.record) ^ mix(epoch << 32))
}

impl Log {
    pub(crate) fn new(topic_id: TopicId) -> Log {
        Log {
            topic_id,
            ..Log::default()
        }
    }

    pub(crate) fn end(&self) -> Offset {
        offset(self.entries.len())
    }

    pub(crate) fn append(&mut self, entry: Entry) {
        self.epochs.assign(entry.epoch, self.end());
        let before = self.hash(self.end());
        self.hashes.push(chain(before, &entry));
        self.entries.push(entry);
    }

    /// The hash of everything below `end`.
    pub(crate) fn hash(&self, end: Offset) -> u64 {
        let last = index(end).checked_sub(1);
        last.and_then(|last| self.hashes.get(last))
            .copied()
            .unwrap_or(0)
    }

    pub(crate) fn read(&self, from: Offset, to: Offset, most: usize) -> Vec<Entry> {
        let (from, to) = (index(from), index(to).min(self.entries.len()));
        let to = to.min(from.saturating_add(most));
        self.entries.get(from..to).unwrap_or_default().to_vec()
    }

    pub(crate) fn entry(&self, at: Offset) -> Option<&Entry> {
        self.entries.get(index(at))
    }

    pub(crate) fn truncate(&mut self, end: Offset) {
        self.entries.truncate(index(end));
        self.hashes.truncate(index(end));
        self.epochs.truncate_from_end(end);
        self.flushed = self.flushed.min(self.end());
    }

    /// What the log knows of a producer: its last sequence number and where it is. (The real log
    /// keeps this in memory and in snapshots.)
    pub(crate) fn sequence_of(&self, producer: u64) -> Option<i32> {
        let of = |entry: &Entry| entry.producer.filter(|known| known.producer == producer);
        self.entries.iter().rev().find_map(of).map(|p| p.sequence)
    }

    /// Where a sequence number of a producer is.
    pub(crate) fn find(&self, wanted: ProducerSequence) -> Option<Offset> {
        let at = self
            .entries
            .iter()
            .rposition(|e| e.producer == Some(wanted));
        at.map(offset)
    }
}

impl Disk {
    pub(crate) fn flush(&mut self) {
        for log in self.logs.values_mut() {
            log.flushed = log.end();
        }
    }

    /// The power failed: of what was not flushed, some part of the tail is lost. Answers where each
    /// log that lost something ends now.
    pub(crate) fn power_failed(&mut self, random: &mut Random) -> Vec<(TopicPartition, Offset)> {
        let mut lost = Vec::new();
        for (tp, log) in &mut self.logs {
            let end = random.between(log.flushed, log.end() + 1);
            if end < log.end() {
                log.truncate(end);
                lost.push((tp.clone(), end));
            }
        }
        lost
    }
}
