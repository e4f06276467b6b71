//! Making appends durable. Callers that wait at the same time share one sync.

use std::sync::atomic::Ordering;

use ottla_metadata::{Millis, Offset};

use super::{Durable, Hot, Log};
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::names::Kind;

#[derive(Debug)]
pub(super) struct FlushState {
    /// Everything below is on disk.
    recovery_point: Offset,
    /// Somebody is syncing; the others wait.
    running: bool,
    /// Grows with every truncation: a sync that began before must not move the recovery point.
    truncations: u64,
    /// When the last flush of all data ended, ms; `None` until then.
    last: Option<Millis>,
    /// Files were created since the directory was synced.
    names_dirty: bool,
    /// Segments from here on were left, or recovered, and their indexes are perhaps not on disk;
    /// `Offset::MAX` for none. Nobody checks them at a start, so recovery must not skip them.
    indexes_from: Offset,
    /// The directory is no longer ours to write to.
    closed: bool,
}

/// What a sync has to cover, as of its beginning.
#[derive(Clone, Copy, Debug)]
struct Noted {
    end: Offset,
    names_dirty: bool,
    indexes_from: Offset,
}

impl FlushState {
    pub(super) fn new(
        recovery_point: Offset,
        indexes_from: Offset,
        names_dirty: bool,
    ) -> FlushState {
        FlushState {
            recovery_point,
            running: false,
            truncations: 0,
            last: None,
            names_dirty,
            indexes_from,
            closed: false,
        }
    }
}

impl Log {
    /// Everything below this is on disk for sure.
    pub fn recovery_point(&self) -> Offset {
        self.flush.lock().recovery_point
    }

    /// How often the log was cut since it was opened.
    pub fn truncations(&self) -> u64 {
        self.flush.lock().truncations
    }

    /// Where recovery has to begin after a crash: below it, indexes are on disk too.
    pub(crate) fn recovery_point_to_checkpoint(&self) -> Offset {
        let state = self.flush.lock();
        state.recovery_point.min(state.indexes_from)
    }

    /// Makes everything below `offset` durable. Blocks for as long as the disk takes; whoever asks
    /// while a sync runs waits for the next one, which covers all who wait.
    ///
    /// # Errors
    /// The sync failed, now or before, and the directory is offline: what is not known to be
    /// durable stays so.
    pub fn flush_to(&self, offset: Offset) -> Result<(), StorageError> {
        let mut state = self.flush.lock();
        loop {
            let wanted = offset.min(self.log_end_offset());
            if state.recovery_point >= wanted && state.indexes_from >= wanted {
                return Ok(());
            }
            self.home.disk.check()?;
            if state.closed {
                return Err(StorageError::Closed(self.partition.clone()));
            }
            if !state.running {
                break;
            }
            self.flushed.wait(&mut state);
        }
        state.running = true;
        let from = state.recovery_point;
        let truncations = state.truncations;
        drop(state);

        let noted = {
            // The end first: all below it lies in segments that the list then has, and in files
            // whose names were noted. A left segment is noted after the list has the next one.
            let end = self.log_end.load(Ordering::Acquire);
            let mut state = self.flush.lock();
            Noted {
                end,
                names_dirty: std::mem::take(&mut state.names_dirty),
                indexes_from: std::mem::replace(&mut state.indexes_from, Offset::MAX),
            }
        };
        let synced = self.sync_range(from, offset, noted);

        let mut state = self.flush.lock();
        state.running = false;
        match &synced {
            Ok(to) if state.truncations == truncations => {
                state.recovery_point = state.recovery_point.max(*to);
            }
            Ok(_) => {}
            // It may be tried again, and then all of it.
            Err(_) => {
                state.names_dirty |= noted.names_dirty;
                state.indexes_from = state.indexes_from.min(noted.indexes_from);
            }
        }
        drop(state);
        self.flushed.notify_all();
        synced.map(|_| ())
    }

    /// Flushes what lies in segments that were left; asked for by every roll.
    pub(super) fn flush_rolled(&self) -> Result<(), StorageError> {
        let base = self.tail.lock().active.base();
        self.flush_to(base)
    }

