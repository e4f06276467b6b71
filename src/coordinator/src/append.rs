//! Records of groups to batches of `__consumer_offsets`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_group::{AppendFailure, AppendOutcome, EncodedRecord};
use ottla_log::{AppendError, StorageError};
use ottla_metadata::Millis;
use ottla_records::{BatchBuilder, BatchOptions, BuildError, Compression, InvalidRecords, Magic};
use ottla_replication::{
    Completion, PartitionError, ProduceError, ProduceOptions, ProduceResults, ReplicaManager,
    RequiredAcks,
};

use crate::coordinator::OFFSETS_TOPIC;

/// How batches are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appender {
    pub(crate) compression: Compression,
    pub(crate) timeout: Duration,
}

impl Appender {
    /// Appends the records as one batch, now; the end of it may come later.
    pub(crate) fn append(
        &self,
        replicas: &Arc<ReplicaManager>,
        partition: i32,
        records: &[EncodedRecord],
        wall: Millis,
    ) -> Completion<AppendOutcome> {
        // A topic whose format was set to an old one keeps it.
        let format = replicas.stored_format(OFFSETS_TOPIC, partition);
        let magic = format.map_or(Magic::V2, |format| format.magic);
        let batch = match self.batch(magic, records, wall) {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(partition, %error, "cannot encode the records of a group");
                return Completion::Ready(AppendOutcome::Failed(AppendFailure::Other));
            }
        };
        let mut produce = replicas.produce(ProduceOptions {
            acks: RequiredAcks::All,
            timeout: self.timeout,
            internal_topics: true,
            zstd: true,
            single_v2_batch: magic == Magic::V2,
        });
        produce.append(OFFSETS_TOPIC, partition, batch);
        match produce.finish() {
            Completion::Ready(results) => Completion::Ready(outcome(partition, results)),
            Completion::Pending(results) => {
                Completion::Pending(Box::pin(async move { outcome(partition, results.await) }))
            }
        }
    }

    fn batch(
        &self,
        magic: Magic,
        records: &[EncodedRecord],
        wall: Millis,
    ) -> Result<Bytes, BuildError> {
        let mut builder = BatchBuilder::new(BatchOptions {
            magic,
            compression: self.compression,
            level: self.compression.default_level(),
            ..BatchOptions::default()
        })?;
        for record in records {
            builder.append(wall, Some(&record.key), record.value.as_deref(), &[])?;
        }
        Ok(builder.build()?.into())
    }
}

fn outcome(partition: i32, results: ProduceResults) -> AppendOutcome {
    match results.into_iter().next() {
        Some(Ok(produced)) => AppendOutcome::Stored {
            offset: produced.first_offset,
        },
        Some(Err(error)) => {
            tracing::warn!(partition, %error, "a group's records were not stored");
            AppendOutcome::Failed(failure(&error))
        }
        None => AppendOutcome::Failed(AppendFailure::Other),
    }
}

fn failure(error: &ProduceError) -> AppendFailure {
    match error {
        ProduceError::Partition(error) => match error {
            PartitionError::Unknown => AppendFailure::UnknownPartition,
            PartitionError::NotLeader
            | PartitionError::FencedLeaderEpoch
            | PartitionError::UnknownLeaderEpoch
            | PartitionError::InconsistentTopicId => AppendFailure::NotLeader,
            PartitionError::Offline => AppendFailure::Storage,
        },
        ProduceError::NotEnoughReplicas { .. } | ProduceError::NotEnoughReplicasAfterAppend => {
            AppendFailure::NotEnoughReplicas
        }
        ProduceError::TimedOut => AppendFailure::TimedOut,
        ProduceError::InternalTopic => AppendFailure::Other,
        ProduceError::Records(error) | ProduceError::Append(AppendError::InvalidRecords(error)) => {
            refused(error)
        }
        ProduceError::Append(AppendError::SetTooLarge { .. }) => AppendFailure::TooLarge,
        ProduceError::Append(AppendError::Storage(error)) => match error {
            StorageError::Io { .. } | StorageError::Offline(_) | StorageError::Exhausted { .. } => {
                AppendFailure::Storage
            }
            StorageError::Closed(_) | StorageError::SegmentDeleted(_) => AppendFailure::NotLeader,
        },
        ProduceError::Append(
            AppendError::InvalidProducerEpoch { .. }
            | AppendError::OutOfOrderSequence { .. }
            | AppendError::InvalidTxnState(_)
            | AppendError::TransactionCoordinatorFenced { .. }
            | AppendError::UnexpectedOffset { .. }
            | AppendError::Corrupt(_),
        ) => AppendFailure::Other,
    }
}

fn refused(error: &InvalidRecords) -> AppendFailure {
    match error {
        InvalidRecords::TooLarge { .. } | InvalidRecords::ListTooLarge { .. } => {
            AppendFailure::TooLarge
        }
        InvalidRecords::Corrupt(_)
        | InvalidRecords::Invalid { .. }
        | InvalidRecords::InvalidTimestamp { .. }
        | InvalidRecords::UnsupportedCompression { .. }
        | InvalidRecords::UnsupportedForFormat { .. }
        | InvalidRecords::Decompress { .. } => AppendFailure::Other,
    }
}
