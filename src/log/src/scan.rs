//! Walking the batches of a segment file.

use std::fs::File;

use ottla_metadata::{Millis, Offset};
use ottla_records::{
    BatchHeader, BatchInfo, CorruptBatch, HEADER_SIZE_UP_TO_MAGIC, MAX_HEADER_SIZE, control_record,
    verify,
};

use crate::error::StorageError;
use crate::names::Kind;
use crate::place::Place;

/// Bytes read at once when stepping through headers: batches as small as those between two index
/// entries cost one system call together.
const WINDOW: usize = 8192;

/// Why a walk stopped.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// What lies there is no batch.
    Corrupt {
        position: u64,
        reason: CorruptBatch,
    },
    Storage(StorageError),
}

impl From<StorageError> for ScanError {
    fn from(e: StorageError) -> ScanError {
        ScanError::Storage(e)
    }
}

/// Steps from header to header between two positions, reading nothing else. A batch that does not
/// end before `end` ends the walk, as in Kafka.
pub(crate) struct Headers<'a> {
    place: &'a Place,
    file: &'a File,
    position: u64,
    end: u64,
    window: [u8; WINDOW],
    window_at: u64,
    window_len: usize,
    /// Bytes that the batch has which ended the walk.
    announced: usize,
}

impl<'a> Headers<'a> {
    pub(crate) fn new(place: &'a Place, file: &'a File, position: u64, end: u64) -> Headers<'a> {
        Headers {
            place,
            file,
            position,
            end,
            window: [0; WINDOW],
            window_at: 0,
            window_len: 0,
            announced: HEADER_SIZE_UP_TO_MAGIC,
        }
    }

    /// That the walk has ended at `end`.
    ///
    /// # Errors
    /// What is left is no whole batch.
    pub(crate) fn check_end(&self) -> Result<(), ScanError> {
        let left = self.end.saturating_sub(self.position);
        if left == 0 {
            return Ok(());
        }
        Err(ScanError::Corrupt {
            position: self.position,
            reason: CorruptBatch::WrongLength {
                expected: self.announced,
                actual: usize::try_from(left).unwrap_or(usize::MAX),
            },
        })
    }

    /// The next batch and where it begins.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, BatchHeader)>, ScanError> {
        let left = self.end.saturating_sub(self.position);
        if left < HEADER_SIZE_UP_TO_MAGIC as u64 {
            return Ok(None);
        }
        let position = self.position;
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        let bytes = self.bytes(wanted.min(MAX_HEADER_SIZE))?;
        let header = match BatchHeader::parse(bytes) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(None),
            Err(reason) => return Err(ScanError::Corrupt { position, reason }),
        };
        let size = header.size() as u64;
        if size > left {
            self.announced = header.size();
            return Ok(None);
        }
        self.position += size;
        Ok(Some((position, header)))
    }

    /// `len` bytes from the current position on, fewer where the file ends.
    fn bytes(&mut self, len: usize) -> Result<&[u8], StorageError> {
        let inside = self
            .position
            .checked_sub(self.window_at)
            .and_then(|skip| usize::try_from(skip).ok())
            .filter(|skip| skip + len <= self.window_len);
        let skip = match inside {
            Some(skip) => skip,
            None => {
                let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
                let window = self.window.get_mut(..left.min(WINDOW)).unwrap_or_default();
                self.window_len = self.place.disk().read_at(
                    self.file,
                    &self.place.named(Kind::Log),
                    window,
                    self.position,
                )?;
                self.window_at = self.position;
                0
            }
        };
        let end = (skip + len).min(self.window_len);
        Ok(self.window.get(skip..end).unwrap_or_default())
    }
}

/// Reads whole batches one after the other and checks each: for recovery, and where records are
/// looked into. Memory grows with bytes that are there, never with a size that is only announced.
pub(crate) struct Batches<'a> {
    place: &'a Place,
    file: &'a File,
    position: u64,
    end: u64,
    chunk: Vec<u8>,
    chunk_at: u64,
}

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

