//! The broker's settings that groups obey.

/// The settings of all groups of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `group.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`
    pub max_size: usize,
    /// `offset.metadata.max.bytes`, which counts UTF-16 units as Java does.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// Which forms of records are written.
    pub record_formats: RecordFormats,
}

/// Kafka 3.9's defaults.
impl Default for Settings {
    fn default() -> Settings {
        Settings {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: i32::MAX as usize,
            offset_metadata_max: 4_096,
            offsets_retention_ms: 10_080 * 60_000,
            record_formats: RecordFormats::From2_3,
        }
    }
}

/// Which versions of values are written, by `inter.broker.protocol.version`
/// (`GroupMetadataManager.offsetCommitValue`, `groupMetadataValue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordFormats {
    /// Below 0.10.1-IV0: group values 0, offset values 1.
    Before0_10_1,
    /// From 0.10.1-IV0: group values 1, offset values 1.
    From0_10_1,
    /// 2.1-IV0: group values 2, offset values 2.
    From2_1Iv0,
    /// From 2.1-IV1: group values 2, offset values 3.
    From2_1Iv1,
    /// From 2.3-IV0: group values 3, offset values 3.
    From2_3,
}
