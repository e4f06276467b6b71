//! Down-conversion for fetches of old clients.

use ottla_records::{
    BatchBuilder, BatchOptions, Compression, ControlRecord, ConvertError, Magic,
    OVERFLOW_MIN_BYTES, TimestampType, batches, down_convert, pad_to, verify,
};
use proptest::prelude::*;

use crate::building::{build, formats};
use crate::golden;
use crate::support::{Plain, hex, plain_records, read_all};

/// The whole entries of a conversion, without the filler.
fn whole(bytes: &[u8]) -> &[u8] {
    let mut walk = batches(bytes);
    for entry in walk.by_ref() {
        entry.unwrap();
    }
    &bytes[..walk.consumed()]
}

fn data(base_offset: i64, count: usize, compression: Compression) -> Vec<u8> {
    let options = BatchOptions {
        base_offset,
        compression,
        ..BatchOptions::default()
    };
    build(
        options,
        &vec![
            Plain {
                timestamp: 10,
                value: Some(vec![7; 50]),
                ..Plain::default()
            };
            count
        ],
    )
}

fn offsets(bytes: &[u8]) -> Vec<i64> {
    read_all(whole(bytes))
        .iter()
        .map(|record| record.offset)
        .collect()
}

#[test]
fn what_is_old_enough_is_sent_as_it_is() {
    for (magic, _, text) in golden::ALL {
        let bytes = hex(text);
        assert_eq!(down_convert(&bytes, magic, 0).unwrap(), bytes);
    }
}

#[test]
fn records_below_the_fetch_offset_are_dropped_unless_compressed() {
    assert_eq!(
        offsets(&down_convert(&data(10, 4, Compression::None), Magic::V1, 12).unwrap()),
        [12, 13]
    );
    assert_eq!(
        offsets(&down_convert(&data(10, 4, Compression::Gzip), Magic::V1, 12).unwrap()),
        [10, 11, 12, 13]
    );
}

#[test]
fn control_batches_vanish() {
    let marker = BatchBuilder::end_transaction(
        4,
        0,
        1,
        0,
        ControlRecord::Commit {
            coordinator_epoch: 0,
        },
    );
    let alone = down_convert(&marker, Magic::V1, 4).unwrap();
    assert_eq!(alone.len(), OVERFLOW_MIN_BYTES);
    assert_eq!(alone, [&[0xff; 8][..], &61_i32.to_be_bytes()].concat());
    let mixed = [
        data(0, 4, Compression::None),
        marker,
        data(5, 1, Compression::None),
    ]
    .concat();
    assert_eq!(
        offsets(&down_convert(&mixed, Magic::V0, 0).unwrap()),
        [0, 1, 2, 3, 5]
    );
    assert_eq!(down_convert(&[], Magic::V0, 0).unwrap(), []);
    assert_eq!(down_convert(&[1; 11], Magic::V0, 0).unwrap(), []);
}

#[test]
fn the_first_batch_always_fits_and_the_size_is_exact() {
    // Headers vanish: what is left over is filled.
    let mut builder = BatchBuilder::new(BatchOptions::default()).unwrap();
    builder
        .append(0, None, Some(b"v"), &[("name", Some(&[0; 500]))])
        .unwrap();
    let shrinks = builder.build().unwrap();
    let converted = down_convert(&shrinks, Magic::V1, 0).unwrap();
    assert_eq!(converted.len(), shrinks.len());
    assert_eq!(offsets(&converted), [0]);
    let filler = &converted[whole(&converted).len()..];
    assert_eq!(filler[..8], [0xff; 8]);
    assert_eq!(filler[8..12], (filler.len() as i32 + 1).to_be_bytes());
    // Many small records grow: the first batch may, the second is cut.
    let small = |base_offset| {
        let options = BatchOptions {
            base_offset,
            ..BatchOptions::default()
        };
        build(options, &vec![Plain::default(); 100])
    };
    let grows = [small(0), small(100)].concat();
    let converted = down_convert(&grows, Magic::V1, 0).unwrap();
    assert_eq!(converted.len(), 100 * 34);
    assert_eq!(offsets(&converted), (0..100).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_converted_ends_the_conversion() {
    let zstd = data(4, 1, Compression::Zstd);
    assert_eq!(
        down_convert(&zstd, Magic::V1, 0),
        Err(ConvertError::UnsupportedCompression)
    );
    let mut broken = data(4, 1, Compression::None);
    broken[61] = 0x7f;
    assert!(matches!(
        down_convert(&broken, Magic::V1, 0),
        Err(ConvertError::Read(_))
    ));
    for second in [zstd, broken] {
        let mixed = [data(0, 4, Compression::None), second].concat();
        let converted = down_convert(&mixed, Magic::V1, 0).unwrap();
        assert_eq!(offsets(&converted), [0, 1, 2, 3]);
        assert_eq!(converted.len(), mixed.len().max(whole(&converted).len()));
    }
}

#[test]
fn append_time_survives() {
    let options = BatchOptions {
        log_append_time_ms: Some(99),
        ..BatchOptions::default()
    };
    for compression in [Compression::None, Compression::Lz4] {
        let bytes = build(
            BatchOptions {
                compression,
                ..options.clone()
            },
            &[Plain::default()],
        );
        let record = &read_all(whole(&down_convert(&bytes, Magic::V1, 0).unwrap()))[0];
        assert_eq!(
            (record.timestamp, record.timestamp_type),
            (99, TimestampType::LogAppend)
        );
    }
}

#[test]
fn the_filler_fits_any_gap() {
    for gap in 0..40 {
        let mut bytes = vec![5; 3];
        pad_to(&mut bytes, 3 + gap);
        assert_eq!(bytes.len(), 3 + gap);
        assert_eq!(batches(&bytes[3..]).next(), None, "{gap}");
    }
    let mut bytes = vec![5; 10];
    pad_to(&mut bytes, 4);
    assert_eq!(bytes, [5; 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn converted_records_are_the_same_records(
        (source_magic, compression) in formats(),
        target in proptest::sample::select(&[Magic::V0, Magic::V1, Magic::V2]),
        records in plain_records(),
        base_offset in 0..i64::MAX / 2,
    ) {
        let options = BatchOptions {
            magic: source_magic, compression, base_offset, level: compression.default_level(), ..BatchOptions::default()
        };
        let bytes = build(options, &records);
        match down_convert(&bytes, target, 0) {
            Err(error) => {
                prop_assert_eq!(error, ConvertError::UnsupportedCompression);
                prop_assert!(compression == Compression::Zstd && target < Magic::V2);
            }
            Ok(converted) => {
                let lowest = source_magic.min(target);
                let first: Vec<_> = batches(&bytes).map(Result::unwrap).collect();
                prop_assert!(converted.len() >= bytes.len());
                let read = read_all(whole(&converted));
                // Messages that stand alone may be cut off at the end; a batch never is.
                prop_assert!(read.len() == records.len() || first.len() > 1);
                for ((index, record), plain) in read.iter().enumerate().zip(&records) {
                    let offset = base_offset + i64::try_from(index).unwrap();
                    prop_assert_eq!(record, &plain.as_record(offset, lowest));
                }
                for entry in batches(whole(&converted)) {
                    prop_assert!(verify(entry.unwrap()).unwrap().magic() <= target);
                }
            }
        }
    }
}
