//! Dropping the end of the log, or all of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_metadata::Offset;
use tracing::info;

use super::roll::preallocation;
use super::{Hot, Log};
use crate::clock;
use crate::error::StorageError;
use crate::place::Place;
use crate::scan::ScanError;
use crate::segment::Segment;

impl Log {
    /// Drops everything at and above `offset`.
    ///
    /// # Errors
    /// The log is closed or its directory failed.
    pub fn truncate_to(&self, offset: Offset) -> Result<(), StorageError> {
        self.home.disk.insist(self.cut_from(offset))
    }

    fn cut_from(&self, offset: Offset) -> Result<(), StorageError> {
        let mut hot = self.usable()?;
        if offset >= hot.end {
            self.change_epochs(&mut hot, |epochs| epochs.truncate_from_end(offset));
            return Ok(());
        }
        info!(partition = %self.partition, offset, end = hot.end, "truncating the log");
        let segments = self.segments.load_full();
        if segments.first().is_none_or(|first| offset < first.base()) {
            return self.restart(&mut hot, offset);
        }
        // The index entries of the cut segment go first: nothing may name what is gone.
        self.lower_recovery_point(offset, false);
        let keep = segments.partition_point(|s| s.base() <= offset).max(1);
        let (kept, gone) = segments.split_at(keep);
        self.segments.store(Arc::new(kept.to_vec()));
        let config = self.config.load_full();
        self.discard(&mut hot, gone, &config, clock::now_ms())?;
        let Some(last) = kept.last() else {
            return self.restart(&mut hot, offset);
        };
        let position = match last.locate(offset, last.size()) {
            Ok(located) => located.map_or(last.size(), |located| located.position),
            Err(ScanError::Corrupt { position, .. }) => position,
            Err(ScanError::Storage(e)) => return Err(e),
        };
        last.truncate(position, offset)?;
        hot.end = offset;
        self.activate(&mut hot, Arc::clone(last), &config);
        self.change_epochs(&mut hot, |epochs| epochs.truncate_from_end(offset));
        self.log_start.fetch_min(offset, Ordering::AcqRel);
        self.rebuild_producers(&mut hot)?;
        self.after_truncation(&hot);
        Ok(())
    }

    /// Drops everything and starts anew at `offset`.
    ///
    /// # Errors
    /// The log is closed or its directory failed.
    pub fn truncate_fully_and_start_at(&self, offset: Offset) -> Result<(), StorageError> {
        let mut hot = self.usable()?;
        info!(partition = %self.partition, offset, end = hot.end, "starting the log anew");
        let restarted = self.restart(&mut hot, offset);
        self.home.disk.insist(restarted)
    }

    fn restart(&self, hot: &mut Hot, offset: Offset) -> Result<(), StorageError> {
        let now = clock::now_ms();
        let config = self.config.load_full();
        self.lower_recovery_point(offset, true);
        let gone = self.segments.load_full();
        self.discard(hot, &gone, &config, now)?;
        let place = Place {
            home: Arc::clone(&self.home),
            base: offset,
        };
        let segment = Arc::new(Segment::create(place, now, preallocation(&config))?);
        self.segments.store(Arc::new(vec![Arc::clone(&segment)]));
        hot.end = offset;
        self.activate(hot, segment, &config);
        self.change_epochs(hot, |epochs| epochs.clear());
        hot.producers.restart_at(offset, &self.home)?;
        self.log_start.store(offset, Ordering::Release);
        self.high_watermark.store(offset, Ordering::Release);
        self.names_changed();
        self.after_truncation(hot);
        Ok(())
    }

    fn after_truncation(&self, hot: &Hot) {
        self.publish_end(hot);
        // Once more: a sync that began meanwhile still saw the old end.
        self.lower_recovery_point(hot.end, false);
        self.publish_unstable(hot);
        if self.high_watermark() > hot.end {
            self.high_watermark.store(hot.end, Ordering::Release);
        }
    }

    fn rebuild_producers(&self, hot: &mut Hot) -> Result<(), StorageError> {
        // Without producers before the cut there are none after it.
        if hot.producers.is_empty() {
            let end = hot.end;
            hot.producers.forget_snapshots_above(end, &self.home)?;
            hot.producers.set_end(end);
            return Ok(());
        }
        let rebuild = super::producers::Rebuild {
            home: &self.home,
            segments: &self.segments.load_full(),
            start: self.log_start_offset(),
            end: hot.end,
            now: clock::now_ms(),
            expire_after: self.shared.producer_expiration_ms,
        };
        match rebuild.run(&mut hot.producers) {
            Ok(()) => {}
            // Reads and followers will meet the damage and name it; the state is as good as it can
            // be made.
            Err(ScanError::Corrupt { .. }) => {}
            Err(ScanError::Storage(e)) => return Err(e),
        }
        hot.producers.take_snapshot(&self.home)?;
        Ok(())
    }
}
