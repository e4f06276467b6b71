//! `validate` and `assign_offsets`: what is admitted, and how it is changed on the way.

use bytes::Bytes;
use ottla_records::{
    AppendRules, AppendSource, BatchBuilder, BatchOptions, Compression, ControlRecord,
    InvalidRecords, Magic, Record, TargetCompression, TimestampType, validate, verify,
};
use proptest::prelude::*;

use crate::building::{build, formats};
use crate::golden;
use crate::support::{
    NOW, Plain, admit, edit, hex, plain_records, read_all, rules, two_records, written,
};

const LATER: i64 = NOW + 77;

fn moved(records: Vec<Record>, by: i64) -> Vec<Record> {
    records
        .into_iter()
        .map(|record| Record {
            offset: record.offset + by,
            ..record
        })
        .collect()
}

#[test]
fn foreign_bytes_are_admitted_into_every_format_and_codec() {
    let codecs = Compression::ALL.map(|codec| TargetCompression::Codec {
        codec,
        level: codec.default_level(),
    });
    for (magic, source, text) in golden::ALL {
        for target_magic in [Magic::V0, Magic::V1, Magic::V2] {
            for compression in codecs.into_iter().chain([TargetCompression::Producer]) {
                let rules = AppendRules {
                    target_magic,
                    compression,
                    ..rules()
                };
                let codec = match compression {
                    TargetCompression::Producer => source,
                    TargetCompression::Codec { codec, .. } => codec,
                };
                let what = format!("{magic:?} {source:?} to {target_magic:?} {codec:?}");
                let result = admit(&hex(text), &rules);
                if codec == Compression::Zstd && target_magic < Magic::V2 {
                    assert_eq!(
                        result,
                        Err(InvalidRecords::UnsupportedCompression { codec: 4 }),
                        "{what}"
                    );
                } else if magic == Magic::V2 && target_magic < Magic::V2 {
                    let refusal = InvalidRecords::UnsupportedForFormat { feature: "headers" };
                    assert_eq!(result, Err(refusal), "{what}");
                } else {
                    let mut expected = moved(golden::expected(magic), 1000);
                    for record in &mut expected {
                        record.timestamp = if target_magic == Magic::V0 {
                            -1
                        } else {
                            record.timestamp
                        };
                    }
                    let bytes = result.unwrap();
                    assert_eq!(read_all(&bytes), expected, "{what}");
                    for entry in ottla_records::batches(&bytes) {
                        let header = verify(entry.unwrap()).unwrap();
                        assert_eq!(
                            (header.magic(), header.compression()),
                            (target_magic, codec),
                            "{what}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn an_untouched_batch_keeps_the_requests_bytes() {
    for compression in Compression::ALL {
        let bytes = Bytes::from(two_records(compression));
        let mut set = validate(bytes.clone(), &rules()).unwrap();
        set.assign_offsets(1000, 5).unwrap();
        let slices = set.io_slices();
        assert_eq!(slices.len(), 2);
        assert_eq!(slices[0].len(), 61);
        assert_eq!(slices[1].as_ptr(), bytes[61..].as_ptr());
        let mut expected = bytes.to_vec();
        expected[..8].copy_from_slice(&1000_i64.to_be_bytes());
        expected[12..16].copy_from_slice(&5_i32.to_be_bytes());
        assert_eq!(written(&set), expected);
        let info = &set.batches()[0];
        assert_eq!(
            (info.base_offset, info.last_offset, info.record_count),
            (1000, 1001, 2)
        );
        assert_eq!(
            (info.max_timestamp, info.offset_of_max_timestamp),
            (NOW, 1001)
        );
        assert_eq!(
            (set.max_timestamp(), set.offset_of_max_timestamp()),
            (NOW, 1001)
        );
        assert_eq!(set.log_append_time(), None);
    }
}

#[test]
fn offsets_can_be_assigned_again() {
    for (magic, _, text) in golden::ALL {
        for compression in [
            TargetCompression::Producer,
            TargetCompression::Codec {
                codec: Compression::Gzip,
                level: 1,
            },
        ] {
            let rules = AppendRules {
                target_magic: magic,
                compression,
                ..rules()
            };
            let mut set = validate(hex(text).into(), &rules).unwrap();
            for first in [7, 0, 1 << 40] {
                set.assign_offsets(first, 1).unwrap();
                let offsets: Vec<_> = read_all(&written(&set))
                    .iter()
                    .map(|record| record.offset)
                    .collect();
                assert_eq!(offsets, [first, first + 1, first + 2], "{magic:?}");
                assert_eq!(set.batches().first().unwrap().base_offset, first);
                assert_eq!(set.batches().last().unwrap().last_offset, first + 2);
            }
            assert!(set.assign_offsets(i64::MAX, 1).is_err());
        }
    }
}

#[test]
fn log_append_time_is_stamped() {
    for (magic, codec, text) in golden::ALL {
        let rules = AppendRules {
            timestamp_type: TimestampType::LogAppend,
            now_ms: LATER,
            target_magic: magic,
            ..rules()
        };
        let mut set = validate(hex(text).into(), &rules).unwrap();
        set.assign_offsets(0, 0).unwrap();
        assert_eq!(set.log_append_time(), Some(LATER));
        let (max, offset) = match (magic, codec) {
            (Magic::V0, _) => (-1, -1),
            // The first of several messages with the same time.
            (Magic::V1, Compression::None) => (LATER, 0),
            (Magic::V1 | Magic::V2, _) => (LATER, 2),
        };
        assert_eq!(
            (set.max_timestamp(), set.offset_of_max_timestamp()),
            (max, offset),
            "{magic:?} {codec:?}"
        );
        for record in read_all(&written(&set)) {
            let expected = match magic {
                Magic::V0 => (-1, TimestampType::Create),
                Magic::V1 | Magic::V2 => (LATER, TimestampType::LogAppend),
            };
            assert_eq!((record.timestamp, record.timestamp_type), expected);
        }
    }
}

#[test]
fn a_wrong_maximum_timestamp_is_corrected() {
    let bytes = edit(&two_records(Compression::Lz4), 35, &3_i64.to_be_bytes());
    let header = verify(&admit(&bytes, &rules()).unwrap()).unwrap();
    assert_eq!(header.max_timestamp(), NOW);
}

#[test]
fn offsets_that_do_not_count_from_zero_are_rewritten_if_compressed() {
    let gaps = |compression| {
        let mut builder = BatchBuilder::new(BatchOptions {
            compression,
            ..BatchOptions::default()
        })
        .unwrap();
        builder.append_at(0, NOW, None, Some(b"a"), &[]).unwrap();
        builder.append_at(5, NOW, None, Some(b"b"), &[]).unwrap();
        edit(&builder.build().unwrap(), 23, &1_i32.to_be_bytes())
    };
    let offsets = |compression| -> Vec<i64> {
        let bytes = admit(&gaps(compression), &rules()).unwrap();
        read_all(&bytes)
            .iter()
            .map(|record| record.offset)
            .collect()
    };
    assert_eq!(offsets(Compression::Gzip), [1000, 1001]);
    // Kafka does not look here.
    assert_eq!(offsets(Compression::None), [1000, 1005]);
}

#[test]
fn old_clients_may_send_nothing() {
    for bytes in [&[][..], &[0; 11], &two_records(Compression::None)[..60]] {
        let set = validate(Bytes::copy_from_slice(bytes), &rules()).unwrap();
        assert!(set.is_empty());
        assert_eq!(
            (set.size(), set.record_count(), set.max_timestamp()),
            (0, 0, -1)
        );
    }
    let one_and_a_bit = hex(golden::ALL[5].2)[..60].to_vec();
    let set = validate(one_and_a_bit.into(), &rules());
    assert_eq!(set.unwrap().record_count(), 1);
}

#[test]
fn producer_fields_survive_recompression() {
    let options = BatchOptions {
        producer_id: 12,
        producer_epoch: 3,
        base_sequence: 44,
        transactional: true,
        ..BatchOptions::default()
    };
    let bytes = build(options, &[Plain::default(), Plain::default()]);
    let zstd = TargetCompression::Codec {
        codec: Compression::Zstd,
        level: 3,
    };
    let mut set = validate(
        bytes.clone().into(),
        &AppendRules {
            compression: zstd,
            ..rules()
        },
    )
    .unwrap();
    set.assign_offsets(3, 2).unwrap();
    let header = verify(&written(&set)).unwrap();
    assert_eq!(header.producer(), verify(&bytes).unwrap().producer());
    assert!(header.is_transactional());
    assert_eq!((header.base_offset(), header.leader_epoch()), (Some(3), 2));
    assert_eq!(set.batches()[0].producer, header.producer());
}

#[test]
fn coordinators_write_control_batches() {
    let marker = ControlRecord::Commit {
        coordinator_epoch: 4,
    };
    let bytes = BatchBuilder::end_transaction(0, NOW, 1, 0, marker);
    let zstd = TargetCompression::Codec {
        codec: Compression::Zstd,
        level: 3,
    };
    let rules = AppendRules {
        source: AppendSource::Coordinator,
        compression: zstd,
        ..rules()
    };
    let set = validate(bytes.into(), &rules).unwrap();
    assert_eq!(set.batches()[0].control, Some(marker));
    assert_eq!(set.batches()[0].compression, Compression::None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_admitted_reads_back_at_its_offsets(
        (source_magic, source_codec) in formats(),
        (target_magic, target_codec) in formats(),
        records in plain_records(),
        first in 0..i64::MAX / 2,
        append: bool,
    ) {
        let bare: Vec<_> = records.iter().map(|plain| Plain { headers: Vec::new(), ..plain.clone() }).collect();
        let records = if target_magic == Magic::V2 { records } else { bare };
        let options = BatchOptions {
            magic: source_magic, compression: source_codec, level: source_codec.default_level(),
            ..BatchOptions::default()
        };
        let rules = AppendRules {
            target_magic,
            compression: TargetCompression::Codec { codec: target_codec, level: target_codec.default_level() },
            timestamp_type: if append { TimestampType::LogAppend } else { TimestampType::Create },
            ..rules()
        };
        let mut set = validate(build(options, &records).into(), &rules).unwrap();
        set.assign_offsets(first, 3).unwrap();
        let bytes = written(&set);
        let read = read_all(&bytes);
        prop_assert_eq!(read.len(), records.len());
        prop_assert_eq!(set.record_count(), records.len() as u64);
        for ((index, record), plain) in read.iter().enumerate().zip(&records) {
            let mut expected = plain.as_record(first + i64::try_from(index).unwrap(), source_magic);
            if target_magic == Magic::V0 {
                expected.timestamp = -1;
            } else if append {
                expected.timestamp = NOW;
                expected.timestamp_type = TimestampType::LogAppend;
            }
            prop_assert_eq!(record, &expected);
        }
        let headers: Vec<_> = ottla_records::batches(&bytes).map(|entry| verify(entry.unwrap()).unwrap()).collect();
        prop_assert_eq!(headers.len(), set.batches().len());
        for (header, info) in headers.iter().zip(set.batches()) {
            prop_assert_eq!((header.magic(), header.compression()), (target_magic, target_codec));
            prop_assert_eq!((header.size(), header.last_offset()), (info.size, info.last_offset));
            prop_assert_eq!(header.max_timestamp(), info.max_timestamp);
            prop_assert_eq!(header.timestamp_type(), info.timestamp_type);
        }
    }
}
