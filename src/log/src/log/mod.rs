//! One replica's log.

mod append;
mod flush;
mod load;
mod lookup;
mod producers;
mod read;
mod recover;
mod retention;
mod roll;
mod tail;
mod truncate;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use ottla_metadata::{LeaderEpoch, Millis, Offset, TopicId, TopicPartition};
use parking_lot::{Condvar, Mutex};

use self::flush::FlushState;
pub(crate) use self::load::LoadRequest;
use self::tail::Tail;
use crate::background::Background;
use crate::config::LogConfig;
use crate::epochs::{self, Epochs};
use crate::error::{LogError, StorageError};
use crate::io::Disk;
use crate::partition_metadata;
use crate::place::Home;
use crate::producers::Producers;
use crate::segment::Segment;
use crate::trash::Trash;

/// What the logs of a broker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) trash: Trash,
    pub(crate) background: Background,
    /// A truncation lowered a recovery point: the checkpoint promises too much.
    pub(crate) recovery_points_lowered: AtomicBool,
    /// A high watermark is not the one last checkpointed.
    pub(crate) high_watermarks_moved: AtomicBool,
    pub(crate) producer_expiration_ms: Millis,
    pub(crate) keep_topic_ids: bool,
}

/// The log of one replica: segments, indexes, epochs and producers. Every method may be called
/// from any thread; appends of one log exclude each other, reads exclude nobody.
#[derive(Debug)]
pub struct Log {
    partition: TopicPartition,
    home: Arc<Home>,
    shared: Arc<Shared>,
    /// For jobs that outlive the call that asks for them.
    me: Weak<Log>,
    config: ArcSwap<LogConfig>,
    topic_id: Mutex<Option<TopicId>>,
    log_start: AtomicI64,
    log_end: AtomicI64,
    high_watermark: AtomicI64,
    /// Where the first transaction that may still change its mind begins; `Offset::MAX` for none.
    first_unstable: AtomicI64,
    /// There are transactions whose end waits for the high watermark.
    unreplicated: AtomicBool,
    /// Ascending by base offset, never empty. Changed only with `hot` held.
    segments: ArcSwap<Vec<Arc<Segment>>>,
    /// Locks are taken in the order hot, epochs, flush, tail.
    hot: Mutex<Hot>,
    epochs: Mutex<EpochState>,
    flush: Mutex<FlushState>,
    flushed: Condvar,
    tail: Mutex<Tail>,
    /// A background job is queued already.
    queued: AtomicBool,
}

/// What an append needs, behind the one lock it takes for long.
#[derive(Debug)]
struct Hot {
    closed: bool,
    active: Arc<Segment>,
    end: Offset,
    producers: Producers,
    /// Largest timestamp of the active segment's first batch, once it is known.
    first_timestamp: Option<Millis>,
    /// How much earlier than `segment.ms` this segment rolls.
    jitter_ms: Millis,
    /// The epoch last assigned, to leave `epochs` alone while it does not change.
    epoch: Option<LeaderEpoch>,
    /// That epoch has no records yet, so the file need not know it.
    epoch_unused: bool,
}

/// Whether a file has to survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

#[derive(Debug)]
struct EpochState {
    epochs: Epochs,
    /// What the file says, as far as it counts: epochs without records are dropped on load.
    on_disk: Epochs,
    /// The file was synced after it was written.
    on_disk_synced: bool,
    /// The directory is no longer ours to write to.
    closed: bool,
}

impl Log {
    /// The partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The log directory (a member of `log.dirs`) that holds the replica.
    pub fn parent_dir(&self) -> &Path {
        self.home.disk.root()
    }

    /// The topic's id as stored in `partition.metadata`.
    pub fn topic_id(&self) -> Option<TopicId> {
        *self.topic_id.lock()
    }

