//! The offset index and the time index of a segment, which grow together (Kafka's `OffsetIndex`
//! and `TimeIndex`).
//!
//! Offset index: relative last offset of a batch (4 bytes), its position (4 bytes). Time index: a
//! timestamp (8 bytes) and the relative last offset (4 bytes) of the first batch that has it; no
//! batch up to there has a larger one.

use ottla_metadata::{Millis, Offset};

use crate::entry_file::EntryFile;
use crate::error::StorageError;
use crate::names::Kind;
use crate::place::Place;

const OFFSET_ENTRY: usize = 8;
const TIME_ENTRY: usize = 12;

/// A timestamp and the offset a time index names for it; timestamp -1 for none.
pub(crate) type TimestampAt = (Millis, Offset);

/// Both indexes.
#[derive(Debug)]
pub(crate) struct Indexes {
    offset: EntryFile<OFFSET_ENTRY>,
    time: EntryFile<TIME_ENTRY>,
    /// The largest timestamp of the segment; unknown until it is read from the time index.
    largest: Option<TimestampAt>,
    bytes_since_entry: u64,
}

/// A batch to be indexed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchAt {
    pub(crate) position: u64,
    pub(crate) size: usize,
    pub(crate) last_offset: Offset,
    pub(crate) max_timestamp: Millis,
}

impl Indexes {
    /// Creates empty files.
    pub(crate) fn create(place: &Place) -> Result<Indexes, StorageError> {
        Ok(Indexes {
            offset: EntryFile::create(Kind::OffsetIndex, place)?,
            time: EntryFile::create(Kind::TimeIndex, place)?,
            largest: Some((-1, place.base)),
            bytes_since_entry: 0,
        })
    }

    /// The files that lie there; nothing is opened yet.
    pub(crate) fn existing() -> Indexes {
        Indexes {
            offset: EntryFile::existing(Kind::OffsetIndex),
            time: EntryFile::existing(Kind::TimeIndex),
            largest: None,
            bytes_since_entry: 0,
        }
    }

