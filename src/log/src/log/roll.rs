//! When the active segment is left, and how the next begins.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ottla_metadata::{Millis, Offset};

use super::tail::Tail;
use super::{Hot, Log};
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::place::Place;
use crate::scan::{Headers, ScanError};
use crate::segment::Segment;

impl Log {
    /// Rolls when the next set does not fit any more (`LogSegment.shouldRoll`).
    #[allow(clippy::too_many_arguments, reason = "facts of one append, used once")]
    pub(super) fn roll_if_due(
        &self,
        hot: &mut Hot,
        config: &LogConfig,
        set_size: usize,
        max_timestamp: Millis,
        first: Offset,
        last: Offset,
        now: Millis,
    ) -> Result<(), StorageError> {
        let active = Arc::clone(&hot.active);
        let size = active.size();
        let full = size.saturating_add(set_size as u64) > u64::from(config.segment_bytes);
        let too_far = last.saturating_sub(active.base()) > i64::from(i32::MAX);
        let due = (size > 0 && full)
            || too_far
            || (size > 0 && self.waited(hot, max_timestamp, now)? > roll_after(config, hot))
            || active.is_index_full(config.segment_index_bytes)?;
        if due {
            self.roll(hot, config, first.max(hot.end), now)?;
        }
        Ok(())
    }

    /// Begins a new segment at `base`.
    pub(super) fn roll(
        &self,
        hot: &mut Hot,
        config: &LogConfig,
        base: Offset,
        now: Millis,
    ) -> Result<(), StorageError> {
        let mut segments = Vec::clone(&self.segments.load());
        hot.active.finish()?;
        hot.producers.set_end(base);
        hot.producers.take_snapshot(&self.home)?;
        // An empty segment of the same base would share its files with the new one.
        if hot.active.base() == base {
            segments.pop();
        }
        let place = Place {
            home: Arc::clone(&self.home),
            base,
        };
        let created = Segment::create(place, now, preallocation(config));
        // A file at an offset that the log may yet pass would be taken for its end by the next start.
        let segment = Arc::new(self.home.disk.insist(created)?);
        segments.push(Arc::clone(&segment));
        self.segments.store(Arc::new(segments));
        let left = hot.active.base();
        self.activate(hot, segment, config);
        self.names_changed();
        self.segment_left(left);
        self.ask_for_background();
        Ok(())
    }

    /// Lets appends and tail reads go to `segment`, the last of the list.
    pub(super) fn activate(&self, hot: &mut Hot, segment: Arc<Segment>, config: &LogConfig) {
        hot.first_timestamp = None;
        hot.jitter_ms = jitter(config);
        hot.active = Arc::clone(&segment);
        *self.tail.lock() = Tail::new(segment, hot.end);
    }

    /// How long the first batch of the active segment has waited by the clock of its records, or
    /// by ours if records carry no time.
    fn waited(
        &self,
        hot: &mut Hot,
        max_timestamp: Millis,
        now: Millis,
    ) -> Result<Millis, StorageError> {
        let first = match hot.first_timestamp {
            Some(first) => first,
            None => {
                let active = &hot.active;
                let file = active.file()?;
                let mut headers = Headers::new(&active.place, &file, 0, active.size());
                let first = match headers.next() {
                    Ok(found) => found.map_or(-1, |(_, header)| header.max_timestamp()),
                    Err(ScanError::Corrupt { .. }) => -1,
                    Err(ScanError::Storage(e)) => return Err(e),
                };
                hot.first_timestamp = Some(first);
                first
            }
        };
        Ok(if first >= 0 {
            max_timestamp.saturating_sub(first)
        } else {
            now.saturating_sub(hot.active.created)
        })
    }
}

/// `segment.ms` with what shortens it.
fn roll_after(config: &LogConfig, hot: &Hot) -> Millis {
    let limit = if config.cleanup_policy.compact {
        config.segment_ms.min(config.max_compaction_lag_ms)
    } else {
        config.segment_ms
    };
    limit.saturating_sub(hot.jitter_ms)
}

/// A random part of `segment.jitter.ms`, so that not all partitions roll at once.
pub(super) fn jitter(config: &LogConfig) -> Millis {
    let bound = config.segment_jitter_ms.min(config.segment_ms);
    if bound <= 0 {
        return 0;
    }
    let random = RandomState::new().hash_one(bound);
    i64::try_from(random % bound.unsigned_abs()).unwrap_or(0)
}

/// Bytes to reserve for a new segment.
pub(super) fn preallocation(config: &LogConfig) -> Option<u64> {
    config
        .preallocate
        .then_some(u64::from(config.segment_bytes))
}
