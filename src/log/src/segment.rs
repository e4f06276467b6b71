//! One segment: a file of batches and its indexes (Kafka's `LogSegment`).

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ottla_metadata::{Millis, Offset};
use ottla_records::{CorruptBatch, HEADER_SIZE_UP_TO_MAGIC};
use parking_lot::{Mutex, MutexGuard};

use crate::error::StorageError;
use crate::indexes::{BatchAt, Indexes, TimestampAt};
use crate::names::{self, Kind};
use crate::place::Place;
use crate::scan::{Headers, ScanError};
use crate::txn_index::{self, AbortedTxn};

/// One segment. Reading needs no lock that an append holds while it writes.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) place: Place,
    /// When this process began to use the segment.
    pub(crate) created: Millis,
    size: AtomicU64,
    file: Mutex<Option<Arc<File>>>,
    /// Something was read since the last [`Segment::release_if_idle`].
    used: AtomicBool,
    /// Batches were written or cut since the file was synced.
    unsynced: AtomicBool,
    has_txn_index: AtomicBool,
    /// Set with both locks held, before the files are renamed.
    deleted: AtomicBool,
    indexes: Mutex<Indexes>,
}

/// A batch in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) position: u64,
    pub(crate) size: usize,
}

impl Segment {
    pub(crate) fn base(&self) -> Offset {
        self.place.base
    }

    /// Bytes of batches.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Creates the files of an empty segment; what lay there before is gone.
    pub(crate) fn create(
        place: Place,
        now: Millis,
        preallocate: Option<u64>,
    ) -> Result<Segment, StorageError> {
        let path = place.path(Kind::Log);
        let file = place.disk().create(&path)?;
        if let Some(len) = preallocate {
            place.disk().allocate(&file, &path, len)?;
        }
        let indexes = Indexes::create(&place)?;
        // An idle partition keeps no descriptor; the first append opens the file.
        Ok(Segment::new(place, now, 0, false, indexes))
    }

    /// A segment that lies on disk; nothing is opened yet.
    pub(crate) fn existing(place: Place, now: Millis, size: u64, has_txn_index: bool) -> Segment {
        Segment::new(place, now, size, has_txn_index, Indexes::existing())
    }

    fn new(
        place: Place,
        created: Millis,
        size: u64,
        has_txn_index: bool,
        indexes: Indexes,
    ) -> Segment {
        Segment {
            place,
            created,
            size: AtomicU64::new(size),
            file: Mutex::new(None),
            used: AtomicBool::new(false),
            unsynced: AtomicBool::new(false),
            has_txn_index: AtomicBool::new(has_txn_index),
            deleted: AtomicBool::new(false),
            indexes: Mutex::new(indexes),
        }
    }

    /// The file of batches, opened when first needed.
    pub(crate) fn file(&self) -> Result<Arc<File>, StorageError> {
        self.used.store(true, Ordering::Relaxed);
        let mut slot = self.file.lock();
        if let Some(file) = &*slot {
            return Ok(Arc::clone(file));
        }
        self.check_not_deleted()?;
        let file = Arc::new(self.place.disk().open(&self.place.path(Kind::Log))?);
        *slot = Some(Arc::clone(&file));
        Ok(file)
    }

    fn check_not_deleted(&self) -> Result<(), StorageError> {
        if self.deleted.load(Ordering::Acquire) {
            return Err(StorageError::SegmentDeleted(self.place.path(Kind::Log)));
        }
        Ok(())
    }