    /// Stores the topic's id if there is none yet.
    ///
    /// # Errors
    /// The log has another id, or the disk failed.
    pub fn assign_topic_id(&self, id: TopicId) -> Result<(), LogError> {
        let _open = self.usable()?;
        let mut stored = self.topic_id.lock();
        match *stored {
            Some(stored) if stored == id => Ok(()),
            Some(stored) => Err(LogError::InconsistentTopicId {
                partition: self.partition.clone(),
                stored,
                asked: id,
            }),
            None if id.is_zero() || !self.shared.keep_topic_ids => Ok(()),
            None => {
                let path = self.home.path(partition_metadata::FILE_NAME);
                let content = partition_metadata::render(id);
                // Not synced: a crash of the machine may lose it, and then it is assigned again.
                let file = self.home.disk.create(&path)?;
                self.home
                    .disk
                    .write_at(&file, &path, content.as_bytes(), 0)?;
                *stored = Some(id);
                Ok(())
            }
        }
    }

    /// The configs in force.
    pub fn config(&self) -> Arc<LogConfig> {
        self.config.load_full()
    }

    pub(crate) fn is_on(&self, disk: &Disk) -> bool {
        std::ptr::eq(&*self.home.disk, disk)
    }

    pub(crate) fn set_config(&self, config: Arc<LogConfig>) {
        self.config.store(config);
    }

    /// Whether the log directory has failed.
    pub fn is_offline(&self) -> bool {
        self.home.disk.failure().is_some()
    }

    /// First offset that may be read.
    pub fn log_start_offset(&self) -> Offset {
        self.log_start.load(Ordering::Acquire)
    }

    /// Offset of the next append.
    pub fn log_end_offset(&self) -> Offset {
        self.log_end.load(Ordering::Acquire)
    }

