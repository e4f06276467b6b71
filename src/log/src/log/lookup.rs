//! Finding offsets by time.

use std::sync::Arc;

use ottla_metadata::{Millis, Offset};

use super::Log;
use super::read::unreadable;
use crate::answers::TimestampOffset;
use crate::error::{ReadError, StorageError};
use crate::scan::{Batches, Headers, find_timestamp};
use crate::segment::Segment;

/// ListOffsets' timestamp for "the end".
const LATEST: Millis = -1;
/// ListOffsets' timestamp for "the beginning".
const EARLIEST: Millis = -2;

impl Log {
    /// The first record below `upper_bound` whose timestamp is at least `timestamp`.
    ///
    /// # Errors
    /// The disk failed, or the log is corrupt.
    pub fn offset_for_timestamp(
        &self,
        timestamp: Millis,
        upper_bound: Offset,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        self.home.disk.check()?;
        let segments = self.segments.load_full();
        let start = self.log_start_offset();
        for segment in segments.iter() {
            if segment.age_timestamp()? < timestamp {
                continue;
            }
            // The record may lie below the log start; Kafka then gives up, we look further.
            if let Some(found) = self.search_segment(segment, timestamp, start)? {
                return Ok(Some(found).filter(|found| found.offset < upper_bound));
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp of the log (ListOffsets -3).
    ///
    /// # Errors
    /// The disk failed, or the log is corrupt.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        self.home.disk.check()?;
        let segments = self.segments.load_full();
        let start = self.log_start_offset();
        let mut best: Option<(Millis, &Arc<Segment>)> = None;
        for segment in segments.iter() {
            let (timestamp, _) = segment.largest_timestamp()?;
            if timestamp >= 0 && best.is_none_or(|(largest, _)| timestamp > largest) {
                best = Some((timestamp, segment));
            }
        }
        match best {
            Some((timestamp, segment)) => self.search_segment(segment, timestamp, start),
            None => Ok(None),
        }
    }

    /// ListOffsets v0: up to `max` segment boundaries in descending order, the newest one at or
    /// before `timestamp`; -1 asks from the end, -2 for the beginning.
    ///
    /// # Errors
    /// The disk failed.
    pub fn legacy_offsets_before(
        &self,
        timestamp: Millis,
        max: usize,
        now: Millis,
    ) -> Result<Vec<Offset>, StorageError> {
        self.home.disk.check()?;
        let segments = self.segments.load_full();
        let start = self.log_start_offset();
        let mut known: Vec<(Offset, Millis)> = Vec::with_capacity(segments.len() + 1);
        for segment in segments.iter() {
            known.push((segment.base().max(start), segment.modified()?));
        }
        if segments.last().is_some_and(|last| last.size() > 0) {
            known.push((self.log_end_offset(), now));
        }
        let upto = match timestamp {
            LATEST => known.len(),
            EARLIEST => 1,
            _ => known
                .iter()
                .rposition(|(_, modified)| *modified <= timestamp)
                .map_or(0, |last| last + 1),
        };
        let candidates = known.get(..upto).unwrap_or(&known);
        let mut offsets: Vec<Offset> = candidates.iter().rev().map(|(o, _)| *o).collect();
        offsets.truncate(max);
        Ok(offsets)
    }

    fn search_segment(
        &self,
        segment: &Segment,
        timestamp: Millis,
        start: Offset,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let from = segment.floor_of_timestamp(timestamp)?.max(start);
        let file = segment.file()?;
        let end = segment.size();
        let position = segment.floor_position(from)?;
        let mut headers = Headers::new(&segment.place, &file, position, end);
        while let Some((position, header)) = headers.next().map_err(|e| unreadable(segment, e))? {
            if header.max_timestamp() < timestamp || header.last_offset() < start {
                continue;
            }
            let batch_end = position.saturating_add(header.size() as u64).min(end);
            let mut batch = Batches::new(&segment.place, &file, position, batch_end);
            let found = match batch.next().map_err(|e| unreadable(segment, e))? {
                Some((_, bytes)) => find_timestamp(bytes, timestamp, start),
                None => None,
            };
            if let Some((timestamp, offset)) = found {
                return Ok(Some(TimestampOffset {
                    timestamp,
                    offset,
                    leader_epoch: (header.leader_epoch() >= 0).then(|| header.leader_epoch()),
                }));
            }
        }
        Ok(None)
    }
}
