//! Lending records to readers.

use std::path::PathBuf;
use std::sync::Arc;

use ottla_metadata::Offset;

use super::Log;
use crate::answers::{AbortedTransaction, LogSlice};
use crate::error::{ReadError, StorageError};
use crate::names::Kind;
use crate::scan::ScanError;
use crate::segment::{Located, Segment};

impl Log {
    /// Lends the records from `from` on: at most `max_bytes` of one segment, and none at or above
    /// `upper_bound`. `None` when there are none. With `min_one` the first batch is lent whole even
    /// if it is larger than `max_bytes`.
    ///
    /// At the end of the log this touches neither index nor disk; elsewhere it costs an index
    /// lookup and the headers behind one index entry, however long the range is.
    ///
    /// # Errors
    /// `from` is below the log start or above the log end; the disk failed.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        upper_bound: Offset,
        min_one: bool,
    ) -> Result<Option<LogSlice>, ReadError> {
        self.home.disk.check()?;
        let (active, end, active_size, found, bound) = {
            let tail = self.tail.lock();
            (
                Arc::clone(&tail.active),
                tail.end,
                tail.size,
                tail.find(from),
                tail.position_of(upper_bound),
            )
        };
        let start = self.log_start_offset();
        if from < start || from > end {
            return Err(ReadError::OffsetOutOfRange {
                offset: from,
                start,
                end,
            });
        }
        let upper = upper_bound.min(end);
        if from >= upper {
            return Ok(None);
        }
        if let (Some(located), Some(bound)) = (found, bound) {
            return slice(&active, located, bound, max_bytes, min_one);
        }
        let request = Request {
            from,
            upper,
            max_bytes,
            min_one,
        };
        let read = self.read_by_index(&request, &active, active_size, found, bound);
        match read {
            // The log starts later by now. If it does not, it has moved or is gone with its files.
            Err(ReadError::Storage(StorageError::SegmentDeleted(_)))
                if from < self.log_start_offset() =>
            {
                Err(ReadError::OffsetOutOfRange {
                    offset: from,
                    start: self.log_start_offset(),
                    end: self.log_end_offset(),
                })
            }
            read => read,
        }
    }

    fn read_by_index(
        &self,
        request: &Request,
        active: &Arc<Segment>,
        active_size: u64,
        found: Option<Located>,
        bound: Option<u64>,
    ) -> Result<Option<LogSlice>, ReadError> {
        let segments = self.segments.load();
        let first = segments
            .partition_point(|s| s.base() <= request.from)
            .saturating_sub(1);
        let mut rest = segments.iter().skip(first).peekable();
        while let Some(segment) = rest.next() {
            let is_active = Arc::ptr_eq(segment, active);
            let size = if is_active {
                active_size
            } else {
                segment.size()
            };
            let located = match found.filter(|_| is_active) {
                Some(located) => Some(located),
                None => segment
                    .locate(request.from, size)
                    .map_err(|e| unreadable(segment, e))?,
            };
            // Compaction may have left nothing from here on in this segment.
            let Some(located) = located else { continue };
            let in_later = rest.peek().is_some_and(|next| request.upper > next.base());
            let bound = match bound.filter(|_| is_active) {
                Some(bound) => bound,
                None if in_later => size,
                None => self.bound(segment, request, located, size)?,
            };
            return slice(segment, located, bound, request.max_bytes, request.min_one);
        }
        Ok(None)
    }

    /// Where the records below the upper bound end in the segment; a later position will do when
    /// the size limit cuts before.
    fn bound(
        &self,
        segment: &Segment,
        request: &Request,
        located: Located,
        size: u64,
    ) -> Result<u64, ReadError> {
        let limit = request.max_bytes.max(located.size) as u64;
        let floor = segment.floor_position(request.upper)?;
        if floor >= located.position.saturating_add(limit) {
            return Ok(floor);
        }
        let at = segment
            .locate_from(floor.max(located.position), request.upper, size)
            .map_err(|e| unreadable(segment, e))?;
        Ok(at.map_or(size, |at| at.position))
    }

    /// Aborted transactions that touch `[from, upto)`, in the order of their markers.
    ///
    /// # Errors
    /// The disk failed.
    pub fn aborted_transactions(
        &self,
        from: Offset,
        upto: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        let segments = self.segments.load();
        let first = segments
            .partition_point(|s| s.base() <= from)
            .saturating_sub(1);
        let mut found = Vec::new();
        for segment in segments.iter().skip(first) {
            for txn in segment.aborted()? {
                if txn.last_offset >= from && txn.first_offset < upto {
                    found.push(AbortedTransaction {
                        producer_id: txn.producer_id,
                        first_offset: txn.first_offset,
                    });
                }
                if txn.last_stable_offset >= upto {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

struct Request {
    from: Offset,
    upper: Offset,
    max_bytes: usize,
    min_one: bool,
}

fn slice(
    segment: &Arc<Segment>,
    located: Located,
    bound: u64,
    max_bytes: usize,
    min_one: bool,
) -> Result<Option<LogSlice>, ReadError> {
    let limit = if min_one {
        max_bytes.max(located.size)
    } else {
        max_bytes
    };
    let there = bound.saturating_sub(located.position);
    let len = usize::try_from(there).unwrap_or(usize::MAX).min(limit);
    if len == 0 {
        return Ok(None);
    }
    Ok(Some(LogSlice {
        file: segment.file()?,
        position: located.position,
        len,
        first_entry_size: located.size,
        segment_base: segment.base(),
    }))
}

pub(super) fn unreadable(segment: &Segment, e: ScanError) -> ReadError {
    match e {
        ScanError::Storage(e) => ReadError::Storage(e),
        ScanError::Corrupt { position, reason } => {
            let file: PathBuf = segment.place.path(Kind::Log);
            ReadError::Corrupt {
                file,
                position,
                reason,
            }
        }
    }
}
