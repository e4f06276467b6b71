//! From the configuration to what the group coordinator wants to be told.

use std::time::Duration;

use ottla_config::{GroupConfig, MetadataVersion, ServerConfig};
use ottla_coordinator::Settings;
use ottla_coordinator::group::{RecordFormats, Settings as GroupSettings};
use ottla_records::Compression;

/// The group coordinator's settings.
pub fn group_settings(config: &ServerConfig) -> Settings {
    let groups = &config.groups;
    // The configuration admits ids of codecs only.
    let codec = u8::try_from(groups.offsets_compression_codec).ok();
    Settings {
        groups: brain(groups, config.inter_broker_protocol),
        partitions: groups.offsets_partitions,
        compression: codec
            .and_then(Compression::from_id)
            .unwrap_or(Compression::None),
        commit_timeout: groups.offsets_commit_timeout,
        load_buffer_bytes: groups.offsets_load_buffer_bytes,
        retention_check_interval: groups.offsets_retention_check_interval,
    }
}

fn brain(groups: &GroupConfig, version: MetadataVersion) -> GroupSettings {
    let retention = groups.offsets_retention.as_millis();
    GroupSettings {
        min_session_timeout_ms: millis(groups.min_session_timeout),
        max_session_timeout_ms: millis(groups.max_session_timeout),
        initial_rebalance_delay_ms: millis(groups.initial_rebalance_delay),
        max_size: groups.max_size,
        offset_metadata_max: groups.offset_metadata_max_bytes,
        offsets_retention_ms: i64::try_from(retention).unwrap_or(i64::MAX),
        record_formats: record_formats(version),
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn record_formats(version: MetadataVersion) -> RecordFormats {
    let since = [
        (MetadataVersion::V2_3_IV0, RecordFormats::From2_3),
        (MetadataVersion::V2_1_IV1, RecordFormats::From2_1Iv1),
        (MetadataVersion::V2_1_IV0, RecordFormats::From2_1Iv0),
        (MetadataVersion::V0_10_1_IV0, RecordFormats::From0_10_1),
    ];
    let found = since.iter().find(|(first, _)| version >= *first);
    found.map_or(RecordFormats::Before0_10_1, |(_, formats)| *formats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_written_in_forms_that_the_oldest_broker_knows() {
        let formats = |name: &str| {
            let version = MetadataVersion::all().find(|v| v.name() == name).unwrap();
            record_formats(version)
        };
        assert_eq!(formats("0.10.0-IV1"), RecordFormats::Before0_10_1);
        assert_eq!(formats("0.10.1-IV0"), RecordFormats::From0_10_1);
        assert_eq!(formats("2.0-IV1"), RecordFormats::From0_10_1);
        assert_eq!(formats("2.1-IV0"), RecordFormats::From2_1Iv0);
        assert_eq!(formats("2.2-IV0"), RecordFormats::From2_1Iv1);
        assert_eq!(formats("2.3-IV0"), RecordFormats::From2_3);
        assert_eq!(formats("3.9-IV0"), RecordFormats::From2_3);
    }
}
