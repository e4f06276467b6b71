//! From a partition's log to its groups: replay, and nothing else.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use ottla_group::Groups;
use ottla_log::{Log, ReadError as LogReadError};
use ottla_metadata::{Offset, TopicPartition};
use ottla_records::{
    BatchHeader, ControlRecord, CorruptBatch, ReadError, RecordCursor, batches, control_record,
};
use ottla_replication::ReplicaManager;

use crate::coordinator::OFFSETS_TOPIC;

/// What came out.
pub(crate) struct Loaded {
    pub(crate) groups: Groups,
    pub(crate) records: u64,
}

/// Why a partition could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the log is not here")]
    NoLog,
    #[error("the leadership ended while loading")]
    Unwanted,
    #[error("cannot read the log at offset {at}: {source}")]
    Read { at: Offset, source: LogReadError },
    #[error("cannot read the log's file at offset {at}: {source}")]
    File { at: Offset, source: io::Error },
    #[error("bad batch at or after offset {at}: {source}")]
    Batch { at: Offset, source: ReadError },
}

/// Reads the partition from its start to its end. Blocks.
pub(crate) fn load(
    replicas: &ReplicaManager,
    partition: i32,
    settings: Arc<ottla_group::Settings>,
    buffer_bytes: usize,
    is_wanted: impl Fn() -> bool,
) -> Result<Loaded, LoadError> {
    let name = TopicPartition::new(OFFSETS_TOPIC, partition);
    let log = replicas.logs().get(&name).ok_or(LoadError::NoLog)?;
    let mut replay = Replay {
        partition,
        groups: Groups::new(settings),
        open: HashMap::new(),
        records: 0,
    };
    let mut buffer = Vec::new();
    let mut at = log.log_start_offset();
    while let Some(bytes) = read(&log, at, buffer_bytes, &mut buffer)? {
        if !is_wanted() {
            return Err(LoadError::Unwanted);
        }
        let next = replay.batches(bytes, at)?;
        if next <= at {
            let source = CorruptBatch::FieldPastEnd.into();
            return Err(LoadError::Batch { at, source });
        }
        at = next;
    }
    if !replay.open.is_empty() {
        // Nobody here can end them: this broker has no transaction coordinator.
        let transactions = replay.open.len();
        tracing::warn!(
            partition,
            transactions,
            "offsets of open transactions are left out"
        );
    }
    Ok(Loaded {
        groups: replay.groups,
        records: replay.records,
    })
}

fn read<'a>(
    log: &Log,
    at: Offset,
    buffer_bytes: usize,
    buffer: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>, LoadError> {
    let slice = log
        .read(at, buffer_bytes, log.log_end_offset(), true)
        .map_err(|source| LoadError::Read { at, source })?;
    let Some(slice) = slice else {
        return Ok(None);
    };
    if buffer.len() < slice.len {
        buffer.resize(slice.len, 0);
    }
    let bytes = buffer.get_mut(..slice.len).unwrap_or_default();
    slice
        .file
        .read_exact_at(bytes, slice.position)
        .map_err(|source| LoadError::File { at, source })?;
    Ok(Some(bytes))
}

/// A record of a transaction whose end has not been read yet.
struct Held {
    offset: Offset,
    key: Bytes,
    value: Option<Bytes>,
}

struct Replay {
    partition: i32,
    groups: Groups,
    /// Records of open transactions by producer id; they count when the commit is read.
    open: HashMap<i64, Vec<Held>>,
    records: u64,
}

impl Replay {
    /// Replays whole batches; answers the offset behind the last one.
    fn batches(&mut self, bytes: &[u8], from: Offset) -> Result<Offset, LoadError> {
        let mut next = from;
        for batch in batches(bytes) {
            let bad = |source: ReadError| LoadError::Batch { at: next, source };
            let batch = batch.map_err(|error| bad(error.into()))?;
            let header = self.batch(batch).map_err(bad)?;
            next = header.next_offset();
        }
        Ok(next)
    }

    fn batch(&mut self, batch: &[u8]) -> Result<BatchHeader, ReadError> {
        let mut cursor = RecordCursor::new(batch)?;
        let header = *cursor.header();
        let producer = header.producer().map(|producer| producer.id);
        if header.is_control() {
            if let (Some(end), Some(producer)) = (control_record(batch)?, producer) {
                self.end_transaction(producer, end);
            }
            return Ok(header);
        }
        let transaction = producer.filter(|_| header.is_transactional());
        while let Some(record) = cursor.next()? {
            let Some(key) = record.key else {
                tracing::warn!(partition = self.partition, offset = record.offset, "no key");
                continue;
            };
            match transaction {
                None => self.record(record.offset, key, record.value),
                Some(producer) => self.open.entry(producer).or_default().push(Held {
                    offset: record.offset,
                    key: Bytes::copy_from_slice(key),
                    value: record.value.map(Bytes::copy_from_slice),
                }),
            }
        }
        Ok(header)
    }

    fn end_transaction(&mut self, producer: i64, end: ControlRecord) {
        let held = match end {
            ControlRecord::Commit { .. } => self.open.remove(&producer).unwrap_or_default(),
            ControlRecord::Abort { .. } => {
                self.open.remove(&producer);
                return;
            }
            ControlRecord::Other(_) => return,
        };
        for record in held {
            self.record(record.offset, &record.key, record.value.as_deref());
        }
    }

    /// What cannot be read changes nothing: a record of a later release must not keep the groups of
    /// a partition from being served.
    fn record(&mut self, offset: Offset, key: &[u8], value: Option<&[u8]>) {
        self.records += 1;
        if let Err(error) = self.groups.replay(offset, key, value) {
            tracing::warn!(partition = self.partition, offset, %error, "record left out");
        }
    }
}
