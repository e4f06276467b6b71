//! What storage needs to know; the caller converts from the broker's and topic's configs.

use ottla_metadata::Millis;

/// `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// `delete` is listed: retention by size and time applies.
    pub delete: bool,
    /// `compact` is listed.
    pub compact: bool,
}

/// The configs of one topic that storage acts on. Names are those of the topic-level keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment never grows past this.
    pub segment_bytes: u32,
    /// `segment.ms`.
    pub segment_ms: Millis,
    /// `segment.jitter.ms`: each segment rolls up to this much earlier.
    pub segment_jitter_ms: Millis,
    /// `segment.index.bytes`: the most that an offset or time index may take.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: bytes of log between index entries.
    pub index_interval_bytes: u32,
    /// `retention.bytes`; negative is "no limit".
    pub retention_bytes: i64,
    /// `retention.ms`; negative is "no limit".
    pub retention_ms: Millis,
    /// `flush.messages`: records after which an append asks for a flush.
    pub flush_messages: i64,
    /// `flush.ms`: the longest that data stays unflushed, `i64::MAX` for "as the system likes".
    pub flush_ms: Millis,
    /// `file.delete.delay.ms`: between renaming a file for deletion and unlinking it.
    pub file_delete_delay_ms: Millis,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `max.compaction.lag.ms`: bounds `segment.ms` of compacted topics.
    pub max_compaction_lag_ms: Millis,
    /// `preallocate`: reserve `segment.bytes` on disk when a segment is created.
    pub preallocate: bool,
}

impl Default for LogConfig {
    /// Kafka's defaults.
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            retention_bytes: -1,
            retention_ms: 7 * 24 * 3_600_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            file_delete_delay_ms: 60_000,
            cleanup_policy: CleanupPolicy {
                delete: true,
                compact: false,
            },
            max_compaction_lag_ms: i64::MAX,
            preallocate: false,
        }
    }
}

/// Broker-wide settings of storage; periods of the jobs that [`crate::LogManager::housekeeping`]
/// does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogManagerConfig {
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads_per_dir: usize,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval_ms: Millis,
    /// `log.flush.scheduler.interval.ms`: how often `flush.ms` is looked at.
    pub flush_check_interval_ms: Millis,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_point_checkpoint_interval_ms: Millis,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub start_offset_checkpoint_interval_ms: Millis,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_interval_ms: Millis,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: Millis,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_id_expiration_check_interval_ms: Millis,
    /// `log.initial.task.delay.ms`: before retention runs for the first time.
    pub initial_task_delay_ms: Millis,
    /// Whether `partition.metadata` files are kept (`inter.broker.protocol.version` ≥ 2.8). When
    /// not, they are removed on load.
    pub keep_topic_ids: bool,
}

impl Default for LogManagerConfig {
    /// Kafka's defaults.
    fn default() -> LogManagerConfig {
        LogManagerConfig {
            recovery_threads_per_dir: 1,
            retention_check_interval_ms: 300_000,
            flush_check_interval_ms: i64::MAX,
            recovery_point_checkpoint_interval_ms: 60_000,
            start_offset_checkpoint_interval_ms: 60_000,
            high_watermark_checkpoint_interval_ms: 5_000,
            producer_id_expiration_ms: 86_400_000,
            producer_id_expiration_check_interval_ms: 600_000,
            initial_task_delay_ms: 30_000,
            keep_topic_ids: true,
        }
    }
}
