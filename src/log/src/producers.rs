//! What the log knows of idempotent and transactional producers (Kafka's `ProducerStateManager`,
//! `ProducerAppendInfo` and `ProducerStateEntry`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ottla_metadata::{Millis, Offset};
use ottla_records::{
    BatchInfo, ControlRecord, NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP, ProducerInfo,
};
use smallvec::SmallVec;
use tracing::{info, warn};

use crate::error::{AppendError, StorageError};
use crate::names::Kind;
use crate::place::Home;
use crate::producer_snapshot;
use crate::txn_index::AbortedTxn;

/// Batches remembered per producer, to recognise one that is sent again.
const CACHED_BATCHES: usize = 5;

/// A batch that a producer appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CachedBatch {
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: Offset,
    pub(crate) offset_delta: i32,
    pub(crate) timestamp: Millis,
}

impl CachedBatch {
    pub(crate) fn first_offset(&self) -> Offset {
        self.last_offset
            .saturating_sub(i64::from(self.offset_delta))
    }

    fn first_sequence(&self) -> i32 {
        // Sequences wrap from i32::MAX to 0.
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        let wrapped = if first < 0 { first + (1 << 31) } else { first };
        i32::try_from(wrapped).unwrap_or(NO_SEQUENCE)
    }
}

/// The state of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: Millis,
    pub(crate) txn_first_offset: Option<Offset>,
    pub(crate) batches: [Option<CachedBatch>; CACHED_BATCHES],
}

impl ProducerEntry {
    pub(crate) const EMPTY: ProducerEntry = ProducerEntry {
        epoch: NO_PRODUCER_EPOCH,
        coordinator_epoch: -1,
        last_timestamp: NO_TIMESTAMP,
        txn_first_offset: None,
        batches: [None; CACHED_BATCHES],
    };

    /// The newest batch.
    pub(crate) fn last_batch(&self) -> Option<CachedBatch> {
        self.batches.iter().rev().flatten().next().copied()
    }

    pub(crate) fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(NO_SEQUENCE, |b| b.last_sequence)
    }

    /// Adds a batch behind the others; the oldest makes room.
    pub(crate) fn remember(&mut self, batch: CachedBatch) {
        match self.batches.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(batch),
            None => {
                self.batches.rotate_left(1);
                if let Some(slot) = self.batches.last_mut() {
                    *slot = Some(batch);
                }
            }
        }
    }

    fn enter_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches = [None; CACHED_BATCHES];
        }
    }

    fn duplicate_of(&self, producer: &ProducerInfo) -> Option<CachedBatch> {
        if producer.epoch != self.epoch {
            return None;
        }
        self.batches.iter().flatten().copied().find(|batch| {
            batch.last_sequence == producer.last_sequence
                && batch.first_sequence() == producer.base_sequence
        })
    }
}

/// Where a batch comes from, which says how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A producer: epoch and sequence are checked.
    Client,
    /// A coordinator of this broker: it keeps no sequences, epochs are checked.
    Coordinator,
    /// A leader or our own disk: it is believed.
    Replication,
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompletedTxn {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: Offset,
    /// Offset of the marker.
    pub(crate) last_offset: Offset,
    pub(crate) aborted: bool,
}

/// The effect of an append on producers, worked out before the append and put in force after it.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    entries: SmallVec<[(i64, ProducerEntry); 1]>,
    started: SmallVec<[(Offset, i64); 1]>,
    completed: SmallVec<[CompletedTxn; 1]>,
}

impl Staged {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The producers of one log.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    entries: HashMap<i64, ProducerEntry>,
    /// Open transactions: first offset to producer.
    ongoing: BTreeMap<Offset, i64>,
    /// Transactions that ended, the marker not below the high watermark: first offset to marker.
    unreplicated: BTreeMap<Offset, Offset>,
    /// Offsets of the snapshots on disk.
    snapshots: BTreeSet<Offset>,
    /// The log up to here is reflected.
    end: Offset,
    last_snapshot: Offset,
}

impl Producers {
    /// No producers, with the snapshots that lie in the directory.
    pub(crate) fn new(snapshots: BTreeSet<Offset>) -> Producers {
        Producers {
            snapshots,
            ..Producers::default()
        }
    }

    pub(crate) fn end(&self) -> Offset {
        self.end
    }

