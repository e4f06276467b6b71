//! Moving replicas between log directories (AlterReplicaLogDirs, KIP-113): a task per moving replica
//! copies the current log to the future one, which then takes its place
//! (`ReplicaAlterLogDirsThread`).

mod step;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ottla_log::{LogError, MoveError};
use ottla_metadata::TopicPartition;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use self::step::{Mover, Step};
use crate::error::MoveRefused;
use crate::manager::ReplicaManager;
use crate::registry::Hosted;
use crate::replica::Replica;
use crate::settings::MoveSettings;
use crate::throttle::Throttle;

/// Pause before something that went wrong is tried again.
const BACK_OFF: Duration = Duration::from_secs(1);

/// How long to wait at most before the rate is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The tasks that move replicas.
pub(crate) struct Movers {
    running: Mutex<HashMap<TopicPartition, AbortHandle>>,
    throttle: Mutex<Throttle>,
    /// So many copy at a time.
    slots: Semaphore,
}

impl Movers {
    /// Nothing moves yet.
    pub(crate) fn new(settings: MoveSettings, dirs: usize) -> Movers {
        let MoveSettings {
            rate,
            samples,
            sample_ms,
            at_once,
        } = settings;
        Movers {
            running: Mutex::default(),
            throttle: Mutex::new(Throttle::new(rate, samples, sample_ms)),
            slots: Semaphore::new(at_once.unwrap_or(dirs).max(1)),
        }
    }

    /// Ends all tasks; what they were at stays on disk.
    pub(crate) fn stop(&self) {
        for (_, task) in self.running.lock().drain() {
            task.abort();
        }
    }

    fn stop_one(&self, partition: &TopicPartition) {
        if let Some(task) = self.running.lock().remove(partition) {
            task.abort();
        }
    }
}

impl Drop for Movers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl ReplicaManager {
    /// Moves replicas to other log directories, or remembers where they are to be created. Asking
    /// for the directory that a replica is in gives up its move. Creates logs, so it may block.
    pub fn alter_log_dirs(
        self: &Arc<Self>,
        moves: Vec<(TopicPartition, PathBuf)>,
    ) -> Vec<(TopicPartition, Result<(), MoveRefused>)> {
        let alter = |(partition, dir): (TopicPartition, PathBuf)| {
            let result = self.alter_log_dir(&partition, &dir);
            if let Err(error) = &result {
                tracing::info!(%partition, dir = %dir.display(), %error, "the replica is not moved");
            }
            (partition, result)
        };
        moves.into_iter().map(alter).collect()
    }