    /// The high watermark as last set.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark.load(Ordering::Acquire)
    }

    /// Sets the high watermark, clamped to `[log start, log end]`; answers what it is now.
    pub fn set_high_watermark(&self, offset: Offset) -> Offset {
        let clamped = offset
            .min(self.log_end_offset())
            .max(self.log_start_offset());
        let before = self.high_watermark.swap(clamped, Ordering::AcqRel);
        // Read first: all partitions share the flag, and it is mostly set.
        let moved = &self.shared.high_watermarks_moved;
        if before != clamped && !moved.load(Ordering::Relaxed) {
            moved.store(true, Ordering::Release);
        }
        if self.unreplicated.load(Ordering::Acquire) {
            let mut hot = self.hot.lock();
            hot.producers.replicated_to(clamped);
            self.publish_unstable(&hot);
        }
        clamped
    }

    /// The first offset that a read-committed consumer may not see: the high watermark, or the
    /// beginning of the first transaction that is open or whose marker is not below it.
    pub fn last_stable_offset(&self) -> Offset {
        self.first_unstable
            .load(Ordering::Acquire)
            .min(self.high_watermark())
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.segments.load().iter().map(|s| s.size()).sum()
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.segments.load().len()
    }

    /// The newest leader epoch the log knows.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.lock().epochs.latest()
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_of_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs.lock().epochs.of_offset(offset)
    }

    /// OffsetForLeaderEpoch: the largest known epoch not above `epoch` and where it ends. An epoch
    /// older than all known ones is answered with itself and the start of the first known; (-1, -1)
    /// when unknown.
    pub fn epoch_end_offset(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let end = self.log_end_offset();
        self.epochs.lock().epochs.end_offset(epoch, end)
    }

    /// Records that `epoch` begins at `start`.
    ///
    /// # Errors
    /// The log is closed or its directory failed.
    pub fn assign_epoch(&self, epoch: LeaderEpoch, start: Offset) -> Result<(), StorageError> {
        let mut hot = self.usable()?;
        self.change_epochs(&mut hot, |epochs| epochs.assign(epoch, start));
        Ok(())
    }

    /// The lock for appending, if the log can be used.
    fn usable(&self) -> Result<parking_lot::MutexGuard<'_, Hot>, StorageError> {
        let hot = self.hot.lock();
        self.home.disk.check()?;
        if hot.closed {
            return Err(StorageError::Closed(self.partition.clone()));
        }
        Ok(hot)
    }

    /// Changes the epochs. The file follows in the background, and in any case before a flush
    /// moves the recovery point: above it, recovery learns epochs from the batches. An epoch
    /// without records is not written, so that a restart of a broker with many idle partitions
    /// does not write a file for each.
    fn change_epochs(&self, hot: &mut Hot, change: impl FnOnce(&mut Epochs) -> bool) {
        let mut state = self.epochs.lock();
        if !change(&mut state.epochs) {
            hot.epoch = state.epochs.latest();
            return;
        }
        hot.epoch = state.epochs.latest();
        hot.epoch_unused = state.epochs.latest_start() >= Some(hot.end);
        let behind = state.epochs.below(hot.end) != state.on_disk.below(Offset::MAX);
        drop(state);
        if behind {
            self.ask_for_background();
        }
    }

    fn write_epochs(&self, durable: Durable) -> Result<(), StorageError> {
        let mut state = self.epochs.lock();
        let used = state.epochs.below(self.log_end_offset());
        let written = used == state.on_disk.below(Offset::MAX);
        let enough = state.on_disk_synced || durable == Durable::No || used.is_empty();
        if (written && enough) || state.closed {
            return Ok(());
        }
        let used = Epochs::from(used);
        let path = self.home.path(epochs::FILE_NAME);
        let text = used.render();
        match durable {
            Durable::Yes => self.home.disk.replace(&path, text.as_bytes())?,
            Durable::No => self.home.disk.replace_unsynced(&path, text.as_bytes())?,
        }
        state.on_disk = used;
        state.on_disk_synced = durable == Durable::Yes;
        Ok(())
    }

    fn ask_for_background(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.shared.background.push(Weak::clone(&self.me));
        }
    }

    /// What [`Log::ask_for_background`] asked for. Failures have taken the directory offline.
    pub(crate) fn run_background(&self) {
        self.queued.store(false, Ordering::Release);
        if self.hot.lock().closed {
            return;
        }
        let _ = self.write_epochs(Durable::No);
        let _ = self.flush_rolled();
    }

    fn publish_unstable(&self, hot: &Hot) {
        let first = hot.producers.first_unstable().unwrap_or(Offset::MAX);
        self.first_unstable.store(first, Ordering::Release);
        self.unreplicated
            .store(hot.producers.has_unreplicated(), Ordering::Release);
    }

    /// Makes the end of the log visible to readers.
    fn publish_end(&self, hot: &Hot) {
        self.log_end.store(hot.end, Ordering::Release);
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// Gives descriptors and buffers back that nobody used lately.
    pub(crate) fn release_idle(&self) {
        for segment in self.segments.load().iter() {
            // A failure has taken the directory offline; there is nobody else to tell.
            let _ = segment.release_if_idle();
        }
    }

    /// Segments whose descriptors can be given back once they are synced.
    pub(crate) fn idle_unsynced(&self) -> Vec<Arc<Segment>> {
        let mut idle = Vec::clone(&self.segments.load());
        idle.retain(|segment| segment.is_idle_and_unsynced());
        idle
    }

    /// Stops use without writing anything more: the log is to be deleted, or its directory failed.
    /// Afterwards nothing of it touches the directory, whoever still holds it.
    pub(crate) fn close(&self) {
        self.hot.lock().closed = true;
        self.epochs.lock().closed = true;
        self.close_flush();
        for segment in self.segments.load().iter() {
            segment.retire();
        }
    }

    /// The first step of a clean stop: no more appends, everything handed to the system, a snapshot
    /// of the producers written. Answers whether there is something to sync.
    pub(crate) fn settle(&self) -> Result<bool, StorageError> {
        let mut hot = self.usable()?;
        let end = hot.end;
        hot.producers.set_end(end);
        let snapshot = hot.producers.take_snapshot(&self.home)?;
        hot.active.finish()?;
        hot.closed = true;
        let unsynced = hot.active.is_unsynced();
        drop(hot);
        self.write_epochs(Durable::No)?;
        Ok(snapshot || unsynced || self.recovery_point_to_checkpoint() < end)
    }

    /// The last step of a clean stop. Everything is synced, unless that was done by `synced` for
    /// the whole file system.
    pub(crate) fn close_settled(&self, synced: bool) -> Result<(), StorageError> {
        if synced {
            self.all_synced();
        } else {
            self.flush_everything()?;
        }
        self.close();
        Ok(())
    }
}
