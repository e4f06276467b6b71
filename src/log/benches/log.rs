//! What a log costs beside the work of the system: its files lie in memory where there is such a
//! file system.
#![allow(clippy::unwrap_used)] // In benchmarks a panic is the report.

use std::sync::Arc;

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use ottla_log::{Log, LogConfig, LogDirs, LogManager, LogManagerConfig};
use ottla_metadata::{TopicId, TopicPartition};
use ottla_records::{AppendRules, AppendSet, BatchBuilder, BatchOptions, validate};

const NOW: i64 = 1_700_000_000_000;
const VALUE: [u8; 1000] = [b'v'; 1000];
/// Records of a batch: a lone one, and what a busy producer sends.
const RECORDS: [usize; 2] = [1, 128];
/// Batches of the log that is read, 1 KB each.
const STORED_BATCHES: i64 = 20_000;

fn main() {
    divan::main();
}

/// An append to a log that leads.
#[divan::bench(args = RECORDS)]
fn append_as_leader(bencher: Bencher<'_, '_>, records: usize) {
    let storage = Storage::new();
    let batch = batch(records, 0, None);
    bencher
        .counter(BytesCount::new(batch.len()))
        .with_inputs(|| admitted(batch.clone()))
        .bench_local_values(|set| storage.log.append_as_leader(set, 0, NOW).unwrap());
}

/// The same from an idempotent producer, whose sequence is checked and remembered.
#[divan::bench]
fn append_of_idempotent_producer(bencher: Bencher<'_, '_>) {
    let storage = Storage::new();
    let mut sequence = 0;
    bencher
        .with_inputs(|| {
            sequence += 1;
            admitted(batch(1, 0, Some(sequence - 1)))
        })
        .bench_local_values(|set| storage.log.append_as_leader(set, 0, NOW).unwrap());
}

/// An append of what a leader sent.
#[divan::bench(args = RECORDS)]
fn append_as_follower(bencher: Bencher<'_, '_>, records: usize) {
    let storage = Storage::new();
    let mut next = 0;
    bencher
        .counter(BytesCount::new(batch(records, 0, None).len()))
        .with_inputs(|| {
            let batch = batch(records, next, None);
            next += records as i64;
            batch
        })
        .bench_local_values(|batch| storage.log.append_as_follower(batch, NOW).unwrap());
}

/// A consumer or follower that has nearly caught up.
#[divan::bench]
fn read_at_tail(bencher: Bencher<'_, '_>) {
    let storage = Storage::filled();
    let end = storage.log.log_end_offset();
    bencher.bench_local(|| storage.log.read(black_box(end - 3), 1 << 20, end, true));
}

/// A consumer that reads on where it was: its place in the index is still known.
#[divan::bench]
fn read_onwards(bencher: Bencher<'_, '_>) {
    let storage = Storage::filled();
    let mut from = 0;
    bencher.bench_local(|| {
        from = (from + 1) % (STORED_BATCHES / 2);
        storage.log.read(from, 1 << 20, STORED_BATCHES, true)
    });
}

/// A consumer that begins anywhere.
#[divan::bench]
fn read_at_random_offset(bencher: Bencher<'_, '_>) {
    let storage = Storage::filled();
    let mut state = 1_u32;
    bencher.bench_local(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let from = i64::from(state) % STORED_BATCHES;
        storage.log.read(from, 1 << 20, STORED_BATCHES, true)
    });
}

/// ListOffsets by time.
#[divan::bench]
fn offset_for_timestamp(bencher: Bencher<'_, '_>) {
    let storage = Storage::filled();
    let time = NOW + STORED_BATCHES / 3;
    bencher.bench_local(|| {
        let log = &storage.log;
        log.offset_for_timestamp(black_box(time), i64::MAX).unwrap()
    });
}

/// A log in a directory of its own.
struct Storage {
    log: Arc<Log>,
    _manager: LogManager,
    _dir: tempfile::TempDir,
}

impl Storage {
    fn new() -> Storage {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.unwrap();
        let config = Arc::new(LogConfig::default());
        let manager = LogManager::load(
            LogDirs::lock(&[dir.path().join("logs")]).unwrap(),
            LogManagerConfig::default(),
            |_| Arc::clone(&config),
            NOW,
        )
        .unwrap();
        let partition = TopicPartition::new("topic", 0);
        let log = manager.get_or_create(&partition, TopicId([7; 16]), config);
        Storage {
            log: log.unwrap(),
            _manager: manager,
            _dir: dir,
        }
    }

    /// With batches of one record, a millisecond apart.
    fn filled() -> Storage {
        let storage = Storage::new();
        for offset in 0..STORED_BATCHES {
            let batch = batch(1, offset, None);
            storage.log.append_as_follower(batch, NOW).unwrap();
        }
        storage
    }
}

fn batch(records: usize, base_offset: i64, sequence: Option<i32>) -> Bytes {
    let producer = sequence.map(|sequence| (9, 0, sequence));
    let (producer_id, producer_epoch, base_sequence) = producer.unwrap_or((-1, -1, -1));
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset,
        leader_epoch: 0,
        producer_id,
        producer_epoch,
        base_sequence,
        ..BatchOptions::default()
    })
    .unwrap();
    for _ in 0..records {
        let timestamp = NOW + base_offset;
        builder.append(timestamp, None, Some(&VALUE), &[]).unwrap();
    }
    builder.build().unwrap().into()
}

fn admitted(batch: Bytes) -> AppendSet {
    let rules = AppendRules {
        max_batch_bytes: 1 << 20,
        now_ms: NOW,
        ..AppendRules::default()
    };
    validate(batch, &rules).unwrap()
}