    fn alter_log_dir(
        self: &Arc<Self>,
        partition: &TopicPartition,
        dir: &Path,
    ) -> Result<(), MoveRefused> {
        self.logs.check_move(partition, dir)?;
        let hosted = self.registry.get(&partition.topic, partition.partition);
        if matches!(hosted, Some(Hosted::Offline)) {
            return Err(MoveRefused::Offline);
        }
        let moving_elsewhere = |future: &Arc<ottla_log::Log>| future.parent_dir() != dir;
        if self
            .logs
            .future(partition)
            .is_some_and(|f| moving_elsewhere(&f))
        {
            self.movers.stop_one(partition);
            self.logs
                .delete_future(partition)
                .map_err(MoveError::from)?;
        }
        self.logs.prefer_dir(partition, dir);
        let Some(Hosted::Online(replica)) = hosted else {
            return Err(MoveRefused::NoReplica);
        };
        // In the middle of an exchange the replica would show where it was.
        let _no_exchange = replica.leadership.read();
        if replica.log().is_offline() {
            return Err(MoveRefused::Offline);
        }
        if replica.log().parent_dir() == dir {
            return Ok(());
        }
        if self.logs.future(partition).is_none() {
            // It might lie in the directory that failed.
            if self.logs.has_offline_dir() {
                return Err(MoveRefused::Offline);
            }
            let config = Arc::clone(&replica.rules.load().log);
            let created = self
                .logs
                .create_future(partition, dir, replica.topic_id, config);
            match created {
                // Somebody else asked for the same a moment ago.
                Ok(_) | Err(MoveError::AlreadyThere) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.resume_move(&replica);
        Ok(())
    }

    /// Goes on with the move of a replica, if one is under way and nobody is at it.
    pub(crate) fn resume_move(&self, replica: &Arc<Replica>) {
        let partition = &replica.partition;
        let Some(future) = self.logs.future(partition) else {
            return;
        };
        let of_another_topic = future.topic_id().is_some_and(|id| {
            !replica.topic_id.is_zero() && !id.is_zero() && id != replica.topic_id
        });
        if of_another_topic || future.parent_dir() == replica.log().parent_dir() {
            // Left over where a directory failed while a topic was deleted, or nothing of ours.
            if let Err(error) = self.logs.delete_future(partition) {
                tracing::warn!(%partition, %error, "a future replica that leads nowhere stays");
            }
            return;
        }
        let mut running = self.movers.running.lock();
        running.retain(|_, task| !task.is_finished());
        if running.contains_key(partition) {
            return;
        }
        let mover = Mover::new(Arc::clone(replica), future);
        let task = move_replica(Weak::clone(&self.me), mover);
        let task = self.runtime().spawn(task).abort_handle();
        running.insert(partition.clone(), task);
    }

    /// A mover has done its work. Whoever asked for the next move meanwhile found it still there, so
    /// that move begins now.
    fn move_ended(&self, mover: &Mover) {
        let partition = mover.partition();
        let mut running = self.movers.running.lock();
        let own = tokio::task::id();
        if running.get(partition).is_some_and(|task| task.id() == own) {
            running.remove(partition);
        }
        drop(running);
        let next = self.logs.future(partition);
        if next.is_none_or(|future| mover.is_of(&future)) {
            return;
        }
        let hosted = self.registry.get(&partition.topic, partition.partition);
        if let Some(Hosted::Online(replica)) = hosted {
            self.resume_move(&replica);
        }
    }

    /// Bytes per second that may be copied between log directories, all replicas together
    /// (`replica.alter.log.dirs.io.max.bytes.per.second`); `None` is no limit.
    pub fn limit_moves(&self, bytes_per_second: Option<u64>) {
        self.movers.throttle.lock().set_limit(bytes_per_second);
    }

    /// How long to wait before more bytes may be copied.
    fn move_pause(&self) -> Option<Duration> {
        let now = self.now();
        let until = self.movers.throttle.lock().exceeded_until(now)?;
        let pause = Duration::from_millis(until.saturating_sub(now).unsigned_abs());
        Some(pause.min(LOOK_AGAIN))
    }

    /// Copies nothing more between log directories: the logs are about to be closed.
    pub fn stop_moving(&self) {
        self.movers.stop();
    }

    /// Future replicas in directories that failed are given up.
    pub(crate) fn drop_failed_moves(&self) {
        for partition in self.logs.drop_failed_futures() {
            tracing::error!(%partition, "the replica does not move: the log directory failed");
            self.movers.stop_one(&partition);
        }
    }
}

async fn move_replica(manager: Weak<ReplicaManager>, mover: Mover) {
    let mover = Arc::new(mover);
    let partition = mover.partition().clone();
    loop {
        let Some(running) = manager.upgrade() else {
            return;
        };
        if let Some(pause) = running.move_pause() {
            drop(running);
            tokio::time::sleep(pause).await;
            continue;
        }
        // It is never closed.
        let Ok(slot) = running.movers.slots.acquire().await else {
            return;
        };
        let at_work = Arc::clone(&mover);
        let step = running.runtime().spawn_blocking({
            let manager = Arc::clone(&running);
            move || at_work.step(&manager)
        });
        match step.await {
            Ok(Step::Moved | Step::GivenUp) => return running.move_ended(&mover),
            // Somebody appended at the wrong moment.
            Ok(Step::Copied(0)) => tokio::time::sleep(Duration::from_millis(1)).await,
            Ok(Step::Copied(bytes)) => {
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                running.movers.throttle.lock().record(running.now(), bytes);
            }
            Ok(Step::Failed(error)) => {
                tracing::warn!(%partition, error, "moving the replica; trying again");
                drop(slot);
                drop(running);
                tokio::time::sleep(BACK_OFF).await;
            }
            Err(error) => {
                tracing::error!(%partition, %error, "moving the replica");
                return;
            }
        }
    }
}

impl From<MoveError> for MoveRefused {
    fn from(error: MoveError) -> MoveRefused {
        match error {
            MoveError::UnknownDir => MoveRefused::UnknownDir,
            MoveError::NameTooLong => MoveRefused::NameTooLong,
            MoveError::NoReplica => MoveRefused::NoReplica,
            // Somebody else began the same move a moment ago, or ended it.
            MoveError::AlreadyThere => MoveRefused::NoReplica,
            MoveError::Log(
                LogError::Storage(_)
                | LogError::NoLiveDirectory
                | LogError::UnknownDirectory(_)
                | LogError::DuplicatePartition { .. }
                | LogError::InconsistentTopicId { .. },
            ) => MoveRefused::Offline,
        }
    }
}
