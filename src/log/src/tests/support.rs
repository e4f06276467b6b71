//! A broker's storage in a temporary directory, and records to put into it.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use ottla_metadata::{TopicId, TopicPartition};
use ottla_records::{
    AppendRules, AppendSet, AppendSource, BatchBuilder, BatchOptions, Compression, Record, batches,
    records, validate,
};

use crate::faults::{Faults, Mode};
use crate::io::Disk;
use crate::{Appended, Log, LogConfig, LogDirs, LogManager, LogManagerConfig};

pub(super) const NOW: i64 = 1_700_000_000_000;

pub(super) struct Fixture {
    pub(super) root: tempfile::TempDir,
    pub(super) config: Arc<LogConfig>,
    pub(super) manager: Option<LogManager>,
}

/// A log on a disk that fails when it is told to.
pub(super) struct Storage {
    pub(super) _root: tempfile::TempDir,
    pub(super) faults: Arc<Faults>,
    pub(super) manager: LogManager,
    pub(super) log: Arc<Log>,
}

impl Storage {
    pub(super) fn with(config: LogConfig) -> Storage {
        let root = tempdir();
        let faults = Arc::new(Faults::new(u64::MAX, Mode::Stop));
        let disk = Disk::with_faults(root.path().to_owned(), Arc::clone(&faults));
        let dirs = LogDirs::lock_disks(vec![disk]).unwrap();
        let config = Arc::new(config);
        let settings = LogManagerConfig::default();
        let manager = LogManager::load(dirs, settings, |_| Arc::clone(&config), NOW).unwrap();
        manager.stop_background();
        let log = manager
            .get_or_create(&partition(), TopicId([7; 16]), config)
            .unwrap();
        Storage {
            _root: root,
            faults,
            manager,
            log,
        }
    }
}

pub(super) fn partition() -> TopicPartition {
    TopicPartition::new("topic", 0)
}

/// A temporary directory, in memory where the system has that: these tests sync a lot.
pub(super) fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

impl Fixture {
    pub(super) fn new(config: LogConfig) -> Fixture {
        let mut fixture = Fixture {
            root: tempdir(),
            config: Arc::new(config),
            manager: None,
        };
        fixture.open();
        fixture
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.root.path().join("logs")
    }

    pub(super) fn replica_dir(&self) -> PathBuf {
        self.dir().join(partition().to_string())
    }

    pub(super) fn open(&mut self) {
        let dirs = LogDirs::lock(&[self.dir()]).unwrap();
        let config = Arc::clone(&self.config);
        let manager = LogManager::load(
            dirs,
            LogManagerConfig::default(),
            |_| Arc::clone(&config),
            NOW,
        );
        self.manager = Some(manager.unwrap());
    }

    pub(super) fn manager(&self) -> &LogManager {
        self.manager.as_ref().unwrap()
    }

    pub(super) fn log(&self) -> Arc<Log> {
        self.manager()
            .get_or_create(&partition(), TopicId([7; 16]), Arc::clone(&self.config))
            .unwrap()
    }

    /// Stops cleanly and starts again.
    pub(super) fn restart(&mut self) {
        self.manager().shutdown(NOW).unwrap();
        self.manager = None;
        self.open();
    }

    /// As after kill -9: what was written is there, nothing else is done.
    pub(super) fn crash(&mut self) {
        self.manager = None;
        self.open();
    }
}

/// How records of a test are made into a batch.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) count: usize,
    pub(super) value_size: usize,
    pub(super) timestamp: i64,
    pub(super) producer: Option<(i64, i16, i32)>,
    pub(super) transactional: bool,
    pub(super) compression: Compression,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            count: 1,
            value_size: 20,
            timestamp: NOW,
            producer: None,
            transactional: false,
            compression: Compression::None,
        }
    }
}

pub(super) fn batch_bytes(spec: &Spec, base_offset: i64, leader_epoch: i32) -> Bytes {
    let (producer_id, producer_epoch, base_sequence) = spec.producer.unwrap_or((-1, -1, -1));
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset,
        leader_epoch,
        producer_id,
        producer_epoch,
        base_sequence,
        transactional: spec.transactional,
        compression: spec.compression,
        level: spec.compression.default_level(),
        ..BatchOptions::default()
    })
    .unwrap();
    for i in 0..spec.count {
        let value = vec![b'v'; spec.value_size];
        let timestamp = spec.timestamp + i as i64;
        builder
            .append(timestamp, Some(b"k"), Some(&value), &[])
            .unwrap();
    }
    Bytes::from(builder.build().unwrap())
}

pub(super) fn rules(source: AppendSource) -> AppendRules {
    AppendRules {
        max_batch_bytes: 1 << 20,
        now_ms: NOW,
        source,
        ..AppendRules::default()
    }
}

pub(super) fn set(spec: &Spec) -> AppendSet {
    validate(batch_bytes(spec, 0, -1), &rules(AppendSource::Client)).unwrap()
}

pub(super) fn append(log: &Log, spec: &Spec) -> Appended {
    log.append_as_leader(set(spec), 0, spec.timestamp).unwrap()
}

/// Reads whole batches from `from` to `upper` in steps of `max_bytes`.
pub(super) fn read_all(log: &Log, from: i64, upper: i64, max_bytes: usize) -> Vec<Record> {
    let mut found: Vec<Record> = Vec::new();
    let mut next = from;
    while let Some(slice) = log.read(next, max_bytes, upper, true).unwrap() {
        assert!(slice.len >= 1);
        let mut bytes = vec![0; slice.len];
        slice
            .file
            .read_exact_at(&mut bytes, slice.position)
            .unwrap();
        assert!(
            slice.len >= slice.first_entry_size,
            "the first batch is whole"
        );
        let mut whole = 0;
        for batch in batches(&bytes) {
            whole += 1;
            for record in records(batch.unwrap()).unwrap() {
                let record = record.unwrap();
                if record.offset >= next {
                    next = record.offset + 1;
                    found.push(record);
                }
            }
        }
        assert!(whole > 0);
    }
    found
}
