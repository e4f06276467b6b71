//! One step of a move: cut the future replica where it parts from the current one, copy a piece, or
//! exchange the two.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use ottla_log::{AppendError, Log, LogError, ReadError, StorageError};
use ottla_metadata::TopicPartition;
use ottla_partition::Role;
use parking_lot::Mutex;

use crate::manager::{ReplicaManager, wall_clock};
use crate::replica::Replica;

/// Bytes copied in one step.
const PIECE: usize = 1 << 20;
/// Pieces copied while nobody may append, so that a busy replica is caught up with.
const LAST_PIECES: usize = 4;

/// What came of a step.
#[derive(Debug)]
pub(super) enum Step {
    /// So many bytes were copied; there may be more.
    Copied(usize),
    /// The replica has moved.
    Moved,
    /// Somebody ended the move, or the disk did.
    GivenUp,
    /// To be tried again.
    Failed(String),
}

/// Moves one replica.
pub(super) struct Mover {
    replica: Arc<Replica>,
    future: Arc<Log>,
    /// How often the current log had been cut when the future one was last cut like it.
    aligned: Mutex<Option<u64>>,
}

/// Why a step went no further.
enum Halt {
    GivenUp,
    Failed(String),
}

impl From<StorageError> for Halt {
    fn from(error: StorageError) -> Halt {
        match error {
            StorageError::Exhausted { .. } | StorageError::SegmentDeleted(_) => {
                Halt::Failed(error.to_string())
            }
            StorageError::Io { .. } | StorageError::Offline(_) | StorageError::Closed(_) => {
                Halt::GivenUp
            }
        }
    }
}

impl From<LogError> for Halt {
    fn from(error: LogError) -> Halt {
        match error {
            LogError::Storage(error) => error.into(),
            error => Halt::Failed(error.to_string()),
        }
    }
}

impl From<AppendError> for Halt {
    fn from(error: AppendError) -> Halt {
        match error {
            AppendError::Storage(error) => error.into(),
            error => Halt::Failed(error.to_string()),
        }
    }
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Halt {
        match error {
            ReadError::Storage(error) => error.into(),
            error => Halt::Failed(error.to_string()),
        }
    }
}

impl Mover {
    pub(super) fn new(replica: Arc<Replica>, future: Arc<Log>) -> Mover {
        Mover {
            replica,
            future,
            aligned: Mutex::new(None),
        }
    }

    pub(super) fn partition(&self) -> &TopicPartition {
        &self.replica.partition
    }

    /// Whether that is the future replica it works on.
    pub(super) fn is_of(&self, future: &Arc<Log>) -> bool {
        Arc::ptr_eq(&self.future, future)
    }

    /// Does a piece of the work. Blocks.
    pub(super) fn step(&self, manager: &ReplicaManager) -> Step {
        match self.go_on(manager) {
            Ok(step) => step,
            Err(Halt::GivenUp) => Step::GivenUp,
            Err(Halt::Failed(error)) => {
                // The logs may have parted in a way that was not noticed.
                *self.aligned.lock() = None;
                Step::Failed(error)
            }
        }
    }

    fn go_on(&self, manager: &ReplicaManager) -> Result<Step, Halt> {
        let ours = manager.logs.future(self.partition());
        if !ours.is_some_and(|future| Arc::ptr_eq(&future, &self.future)) {
            return Ok(Step::GivenUp);
        }
        let current = self.replica.log().clone();
        self.align(&current)?;
        let copied = self.copy(&current)?;
        if self.future.log_end_offset() < current.log_end_offset() && copied >= PIECE / 2 {
            return Ok(Step::Copied(copied));
        }
        match self.exchange(manager)? {
            true => Ok(Step::Moved),
            false => Ok(Step::Copied(copied)),
        }
    }

    /// Cuts the future log to what it shares with the current one, whenever that was cut.
    fn align(&self, current: &Log) -> Result<(), Halt> {
        let mut aligned = self.aligned.lock();
        let cuts = current.truncations();
        if *aligned == Some(cuts) {
            return Ok(());
        }
        align(current, &self.future)?;
        *aligned = Some(cuts);
        Ok(())
    }

    /// Copies a piece; answers how much that was.
    fn copy(&self, current: &Log) -> Result<usize, Halt> {
        let future = &self.future;
        let start = current.log_start_offset();
        if future.log_end_offset() < start {
            future.truncate_fully_and_start_at(start)?;
        }
        let (from, end) = (future.log_end_offset(), current.log_end_offset());
        if from >= end {
            return Ok(0);
        }
        let Some(slice) = current.read(from, PIECE, end, true)? else {
            return Ok(0);
        };
        let mut bytes = vec![0; slice.len];
        if let Err(error) = slice.file.read_exact_at(&mut bytes, slice.position) {
            return Err(Halt::Failed(error.to_string()));
        }
        let bytes = Bytes::from(bytes);
        match future.append_as_follower(bytes.clone(), wall_clock()) {
            // The log may start in the middle of a batch, and then so does the copy.
            Err(AppendError::UnexpectedOffset { first, .. })
                if from == start && future.log_start_offset() == from && first < from =>
            {
                future.truncate_fully_and_start_at(first)?;
                future.append_as_follower(bytes, wall_clock())?;
            }
            appended => drop(appended?),
        }
        future.set_high_watermark(current.high_watermark());
        if start > future.log_start_offset() {
            future.advance_log_start_offset(start)?;
        }
        Ok(slice.len)
    }