    pub(crate) fn set_end(&mut self, end: Offset) {
        self.end = end;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &ProducerEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.unreplicated.is_empty()
    }

    pub(crate) fn snapshots(&self) -> &BTreeSet<Offset> {
        &self.snapshots
    }

    /// The batch as it was appended before, if it was.
    pub(crate) fn duplicate_of(&self, producer: &ProducerInfo) -> Option<CachedBatch> {
        self.entries.get(&producer.id)?.duplicate_of(producer)
    }

    /// Remembers the batches that the same producers have in another log of the same records: a
    /// snapshot, from which this one was loaded, has the last batch of each only.
    pub(crate) fn remember_batches_of(&mut self, other: &Producers) {
        for (id, entry) in &mut self.entries {
            let theirs = other.entries.get(id).filter(|theirs| {
                theirs.epoch == entry.epoch && theirs.last_batch() == entry.last_batch()
            });
            if let Some(theirs) = theirs {
                entry.batches = theirs.batches;
            }
        }
    }

    /// Checks a batch after those already staged, and stages its effect.
    ///
    /// # Errors
    /// See the table in `ProducerAppendInfo`; [`Origin::Replication`] is never refused.
    pub(crate) fn stage(
        &self,
        staged: &mut Staged,
        batch: &BatchInfo,
        origin: Origin,
    ) -> Result<(), AppendError> {
        let Some(producer) = &batch.producer else {
            return Ok(());
        };
        let stored = self.entries.get(&producer.id);
        let position = staged.entries.iter().position(|(id, _)| *id == producer.id);
        let mut entry = match position.and_then(|i| staged.entries.get(i)) {
            Some((_, entry)) => *entry,
            None => stored.copied().unwrap_or(ProducerEntry::EMPTY),
        };
        check_epoch(producer, &entry, batch.base_offset, origin)?;
        match batch.control {
            Some(ControlRecord::Other(_)) => return Ok(()),
            Some(ControlRecord::Abort { coordinator_epoch }) => {
                end_transaction(staged, &mut entry, batch, coordinator_epoch, true, origin)?;
            }
            Some(ControlRecord::Commit { coordinator_epoch }) => {
                end_transaction(staged, &mut entry, batch, coordinator_epoch, false, origin)?;
            }
            None => {
                let known = stored.is_some_and(|e| e.epoch != NO_PRODUCER_EPOCH);
                if origin == Origin::Client {
                    check_sequence(producer, &entry, known)?;
                }
                add_data(staged, &mut entry, batch, producer)?;
            }
        }
        match position.and_then(|i| staged.entries.get_mut(i)) {
            Some(slot) => slot.1 = entry,
            None => staged.entries.push((producer.id, entry)),
        }
        Ok(())
    }

    /// Puts what was staged in force; answers the entries that the transaction index needs.
    pub(crate) fn commit(&mut self, staged: Staged) -> SmallVec<[AbortedTxn; 1]> {
        for (id, entry) in staged.entries {
            self.entries.insert(id, entry);
        }
        self.ongoing.extend(staged.started);
        let mut aborted = SmallVec::new();
        for txn in staged.completed {
            let next_open = self
                .ongoing
                .iter()
                .find(|(_, producer)| **producer != txn.producer_id);
            let last_stable_offset =
                next_open.map_or(txn.last_offset.saturating_add(1), |(first, _)| *first);
            self.ongoing.remove(&txn.first_offset);
            self.unreplicated.insert(txn.first_offset, txn.last_offset);
            if txn.aborted {
                aborted.push(AbortedTxn {
                    producer_id: txn.producer_id,
                    first_offset: txn.first_offset,
                    last_offset: txn.last_offset,
                    last_stable_offset,
                });
            }
        }
        aborted
    }

    /// The beginning of the first transaction that is open, or whose marker may not be replicated.
    pub(crate) fn first_unstable(&self) -> Option<Offset> {
        let first = |map: Option<&Offset>| map.copied().unwrap_or(Offset::MAX);
        let offset = first(self.ongoing.keys().next()).min(first(self.unreplicated.keys().next()));
        (offset != Offset::MAX).then_some(offset)
    }

    pub(crate) fn has_unreplicated(&self) -> bool {
        !self.unreplicated.is_empty()
    }

