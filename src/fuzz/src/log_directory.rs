//! A log directory in which one file holds anything: the directory is loaded, goes offline or is
//! refused with an error. What was loaded can be read, searched, written to, stopped, and loaded
//! again with the same end.
//!
//! Input: a byte that chooses the file, and whether the broker had been stopped cleanly; then the
//! file's content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use ottla_log::{Log, LogConfig, LogDirs, LogError, LogManager, LogManagerConfig};
use ottla_metadata::{TopicId, TopicPartition};
use ottla_records::{
    AppendRules, AppendSource, BatchBuilder, BatchOptions, ControlRecord, batches, records,
    validate,
};
use tempfile::TempDir;

use crate::batches::{NOW_MS, batch};

const CLEAN: u8 = 0x80;
const CLEAN_MARKER: &str = ".kafka_cleanshutdown";

/// The target.
pub fn run(input: &[u8]) {
    let Some(([choice], content)) = input.split_first_chunk::<1>() else {
        return;
    };
    let Some((chosen, _)) = PRISTINE.iter().nth(usize::from(choice & !CLEAN)) else {
        return;
    };
    let root = temporary_folder();
    for (path, bytes) in PRISTINE.iter() {
        let bytes = if path == chosen { content } else { bytes };
        if path == Path::new(CLEAN_MARKER) && path != chosen && choice & CLEAN == 0 {
            continue;
        }
        let path = root.path().join(path);
        let parent = path.parent().expect("all files lie below the root");
        std::fs::create_dir_all(parent).expect("the temporary folder can be written");
        std::fs::write(path, bytes).expect("the temporary folder can be written");
    }
    let Some((manager, log)) = open(root.path()) else {
        return;
    };
    let Some(log) = log else {
        return;
    };
    use_log(&log);
    let end = log.log_end_offset();
    let stopped = manager.shutdown(NOW_MS);
    drop((log, manager));
    if stopped.is_ok() {
        let again = open(root.path()).and_then(|(_manager, log)| log);
        assert_eq!(again.map(|log| log.log_end_offset()), Some(end));
    }
}

/// The first byte is the file's number, with and without the mark of a clean stop.
pub fn corpus() -> Vec<Vec<u8>> {
    let files = PRISTINE.values().enumerate();
    let inputs = files.flat_map(|(number, bytes)| {
        [0, CLEAN].map(|clean| [&[number as u8 | clean], &bytes[..]].concat())
    });
    inputs.collect()
}

fn partition() -> TopicPartition {
    TopicPartition::new("topic", 0)
}

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 1200,
        segment_index_bytes: 4096,
        index_interval_bytes: 100,
        ..LogConfig::default()
    })
}

fn load(root: &Path) -> Result<LogManager, LogError> {
    let dirs =
        LogDirs::lock(&[root.to_path_buf()]).expect("the directory is there and nobody else's");
    // What was checked at the start comes before the load, as in the broker.
    let _ = dirs.identity();
    LogManager::load(dirs, LogManagerConfig::default(), |_| config(), NOW_MS)
}

/// The manager and, if its directory is alive, the log.
fn open(root: &Path) -> Option<(LogManager, Option<Arc<Log>>)> {
    let manager = load(root).ok()?;
    let log = manager.get(&partition()).filter(|log| !log.is_offline());
    Some((manager, log))
}

/// Whatever the answers are, they are answers.
fn use_log(log: &Log) {
    let end = log.log_end_offset();
    assert!(
        log.log_start_offset() <= end,
        "the log starts at or below its end"
    );
    assert!(
        log.high_watermark() <= end,
        "the high watermark is no further than the end"
    );
    let mut next = log.log_start_offset();
    while let Ok(Some(slice)) = log.read(next, 4096, end, true) {
        let Some(reached) = read_slice(&slice).filter(|reached| *reached >= next) else {
            break;
        };
        next = reached.saturating_add(1);
    }
    let _ = log.offset_for_timestamp(NOW_MS, end);
    let _ = log.offset_of_max_timestamp();
    let _ = log.legacy_offsets_before(NOW_MS, 10, end);
    let _ = log.aborted_transactions(0, end);
    let _ = log.epoch_end_offset(0);
    let _ = log.active_producers();
    if let Some(bytes) = batch(BatchOptions::default(), 2) {
        let set = validate(Bytes::from(bytes), &rules(AppendSource::Client));
        let _ = log.append_as_leader(set.expect("the batch is valid"), 1000, NOW_MS);
    }
}

/// The last offset in the slice.
fn read_slice(slice: &ottla_log::LogSlice) -> Option<i64> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; slice.len];
    slice.file.read_exact_at(&mut bytes, slice.position).ok()?;
    let entries = batches(&bytes)
        .flatten()
        .filter_map(|entry| records(entry).ok());
    entries
        .flatten()
        .flatten()
        .map(|record| record.offset)
        .last()
}

fn rules(source: AppendSource) -> AppendRules {
    AppendRules {
        max_batch_bytes: 1 << 20,
        max_set_bytes: 1 << 20,
        now_ms: NOW_MS,
        source,
        ..AppendRules::default()
    }
}

/// The files of a broker that was stopped cleanly: several segments, epochs, producers, an
/// aborted transaction and one that is open.
pub(crate) static PRISTINE: LazyLock<BTreeMap<PathBuf, Vec<u8>>> = LazyLock::new(|| {
    let root = temporary_folder();
    let manager = load(root.path()).expect("an empty directory is loaded");
    let identity = manager.dirs().establish_identity("cluster", 0);
    identity.expect("an empty directory takes an identity");
    let log = manager.get_or_create(&partition(), TopicId([7; 16]), config());
    let log = log.expect("a directory that was just made takes a log");
    let append = |bytes: Option<Vec<u8>>, source, epoch| {
        let bytes = Bytes::from(bytes.expect("the options fit the format"));
        let set = validate(bytes, &rules(source)).expect("the batch is valid");
        log.append_as_leader(set, epoch, NOW_MS)
            .expect("the disk takes it");
    };
    let transaction = |producer_id| BatchOptions {
        producer_id,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..BatchOptions::default()
    };
    for epoch in 0..3 {
        for _ in 0..4 {
            append(
                batch(BatchOptions::default(), 2),
                AppendSource::Client,
                epoch,
            );
        }
        let producer_id = i64::from(epoch);
        append(
            batch(transaction(producer_id), 1),
            AppendSource::Client,
            epoch,
        );
        if epoch < 2 {
            let abort = ControlRecord::Abort {
                coordinator_epoch: 0,
            };
            let marker = BatchBuilder::end_transaction(0, NOW_MS, producer_id, 0, abort);
            append(Some(marker), AppendSource::Coordinator, epoch);
        }
    }
    log.set_high_watermark(log.log_end_offset());
    drop(log);
    manager.shutdown(NOW_MS).expect("the disk takes it");
    drop(manager);
    let mut files = BTreeMap::new();
    collect(root.path(), root.path(), &mut files);
    files
});

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("our folder can be read") {
        let path = entry.expect("our folder can be read").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.file_name().is_some_and(|name| name != ".lock") {
            let bytes = std::fs::read(&path).expect("our file can be read");
            let name = path.strip_prefix(root).expect("it lies below the root");
            files.insert(name.to_path_buf(), bytes);
        }
    }
}

/// In memory where the system has that: loading and stopping sync a lot.
pub(crate) fn temporary_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary folder can be made")
}
