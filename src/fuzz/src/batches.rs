//! Valid message sets and batches to begin with.

use ottla_records::{BatchBuilder, BatchOptions, Compression, ControlRecord, Magic};

/// Milliseconds; the day of the records.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// One entry or set of every format and codec, and some special ones.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let mut corpus = Vec::new();
    for magic in [Magic::V0, Magic::V1, Magic::V2] {
        for compression in [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            let options = BatchOptions {
                magic,
                compression,
                level: compression.default_level(),
                ..BatchOptions::default()
            };
            corpus.extend(batch(options, 3));
        }
    }
    corpus.extend(batch(transactional(), 5));
    corpus.extend(batch(
        BatchOptions {
            log_append_time_ms: Some(NOW_MS),
            ..BatchOptions::default()
        },
        1,
    ));
    let marker = ControlRecord::Commit {
        coordinator_epoch: 3,
    };
    corpus.push(BatchBuilder::end_transaction(9, NOW_MS, 1000, 1, marker));
    // Several in a row, of one format and mixed.
    let all: Vec<u8> = corpus.concat();
    let newest: Vec<u8> = corpus.iter().skip(10).flatten().copied().collect();
    corpus.push(newest);
    corpus.push(all);
    corpus
}

fn transactional() -> BatchOptions {
    BatchOptions {
        base_offset: 7,
        leader_epoch: 2,
        producer_id: 1000,
        producer_epoch: 1,
        base_sequence: 0,
        transactional: true,
        ..BatchOptions::default()
    }
}

/// `None` where the format does not know the options.
pub(crate) fn batch(options: BatchOptions, records: usize) -> Option<Vec<u8>> {
    let headers: &[(&str, Option<&[u8]>)] = match options.magic {
        Magic::V0 | Magic::V1 => &[],
        Magic::V2 => &[("name", Some(b"value")), ("null", None)],
    };
    let mut builder = BatchBuilder::new(options).ok()?;
    for number in 0..records {
        let key = (number % 2 == 0).then_some(&b"key"[..]);
        let value = (number % 3 != 2).then_some(&[b'v'; 60][..]);
        let timestamp = NOW_MS.saturating_add(number as i64);
        builder.append(timestamp, key, value, headers).ok()?;
    }
    builder.build().ok()
}