impl<'a> Batches<'a> {
    pub(crate) fn new(place: &'a Place, file: &'a File, position: u64, end: u64) -> Batches<'a> {
        Batches {
            place,
            file,
            position,
            end,
            chunk: Vec::new(),
            chunk_at: position,
        }
    }

    /// The next batch and where it begins; its checksum is not looked at. `None` at the end, and
    /// where the last batch is incomplete.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>, ScanError> {
        let position = self.position;
        let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
        if left < HEADER_SIZE_UP_TO_MAGIC {
            return Ok(None);
        }
        self.fill(left.min(MAX_HEADER_SIZE))?;
        let header = match BatchHeader::parse(self.bytes(left.min(MAX_HEADER_SIZE))) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(None),
            Err(reason) => return Err(ScanError::Corrupt { position, reason }),
        };
        let size = header.size();
        if size > left {
            return Ok(None);
        }
        self.fill(size)?;
        self.position += size as u64;
        let skip = usize::try_from(position - self.chunk_at).unwrap_or(usize::MAX);
        match self.chunk.get(skip..).and_then(|rest| rest.get(..size)) {
            Some(batch) => Ok(Some((position, batch))),
            None => Ok(None), // the file is shorter than it was
        }
    }

    fn bytes(&self, len: usize) -> &[u8] {
        let skip = usize::try_from(self.position - self.chunk_at).unwrap_or(usize::MAX);
        let rest = self.chunk.get(skip..).unwrap_or_default();
        rest.get(..len.min(rest.len())).unwrap_or_default()
    }

    fn fill(&mut self, len: usize) -> Result<(), StorageError> {
        if self.bytes(len).len() >= len {
            return Ok(());
        }
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let wanted = len.max(CHUNK).min(left);
        self.chunk.resize(wanted, 0);
        let read = self.place.disk().read_at(
            self.file,
            &self.place.named(Kind::Log),
            &mut self.chunk,
            self.position,
        )?;
        self.chunk.truncate(read);
        self.chunk_at = self.position;
        Ok(())
    }
}

/// What the log has to know of a stored batch, after checking that it is intact.
///
/// # Errors
/// The batch is damaged.
pub(crate) fn examine(batch: &[u8]) -> Result<(BatchHeader, BatchInfo), CorruptBatch> {
    let header = verify(batch)?;
    Ok((header, info(&header, batch)))
}

/// What the log has to know of a stored batch.
pub(crate) fn info(header: &BatchHeader, batch: &[u8]) -> BatchInfo {
    let last_offset = header.last_offset();
    let empty = header.record_count() == Some(0);
    BatchInfo {
        size: header.size(),
        base_offset: header.base_offset().unwrap_or(last_offset),
        last_offset,
        max_timestamp: header.max_timestamp(),
        offset_of_max_timestamp: last_offset,
        magic: header.magic(),
        compression: header.compression(),
        timestamp_type: header.timestamp_type(),
        // A control batch emptied by compaction says nothing any more about its producer.
        producer: header
            .producer()
            .filter(|_| !(header.is_control() && empty)),
        transactional: header.is_transactional(),
        control: match header.is_control() {
            true if !empty => control_record(batch).ok().flatten(),
            _ => None,
        },
        record_count: header
            .record_count()
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(1),
    }
}

/// The first record at or after `from` with at least this timestamp, as (timestamp, offset).
pub(crate) fn find_timestamp(
    batch: &[u8],
    timestamp: Millis,
    from: Offset,
) -> Option<(Millis, Offset)> {
    let mut cursor = ottla_records::RecordCursor::new(batch).ok()?;
    while let Ok(Some(record)) = cursor.next() {
        if record.timestamp >= timestamp && record.offset >= from {
            return Some((record.timestamp, record.offset));
        }
    }
    None
}
