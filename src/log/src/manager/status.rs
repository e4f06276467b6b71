//! What DescribeLogDirs shows.

use std::sync::Arc;

use super::LogManager;
use crate::answers::{DirStatus, ReplicaStatus};
use crate::io::volume;
use crate::log::Log;

impl LogManager {
    /// Every log directory with its replicas.
    pub fn dir_status(&self) -> Vec<DirStatus> {
        let bytes = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.dirs
            .disks()
            .iter()
            .map(|disk| {
                let volume = volume(disk.root()).filter(|_| disk.failure().is_none());
                DirStatus {
                    path: disk.root().to_owned(),
                    offline: disk.failure().map(str::to_owned),
                    total_bytes: volume.map_or(-1, |(total, _)| bytes(total)),
                    usable_bytes: volume.map_or(-1, |(_, usable)| bytes(usable)),
                    replicas: self
                        .logs_on(disk)
                        .map(|log| self.replica_status(&log))
                        .collect(),
                }
            })
            .collect()
    }

    fn replica_status(&self, log: &Arc<Log>) -> ReplicaStatus {
        let partition = log.partition();
        let current = self.get(partition);
        let is_future = current
            .as_ref()
            .is_none_or(|current| !Arc::ptr_eq(current, log));
        let offset_lag = match (is_future, current) {
            (false, _) => log
                .high_watermark()
                .saturating_sub(log.log_end_offset())
                .max(0),
            (true, Some(current)) => current
                .log_end_offset()
                .saturating_sub(log.log_end_offset()),
            (true, None) => -1,
        };
        ReplicaStatus {
            partition: partition.clone(),
            size: log.size(),
            offset_lag,
            is_future,
        }
    }
}
