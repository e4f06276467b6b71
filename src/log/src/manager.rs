//! All logs of a broker.

use std::sync::Arc;

use ottla_metadata::{Millis, Offset, TopicId, TopicPartition};

use crate::answers::DirStatus;
use crate::config::{LogConfig, LogManagerConfig};
use crate::dirs::LogDirs;
use crate::error::LogError;
use crate::log::Log;

/// All logs in all log directories.
#[derive(Debug)]
pub struct LogManager {}

#[allow(clippy::todo, unused_variables)]
impl LogManager {
    /// Loads every replica, recovering those of directories that were not stopped cleanly.
    pub fn load(
        dirs: LogDirs,
        config: LogManagerConfig,
        config_of: impl Fn(&str) -> Arc<LogConfig> + Sync,
        now: Millis,
    ) -> Result<LogManager, LogError> {
        todo!()
    }
    /// The log directories.
    pub fn dirs(&self) -> &LogDirs {
        todo!()
    }
    /// The log of a partition.
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        todo!()
    }
    /// The log of a partition; created in the directory with the fewest replicas if there is none.
    pub fn get_or_create(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
        config: Arc<LogConfig>,
    ) -> Result<Arc<Log>, LogError> {
        todo!()
    }
    /// Renames the replica's directory for deletion and forgets it; the files go after
    /// `file.delete.delay.ms`. Answers whether there was such a log.
    pub fn schedule_delete(&self, partition: &TopicPartition) -> Result<bool, LogError> {
        todo!()
    }
    /// All logs, in the order of their names.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        todo!()
    }
    /// Every log directory with its replicas.
    pub fn dir_status(&self) -> Vec<DirStatus> {
        todo!()
    }
    /// Puts new configs of a topic in force for its logs.
    pub fn update_config(&self, topic: &str, config: &Arc<LogConfig>) {
        todo!()
    }
    /// The high watermark as checkpointed before the start, 0 if there was none. A loaded log has it already.
    pub fn checkpointed_high_watermark(&self, partition: &TopicPartition) -> Offset {
        todo!()
    }
    /// Does what is due: retention, `flush.ms`, checkpoints, unlinking, forgetting producers. Blocks; call it on a
    /// thread that may. Answers when it wants to be called again.
    pub fn housekeeping(&self, now: Millis) -> Millis {
        todo!()
    }
    /// Flushes, writes snapshots, checkpoints and the mark of a clean stop. The logs are closed afterwards.
    pub fn shutdown(&self, now: Millis) -> Result<(), LogError> {
        todo!()
    }
}