    /// Notes a batch; adds entries when more than `interval` bytes passed since the last.
    pub(crate) fn note(
        &mut self,
        place: &Place,
        batch: BatchAt,
        interval: u32,
    ) -> Result<(), StorageError> {
        let largest = self.largest(place)?;
        if batch.max_timestamp > largest.0 {
            self.largest = Some((batch.max_timestamp, batch.last_offset));
        }
        if self.bytes_since_entry > u64::from(interval) {
            self.add(place, batch)?;
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += batch.size as u64;
        Ok(())
    }

    /// Whether an index has no room for another entry. The time index keeps room for the one that
    /// is added when the segment is left.
    pub(crate) fn is_full(&mut self, place: &Place, max_bytes: u32) -> Result<bool, StorageError> {
        let offsets = max_bytes / OFFSET_ENTRY as u32;
        let times = (max_bytes / TIME_ENTRY as u32).saturating_sub(1);
        Ok(self.offset.len(place)? >= offsets || self.time.len(place)? >= times)
    }

    /// The largest timestamp.
    pub(crate) fn largest(&mut self, place: &Place) -> Result<TimestampAt, StorageError> {
        if let Some(largest) = self.largest {
            return Ok(largest);
        }
        let last = self.time.last(place)?.map(|entry| time_entry(&entry));
        let largest = last.map_or((-1, place.base), |(timestamp, relative)| {
            (timestamp, place.base.saturating_add(relative))
        });
        self.largest = Some(largest);
        Ok(largest)
    }

    pub(crate) fn set_largest(&mut self, largest: TimestampAt) {
        self.largest = Some(largest);
    }

    /// A position at or before the batch with `offset`.
    pub(crate) fn floor_position(
        &mut self,
        place: &Place,
        offset: Offset,
    ) -> Result<u64, StorageError> {
        let target = offset.saturating_sub(place.base);
        let found = self
            .offset
            .search(place, |entry| offset_entry(entry).0 <= target)?;
        Ok(found.map_or(0, |(_, entry)| u64::from(offset_entry(&entry).1)))
    }

    /// The position that the last entry names.
    pub(crate) fn last_position(&mut self, place: &Place) -> Result<u64, StorageError> {
        let last = self.offset.last(place)?;
        Ok(last.map_or(0, |entry| u64::from(offset_entry(&entry).1)))
    }

    /// Where to begin looking for a timestamp: no batch before has one as large.
    pub(crate) fn floor_of_timestamp(
        &mut self,
        place: &Place,
        timestamp: Millis,
    ) -> Result<Offset, StorageError> {
        let found = self
            .time
            .search(place, |entry| time_entry(entry).0 <= timestamp)?;
        Ok(found.map_or(place.base, |(_, entry)| {
            place.base.saturating_add(time_entry(&entry).1)
        }))
    }

    /// Adds the largest timestamp to the time index and writes everything out: the segment gets no
    /// more batches. Answers false if it got none since it was opened.
    pub(crate) fn finish(&mut self, place: &Place) -> Result<bool, StorageError> {
        if self.largest.is_none() {
            return Ok(false);
        }
        self.add_time(place)?;
        self.offset.write_out(place)?;
        self.time.write_out(place)?;
        Ok(true)
    }

    /// Makes both files durable.
    pub(crate) fn sync(&mut self, place: &Place) -> Result<(), StorageError> {
        self.offset.sync(place)?;
        self.time.sync(place)
    }

    pub(crate) fn is_unsynced(&self) -> bool {
        self.offset.is_unsynced() || self.time.is_unsynced()
    }

    /// Removes what names offsets not below `end`. The largest timestamp is then what the time
    /// index says, which may be below the truth.
    pub(crate) fn truncate(&mut self, place: &Place, end: Offset) -> Result<(), StorageError> {
        let target = end.saturating_sub(place.base);
        let count = |last: Option<u32>| last.map_or(0, |number| number.saturating_add(1));
        let last = self
            .offset
            .search(place, |entry| offset_entry(entry).0 < target)?;
        self.offset
            .truncate(place, count(last.map(|(number, _)| number)))?;
        let last = self
            .time
            .search(place, |entry| time_entry(entry).1 < target)?;
        self.time
            .truncate(place, count(last.map(|(number, _)| number)))?;
        self.largest = None;
        self.bytes_since_entry = 0;
        Ok(())
    }

    /// Empties both files.
    pub(crate) fn reset(&mut self, place: &Place) -> Result<(), StorageError> {
        self.offset.reset(place)?;
        self.time.reset(place)?;
        self.largest = Some((-1, place.base));
        self.bytes_since_entry = 0;
        Ok(())
    }

    /// Gives descriptors and buffers back.
    pub(crate) fn release(&mut self, place: &Place) -> Result<(), StorageError> {
        self.offset.release(place)?;
        self.time.release(place)
    }

    fn add(&mut self, place: &Place, batch: BatchAt) -> Result<(), StorageError> {
        // Both fit, or the segment would have been rolled; without an entry lookups still work.
        if let (Ok(relative), Ok(position)) = (
            u32::try_from(batch.last_offset.saturating_sub(place.base)),
            u32::try_from(batch.position),
        ) {
            let mut entry = [0; OFFSET_ENTRY];
            entry[..4].copy_from_slice(&relative.to_be_bytes());
            entry[4..].copy_from_slice(&position.to_be_bytes());
            self.offset.push(place, entry)?;
        }
        self.add_time(place)
    }

    fn add_time(&mut self, place: &Place) -> Result<(), StorageError> {
        let (timestamp, offset) = self.largest(place)?;
        let last = self.time.last(place)?.map_or(-1, |e| time_entry(&e).0);
        let relative = u32::try_from(offset.saturating_sub(place.base));
        if let (true, Ok(relative)) = (timestamp > last, relative) {
            let mut entry = [0; TIME_ENTRY];
            entry[..8].copy_from_slice(&timestamp.to_be_bytes());
            entry[8..].copy_from_slice(&relative.to_be_bytes());
            self.time.push(place, entry)?;
        }
        Ok(())
    }
}

/// Relative offset and position.
fn offset_entry(entry: &[u8; OFFSET_ENTRY]) -> (i64, u32) {
    let [a, b, c, d, e, f, g, h] = *entry;
    (
        i64::from(i32::from_be_bytes([a, b, c, d])),
        u32::from_be_bytes([e, f, g, h]),
    )
}

/// Timestamp and relative offset.
fn time_entry(entry: &[u8; TIME_ENTRY]) -> (Millis, i64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *entry;
    (
        i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        i64::from(i32::from_be_bytes([i, j, k, l])),
    )
}