    /// Transactions whose marker lies below `offset` no longer hold back the last stable offset.
    pub(crate) fn replicated_to(&mut self, offset: Offset) {
        self.unreplicated.retain(|_, marker| *marker >= offset);
    }

    /// The log now starts at `offset`.
    pub(crate) fn log_start_moved(&mut self, offset: Offset) {
        self.replicated_to(offset);
        self.end = self.end.max(offset);
        self.last_snapshot = self.snapshots.last().copied().unwrap_or(offset);
    }

    /// Forgets producers that were silent too long and have no open transaction.
    pub(crate) fn expire(&mut self, now: Millis, after: Millis) {
        self.entries.retain(|_, e| !expired(e, now, after));
        if self.entries.is_empty() {
            self.entries = HashMap::new();
        }
    }

    /// Writes a snapshot at the current end, unless one was. Answers whether it did; the content
    /// is not synced.
    pub(crate) fn take_snapshot(&mut self, home: &Home) -> Result<bool, StorageError> {
        if self.end <= self.last_snapshot {
            return Ok(false);
        }
        let path = home.file(self.end, Kind::Snapshot);
        let file = home.disk.create(&path)?;
        let content = producer_snapshot::encode(&self.entries);
        home.disk.write_at(&file, &path, &content, 0)?;
        self.snapshots.insert(self.end);
        self.last_snapshot = self.end;
        Ok(true)
    }

    /// Forgets everything, and removes all snapshots.
    pub(crate) fn restart_at(&mut self, offset: Offset, home: &Home) -> Result<(), StorageError> {
        for snapshot in std::mem::take(&mut self.snapshots) {
            home.disk.remove(&home.file(snapshot, Kind::Snapshot))?;
        }
        *self = Producers {
            end: offset,
            ..Producers::default()
        };
        Ok(())
    }

    /// Removes the snapshots above `end`, to which the log was cut.
    pub(crate) fn forget_snapshots_above(
        &mut self,
        end: Offset,
        home: &Home,
    ) -> Result<(), StorageError> {
        for snapshot in self.snapshots.split_off(&end.saturating_add(1)) {
            home.disk.remove(&home.file(snapshot, Kind::Snapshot))?;
        }
        self.last_snapshot = self.snapshots.last().copied().unwrap_or(0);
        Ok(())
    }

    /// Forgets a snapshot; the caller disposes of the file. Answers whether there was one.
    pub(crate) fn drop_snapshot(&mut self, offset: Offset) -> bool {
        self.snapshots.remove(&offset)
    }

    /// Removes snapshots that belong to no segment, except the newest one beyond the last segment.
    pub(crate) fn remove_stray_snapshots(
        &mut self,
        bases: &[Offset],
        home: &Home,
    ) -> Result<(), StorageError> {
        let last_base = bases.last().copied().unwrap_or(Offset::MAX);
        let mut stray: Vec<Offset> = self
            .snapshots
            .iter()
            .copied()
            .filter(|s| bases.binary_search(s).is_err())
            .collect();
        if stray.last().is_some_and(|newest| *newest >= last_base) {
            stray.pop();
        }
        for offset in stray {
            self.snapshots.remove(&offset);
            home.disk.remove(&home.file(offset, Kind::Snapshot))?;
        }
        Ok(())
    }

    /// Goes back to the newest snapshot in `(start, end]`, the others out of that range are
    /// removed. What lies between it and `end` has to be staged and committed again.
    pub(crate) fn reload(
        &mut self,
        start: Offset,
        end: Offset,
        now: Millis,
        expire_after: Millis,
        home: &Home,
    ) -> Result<(), StorageError> {
        let outside: Vec<Offset> = self
            .snapshots
            .iter()
            .copied()
            .filter(|s| *s <= start || *s > end)
            .collect();
        for offset in outside {
            self.snapshots.remove(&offset);
            home.disk.remove(&home.file(offset, Kind::Snapshot))?;
        }
        self.entries.clear();
        self.ongoing.clear();
        self.unreplicated.clear();
        while let Some(offset) = self.snapshots.last().copied() {
            let path = home.file(offset, Kind::Snapshot);
            let content = home.disk.read_small(&path)?.unwrap_or_default();
            match producer_snapshot::decode(&content) {
                Ok(entries) => {
                    for (id, entry) in entries {
                        if expired(&entry, now, expire_after) {
                            continue;
                        }
                        if let Some(first) = entry.txn_first_offset {
                            self.ongoing.insert(first, id);
                        }
                        self.entries.insert(id, entry);
                    }
                    self.end = offset;
                    self.last_snapshot = offset;
                    return Ok(());
                }
                Err(reason) => {
                    warn!(file = %path.display(), reason, "producer snapshot is of no use, taking an older one");
                    self.snapshots.remove(&offset);
                    home.disk.remove(&path)?;
                }
            }
        }
        self.end = start;
        self.last_snapshot = start;
        Ok(())
    }
}