    /// The indexes of a segment that is still there: looking into files would create them anew.
    fn lock_indexes(&self) -> Result<MutexGuard<'_, Indexes>, StorageError> {
        let indexes = self.indexes.lock();
        self.check_not_deleted()?;
        Ok(indexes)
    }

    /// Notes how much of the file holds batches.
    pub(crate) fn grown_to(&self, size: u64) {
        self.size.store(size, Ordering::Release);
        self.unsynced.store(true, Ordering::Release);
    }

    /// Notes a batch that was written, and adds index entries when more than `interval` bytes passed
    /// since the last.
    pub(crate) fn index_batch(&self, batch: BatchAt, interval: u32) -> Result<(), StorageError> {
        self.lock_indexes()?.note(&self.place, batch, interval)
    }

    /// Whether an index has no room for another entry.
    pub(crate) fn is_index_full(&self, max_index_bytes: u32) -> Result<bool, StorageError> {
        self.lock_indexes()?.is_full(&self.place, max_index_bytes)
    }

    /// The largest timestamp and the offset the time index names for it; timestamp -1 for none.
    pub(crate) fn largest_timestamp(&self) -> Result<TimestampAt, StorageError> {
        self.lock_indexes()?.largest(&self.place)
    }

    /// The largest timestamp, or where there is none the file's time.
    pub(crate) fn age_timestamp(&self) -> Result<Millis, StorageError> {
        match self.largest_timestamp()? {
            (timestamp, _) if timestamp >= 0 => Ok(timestamp),
            _ => self.modified(),
        }
    }

    /// When the file was last written, ms.
    pub(crate) fn modified(&self) -> Result<Millis, StorageError> {
        let stat = self.place.disk().stat(&self.place.path(Kind::Log))?;
        Ok(stat.map_or(0, |(_, modified)| modified))
    }

    /// A position at or before the batch with `offset`, from the index alone.
    pub(crate) fn floor_position(&self, offset: Offset) -> Result<u64, StorageError> {
        if offset <= self.base() {
            return Ok(0);
        }
        self.used.store(true, Ordering::Relaxed);
        self.lock_indexes()?.floor_position(&self.place, offset)
    }

    /// The first batch, below byte `end`, whose last offset is at least `offset`.
    pub(crate) fn locate(&self, offset: Offset, end: u64) -> Result<Option<Located>, ScanError> {
        let start = self.floor_position(offset)?;
        match self.locate_from(start, offset, end) {
            // The index is wrong rather than the log: the long way round still finds the batch.
            Err(ScanError::Corrupt { .. }) if start > 0 => self.locate_from(0, offset, end),
            Ok(None) if start >= end && start > 0 => self.locate_from(0, offset, end),
            found => found,
        }
    }

    /// Like [`Segment::locate`] when a position before the batch is known.
    pub(crate) fn locate_from(
        &self,
        start: u64,
        offset: Offset,
        end: u64,
    ) -> Result<Option<Located>, ScanError> {
        if start >= end {
            return Ok(None);
        }
        let file = self.file()?;
        let mut headers = Headers::new(&self.place, &file, start, end);
        while let Some((position, header)) = headers.next()? {
            if header.last_offset() >= offset {
                return Ok(Some(Located {
                    position,
                    size: header.size(),
                }));
            }
        }
        Ok(None)
    }

    /// Where to begin looking for a timestamp: no batch before has one as large.
    pub(crate) fn floor_of_timestamp(&self, timestamp: Millis) -> Result<Offset, StorageError> {
        self.lock_indexes()?
            .floor_of_timestamp(&self.place, timestamp)
    }

    /// The offset after the last batch, found from the last index entry on.
    ///
    /// # Errors
    /// The index leads to no batch, or there are bytes behind the last one: what is appended to
    /// them would never be found again.
    pub(crate) fn read_next_offset(&self) -> Result<Offset, ScanError> {
        let end = self.size();
        if end == 0 {
            return Ok(self.base());
        }
        let start = self.lock_indexes()?.last_position(&self.place)?;
        let file = self.file()?;
        if start >= end {
            let reason = CorruptBatch::WrongLength {
                expected: HEADER_SIZE_UP_TO_MAGIC,
                actual: 0,
            };
            let position = start;
            return Err(ScanError::Corrupt { position, reason });
        }
        let mut headers = Headers::new(&self.place, &file, start, end);
        let mut next = self.base();
        while let Some((_, header)) = headers.next()? {
            next = header.next_offset();
        }
        headers.check_end()?;
        Ok(next)
    }

    /// Leaves the segment, which gets no more appends: the largest timestamp is put into the time
    /// index, and space that was reserved is given back.
    pub(crate) fn finish(&self) -> Result<(), StorageError> {
        if self.lock_indexes()?.finish(&self.place)? {
            self.trim()?;
        }
        Ok(())
    }

    /// Cuts the file to what was written.
    pub(crate) fn trim(&self) -> Result<(), StorageError> {
        let path = self.place.path(Kind::Log);
        let len = self.place.disk().stat(&path)?.map_or(0, |(len, _)| len);
        if len > self.size() {
            self.place
                .disk()
                .set_len(&*self.file()?, &path, self.size())?;
        }
        Ok(())
    }

    /// Makes the batches durable, and with `indexes` those too.
    pub(crate) fn sync(&self, indexes: bool) -> Result<(), StorageError> {
        let disk = self.place.disk();
        // Before the sync: what is written while it runs waits for the next one.
        if self.unsynced.load(Ordering::Acquire) {
            let file = self.file()?;
            if self.unsynced.swap(false, Ordering::AcqRel) {
                disk.sync(&file, &self.place.named(Kind::Log))?;
            }
        }
        if !indexes {
            return Ok(());
        }
        self.lock_indexes()?.sync(&self.place)?;
        if self.has_txn_index() {
            let path = self.place.path(Kind::TxnIndex);
            if let Some(file) = disk.open_if_exists(&path)? {
                disk.sync(&file, &path)?;
            }
        }
        Ok(())
    }

    /// Cuts everything from the batch at `position` on; `next` is the end offset from now on.
    pub(crate) fn truncate(&self, position: u64, next: Offset) -> Result<(), StorageError> {
        self.lock_indexes()?.truncate(&self.place, next)?;
        if self.has_txn_index() {
            txn_index::truncate(&self.place, next)?;
        }
        let named = self.place.named(Kind::Log);
        self.place
            .disk()
            .set_len(&*self.file()?, &named, position)?;
        self.grown_to(position);
        self.find_largest_timestamp()
    }

    /// Looks through the batches that no time index entry covers for a larger timestamp: without
    /// it a search by time could pass the segment by.
    fn find_largest_timestamp(&self) -> Result<(), StorageError> {
        let mut largest = self.largest_timestamp()?;
        let start = self.floor_position(largest.1)?;
        let file = self.file()?;
        let mut headers = Headers::new(&self.place, &file, start, self.size());
        loop {
            match headers.next() {
                Ok(Some((_, header))) if header.max_timestamp() > largest.0 => {
                    largest = (header.max_timestamp(), header.last_offset());
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(ScanError::Corrupt { .. }) => break,
                Err(ScanError::Storage(e)) => return Err(e),
            }
        }
        self.lock_indexes()?.set_largest(largest);
        Ok(())
    }

    /// Empties the indexes for a rebuild.
    pub(crate) fn reset_indexes(&self) -> Result<(), StorageError> {
        self.lock_indexes()?.reset(&self.place)?;
        if self.has_txn_index.swap(false, Ordering::AcqRel) {
            self.place.disk().remove(&self.place.path(Kind::TxnIndex))?;
        }
        Ok(())
    }

    pub(crate) fn has_txn_index(&self) -> bool {
        self.has_txn_index.load(Ordering::Acquire)
    }

    pub(crate) fn add_aborted(&self, aborted: &[AbortedTxn]) -> Result<(), StorageError> {
        if aborted.is_empty() {
            return Ok(());
        }
        txn_index::append(&self.place, aborted)?;
        self.has_txn_index.store(true, Ordering::Release);
        Ok(())
    }

    pub(crate) fn aborted(&self) -> Result<Vec<AbortedTxn>, StorageError> {
        if !self.has_txn_index() {
            return Ok(Vec::new());
        }
        Ok(txn_index::read(&self.place)?.unwrap_or_default())
    }

    /// Whether something was written that is not known to be on disk.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.unsynced.load(Ordering::Acquire) || self.indexes.lock().is_unsynced()
    }

    /// What is in the file may not be on disk: it lay there after a crash.
    pub(crate) fn set_unsynced(&self) {
        self.unsynced.store(true, Ordering::Release);
    }

    /// Gives descriptors and buffers back after loading: what is not synced was written by another
    /// process, whose errors nobody can learn any more.
    pub(crate) fn release(&self) -> Result<(), StorageError> {
        self.used.store(false, Ordering::Relaxed);
        let mut indexes = self.lock_indexes()?;
        *self.file.lock() = None;
        indexes.release(&self.place)
    }

    /// Gives descriptors and buffers back when nothing was read or written since the last call.
    /// Whoever holds the file goes on with it. Batches are synced first: the system tells of a
    /// failed write only those who had the file open when it failed.
    pub(crate) fn release_if_idle(&self) -> Result<(), StorageError> {
        if self.used.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.sync_idle()?;
        let mut indexes = self.lock_indexes()?;
        let mut file = self.file.lock();
        // Somebody came meanwhile.
        if self.used.load(Ordering::Acquire) || self.unsynced.load(Ordering::Acquire) {
            return Ok(());
        }
        *file = None;
        drop(file);
        indexes.release(&self.place)
    }

    /// Syncs the batches of a segment that nobody uses.
    fn sync_idle(&self) -> Result<(), StorageError> {
        let file = self.file.lock().clone();
        match file {
            Some(file) if self.unsynced.swap(false, Ordering::AcqRel) => {
                let named = self.place.named(Kind::Log);
                self.place.disk().sync(&file, &named)
            }
            // Without a descriptor there is none to give back.
            _ => Ok(()),
        }
    }

    /// Whether giving the descriptor back needs a sync.
    pub(crate) fn is_idle_and_unsynced(&self) -> bool {
        !self.used.load(Ordering::Acquire)
            && self.unsynced.load(Ordering::Acquire)
            && self.file.lock().is_some()
    }

    /// The whole file system was synced after [`Segment::is_idle_and_unsynced`].
    pub(crate) fn synced_while_idle(&self) {
        let _file = self.file.lock();
        // An append takes the file first, and with that says that it uses the segment.
        if !self.used.load(Ordering::Acquire) {
            self.unsynced.store(false, Ordering::Release);
        }
    }

    /// Opens no file any more.
    pub(crate) fn retire(&self) {
        let _indexes = self.indexes.lock();
        let _file = self.file.lock();
        self.deleted.store(true, Ordering::Release);
    }

    /// Renames the files for deletion; answers their new names.
    pub(crate) fn mark_deleted(&self) -> Result<Vec<std::path::PathBuf>, StorageError> {
        let _indexes = self.indexes.lock();
        let _file = self.file.lock();
        self.deleted.store(true, Ordering::Release);
        let mut marked = Vec::with_capacity(4);
        for kind in [Kind::Log].into_iter().chain(Kind::INDEXES) {
            let from = self.place.path(kind);
            let to = names::with_suffix(&from, names::DELETED);
            if self.place.disk().rename_if_exists(&from, &to)? {
                marked.push(to);
            }
        }
        Ok(marked)
    }
}
