//! Deleting what is old, too much, or below the log start.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_metadata::{Millis, Offset};
use tracing::info;

use super::{Hot, Log};
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::names::{self, Kind};
use crate::segment::Segment;

impl Log {
    /// Deletes the segments that retention gives up; answers how many.
    pub(crate) fn apply_retention(&self, now: Millis) -> Result<usize, StorageError> {
        let config = self.config.load_full();
        let mut hot = self.usable()?;
        let start = self.log_start_offset();
        let mut deleted = self.delete_oldest(&mut hot, &config, now, "log start", |_, next| {
            Ok(next.is_some_and(|next| next <= start))
        })?;
        if !config.cleanup_policy.delete {
            return Ok(deleted);
        }
        if let Ok(limit) = u64::try_from(config.retention_bytes) {
            let mut excess = self.size().saturating_sub(limit);
            deleted += self.delete_oldest(&mut hot, &config, now, "size", |segment, _| {
                let goes = excess >= segment.size() && excess > 0;
                excess = excess.saturating_sub(segment.size());
                Ok(goes)
            })?;
        }
        if config.retention_ms >= 0 {
            let limit = config.retention_ms;
            deleted += self.delete_oldest(&mut hot, &config, now, "time", |segment, _| {
                Ok(now.saturating_sub(segment.age_timestamp()?) > limit)
            })?;
        }
        Ok(deleted)
    }

    /// Deletes segments from the oldest on while `goes` (given the segment and the base of the
    /// next) says so, and the high watermark has passed them.
    fn delete_oldest(
        &self,
        hot: &mut Hot,
        config: &LogConfig,
        now: Millis,
        why: &'static str,
        mut goes: impl FnMut(&Segment, Option<Offset>) -> Result<bool, StorageError>,
    ) -> Result<usize, StorageError> {
        let segments = self.segments.load_full();
        let high_watermark = self.high_watermark();
        let mut count = 0;
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1).map(|s| s.base());
            let passed = high_watermark >= next.unwrap_or(hot.end);
            let empty_last = next.is_none() && segment.size() == 0;
            if !passed || empty_last || !goes(segment, next)? {
                break;
            }
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        if count == segments.len() {
            let end = hot.end;
            self.roll(hot, config, end, now)?;
        }
        let all = self.segments.load_full();
        let (gone, kept) = all.split_at(count.min(all.len()));
        let start = kept.first().map_or(hot.end, |s| s.base());
        info!(partition = %self.partition, segments = count, why, log_start_offset = start, "retention deletes segments");
        self.segments.store(Arc::new(kept.to_vec()));
        self.move_log_start(hot, start);
        self.discard(hot, gone, config, now)?;
        Ok(count)
    }

    /// Renames the files of segments that left the list, and their snapshots, for deletion.
    pub(super) fn discard(
        &self,
        hot: &mut Hot,
        segments: &[Arc<Segment>],
        config: &LogConfig,
        now: Millis,
    ) -> Result<(), StorageError> {
        let mut files: Vec<PathBuf> = Vec::new();
        for segment in segments {
            files.extend(segment.mark_deleted()?);
            if hot.producers.drop_snapshot(segment.base()) {
                let from = self.home.file(segment.base(), Kind::Snapshot);
                let to = names::with_suffix(&from, names::DELETED);
                if self.home.disk.rename_if_exists(&from, &to)? {
                    files.push(to);
                }
            }
        }
        let due = now.saturating_add(config.file_delete_delay_ms);
        self.shared.trash.add_files(due, &self.home.disk, files);
        Ok(())
    }

    /// Raises the log start offset: DeleteRecords, or what the leader of a follower says. Never
    /// lowers it; answers whether it moved. Segments below go with the next retention. An offset
    /// above the high watermark is refused with `None`.
    ///
    /// # Errors
    /// The log is closed or its directory failed.
    pub fn advance_log_start_offset(&self, offset: Offset) -> Result<Option<bool>, StorageError> {
        let mut hot = self.usable()?;
        if offset > self.high_watermark() {
            return Ok(None);
        }
        if offset <= self.log_start_offset() {
            return Ok(Some(false));
        }
        self.move_log_start(&mut hot, offset);
        Ok(Some(true))
    }

    /// The log start offset, if the segments alone would not tell it.
    pub(crate) fn log_start_to_checkpoint(&self) -> Option<Offset> {
        let start = self.log_start_offset();
        let segments = self.segments.load();
        segments
            .first()
            .is_some_and(|s| start > s.base())
            .then_some(start)
    }

    fn move_log_start(&self, hot: &mut Hot, offset: Offset) {
        if offset <= self.log_start_offset() {
            return;
        }
        self.log_start.store(offset, Ordering::Release);
        if self.high_watermark() < offset {
            self.high_watermark.store(offset, Ordering::Release);
        }
        self.change_epochs(hot, |epochs| epochs.truncate_from_start(offset));
        hot.producers.log_start_moved(offset);
        self.publish_unstable(hot);
    }
}
