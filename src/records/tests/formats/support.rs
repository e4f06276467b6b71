//! Small things all tests here need.

use ottla_records::{
    AppendRules, AppendSet, AppendSource, Magic, Record, TargetCompression, TimestampType, batches,
    records, verify,
};

/// The clock of the tests: a little after the goldens' timestamps.
pub(crate) const NOW: i64 = 1_500_000_001_000;

/// Bytes from hexadecimal digits.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|d| u8::try_from(d).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// A record without headers.
pub(crate) fn record(
    offset: i64,
    timestamp: i64,
    key: Option<&str>,
    value: Option<&str>,
) -> Record {
    let bytes = |text: &str| bytes::Bytes::copy_from_slice(text.as_bytes());
    Record {
        offset,
        timestamp,
        timestamp_type: TimestampType::Create,
        sequence: -1,
        key: key.map(bytes),
        value: value.map(bytes),
        headers: Vec::new(),
    }
}

/// The rules of a topic with default configs, for a producer of today.
pub(crate) fn rules() -> AppendRules {
    AppendRules {
        target_magic: Magic::V2,
        compression: TargetCompression::Producer,
        timestamp_type: TimestampType::Create,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        max_batch_bytes: 1 << 20,
        max_set_bytes: 1 << 30,
        compacted: false,
        now_ms: NOW,
        source: AppendSource::Client,
        zstd_allowed: true,
        require_single_v2_batch: false,
    }
}

/// The bytes a set would write.
pub(crate) fn written(set: &AppendSet) -> Vec<u8> {
    let bytes = set
        .io_slices()
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect::<Vec<u8>>();
    assert_eq!(bytes.len(), set.size());
    bytes
}

/// All records of a slice of entries, each of which must be intact.
pub(crate) fn read_all(bytes: &[u8]) -> Vec<Record> {
    batches(bytes)
        .flat_map(|entry| {
            let entry = entry.unwrap();
            verify(entry).unwrap();
            records(entry)
                .unwrap()
                .map(Result::unwrap)
                .collect::<Vec<_>>()
        })
        .collect()
}
