//! Bytes that nobody honest would send: no panic, no memory, no endless loop.

use bytes::Bytes;
use ottla_records::{
    AppendRules, AppendSource, BatchBuilder, BatchHeader, BatchOptions, Compression,
    DecompressError, InvalidRecords, Magic, ReadError, RecordCursor, TargetCompression, batches,
    control_record, down_convert, records, validate, verify,
};
use proptest::prelude::*;

use crate::golden;
use crate::support::{gzip, hex, rules, seal};

/// Calls everything that takes bytes.
fn swallow(bytes: &[u8]) {
    let _ = BatchHeader::parse(bytes);
    let _ = verify(bytes);
    let _ = control_record(bytes);
    for entry in batches(bytes).flatten() {
        let _ = verify(entry);
        if let Ok(iter) = records(entry) {
            let _ = iter.count();
        }
    }
    for target in [Magic::V0, Magic::V1, Magic::V2] {
        let _ = down_convert(bytes, target, 1);
    }
    for rules in many_rules() {
        if let Ok(mut set) = validate(Bytes::copy_from_slice(bytes), &rules) {
            let _ = set.assign_offsets(i64::MAX - 3, 9);
            let _ = set.assign_offsets(9, 9);
        }
    }
}

fn many_rules() -> impl Iterator<Item = AppendRules> {
    let codecs = [
        TargetCompression::Producer,
        TargetCompression::Codec {
            codec: Compression::Snappy,
            level: 0,
        },
    ];
    codecs.into_iter().flat_map(|compression| {
        [Magic::V0, Magic::V1, Magic::V2].map(|target_magic| AppendRules {
            target_magic,
            compression,
            compacted: target_magic == Magic::V1,
            source: if target_magic == Magic::V2 {
                AppendSource::Coordinator
            } else {
                AppendSource::Client
            },
            ..rules()
        })
    })
}

fn v2_around(compression: Compression, content: &[u8], count: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default()).unwrap();
    builder.append(0, None, None, &[]).unwrap();
    let mut bytes = builder.build().unwrap();
    bytes.truncate(61);
    bytes.extend_from_slice(content);
    let size = i32::try_from(bytes.len() - 12).unwrap();
    bytes[8..12].copy_from_slice(&size.to_be_bytes());
    bytes[22] = compression.id();
    bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    seal(&mut bytes);
    bytes
}

#[test]
fn a_zstd_bomb_is_an_error() {
    use std::io::Write;
    let zeros = vec![0; 1 << 20];
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    // One record of 128 MiB, so that all of it has to be read: length as a zig-zag number.
    encoder.write_all(&[0x80, 0x80, 0x80, 0x80, 0x01]).unwrap();
    for _ in 0..128 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 16 << 10);
    let refusal = validate(v2_around(Compression::Zstd, &bomb, 1).into(), &rules()).unwrap_err();
    assert!(
        matches!(
            refusal,
            InvalidRecords::Decompress {
                codec: Compression::Zstd,
                problem: DecompressError::TooLarge { .. }
            }
        ),
        "{refusal:?}"
    );
}

#[test]
fn claims_of_length_are_not_believed() {
    // Snappy: a block that says it holds 4 GiB.
    let claims = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    let batch = v2_around(Compression::Snappy, &claims, 1);
    let error = RecordCursor::new(&batch).unwrap().next().unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Decompress {
                problem: DecompressError::Malformed,
                ..
            }
        ),
        "{error:?}"
    );
    // A record that says it is 1 GiB, headers that say there are a billion.
    for content in [
        &[0xff, 0xff, 0xff, 0xff, 0x07][..],
        &[18, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x07],
    ] {
        for codec in [Compression::None, Compression::Gzip] {
            let content = if codec == Compression::Gzip {
                gzip(content)
            } else {
                content.to_vec()
            };
            let batch = v2_around(codec, &content, 1);
            assert!(records(&batch).unwrap().next().unwrap().is_err());
            assert!(validate(batch.into(), &rules()).is_err());
        }
    }
    // A count of two billion records.
    let batch = v2_around(Compression::None, &[0; 10], i32::MAX);
    assert!(validate(batch.into(), &rules()).is_err());
}

#[test]
fn streams_that_end_early_are_errors() {
    for (magic, codec, text) in golden::ALL {
        if magic != Magic::V2 || codec == Compression::None {
            continue;
        }
        let content = &hex(text)[61..];
        for len in 0..content.len() {
            let batch = v2_around(codec, &content[..len], 3);
            let read: Result<Vec<_>, _> = records(&batch).unwrap().collect();
            // Codecs may have given out all the records before their own last bytes.
            assert!(read.is_err() || read.unwrap().len() == 3, "{codec:?} {len}");
        }
    }
}

#[test]
fn iteration_ends_after_an_error() {
    let batch = v2_around(Compression::None, &[2, 0, 2, 0], 5);
    let mut iter = records(&batch).unwrap();
    assert!(iter.next().unwrap().is_err());
    assert!(iter.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        swallow(&bytes);
    }

    #[test]
    fn random_content_of_a_sealed_batch(
        codec in proptest::sample::select(&Compression::ALL),
        content in proptest::collection::vec(any::<u8>(), 0..200),
        count in 1..100i32,
    ) {
        swallow(&v2_around(codec, &content, count));
    }

    #[test]
    fn goldens_with_a_few_bytes_changed(
        which in 0..golden::ALL.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = hex(golden::ALL[which].2);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        swallow(&bytes);
        seal(&mut bytes);
        swallow(&bytes);
    }
}
