//! What is built is intact and reads back.

use ottla_records::{
    BatchBuilder, BatchHeader, BatchOptions, BuildError, Compression, ControlRecord, Magic,
    ProducerInfo, TimestampType, control_record, verify,
};
use proptest::prelude::*;

use crate::support::{Plain, hex, plain_records, read_all};

/// Formats with the codecs they know.
pub(crate) fn formats() -> impl Strategy<Value = (Magic, Compression)> {
    let all: Vec<_> = [Magic::V0, Magic::V1, Magic::V2]
        .into_iter()
        .flat_map(|magic| Compression::ALL.map(|codec| (magic, codec)))
        .filter(|(magic, codec)| *magic == Magic::V2 || *codec != Compression::Zstd)
        .collect();
    proptest::sample::select(all)
}

/// Builds the records at offsets from `base_offset` on.
pub(crate) fn build(options: BatchOptions, records: &[Plain]) -> Vec<u8> {
    let with_headers = options.magic == Magic::V2;
    let mut builder = BatchBuilder::new(options).unwrap();
    for record in records {
        record.append_to(&mut builder, with_headers);
    }
    builder.build().unwrap()
}

#[test]
fn a_batch_has_the_bytes_of_the_format() {
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: 5,
        leader_epoch: 7,
        producer_id: 9,
        producer_epoch: 1,
        base_sequence: 3,
        transactional: true,
        ..BatchOptions::default()
    })
    .unwrap();
    builder
        .append(100, Some(b"k"), Some(b"v"), &[("h", None)])
        .unwrap();
    builder.append(99, None, None, &[]).unwrap();
    let bytes = builder.build().unwrap();
    let text = "0000000000000005 00000044 00000007 02 CCCCCCCC 0010 00000001 0000000000000064 0000000000000064 \
                0000000000000009 0001 00000003 00000002 \
                16 00 00 00 02 6b 02 76 02 02 68 01  0c 00 01 02 01 01 00";
    let mut expected = hex(&text.replace("CCCCCCCC", "00000000"));
    expected[17..21].copy_from_slice(&bytes[17..21]);
    assert_eq!(bytes, expected);
    let header = verify(&bytes).unwrap();
    assert_eq!(header.base_offset(), Some(5));
    assert_eq!((header.last_offset(), header.next_offset()), (6, 7));
    assert_eq!(header.leader_epoch(), 7);
    assert_eq!(header.max_timestamp(), 100);
    assert_eq!(header.record_count(), Some(2));
    assert!(header.is_transactional() && !header.is_control());
    assert_eq!(
        header.producer(),
        Some(ProducerInfo {
            id: 9,
            epoch: 1,
            base_sequence: 3,
            last_sequence: 4
        })
    );
}

#[test]
fn sequences_wrap() {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: i32::MAX,
        ..BatchOptions::default()
    })
    .unwrap();
    builder.append(0, None, None, &[]).unwrap();
    builder.append(0, None, None, &[]).unwrap();
    let bytes = builder.build().unwrap();
    assert_eq!(verify(&bytes).unwrap().producer().unwrap().last_sequence, 0);
    let sequences: Vec<_> = read_all(&bytes)
        .iter()
        .map(|record| record.sequence)
        .collect();
    assert_eq!(sequences, [i32::MAX, 0]);
}

