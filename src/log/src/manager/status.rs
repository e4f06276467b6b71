//! What DescribeLogDirs shows.

use super::LogManager;
use crate::answers::{DirStatus, ReplicaStatus};
use crate::io::volume;

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
                        .map(|log| ReplicaStatus {
                            partition: log.partition().clone(),
                            size: log.size(),
                            offset_lag: log
                                .log_end_offset()
                                .saturating_sub(log.high_watermark())
                                .max(0),
                        })
                        .collect(),
                }
            })
            .collect()
    }
}
