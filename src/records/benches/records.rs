//! What records cost on their way through a broker, per batch of 128 KiB (before compression) with
//! letters at random in it, as the load generators send them.
#![allow(clippy::unwrap_used)] // In benchmarks a panic is the report.

use std::fmt;

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use ottla_records::{
    AppendRules, BatchBuilder, BatchHeader, BatchOptions, Compression, Magic, RecordCursor,
    down_convert, validate, verify,
};

const BATCH_BYTES: usize = 128 << 10;
const SIZES: [usize; 2] = [100, 1000];
const LOADS: [Load; 8] = [
    Load(Compression::None, 100),
    Load(Compression::None, 1000),
    Load(Compression::Gzip, 100),
    Load(Compression::Gzip, 1000),
    Load(Compression::Snappy, 1000),
    Load(Compression::Lz4, 100),
    Load(Compression::Lz4, 1000),
    Load(Compression::Zstd, 1000),
];

/// The codec of a batch and the size of its values.
#[derive(Clone, Copy)]
struct Load(Compression, usize);

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.name(), self.1)
    }
}

fn main() {
    divan::main();
}

/// Admission of a produced batch.
#[divan::bench(args = LOADS)]
fn validate_batch(bencher: Bencher<'_, '_>, load: Load) {
    let (batch, rules) = (load.batch(), rules());
    bencher
        .counter(BytesCount::new(BATCH_BYTES))
        .bench_local(|| validate(batch.clone(), &rules).unwrap());
}

/// A produced batch with one record: what a request costs whatever it brings.
#[divan::bench]
fn validate_single_record(bencher: Bencher<'_, '_>) {
    let (batch, rules) = (Load(Compression::None, 100).with_records(1), rules());
    bencher.bench_local(|| {
        let mut set = validate(batch.clone(), &rules).unwrap();
        set.assign_offsets(black_box(7), 1).unwrap();
        set
    });
}

/// Frame and checksum, as a follower and recovery check them.
#[divan::bench]
fn verify_batch(bencher: Bencher<'_, '_>) {
    let batch = Load(Compression::None, 1000).batch();
    bencher
        .counter(BytesCount::new(BATCH_BYTES))
        .bench_local(|| verify(black_box(&batch)).unwrap());
}

/// A header, as searches read it.
#[divan::bench]
fn parse_header(bencher: Bencher<'_, '_>) {
    let batch = Load(Compression::None, 1000).batch();
    bencher.bench_local(|| BatchHeader::parse(black_box(&batch)));
}

/// Going through the records of a stored batch.
#[divan::bench(args = LOADS)]
fn read_records(bencher: Bencher<'_, '_>, load: Load) {
    let batch = load.batch();
    bencher
        .counter(BytesCount::new(BATCH_BYTES))
        .bench_local(|| {
            let mut cursor = RecordCursor::new(&batch).unwrap();
            while let Some(record) = cursor.next().unwrap() {
                black_box(record);
            }
        });
}

/// Building a batch record by record, as coordinators and tools do.
#[divan::bench(args = SIZES)]
fn build_batch(bencher: Bencher<'_, '_>, size: usize) {
    bencher
        .counter(BytesCount::new(BATCH_BYTES))
        .bench_local(|| Load(Compression::None, size).batch());
}

/// A fetch of version 0 or 1 (messages v0) from a topic of format v2.
#[divan::bench(args = LOADS)]
fn down_convert_to_v0(bencher: Bencher<'_, '_>, load: Load) {
    convert(bencher, load, Magic::V0);
}

/// A fetch of version 2 or 3 (messages v1) from a topic of format v2.
#[divan::bench(args = LOADS)]
fn down_convert_to_v1(bencher: Bencher<'_, '_>, load: Load) {
    convert(bencher, load, Magic::V1);
}

fn convert(bencher: Bencher<'_, '_>, load: Load, target: Magic) {
    let batch = load.batch();
    bencher
        .counter(BytesCount::new(BATCH_BYTES))
        // Old formats do not know zstd, which is refused.
        .bench_local(|| down_convert(&batch, target, 0).is_ok());
}

impl Load {
    fn batch(self) -> Bytes {
        self.with_records(BATCH_BYTES / self.1)
    }

    fn with_records(self, records: usize) -> Bytes {
        let Load(compression, size) = self;
        let mut builder = BatchBuilder::new(BatchOptions {
            compression,
            level: compression.default_level(),
            ..BatchOptions::default()
        })
        .unwrap();
        let mut letters = Letters(1);
        for index in 0..records {
            let value: Vec<u8> = letters.by_ref().take(size).collect();
            let timestamp = NOW + index as i64 / 100;
            builder.append(timestamp, None, Some(&value), &[]).unwrap();
        }
        builder.build().unwrap().into()
    }
}

/// Letters at random, always the same.
struct Letters(u32);

impl Iterator for Letters {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        Some(b'A' + (self.0 >> 8) as u8 % 26)
    }
}

const NOW: i64 = 1_700_000_000_000;

fn rules() -> AppendRules {
    AppendRules {
        timestamp_after_max_ms: 3_600_000,
        max_batch_bytes: 1 << 20,
        now_ms: NOW,
        ..AppendRules::default()
    }
}