fn expired(entry: &ProducerEntry, now: Millis, after: Millis) -> bool {
    entry.txn_first_offset.is_none() && now.saturating_sub(entry.last_timestamp) >= after
}

fn check_epoch(
    producer: &ProducerInfo,
    entry: &ProducerEntry,
    offset: Offset,
    origin: Origin,
) -> Result<(), AppendError> {
    if producer.epoch >= entry.epoch {
        return Ok(());
    }
    if origin == Origin::Replication {
        warn!(
            producer_id = producer.id,
            epoch = producer.epoch,
            current = entry.epoch,
            offset,
            "a replicated batch has an old producer epoch"
        );
        return Ok(());
    }
    Err(AppendError::InvalidProducerEpoch {
        producer_id: producer.id,
        epoch: producer.epoch,
        current: entry.epoch,
    })
}

fn check_sequence(
    producer: &ProducerInfo,
    entry: &ProducerEntry,
    known: bool,
) -> Result<(), AppendError> {
    let sequence = producer.base_sequence;
    let last = entry.last_sequence();
    let accepted = if producer.epoch != entry.epoch {
        sequence == 0 || entry.epoch == NO_PRODUCER_EPOCH
    } else {
        // A producer of whom nothing is known (any more) may begin anywhere.
        !known || i64::from(sequence) == i64::from(last) + 1 || (sequence == 0 && last == i32::MAX)
    };
    if accepted {
        return Ok(());
    }
    Err(AppendError::OutOfOrderSequence {
        producer_id: producer.id,
        sequence,
        last_sequence: last,
    })
}

fn add_data(
    staged: &mut Staged,
    entry: &mut ProducerEntry,
    batch: &BatchInfo,
    producer: &ProducerInfo,
) -> Result<(), AppendError> {
    entry.enter_epoch(producer.epoch);
    let delta = batch.last_offset.saturating_sub(batch.base_offset);
    entry.remember(CachedBatch {
        last_sequence: producer.last_sequence,
        last_offset: batch.last_offset,
        offset_delta: i32::try_from(delta).unwrap_or(i32::MAX),
        timestamp: batch.max_timestamp,
    });
    entry.last_timestamp = batch.max_timestamp;
    match (entry.txn_first_offset, batch.transactional) {
        (Some(_), false) => return Err(AppendError::InvalidTxnState(producer.id)),
        (None, true) => {
            entry.txn_first_offset = Some(batch.base_offset);
            staged.started.push((batch.base_offset, producer.id));
        }
        (Some(_), true) | (None, false) => {}
    }
    Ok(())
}

fn end_transaction(
    staged: &mut Staged,
    entry: &mut ProducerEntry,
    batch: &BatchInfo,
    coordinator_epoch: i32,
    aborted: bool,
    origin: Origin,
) -> Result<(), AppendError> {
    let Some(producer) = &batch.producer else {
        return Ok(());
    };
    if entry.coordinator_epoch > coordinator_epoch {
        if origin != Origin::Replication {
            return Err(AppendError::TransactionCoordinatorFenced {
                producer_id: producer.id,
                epoch: coordinator_epoch,
                current: entry.coordinator_epoch,
            });
        }
        info!(
            producer_id = producer.id,
            coordinator_epoch,
            current = entry.coordinator_epoch,
            offset = batch.base_offset,
            "a replicated marker has an old coordinator epoch"
        );
    }
    if let Some(first_offset) = entry.txn_first_offset {
        staged.completed.push(CompletedTxn {
            producer_id: producer.id,
            first_offset,
            last_offset: batch.base_offset,
            aborted,
        });
    }
    entry.enter_epoch(producer.epoch);
    entry.coordinator_epoch = coordinator_epoch;
    entry.txn_first_offset = None;
    entry.last_timestamp = batch.max_timestamp;
    Ok(())
}
