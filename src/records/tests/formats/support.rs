//! Small things all tests here need.

use bytes::Bytes;
use ottla_records::{
    AppendRules, AppendSet, BatchBuilder, BatchOptions, Compression, CorruptBatch, InvalidRecords,
    Magic, Record, TimestampType, batches, records, validate, verify,
};
use proptest::prelude::*;

use crate::building::build;

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
        max_batch_bytes: 1 << 20,
        now_ms: NOW,
        require_single_v2_batch: false,
        ..AppendRules::default()
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

/// What a test wants written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plain {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Plain {
    pub(crate) fn append_to(&self, builder: &mut BatchBuilder, with_headers: bool) {
        let headers: Vec<_> = self
            .headers
            .iter()
            .filter(|_| with_headers)
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        builder
            .append(
                self.timestamp,
                self.key.as_deref(),
                self.value.as_deref(),
                &headers,
            )
            .unwrap();
    }

    /// How it reads back.
    pub(crate) fn as_record(&self, offset: i64, magic: Magic) -> Record {
        Record {
            offset,
            timestamp: if magic == Magic::V0 {
                -1
            } else {
                self.timestamp
            },
            timestamp_type: TimestampType::Create,
            sequence: -1,
            key: self.key.clone().map(Into::into),
            value: self.value.clone().map(Into::into),
            headers: self
                .headers
                .iter()
                .filter(|_| magic == Magic::V2)
                .map(|(name, value)| (name.clone(), value.clone().map(Into::into)))
                .collect(),
        }
    }
}

/// One to twenty records.
pub(crate) fn plain_records() -> impl Strategy<Value = Vec<Plain>> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..100));
    let headers = proptest::collection::vec(("[a-zé]{0,5}", bytes()), 0..3);
    let plain = (-1..i64::MAX / 2, bytes(), bytes(), headers).prop_map(
        |(timestamp, key, value, headers)| Plain {
            timestamp,
            key,
            value,
            headers,
        },
    );
    proptest::collection::vec(plain, 1..20)
}

/// Validates, gives offsets from 1000 on at epoch 5, and returns what would be written.
pub(crate) fn admit(bytes: &[u8], rules: &AppendRules) -> Result<Vec<u8>, InvalidRecords> {
    let mut set = validate(Bytes::copy_from_slice(bytes), rules)?;
    set.assign_offsets(1000, 5)?;
    Ok(written(&set))
}

/// Changes header fields of a v2 batch and makes the checksum right again.
pub(crate) fn edit(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + with.len()].copy_from_slice(with);
    seal(&mut bytes);
    bytes
}

/// Makes the checksum of the first entry right, so that what follows is looked at.
pub(crate) fn seal(bytes: &mut [u8]) {
    let Some(Ok(entry)) = batches(bytes).next() else {
        return;
    };
    if let Err(CorruptBatch::Checksum { computed, .. }) = verify(entry) {
        let at = if entry[16] == 2 { 17 } else { 12 };
        bytes[at..at + 4].copy_from_slice(&computed.to_be_bytes());
    }
}

/// Two records, the second without a key and a little older.
pub(crate) fn two_records(compression: Compression) -> Vec<u8> {
    let records = [
        Plain {
            timestamp: NOW,
            key: Some(b"a".to_vec()),
            ..Plain::default()
        },
        Plain {
            timestamp: NOW - 5,
            value: Some(b"b".to_vec()),
            ..Plain::default()
        },
    ];
    build(
        BatchOptions {
            compression,
            ..BatchOptions::default()
        },
        &records,
    )
}

/// A gzip stream of bytes.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
