//! What a topic and a request demand of produced records.

use crate::format::{Compression, Magic, TimestampType};

/// Topic config `compression.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetCompression {
    /// `producer`: keep what the producer chose.
    Producer,
    /// Store with this codec; `uncompressed` is `Compression::None`.
    Codec {
        /// The codec.
        codec: Compression,
        /// The codec's level (KIP-390); `Compression::default_level` if not configured.
        level: i32,
    },
}

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendSource {
    /// A producer, over the wire.
    Client,
    /// A coordinator of this broker; may write control batches.
    Coordinator,
}

/// Everything `validate` has to know.
#[derive(Clone, Debug)]
pub struct AppendRules {
    /// Format to store (`message.format.version`; v2 since IBP 3.0).
    pub target_magic: Magic,
    /// `compression.type` with its level.
    pub compression: TargetCompression,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `max.message.bytes`: bound of each batch.
    pub max_batch_bytes: usize,
    /// `segment.bytes`: bound of the whole set.
    pub max_set_bytes: usize,
    /// `cleanup.policy` contains `compact`: every record needs a key.
    pub compacted: bool,
    /// The broker's clock, ms since the epoch.
    pub now_ms: i64,
    /// Who appends.
    pub source: AppendSource,
    /// Whether a batch that came compressed with zstd is admitted: produce version at least 7, IBP
    /// at least 2.1.
    pub zstd_allowed: bool,
    /// Produce version at least 3: exactly one batch, of format v2.
    pub require_single_v2_batch: bool,
}

/// What a topic with Kafka's default configs demands of a producer of today, at time 0.
impl Default for AppendRules {
    fn default() -> AppendRules {
        AppendRules {
            target_magic: Magic::V2,
            compression: TargetCompression::Producer,
            timestamp_type: TimestampType::Create,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            max_batch_bytes: 1_048_588,
            max_set_bytes: 1 << 30,
            compacted: false,
            now_ms: 0,
            source: AppendSource::Client,
            zstd_allowed: true,
            require_single_v2_batch: true,
        }
    }
}
