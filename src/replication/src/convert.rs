//! From the words of `config` to those of `log` and `records`.

use std::time::Duration;

use ottla_config::{CompressionType, MetadataVersion, ServerConfig, TimestampType, TopicConfig};
use ottla_log::{CleanupPolicy, LogConfig, LogManagerConfig};
use ottla_metadata::Millis;
use ottla_records::{AppendRules, AppendSource, Compression, Magic, TargetCompression};

/// What storage goes by for a topic.
pub fn log_config(topic: &TopicConfig) -> LogConfig {
    LogConfig {
        segment_bytes: topic.segment_bytes,
        segment_ms: topic.segment_ms,
        segment_jitter_ms: topic.segment_jitter_ms,
        segment_index_bytes: topic.segment_index_bytes,
        index_interval_bytes: topic.index_interval_bytes,
        retention_bytes: topic.retention_bytes.unwrap_or(-1),
        retention_ms: topic.retention_ms.unwrap_or(-1),
        flush_messages: topic.flush_messages,
        flush_ms: topic.flush_ms,
        file_delete_delay_ms: millis(topic.file_delete_delay),
        cleanup_policy: CleanupPolicy {
            delete: topic.delete,
            compact: topic.compact,
        },
        max_compaction_lag_ms: topic.max_compaction_lag_ms,
        preallocate: topic.preallocate,
    }
}

/// What storage goes by as a whole.
pub fn log_manager_config(server: &ServerConfig) -> LogManagerConfig {
    let storage = &server.storage;
    LogManagerConfig {
        recovery_threads_per_dir: storage.recovery_threads_per_dir,
        retention_check_interval_ms: millis(storage.retention_check_interval),
        flush_check_interval_ms: storage.flush_scheduler_interval.map_or(Millis::MAX, millis),
        recovery_point_checkpoint_interval_ms: millis(storage.recovery_point_checkpoint_interval),
        start_offset_checkpoint_interval_ms: millis(storage.start_offset_checkpoint_interval),
        high_watermark_checkpoint_interval_ms: millis(
            server.replication.high_watermark_checkpoint_interval,
        ),
        producer_id_expiration_ms: storage.producer_id_expiration_ms,
        producer_id_expiration_check_interval_ms: millis(
            storage.producer_id_expiration_check_interval,
        ),
        initial_task_delay_ms: millis(storage.initial_task_delay),
        keep_topic_ids: server.inter_broker_protocol >= MetadataVersion::V2_8_IV0,
    }
}

/// What a client's records must keep to. Time and what the version of the request decides are
/// filled in per request.
pub fn record_rules(topic: &TopicConfig) -> AppendRules {
    AppendRules {
        target_magic: target_magic(topic.message_format),
        compression: target_compression(topic.compression),
        timestamp_type: match topic.timestamp_type {
            TimestampType::CreateTime => ottla_records::TimestampType::Create,
            TimestampType::LogAppendTime => ottla_records::TimestampType::LogAppend,
        },
        timestamp_before_max_ms: topic.timestamp_before_max_ms,
        timestamp_after_max_ms: topic.timestamp_after_max_ms,
        max_batch_bytes: bytes(topic.max_message_bytes),
        max_set_bytes: bytes(topic.segment_bytes),
        compacted: topic.compact,
        now_ms: 0,
        source: AppendSource::Client,
        zstd_allowed: true,
        require_single_v2_batch: false,
    }
}

fn target_magic(format: MetadataVersion) -> Magic {
    if format >= MetadataVersion::V0_11_0_IV0 {
        Magic::V2
    } else if format >= MetadataVersion::V0_10_0_IV0 {
        Magic::V1
    } else {
        Magic::V0
    }
}

fn target_compression(compression: CompressionType) -> TargetCompression {
    let codec = |codec, level| TargetCompression::Codec { codec, level };
    match compression {
        CompressionType::Producer => TargetCompression::Producer,
        CompressionType::Uncompressed => codec(Compression::None, -1),
        CompressionType::Gzip(level) => codec(Compression::Gzip, level),
        CompressionType::Snappy => codec(Compression::Snappy, -1),
        CompressionType::Lz4(level) => codec(Compression::Lz4, level),
        CompressionType::Zstd(level) => codec(Compression::Zstd, level),
    }
}

fn bytes(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

pub(crate) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
