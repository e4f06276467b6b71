//! Appending.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ottla_metadata::{LeaderEpoch, Millis, Offset};
use ottla_records::{AppendSet, BatchInfo, Magic, NO_SEQUENCE, NO_TIMESTAMP, batches};
use smallvec::SmallVec;

use super::{Hot, Log};
use crate::answers::Appended;
use crate::config::LogConfig;
use crate::error::{AppendError, StorageError};
use crate::indexes::BatchAt;
use crate::names::Kind;
use crate::producers::{Origin, Staged};
use crate::scan;

/// A batch of a replicated set, and the leader epoch in its header.
type Replicated = (BatchInfo, LeaderEpoch);

impl Log {
    /// Appends validated records of a client or coordinator: gives them offsets, checks their
    /// producers, and writes them with one system call. A set without batches appends nothing.
    ///
    /// # Errors
    /// Nothing was appended. After [`AppendError::Storage`] the log's directory is offline, unless the
    /// system was only short of descriptors ([`StorageError::Exhausted`]).
    pub fn append_as_leader(
        &self,
        mut set: AppendSet,
        leader_epoch: LeaderEpoch,
        now: Millis,
    ) -> Result<Appended, AppendError> {
        let log_append_time = set.log_append_time().unwrap_or(NO_TIMESTAMP);
        let config = self.config.load();
        let mut hot = self.usable()?;
        let first = hot.end;
        if set.is_empty() {
            return Ok(self.appended(&hot, first, first - 1, log_append_time));
        }
        set.assign_offsets(first, leader_epoch)?;
        let mut staged = Staged::default();
        for batch in set.batches() {
            let Some(producer) = &batch.producer else {
                continue;
            };
            let origin = if batch.control.is_some() || producer.base_sequence == NO_SEQUENCE {
                Origin::Coordinator
            } else {
                Origin::Client
            };
            if origin == Origin::Client {
                if let Some(original) = hot.producers.duplicate_of(producer) {
                    // The first copy may still wait for its flush, and so has this one to.
                    return Ok(Appended {
                        duplicate: true,
                        needs_flush_to: self.flush_due(&hot, &config),
                        ..self.appended(
                            &hot,
                            original.first_offset(),
                            original.last_offset,
                            original.timestamp,
                        )
                    });
                }
            }
            hot.producers.stage(&mut staged, batch, origin)?;
        }
        let last = set.batches().last().map_or(first, |b| b.last_offset);
        let size = set.size();
        self.roll_if_due(
            &mut hot,
            &config,
            size,
            set.max_timestamp(),
            first,
            last,
            now,
        )?;
        let modern = set.batches().iter().all(|b| b.magic == Magic::V2);
        self.note_epoch(&mut hot, modern.then_some(leader_epoch), first);
        self.write(&mut hot, &mut set.io_slices(), set.batches(), size, &config)?;
        self.finish_append(&mut hot, staged)?;
        Ok(Appended {
            needs_flush_to: self.flush_due(&hot, &config),
            ..self.appended(&hot, first, last, log_append_time)
        })
    }

    /// Appends what a leader sent; offsets and epochs are kept. A partial batch at the end is left
    /// out. Answers `None` when there is no whole batch.
    ///
    /// # Errors
    /// Nothing, or whole batches from the beginning, were appended; the log end offset tells. After
    /// [`AppendError::Storage`] the log's directory is offline.
    pub fn append_as_follower(
        &self,
        records: Bytes,
        now: Millis,
    ) -> Result<Option<Appended>, AppendError> {
        // Checksums are the expensive part and need no lock.
        let mut found: SmallVec<[Replicated; 8]> = SmallVec::new();
        for batch in batches(&records) {
            let (header, info) = scan::examine(batch?)?;
            found.push((info, header.leader_epoch()));
        }
        let config = self.config.load();
        let mut hot = self.usable()?;
        let Some(first) = check_offsets(&found, hot.end)? else {
            return Ok(None);
        };
        let mut rest = found.as_slice();
        let mut position = 0;
        while !rest.is_empty() {
            let (group, size) = group_for_segment(rest, config.segment_bytes)?;
            let bytes = records.get(position..position + size).unwrap_or_default();
            self.append_group(&mut hot, bytes, group, &config, now)?;
            position += size;
            rest = rest.get(group.len()..).unwrap_or_default();
        }
        let last = hot.end - 1;
        Ok(Some(Appended {
            needs_flush_to: self.flush_due(&hot, &config),
            ..self.appended(&hot, first, last, NO_TIMESTAMP)
        }))
    }

