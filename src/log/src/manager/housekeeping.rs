//! What has to be done from time to time.

use std::sync::atomic::Ordering;

use ottla_metadata::Millis;
use tracing::{debug, warn};

use super::checkpoints::Checkpoint;
use super::shutdown::SYNC_ONE_BY_ONE;
use super::{LogManager, tolerate};
use crate::config::LogManagerConfig;

/// How often descriptors and buffers that nobody uses are given back.
const RELEASE_INTERVAL_MS: Millis = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Retention,
    FlushOld,
    RecoveryPoints,
    LogStarts,
    HighWatermarks,
    ExpireProducers,
    Release,
}

/// When each task is due next.
#[derive(Debug)]
pub(super) struct Schedule(Vec<(Task, Millis, Millis)>);

impl Schedule {
    pub(super) fn new(config: &LogManagerConfig, now: Millis) -> Schedule {
        let delayed = now.saturating_add(config.initial_task_delay_ms);
        let after = |interval: Millis| now.saturating_add(interval);
        Schedule(vec![
            (Task::Retention, config.retention_check_interval_ms, delayed),
            (
                Task::FlushOld,
                config.flush_check_interval_ms,
                after(config.flush_check_interval_ms),
            ),
            (
                Task::RecoveryPoints,
                config.recovery_point_checkpoint_interval_ms,
                delayed,
            ),
            (
                Task::LogStarts,
                config.start_offset_checkpoint_interval_ms,
                delayed,
            ),
            (
                Task::HighWatermarks,
                config.high_watermark_checkpoint_interval_ms,
                after(config.high_watermark_checkpoint_interval_ms),
            ),
            (
                Task::ExpireProducers,
                config.producer_id_expiration_check_interval_ms,
                after(config.producer_id_expiration_check_interval_ms),
            ),
            (
                Task::Release,
                RELEASE_INTERVAL_MS,
                after(RELEASE_INTERVAL_MS),
            ),
        ])
    }

    fn take_due(&mut self, now: Millis) -> Vec<Task> {
        let mut due = Vec::new();
        for (task, interval, next) in &mut self.0 {
            if *next <= now {
                *next = now.saturating_add((*interval).max(1));
                due.push(*task);
            }
        }
        due
    }

    fn next_due(&self) -> Millis {
        self.0.iter().map(|t| t.2).min().unwrap_or(Millis::MAX)
    }
}

impl LogManager {
    /// Does what is due: retention, `flush.ms`, checkpoints, unlinking, forgetting producers,
    /// giving back descriptors. Blocks for as long as the disks take; call it on a thread that may,
    /// from one place. Answers the time at which it wants to be called again.
    pub fn housekeeping(&self, now: Millis) -> Millis {
        let lowered = &self.shared.recovery_points_lowered;
        if lowered.swap(false, Ordering::AcqRel) {
            self.write_checkpoint(Checkpoint::RecoveryPoints);
        }
        let due = self.schedule.lock().take_due(now);
        if self.dirs.live().any(|disk| disk.take_shortage()) {
            warn!("descriptors are short: giving back those that are idle");
            self.release_idle();
        }
        for task in due {
            debug!(?task, "housekeeping");
            self.perform(task, now);
        }
        self.shared.trash.empty(now);
        let scheduled = self.schedule.lock().next_due();
        self.shared
            .trash
            .next_due()
            .map_or(scheduled, |trash| trash.min(scheduled))
    }

    fn perform(&self, task: Task, now: Millis) {
        match task {
            Task::Retention => {
                for log in self.all() {
                    tolerate(log.apply_retention(now));
                }
            }
            Task::FlushOld => {
                for log in self.all() {
                    tolerate(log.flush_if_old(now));
                }
            }
            Task::RecoveryPoints => self.write_checkpoint(Checkpoint::RecoveryPoints),
            Task::LogStarts => self.write_checkpoint(Checkpoint::LogStarts),
            Task::HighWatermarks => {
                let moved = &self.shared.high_watermarks_moved;
                if moved.swap(false, Ordering::AcqRel) {
                    self.write_checkpoint(Checkpoint::HighWatermarks);
                }
            }
            Task::ExpireProducers => {
                for log in self.all() {
                    log.expire_producers(now);
                }
            }
            Task::Release => self.release_idle(),
        }
    }

    /// Gives descriptors back that nobody used since the last time. Many files that have to be
    /// synced before are synced with their whole file system.
    fn release_idle(&self) {
        for disk in self.dirs.live() {
            let logs: Vec<_> = self.logs_on(disk).collect();
            let idle: Vec<_> = logs.iter().flat_map(|log| log.idle_unsynced()).collect();
            if idle.len() > SYNC_ONE_BY_ONE && tolerate(disk.sync_file_system()) == Some(true) {
                for segment in idle {
                    segment.synced_while_idle();
                }
            }
            for log in logs {
                log.release_idle();
            }
        }
    }
}
