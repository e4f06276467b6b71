//! `validate` and `assign_offsets`: what is admitted, how it is changed, and what is refused.

use bytes::Bytes;
use ottla_records::{
    AppendRules, AppendSource, BatchBuilder, BatchOptions, Compression, ControlRecord,
    CorruptBatch, InvalidRecords, MAX_RECORD_ERRORS, Magic, Record, TargetCompression,
    TimestampType, validate, verify,
};
use proptest::prelude::*;

use crate::building::{build, formats};
use crate::golden;
use crate::support::{NOW, Plain, hex, plain_records, read_all, rules, written};

const LATER: i64 = NOW + 77;

/// Validates, gives offsets from 1000 on at epoch 5, and returns what would be written.
fn admit(bytes: &[u8], rules: &AppendRules) -> Result<Vec<u8>, InvalidRecords> {
    let mut set = validate(Bytes::copy_from_slice(bytes), rules)?;
    set.assign_offsets(1000, 5)?;
    Ok(written(&set))
}

fn refused(bytes: &[u8], rules: &AppendRules) -> InvalidRecords {
    admit(bytes, rules).unwrap_err()
}

fn refused_as_invalid(bytes: &[u8], rules: &AppendRules, part: &str) {
    match refused(bytes, rules) {
        InvalidRecords::Invalid { message, .. } => assert!(message.contains(part), "{message}"),
        other => panic!("{other:?}"),
    }
}

/// Changes header fields of a v2 batch and makes the checksum right again.
fn edit(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + with.len()].copy_from_slice(with);
    seal(&mut bytes);
    bytes
}

fn seal(batch: &mut [u8]) {
    if let Err(CorruptBatch::Checksum { computed, .. }) = verify(batch) {
        batch[17..21].copy_from_slice(&computed.to_be_bytes());
    }
}