    fn append_group(
        &self,
        hot: &mut Hot,
        bytes: &[u8],
        group: &[Replicated],
        config: &LogConfig,
        now: Millis,
    ) -> Result<(), AppendError> {
        let mut staged = Staged::default();
        for (batch, _) in group {
            hot.producers
                .stage(&mut staged, batch, Origin::Replication)?;
        }
        let infos: SmallVec<[BatchInfo; 8]> = group.iter().map(|(b, _)| b.clone()).collect();
        let first = infos.first().map_or(hot.end, |b| b.base_offset);
        let last = infos.last().map_or(first, |b| b.last_offset);
        let max_timestamp = infos.iter().map(|b| b.max_timestamp).max();
        self.roll_if_due(
            hot,
            config,
            bytes.len(),
            max_timestamp.unwrap_or(NO_TIMESTAMP),
            first,
            last,
            now,
        )?;
        for (batch, epoch) in group {
            let epoch = (batch.magic == Magic::V2).then_some(*epoch);
            self.note_epoch(hot, epoch, batch.base_offset);
        }
        self.write(hot, &mut [IoSlice::new(bytes)], &infos, bytes.len(), config)?;
        self.finish_append(hot, staged)?;
        Ok(())
    }

    /// The epoch of a batch that is about to be appended. Formats without epochs (`None`) clear
    /// what is known.
    fn note_epoch(&self, hot: &mut Hot, epoch: Option<LeaderEpoch>, start: Offset) {
        if hot.epoch == epoch {
            return;
        }
        match epoch {
            Some(epoch) if epoch >= 0 => {
                self.change_epochs(hot, |epochs| epochs.assign(epoch, start));
            }
            Some(_) => {}
            None => self.change_epochs(hot, |epochs| epochs.clear()),
        }
    }

    /// Writes batches at the end of the active segment, indexes them and moves the end.
    fn write(
        &self,
        hot: &mut Hot,
        slices: &mut [IoSlice<'_>],
        infos: &[BatchInfo],
        size: usize,
        config: &LogConfig,
    ) -> Result<(), StorageError> {
        let active = Arc::clone(&hot.active);
        let place = &active.place;
        let start = active.size();
        let file = active.file()?;
        // Read before there is anything to index.
        active.largest_timestamp()?;
        place
            .disk()
            .write_slices_at(&file, &place.named(Kind::Log), slices, start)?;
        let mut position = start;
        for batch in infos {
            let at = BatchAt {
                position,
                size: batch.size,
                last_offset: batch.last_offset,
                max_timestamp: batch.max_timestamp,
            };
            // The batches are written: from here on the rest has to follow.
            let indexed = active.index_batch(at, config.index_interval_bytes);
            place.disk().insist(indexed)?;
            position += batch.size as u64;
        }
        active.grown_to(start + size as u64);
        if let (Some(first), Some(last)) = (infos.first(), infos.last()) {
            if start == 0 {
                hot.first_timestamp = Some(first.max_timestamp);
            }
            hot.end = last.last_offset.saturating_add(1);
            self.tail.lock().appended(
                first.base_offset,
                first.last_offset,
                first.size,
                size as u64,
                hot.end,
            );
        }
        Ok(())
    }

    fn finish_append(&self, hot: &mut Hot, staged: Staged) -> Result<(), StorageError> {
        if !staged.is_empty() {
            let aborted = hot.producers.commit(staged);
            let added = hot.active.add_aborted(&aborted);
            self.home.disk.insist(added)?;
            self.publish_unstable(hot);
        }
        let end = hot.end;
        hot.producers.set_end(end);
        self.publish_end(hot);
        if hot.epoch_unused {
            hot.epoch_unused = false;
            self.ask_for_background();
        }
        Ok(())
    }

    fn appended(
        &self,
        hot: &Hot,
        first_offset: Offset,
        last_offset: Offset,
        log_append_time: Millis,
    ) -> Appended {
        Appended {
            first_offset,
            last_offset,
            next_offset: hot.end,
            log_append_time,
            log_start_offset: self.log_start.load(Ordering::Acquire),
            duplicate: false,
            needs_flush_to: None,
        }
    }
}

/// Whether replicated batches follow the log and each other; the first offset, if there is one.
fn check_offsets(found: &[Replicated], end: Offset) -> Result<Option<Offset>, AppendError> {
    let mut next = end;
    for (batch, _) in found {
        if batch.base_offset < next || batch.last_offset < batch.base_offset {
            return Err(AppendError::UnexpectedOffset {
                first: batch.base_offset,
                end: next,
            });
        }
        next = batch.last_offset.saturating_add(1);
    }
    Ok(found.first().map(|(batch, _)| batch.base_offset))
}

/// As many batches from the front as one segment can hold, and their bytes.
fn group_for_segment(
    batches: &[Replicated],
    segment_bytes: u32,
) -> Result<(&[Replicated], usize), AppendError> {
    let mut size = 0_usize;
    let mut count = 0;
    let base = batches.first().map_or(0, |(b, _)| b.base_offset);
    for (batch, _) in batches {
        let fits = size + batch.size <= segment_bytes as usize
            && batch.last_offset.saturating_sub(base) <= i64::from(i32::MAX);
        if !fits {
            break;
        }
        size += batch.size;
        count += 1;
    }
    match batches.get(..count) {
        Some(group) if count > 0 => Ok((group, size)),
        _ => Err(AppendError::SetTooLarge {
            size: batches.first().map_or(0, |(b, _)| b.size),
            limit: segment_bytes,
        }),
    }
}
