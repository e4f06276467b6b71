//! The offset checkpoints of the log directories.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use ottla_metadata::TopicPartition;
use tracing::error;

use super::{LogManager, tolerate};
use crate::checkpoint::{
    HIGH_WATERMARKS, LOG_STARTS, Offsets, RECOVERY_POINTS, parse_offsets, render_offsets,
};
use crate::error::StorageError;
use crate::io::Disk;
use crate::log::Log;

/// What is known of the files on disk.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Hashes of their contents: what has not changed is not written again.
    content: BTreeMap<PathBuf, u64>,
    /// Partitions that the files may still mention although their logs are gone.
    stale: BTreeSet<TopicPartition>,
}

impl Written {
    pub(super) fn deleted(&mut self, partition: TopicPartition) {
        self.stale.insert(partition);
    }

    pub(super) fn is_stale(&self, partition: &TopicPartition) -> bool {
        self.stale.contains(partition)
    }
}

/// What the checkpoints of a directory say.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    pub(super) recovery_points: Offsets,
    pub(super) log_starts: Offsets,
    pub(super) high_watermarks: Offsets,
}

impl Checkpoints {
    pub(super) fn read(disk: &Disk) -> Result<Checkpoints, StorageError> {
        Ok(Checkpoints {
            recovery_points: read(disk, RECOVERY_POINTS)?,
            log_starts: read(disk, LOG_STARTS)?,
            high_watermarks: read(disk, HIGH_WATERMARKS)?,
        })
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.recovery_points
            .keys()
            .chain(self.log_starts.keys())
            .chain(self.high_watermarks.keys())
    }
}

/// A file that cannot be understood counts as empty: everything is recovered, logs start with their
/// first segment, high watermarks are found out anew.
fn read(disk: &Disk, name: &str) -> Result<Offsets, StorageError> {
    let path = disk.root().join(name);
    let Some(content) = disk.read_small(&path)? else {
        return Ok(Offsets::new());
    };
    Ok(parse_offsets(&content).unwrap_or_else(|reason| {
        error!(file = %path.display(), %reason, "the checkpoint is of no use");
        Offsets::new()
    }))
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Checkpoint {
    RecoveryPoints,
    LogStarts,
    HighWatermarks,
}

impl Checkpoint {
    fn file(self) -> &'static str {
        match self {
            Checkpoint::RecoveryPoints => RECOVERY_POINTS,
            Checkpoint::LogStarts => LOG_STARTS,
            Checkpoint::HighWatermarks => HIGH_WATERMARKS,
        }
    }

    fn of(self, log: &Log) -> Option<i64> {
        match self {
            Checkpoint::RecoveryPoints => Some(log.recovery_point_to_checkpoint()),
            Checkpoint::LogStarts => log.log_start_to_checkpoint(),
            Checkpoint::HighWatermarks => Some(log.high_watermark()),
        }
    }
}

impl LogManager {
    /// Writes one kind of checkpoint in every live directory.
    pub(super) fn write_checkpoint(&self, checkpoint: Checkpoint) {
        for disk in self.dirs.live() {
            tolerate(self.write_checkpoint_on(disk, checkpoint));
        }
    }

    /// Writes all checkpoints of all live directories.
    pub(super) fn write_checkpoints(&self) {
        // What is deleted from here on may still be in what is written now.
        let stale = std::mem::take(&mut self.written.lock().stale);
        for disk in self.dirs.live() {
            if tolerate(self.write_checkpoints_on(disk)).is_none() {
                self.written.lock().stale.extend(stale.iter().cloned());
            }
        }
    }

    pub(super) fn write_checkpoints_on(&self, disk: &Disk) -> Result<(), StorageError> {
        self.write_checkpoint_on(disk, Checkpoint::RecoveryPoints)?;
        self.write_checkpoint_on(disk, Checkpoint::LogStarts)?;
        self.write_checkpoint_on(disk, Checkpoint::HighWatermarks)
    }

    fn write_checkpoint_on(&self, disk: &Disk, checkpoint: Checkpoint) -> Result<(), StorageError> {
        let offsets: Offsets = self
            .logs_on(disk)
            .filter_map(|log| Some((log.partition().clone(), checkpoint.of(&log)?)))
            .collect();
        let content = render_offsets(&offsets);
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let hash = hasher.finish();
        let path = disk.root().join(checkpoint.file());
        // Held while writing, so that two writers do not use the same temporary file.
        let mut written = self.written.lock();
        if written.content.get(&path) != Some(&hash) {
            disk.replace(&path, content.as_bytes())?;
            written.content.insert(path, hash);
        }
        Ok(())
    }
}