    /// Puts the future log in the current one's place, if it holds the same by then. Nobody may
    /// append or cut meanwhile.
    fn exchange(&self, manager: &ReplicaManager) -> Result<bool, Halt> {
        let replica = &self.replica;
        // What can be synced before is not synced while others wait.
        self.future.flush_to(self.future.log_end_offset())?;
        let _no_appends = replica.leadership.write();
        let current = replica.log().clone();
        if matches!(replica.state().brain.role(), Role::Offline) || current.is_offline() {
            return Err(Halt::GivenUp);
        }
        self.align(&current)?;
        for _ in 0..LAST_PIECES {
            if self.copy(&current)? == 0 {
                break;
            }
        }
        if self.future.log_end_offset() != current.log_end_offset() {
            return Ok(false);
        }
        let moved = manager.logs.replace_with_future(self.partition())?;
        let mut state = replica.state();
        // Watermarks may have moved while the log was opened, and readers look at once.
        moved.set_high_watermark(current.high_watermark());
        replica.put_log(Arc::clone(&moved));
        state.readers.disturb();
        drop(state);
        if current.log_start_offset() > moved.log_start_offset() {
            moved.advance_log_start_offset(current.log_start_offset())?;
        }
        Ok(true)
    }
}

/// Cuts the future log to what it shares with the current one.
fn align(current: &Log, future: &Log) -> Result<(), StorageError> {
    let (start, end) = (current.log_start_offset(), current.log_end_offset());
    if future.log_end_offset() < start {
        future.truncate_fully_and_start_at(start)?;
    }
    match future.latest_epoch() {
        // Without epochs only what is committed is known to be the same.
        None => {
            let shared = current.high_watermark().min(end);
            if future.log_end_offset() > shared {
                future.truncate_to(shared)?;
            }
        }
        Some(mut epoch) => loop {
            let (shared, theirs) = current.epoch_end_offset(epoch);
            if shared < 0 {
                future.truncate_fully_and_start_at(start)?;
                break;
            }
            let (ours, our_end) = future.epoch_end_offset(shared);
            let to = match ours == shared {
                true => theirs.min(our_end),
                false => our_end.max(start),
            };
            if future.log_end_offset() > to {
                future.truncate_to(to)?;
            }
            match future.latest_epoch() {
                Some(latest) if ours != shared && latest < epoch => epoch = latest,
                _ => break,
            }
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ottla_log::{LogConfig, LogDirs, LogManager, LogManagerConfig};
    use ottla_metadata::TopicId;
    use ottla_records::{BatchBuilder, BatchOptions};

    use super::*;

    struct Logs {
        _dir: tempfile::TempDir,
        current: Arc<Log>,
        future: Arc<Log>,
    }

    fn logs() -> Logs {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("a"), dir.path().join("b")];
        let config = Arc::new(LogConfig::default());
        let of_topic = |_: &str| Arc::clone(&config);
        let dirs = LogDirs::lock(&paths).unwrap();
        let logs = LogManager::load(dirs, LogManagerConfig::default(), of_topic, 0).unwrap();
        let tp = TopicPartition::new("t", 0);
        let current = logs.get_or_create(&tp, TopicId([1; 16]), Arc::clone(&config));
        let current = current.unwrap();
        let to = paths
            .iter()
            .find(|path| *path != current.parent_dir())
            .unwrap();
        let future = logs
            .create_future(&tp, to, TopicId([1; 16]), config)
            .unwrap();
        Logs {
            _dir: dir,
            current,
            future,
        }
    }

    /// Appends one record for each of the epochs.
    fn append(log: &Log, epochs: &[i32]) {
        for epoch in epochs {
            let mut builder = BatchBuilder::new(BatchOptions {
                base_offset: log.log_end_offset(),
                leader_epoch: *epoch,
                ..BatchOptions::default()
            })
            .unwrap();
            builder.append(1, None, Some(b"x"), &[]).unwrap();
            let records = builder.build().unwrap();
            log.append_as_follower(records.into(), 1).unwrap();
        }
    }

    /// Both logs have these epochs, record by record; `shared` records are the same.
    fn check(current: &[i32], future: &[i32], shared: i64) {
        let logs = logs();
        append(&logs.current, current);
        append(&logs.future, future);
        align(&logs.current, &logs.future).unwrap();
        assert_eq!(
            logs.future.log_end_offset(),
            shared,
            "{current:?} {future:?}"
        );
        assert!(logs.future.latest_epoch() <= logs.current.latest_epoch());
    }

    #[test]
    fn what_the_logs_share() {
        check(&[], &[], 0);
        check(&[1, 1, 2], &[], 0);
        check(&[1, 1, 2], &[1, 1], 2);
        check(&[1, 1, 2], &[1, 1, 2], 3);
        check(&[1, 1], &[1, 1, 1], 2);
        check(&[1, 1, 3], &[1, 1, 2, 2], 2);
        check(&[1, 1, 3, 3], &[1, 1, 1, 2], 2);
        check(&[1, 2, 4], &[1, 3, 3], 1);
        check(&[5], &[1, 2], 0);
        check(&[1, 1, 1, 4], &[1, 2, 3], 1);
    }

    #[test]
    fn a_log_that_begins_later() {
        let logs = logs();
        append(&logs.current, &[1, 1, 1, 1]);
        append(&logs.future, &[1]);
        logs.current.set_high_watermark(4);
        logs.current.advance_log_start_offset(3).unwrap();
        align(&logs.current, &logs.future).unwrap();
        assert_eq!(
            (logs.future.log_start_offset(), logs.future.log_end_offset()),
            (3, 3)
        );
    }
}
