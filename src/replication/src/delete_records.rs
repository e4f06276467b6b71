//! Deleting records from the beginning of a partition (KIP-107).

use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::{Millis, Offset, TopicPartition, is_internal};
use ottla_partition::{Event, LeaderNeeded, WaitError};

use crate::convert::millis;
use crate::error::{DeleteRecordsError, PartitionError};
use crate::manager::ReplicaManager;
use crate::replica::{Replica, Waits, Watermark};
use crate::wait::Wait;

/// Which records of which partition to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordDeletion {
    /// The partition.
    pub partition: TopicPartition,
    /// Everything below goes; -1 stands for the high watermark.
    pub before: Offset,
}

/// The low watermark after the deletion: no live replica has anything below.
type Deleted = Result<Offset, DeleteRecordsError>;

impl ReplicaManager {
    /// Deletes records and waits until all live replicas have done so. Results are in the order
    /// asked.
    pub async fn delete_records(
        self: &Arc<Self>,
        deletions: Vec<RecordDeletion>,
        timeout: Duration,
    ) -> Vec<Result<Offset, DeleteRecordsError>> {
        let deadline = self.now().saturating_add(millis(timeout));
        let wait = Arc::new(Wait::new());
        let started = {
            let (manager, wait) = (Arc::clone(self), Arc::clone(&wait));
            let delete = move |d: &RecordDeletion| manager.delete_locally(d, deadline, &wait);
            let work = move || deletions.iter().map(delete).collect::<Vec<_>>();
            self.runtime().spawn_blocking(work).await
        };
        let Ok(started) = started else {
            return Vec::new(); // the runtime is shutting down, and with it whoever asked
        };
        let patience = deadline.saturating_sub(self.now()).max(0).unsigned_abs();
        let patience = Duration::from_millis(patience);
        if tokio::time::timeout(patience, wait.filled()).await.is_err() {
            let now = self.now().max(deadline);
            for replica in started.iter().flatten() {
                self.step_at(replica, now, Event::Tick);
            }
        }
        settle(started, wait.take())
    }

    /// Raises the log start offset and opens a slot of `wait` for the other replicas.
    fn delete_locally(
        &self,
        deletion: &RecordDeletion,
        deadline: Millis,
        wait: &Arc<Wait<Result<(), WaitError>>>,
    ) -> Result<Arc<Replica>, DeleteRecordsError> {
        let TopicPartition { topic, partition } = &deletion.partition;
        if is_internal(topic) {
            return Err(DeleteRecordsError::InternalTopic);
        }
        let replica = self.online(topic, *partition)?;
        let _leadership = replica.leadership.read();
        let required = self.advance_log_start(&replica, deletion.before)?;
        let log_start = replica.log().log_start_offset();
        let waits = Waits {
            watermark: Watermark::Low,
            required,
            deadline,
        };
        let now = self.now();
        let mut state = replica.state();
        let mut aftermath = replica.step(&mut state, now, Event::LogStartAdvanced { log_start });
        state.readers.disturb();
        aftermath.add(replica.wait_for(&mut state, now, waits, wait.open()));
        drop(state);
        self.finish(&replica, aftermath);
        Ok(Arc::clone(&replica))
    }

    fn advance_log_start(
        &self,
        replica: &Replica,
        before: Offset,
    ) -> Result<Offset, DeleteRecordsError> {
        let high_watermark = {
            let state = replica.state();
            let epoch = state.brain.check_epoch(None, LeaderNeeded::Yes);
            epoch.map_err(PartitionError::from)?;
            state.brain.high_watermark()
        };
        if !replica.rules.load().deletable {
            return Err(DeleteRecordsError::NotDeletable);
        }
        let before = if before == -1 { high_watermark } else { before };
        if before < 0 || before > high_watermark {
            return Err(DeleteRecordsError::OffsetOutOfRange);
        }
        match replica.log().advance_log_start_offset(before) {
            Ok(Some(_)) => Ok(before),
            Ok(None) => Err(DeleteRecordsError::OffsetOutOfRange),
            Err(error) => {
                self.storage_failed(replica, &error);
                Err(error.into())
            }
        }
    }
}

/// Joins what was refused at once with what the waits came to. Slots were opened in the order of
/// the deletions that began.
fn settle(
    started: Vec<Result<Arc<Replica>, DeleteRecordsError>>,
    outcomes: Vec<Option<Result<(), WaitError>>>,
) -> Vec<Deleted> {
    let mut outcomes = outcomes.into_iter();
    let settle_one = |started: Result<Arc<Replica>, DeleteRecordsError>| {
        let replica = started?;
        outcomes
            .next()
            .flatten()
            .unwrap_or(Err(WaitError::TimedOut))?;
        let low = replica.state().brain.low_watermark();
        Ok(low.unwrap_or_else(|| replica.log().log_start_offset()))
    };
    started.into_iter().map(settle_one).collect()
}
