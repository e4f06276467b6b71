//! Admission: what is admitted is intact and holds the offsets it was given.
//!
//! Input: a byte that chooses the rules, then the set.

use bytes::Bytes;
use ottla_records::{
    AppendRules, AppendSource, Compression, CorruptBatch, Magic, TargetCompression, TimestampType,
    batches, records, validate, verify,
};

/// The target.
pub fn run(input: &[u8]) {
    let Some(([choice], rest)) = input.split_first_chunk::<1>() else {
        return;
    };
    let mut bytes = rest.to_vec();
    seal(&mut bytes);
    let Ok(mut set) = validate(Bytes::from(bytes), &rules(*choice)) else {
        return;
    };
    set.assign_offsets(100, 1).expect("there are offsets left");
    let written: Vec<u8> = set
        .io_slices()
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect();
    assert_eq!(written.len(), set.size());
    for entry in batches(&written) {
        let entry = entry.expect("an admitted set has sound frames");
        verify(entry).expect("an admitted entry is intact");
        for record in records(entry).expect("an admitted entry has records") {
            record.expect("an admitted record reads back");
        }
    }
}

fn rules(choice: u8) -> AppendRules {
    let magics = [Magic::V0, Magic::V1, Magic::V2, Magic::V2];
    let codecs = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
    ];
    let codec = codecs[usize::from(choice >> 4) % codecs.len()];
    AppendRules {
        target_magic: magics[usize::from(choice) % magics.len()],
        compression: match choice & 4 {
            0 => TargetCompression::Producer,
            _ => TargetCompression::Codec {
                codec,
                level: codec.default_level(),
            },
        },
        timestamp_type: if choice & 8 == 0 {
            TimestampType::Create
        } else {
            TimestampType::LogAppend
        },
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        max_batch_bytes: 1 << 20,
        max_set_bytes: 1 << 20,
        compacted: choice & 0x40 != 0,
        now_ms: 1_500_000_000_000,
        source: if choice & 0x80 == 0 {
            AppendSource::Client
        } else {
            AppendSource::Coordinator
        },
        zstd_allowed: true,
        require_single_v2_batch: false,
    }
}

/// Makes the checksum of the first entry right, which the fuzzer would hardly find.
fn seal(bytes: &mut [u8]) {
    let Some(Ok(entry)) = batches(bytes).next() else {
        return;
    };
    if let Err(CorruptBatch::Checksum { computed, .. }) = verify(entry) {
        let at = if entry.get(16) == Some(&2) { 17 } else { 12 };
        if let Some(checksum) = bytes.get_mut(at..at + 4) {
            checksum.copy_from_slice(&computed.to_be_bytes());
        }
    }
}

/// Sets of every format and codec under several rules.
pub fn corpus() -> Vec<Vec<u8>> {
    let sets = crate::batches::corpus();
    let choices = [0x02, 0x00, 0x01, 0x0e, 0x16, 0x25, 0x34, 0x46, 0x82];
    let inputs = choices.iter().flat_map(|choice| {
        let input = |set: &Vec<u8>| [&[*choice], &set[..]].concat();
        sets.iter().map(input)
    });
    inputs.collect()
}