#[test]
fn control_batches() {
    for marker in [
        ControlRecord::Commit {
            coordinator_epoch: 8,
        },
        ControlRecord::Abort {
            coordinator_epoch: -1,
        },
    ] {
        let bytes = BatchBuilder::end_transaction(40, 1234, 77, 2, marker);
        let header = verify(&bytes).unwrap();
        assert!(header.is_control() && header.is_transactional());
        assert_eq!((header.base_offset(), header.last_offset()), (Some(40), 40));
        assert_eq!(header.producer().unwrap().last_sequence, -1);
        assert_eq!(control_record(&bytes), Ok(Some(marker)));
    }
    let data = build(BatchOptions::default(), &[Plain::default()]);
    assert_eq!(control_record(&data), Ok(None));
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    let check = |options: BatchOptions, feature: &'static str| {
        let error = BatchBuilder::new(options).err();
        assert_eq!(error, Some(BuildError::UnsupportedForFormat(feature)));
    };
    let old = || BatchOptions {
        magic: Magic::V1,
        ..BatchOptions::default()
    };
    check(
        BatchOptions {
            producer_id: 1,
            ..old()
        },
        "idempotent batches",
    );
    check(
        BatchOptions {
            transactional: true,
            ..old()
        },
        "transactional batches",
    );
    check(
        BatchOptions {
            delete_horizon_ms: Some(1),
            ..old()
        },
        "delete horizons",
    );
    check(
        BatchOptions {
            compression: Compression::Zstd,
            ..old()
        },
        "zstd batches",
    );
    let headers = BatchBuilder::new(old())
        .unwrap()
        .append(0, None, None, &[("h", None)]);
    assert_eq!(headers, Err(BuildError::UnsupportedForFormat("headers")));
}

#[test]
fn offsets_must_grow() {
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: 10,
        ..BatchOptions::default()
    })
    .unwrap();
    let mut at = |offset| builder.append_at(offset, 0, None, None, &[]);
    assert_eq!(
        at(9),
        Err(BuildError::Offset {
            offset: 9,
            previous: 10
        })
    );
    assert_eq!(at(12), Ok(()));
    assert_eq!(
        at(12),
        Err(BuildError::Offset {
            offset: 12,
            previous: 12
        })
    );
    let far = 11 + i64::from(i32::MAX);
    assert_eq!(
        at(far),
        Err(BuildError::Offset {
            offset: far,
            previous: 12
        })
    );
    let offsets: Vec<_> = read_all(&builder.build().unwrap())
        .iter()
        .map(|record| record.offset)
        .collect();
    assert_eq!(offsets, [12]);
}

#[test]
fn a_delete_horizon_replaces_the_base_timestamp() {
    let options = BatchOptions {
        delete_horizon_ms: Some(50),
        ..BatchOptions::default()
    };
    let bytes = build(
        options,
        &[Plain {
            timestamp: 20,
            ..Plain::default()
        }],
    );
    assert_eq!(verify(&bytes).unwrap().delete_horizon_ms(), Some(50));
    assert_eq!(read_all(&bytes)[0].timestamp, 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_built_reads_back(
        (magic, compression) in formats(),
        records in plain_records(),
        base_offset in 0..i64::MAX / 2,
        append_time in proptest::option::of(0..i64::MAX / 2),
    ) {
        let options = BatchOptions {
            magic, compression, base_offset, log_append_time_ms: append_time,
            level: compression.default_level(), ..BatchOptions::default()
        };
        let bytes = build(options, &records);
        let read = read_all(&bytes);
        prop_assert_eq!(read.len(), records.len());
        for ((index, record), plain) in read.iter().enumerate().zip(&records) {
            let mut expected = plain.as_record(base_offset + i64::try_from(index).unwrap(), magic);
            if let (Some(time), Magic::V1 | Magic::V2) = (append_time, magic) {
                expected.timestamp = time;
                expected.timestamp_type = TimestampType::LogAppend;
            }
            prop_assert_eq!(record, &expected);
        }
        for prefix in 0..bytes.len().min(80) {
            // More bytes are asked for until the header is whole, and nothing else happens.
            prop_assert!(BatchHeader::parse(&bytes[..prefix]).is_ok());
        }
    }

    #[test]
    fn large_values_cross_block_borders(
        (magic, compression) in formats(),
        sizes in proptest::collection::vec(0usize..300_000, 1..4),
        noise: bool,
    ) {
        let mut state = 1u32;
        let records: Vec<Plain> = sizes.iter().map(|size| {
            let value = (0..*size).map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if noise { state.to_be_bytes()[0] } else { at.to_be_bytes()[7] / 7 }
            });
            Plain { value: Some(value.collect()), ..Plain::default() }
        }).collect();
        let options = BatchOptions { magic, compression, level: compression.default_level(), ..BatchOptions::default() };
        let read = read_all(&build(options, &records));
        for (record, plain) in read.iter().zip(&records) {
            prop_assert!(record.value.as_deref() == plain.value.as_deref());
        }
    }
}
