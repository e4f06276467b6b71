//! `validate`: what is refused, and with which answer.

use ottla_records::{
    AppendRules, BatchBuilder, BatchOptions, Compression, CorruptBatch, InvalidRecords,
    MAX_RECORD_ERRORS, Magic, TargetCompression, TimestampType, verify,
};

use crate::building::build;
use crate::golden;
use crate::support::{NOW, Plain, admit, edit, gzip, hex, read_all, rules, seal, two_records};

fn refused(bytes: &[u8], rules: &AppendRules) -> InvalidRecords {
    admit(bytes, rules).unwrap_err()
}

fn refused_as_invalid(bytes: &[u8], rules: &AppendRules, part: &str) {
    match refused(bytes, rules) {
        InvalidRecords::Invalid { message, .. } => assert!(message.contains(part), "{message}"),
        other => panic!("{other:?}"),
    }
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
fn inner_messages_are_checked() {
    let good = hex(golden::ALL[10].2);
    let inner = |bytes: &[u8], magic, offset: i64| {
        // A compressed message around any bytes.
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