fn two_records(compression: Compression) -> Vec<u8> {
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
fn the_whole_batch_is_at_fault() {
    let good = two_records(Compression::None);
    let rules = rules();
    let strict = AppendRules {
        require_single_v2_batch: true,
        ..rules.clone()
    };
    refused_as_invalid(&[], &strict, "must hold a batch");
    refused_as_invalid(&good[..70], &strict, "must hold a batch");
    refused_as_invalid(&hex(golden::ALL[9].2), &strict, "format v2");
    refused_as_invalid(&[&good[..], &good[..]].concat(), &strict, "single batch");
    refused_as_invalid(&[&good[..], &good[..]].concat(), &rules, "one batch");
    let (v0, v1, wrapper) = (
        hex(golden::ALL[5].2),
        hex(golden::ALL[9].2),
        hex(golden::ALL[10].2),
    );
    refused_as_invalid(&[&v0[..], &v1[..]].concat(), &rules, "different formats");
    refused_as_invalid(&[&v1[..], &wrapper[..]].concat(), &rules, "one batch");
    refused_as_invalid(&edit(&good, 0, &1_i64.to_be_bytes()), &rules, "base offset");
    refused_as_invalid(
        &edit(&good, 23, &2_i32.to_be_bytes()),
        &rules,
        "2 records and 3 offsets",
    );
    refused_as_invalid(
        &edit(&good, 23, &(-1_i32).to_be_bytes()),
        &rules,
        "2 records and 0 offsets",
    );
    refused_as_invalid(&edit(&good, 57, &0_i32.to_be_bytes()), &rules, "0 records");
    refused_as_invalid(&edit(&good, 21, &[0, 0x20]), &rules, "control");
    refused_as_invalid(&edit(&good, 43, &1_i64.to_be_bytes()), &rules, "sequence");
    let one = edit(
        &edit(&good, 57, &1_i32.to_be_bytes()),
        23,
        &0_i32.to_be_bytes(),
    );
    refused_as_invalid(&one, &rules, "remain");
    let three = edit(
        &edit(&good, 57, &3_i32.to_be_bytes()),
        23,
        &2_i32.to_be_bytes(),
    );
    refused_as_invalid(&three, &rules, "too early");
    // The length of the first record.
    refused_as_invalid(&edit(&good, 61, &[0x0c]), &rules, "record");
}

#[test]
fn corruption_is_told_from_nonsense() {
    let good = two_records(Compression::None);
    let mut flipped = good.clone();
    flipped[22] |= 0x05;
    assert!(matches!(
        refused(&flipped, &rules()),
        InvalidRecords::Corrupt(CorruptBatch::Checksum { .. })
    ));
    seal(&mut flipped);
    assert_eq!(
        refused(&flipped, &rules()),
        InvalidRecords::UnsupportedCompression { codec: 5 }
    );
    let small = edit(&good, 8, &13_i32.to_be_bytes());
    assert!(matches!(
        refused(&small, &rules()),
        InvalidRecords::Corrupt(CorruptBatch::TooSmall { size: 13, .. })
    ));
    let magic = edit(&good, 16, &[3]);
    assert_eq!(
        refused(&magic, &rules()),
        InvalidRecords::Corrupt(CorruptBatch::UnknownMagic(3))
    );
    let gzip = edit(&good, 21, &[0, 1]);
    assert!(matches!(
        refused(&gzip, &rules()),
        InvalidRecords::Decompress {
            codec: Compression::Gzip,
            ..
        }
    ));
}

#[test]
fn sizes_are_bounded() {
    let bytes = two_records(Compression::None);
    let size = bytes.len();
    let batch = AppendRules {
        max_batch_bytes: size - 1,
        ..rules()
    };
    assert_eq!(
        refused(&bytes, &batch),
        InvalidRecords::TooLarge {
            size,
            limit: size - 1
        }
    );
    let set = AppendRules {
        max_set_bytes: size - 1,
        ..rules()
    };
    assert_eq!(
        refused(&bytes, &set),
        InvalidRecords::ListTooLarge {
            size,
            limit: size - 1
        }
    );
    let fits = AppendRules {
        max_batch_bytes: size,
        max_set_bytes: size,
        ..rules()
    };
    assert!(admit(&bytes, &fits).is_ok());
    // Checked again after a conversion that made it larger.
    let dense = build(
        BatchOptions {
            compression: Compression::Zstd,
            level: 3,
            ..BatchOptions::default()
        },
        &[Plain {
            value: Some(vec![0; 5000]),
            ..Plain::default()
        }],
    );
    let plain = TargetCompression::Codec {
        codec: Compression::None,
        level: 0,
    };
    let rules = AppendRules {
        max_batch_bytes: 1000,
        compression: plain,
        ..rules()
    };
    assert!(matches!(
        refused(&dense, &rules),
        InvalidRecords::TooLarge {
            size: 5000..,
            limit: 1000
        }
    ));
}

#[test]
fn zstd_needs_a_client_that_knows_it() {
    let rules = AppendRules {
        zstd_allowed: false,
        ..rules()
    };
    let refusal = InvalidRecords::UnsupportedCompression { codec: 4 };
    assert_eq!(refused(&two_records(Compression::Zstd), &rules), refusal);
    let zstd = TargetCompression::Codec {
        codec: Compression::Zstd,
        level: 3,
    };
    let bytes = admit(
        &two_records(Compression::None),
        &AppendRules {
            compression: zstd,
            ..rules
        },
    )
    .unwrap();
    assert_eq!(verify(&bytes).unwrap().compression(), Compression::Zstd);
}

#[test]
fn records_of_a_compacted_topic_need_keys() {
    let rules = AppendRules {
        compacted: true,
        ..rules()
    };
    let check = |bytes: &[u8]| match refused(bytes, &rules) {
        InvalidRecords::Invalid {
            record_errors,
            message,
        } => {
            assert_eq!(
                record_errors
                    .iter()
                    .map(|(index, _)| *index)
                    .collect::<Vec<_>>(),
                [1],
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    };
    for compression in Compression::ALL {
        check(&two_records(compression));
    }
    for (magic, compression, text) in golden::ALL {
        if compression != Compression::None || magic == Magic::V2 {
            check(&hex(text));
        }
    }
}

#[test]
fn timestamps_are_bounded() {
    let rules = |before, after| AppendRules {
        timestamp_before_max_ms: before,
        timestamp_after_max_ms: after,
        ..rules()
    };
    let indexes = |timestamps: &[i64], rules: &AppendRules| -> Vec<i32> {
        let records: Vec<_> = timestamps
            .iter()
            .map(|t| Plain {
                timestamp: *t,
                ..Plain::default()
            })
            .collect();
        let both = [Compression::None, Compression::Snappy].map(|compression| {
            let bytes = build(
                BatchOptions {
                    compression,
                    ..BatchOptions::default()
                },
                &records,
            );
            match admit(&bytes, rules) {
                Ok(_) => Vec::new(),
                Err(InvalidRecords::InvalidTimestamp { record_errors, .. }) => {
                    record_errors.into_iter().map(|(index, _)| index).collect()
                }
                Err(other) => panic!("{other:?}"),
            }
        });
        assert_eq!(both[0], both[1]);
        both[0].clone()
    };
    let none: [i32; 0] = [];
    assert_eq!(indexes(&[NOW - 10, NOW + 20, -1], &rules(10, 20)), none);
    assert_eq!(indexes(&[NOW - 11, NOW + 21, NOW], &rules(10, 20)), [0, 1]);
    assert_eq!(
        indexes(&[0, i64::MAX, NOW], &rules(i64::MAX, i64::MAX)),
        none
    );
    let append = AppendRules {
        timestamp_type: TimestampType::LogAppend,
        ..rules(10, 20)
    };
    assert_eq!(indexes(&[NOW - 11, NOW + 21], &append), none);
}

#[test]
fn producers_do_not_set_log_append_time() {
    let claims = edit(&two_records(Compression::None), 21, &[0, 0x08]);
    let append = AppendRules {
        timestamp_type: TimestampType::LogAppend,
        ..rules()
    };
    assert!(matches!(
        refused(&claims, &append),
        InvalidRecords::InvalidTimestamp { record_errors, .. } if record_errors.len() == 2
    ));
    // With CreateTime Kafka only minds if there is no timestamp, and corrects the type otherwise.
    let bytes = admit(&claims, &rules()).unwrap();
    assert_eq!(
        verify(&bytes).unwrap().timestamp_type(),
        TimestampType::Create
    );
}

#[test]
fn record_errors_are_bounded() {
    let records = vec![Plain::default(); MAX_RECORD_ERRORS + 500];
    let bytes = build(
        BatchOptions {
            compression: Compression::Zstd,
            level: 1,
            ..BatchOptions::default()
        },
        &records,
    );
    match refused(
        &bytes,
        &AppendRules {
            compacted: true,
            ..rules()
        },
    ) {
        InvalidRecords::Invalid {
            record_errors,
            message,
        } => {
            assert_eq!(record_errors.len(), MAX_RECORD_ERRORS);
            assert!(message.starts_with("1500 records"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn idempotence_needs_format_v2() {
    let options = BatchOptions {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchOptions::default()
    };
    let idempotent = build(options.clone(), &[Plain::default()]);
    let transactional = build(
        BatchOptions {
            transactional: true,
            ..options
        },
        &[Plain::default()],
    );
    let rules = AppendRules {
        target_magic: Magic::V1,
        ..rules()
    };
    for (bytes, feature) in [
        (idempotent, "idempotent batches"),
        (transactional, "transactional batches"),
    ] {
        assert_eq!(
            refused(&bytes, &rules),
            InvalidRecords::UnsupportedForFormat { feature }
        );
    }
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

#[test]
fn inner_messages_are_checked() {
    let good = hex(golden::ALL[10].2);
    let inner = |bytes: &[u8], magic, offset: i64| {
        // A wrapper around any bytes: an empty snappy-free gzip message with them as its value.
        let mut builder = BatchBuilder::new(BatchOptions {
            magic,
            ..BatchOptions::default()
        })
        .unwrap();
        builder.append(NOW, None, Some(&gzip(bytes)), &[]).unwrap();
        let mut wrapper = builder.build().unwrap();
        wrapper[..8].copy_from_slice(&offset.to_be_bytes());
        wrapper[17] = 1;
        if let Err(CorruptBatch::Checksum { computed, .. }) = verify(&wrapper) {
            wrapper[12..16].copy_from_slice(&computed.to_be_bytes());
        }
        wrapper
    };
    let (v0, v1) = (hex(golden::ALL[5].2), hex(golden::ALL[9].2));
    let rules = AppendRules {
        target_magic: Magic::V1,
        ..rules()
    };
    assert_eq!(
        read_all(&admit(&inner(&v1, Magic::V1, 2), &rules).unwrap()).len(),
        3
    );
    assert_eq!(
        read_all(&admit(&inner(&v1, Magic::V1, 0), &rules).unwrap()).len(),
        3
    );
    refused_as_invalid(
        &inner(&v1, Magic::V1, 1),
        &rules,
        "below the last inner offset 2",
    );
    refused_as_invalid(&inner(&v0, Magic::V1, 2), &rules, "another format");
    refused_as_invalid(
        &inner(&good, Magic::V1, 0),
        &rules,
        "inside a compressed message",
    );
    refused_as_invalid(&inner(&[], Magic::V1, 0), &rules, "no messages inside");
    let mut flipped = v1.clone();
    flipped[40] ^= 1;
    assert!(matches!(
        refused(&inner(&flipped, Magic::V1, 2), &rules),
        InvalidRecords::Corrupt(CorruptBatch::Checksum { .. })
    ));
    // Offsets that skip, as librdkafka once sent them, are put right.
    let mut skips = v1;
    skips[7] = 3;
    let offsets: Vec<_> = read_all(&admit(&inner(&skips, Magic::V1, 2), &rules).unwrap())
        .iter()
        .map(|record| record.offset)
        .collect();
    assert_eq!(offsets, [1000, 1001, 1002]);
}

/// A gzip stream of bytes, taken from a batch that holds nothing else.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
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