    /// Flushes all there is, indexes of the active segment included, as a clean stop needs it.
    pub(super) fn flush_everything(&self) -> Result<(), StorageError> {
        let end = self.log_end_offset();
        self.flush_to(end)?;
        let active = std::sync::Arc::clone(&self.tail.lock().active);
        active.sync(true)?;
        self.sync_snapshot(end)?;
        self.home.disk.sync_dir(&self.home.dir)
    }

    /// Notes that the whole file system was synced.
    pub(super) fn all_synced(&self) {
        let mut state = self.flush.lock();
        state.recovery_point = state.recovery_point.max(self.log_end_offset());
        state.indexes_from = Offset::MAX;
    }

    /// `flush.ms`: flushes when the last flush is that long ago and there is something to flush.
    pub(crate) fn flush_if_old(&self, now: Millis) -> Result<(), StorageError> {
        let end = self.log_end_offset();
        {
            let mut state = self.flush.lock();
            let last = *state.last.get_or_insert(now);
            let due = now.saturating_sub(last) >= self.config.load().flush_ms;
            if !due || state.recovery_point >= end {
                return Ok(());
            }
            state.last = Some(now);
        }
        self.flush_to(end)
    }

    /// Whether `flush.messages` asks for a flush after an append.
    pub(super) fn flush_due(&self, hot: &Hot, config: &LogConfig) -> Option<Offset> {
        if config.flush_messages == i64::MAX {
            return None;
        }
        let unflushed = hot.end.saturating_sub(self.recovery_point());
        (unflushed >= config.flush_messages).then_some(hot.end)
    }

    /// Waits for the sync at hand and lets no other begin.
    pub(super) fn close_flush(&self) {
        let mut state = self.flush.lock();
        state.closed = true;
        while state.running {
            self.flushed.wait(&mut state);
        }
    }

    pub(super) fn names_changed(&self) {
        self.flush.lock().names_dirty = true;
    }

    /// The segment at `base` was left for a new one. Its batches may all be on disk; its indexes,
    /// whose last entries were written just now, are not.
    pub(super) fn segment_left(&self, base: Offset) {
        let mut state = self.flush.lock();
        state.indexes_from = state.indexes_from.min(base);
    }

    /// After a truncation: nothing above `offset` is durable, whatever a running sync believes.
    pub(super) fn lower_recovery_point(&self, offset: Offset, restart: bool) {
        let mut state = self.flush.lock();
        state.truncations += 1;
        if offset < state.recovery_point {
            self.shared
                .recovery_points_lowered
                .store(true, Ordering::Release);
        }
        state.recovery_point = if restart {
            offset
        } else {
            state.recovery_point.min(offset)
        };
    }

    /// Syncs the segments that hold `[from, upto)`; answers up to where everything is durable.
    fn sync_range(&self, from: Offset, upto: Offset, noted: Noted) -> Result<Offset, StorageError> {
        let Noted {
            end,
            names_dirty,
            indexes_from,
        } = noted;
        let from = from.min(indexes_from);
        let segments = self.segments.load_full();
        self.write_epochs(Durable::Yes)?;
        let first = segments
            .partition_point(|s| s.base() <= from)
            .saturating_sub(1);
        let mut synced = end;
        let mut rest = segments.iter().skip(first).peekable();
        while let Some(segment) = rest.next() {
            // The active segment is recovered after a crash in any case, so its indexes can wait.
            let left = rest.peek().map(|next| next.base());
            if segment.base() >= upto {
                synced = segment.base();
                if left.is_some() {
                    self.segment_left(segment.base());
                }
                break;
            }
            match segment.sync(left.is_some()) {
                Ok(()) | Err(StorageError::SegmentDeleted(_)) => {}
                Err(e) => return Err(e),
            }
            if let Some(next) = left {
                self.sync_snapshot(next)?;
            }
        }
        if names_dirty {
            self.home.disk.sync_dir(&self.home.dir)?;
            self.home.disk.sync_dir(self.home.disk.root())?;
        }
        Ok(synced)
    }

    fn sync_snapshot(&self, offset: Offset) -> Result<(), StorageError> {
        let path = self.home.file(offset, Kind::Snapshot);
        if let Some(file) = self.home.disk.open_if_exists(&path)? {
            self.home.disk.sync(&file, &path)?;
        }
        Ok(())
    }
}
