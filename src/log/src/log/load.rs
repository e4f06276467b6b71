//! Opening a replica's directory (Kafka's `LogLoader`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use ottla_metadata::{Millis, Offset, TopicId, TopicPartition};
use parking_lot::{Condvar, Mutex};
use tracing::{error, info, warn};

use super::flush::FlushState;
use super::producers::Rebuild;
use super::recover;
use super::roll::{jitter, preallocation};
use super::tail::Tail;
use super::{EpochState, Hot, Log, Shared};
use crate::config::LogConfig;
use crate::epochs::{self, Epochs};
use crate::error::StorageError;
use crate::names::{self, Kind, ReplicaFile, parse_file};
use crate::partition_metadata;
use crate::place::{Home, Place};
use crate::producers::Producers;
use crate::scan::ScanError;
use crate::segment::Segment;
use crate::txn_index;

/// What is known of a replica before its directory is opened.
#[derive(Debug)]
pub(crate) struct LoadRequest {
    pub(crate) partition: TopicPartition,
    pub(crate) home: Arc<Home>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Arc<LogConfig>,
    /// The last stop was clean: the files are as they should be.
    pub(crate) clean: bool,
    /// The machine went down since the directory was used: what was not synced may be gone.
    pub(crate) rebooted: bool,
    pub(crate) recovery_point: Offset,
    pub(crate) log_start: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) now: Millis,
}

/// The files of a replica's directory that matter.
#[derive(Debug, Default)]
struct Files {
    segments: BTreeMap<Offset, BTreeSet<Kind>>,
    snapshots: BTreeSet<Offset>,
    has_epochs: bool,
    has_metadata: bool,
}

/// A replica on its way from files to a [`Log`].
struct Loading {
    request: LoadRequest,
    segments: Vec<Arc<Segment>>,
    producers: Producers,
    epochs: Epochs,
    epochs_on_disk: Epochs,
    /// The first segment that was recovered; `Offset::MAX` for none.
    recovered_from: Offset,
}

impl Log {
    /// Creates the directory of a new replica.
    pub(crate) fn create(request: LoadRequest) -> Result<Arc<Log>, StorageError> {
        request.home.disk.create_dir(&request.home.dir)?;
        Log::load(request)
    }

    /// Opens a replica's directory, recovering it if the last stop was not clean.
    pub(crate) fn load(request: LoadRequest) -> Result<Arc<Log>, StorageError> {
        let files = settle_files(&request.home)?;
        let topic_id = load_topic_id(&request, &files)?;
        let created = files.segments.is_empty();
        let mut loading = Loading {
            producers: Producers::new(files.snapshots.clone()),
            segments: Vec::with_capacity(files.segments.len().max(1)),
            epochs: Epochs::default(),
            epochs_on_disk: Epochs::default(),
            recovered_from: Offset::MAX,
            request,
        };
        loading.open_segments(&files)?;
        loading.open_epochs(&files)?;
        loading.recover(&files)?;
        let end = loading.settle_end()?;
        let log_start = loading.settle_start(end);
        loading.settle_producers(log_start, end)?;
        for segment in &loading.segments {
            segment.release()?;
        }
        Ok(loading.finish(topic_id, log_start, end, created))
    }
}

impl Loading {
    fn open_segments(&mut self, files: &Files) -> Result<(), StorageError> {
        let request = &self.request;
        for (base, kinds) in &files.segments {
            let place = Place {
                home: Arc::clone(&request.home),
                base: *base,
            };
            let stat = request.home.disk.stat(&place.path(Kind::Log))?;
            let size = stat.map_or(0, |(size, _)| size);
            let has_txn_index = kinds.contains(&Kind::TxnIndex);
            let segment = Segment::existing(place, request.now, size, has_txn_index);
            if !request.clean {
                segment.set_unsynced();
            }
            self.segments.push(Arc::new(segment));
        }
        Ok(())
    }

    fn open_epochs(&mut self, files: &Files) -> Result<(), StorageError> {
        if !files.has_epochs {
            return Ok(());
        }
        let path = self.request.home.path(epochs::FILE_NAME);
        let content = self.request.home.disk.read_small(&path)?;
        match Epochs::parse(&content.unwrap_or_default()) {
            Ok(epochs) => {
                self.epochs_on_disk = epochs.clone();
                self.epochs = epochs;
            }
            Err(reason) => {
                warn!(file = %path.display(), %reason, "leader epochs are read from the batches instead");
                self.epochs = recover::epochs_of(&self.segments)?;
            }
        }
        Ok(())
    }

    /// Recovers what a crash may have left unfinished, and segments whose indexes are missing or
    /// make no sense.
    fn recover(&mut self, files: &Files) -> Result<(), StorageError> {
        let unflushed = if self.request.clean {
            self.segments.len()
        } else {
            self.segments
                .partition_point(|s| s.base() <= self.request.recovery_point)
                .saturating_sub(1)
        };
        if let Some(first) = self.segments.get(unflushed).map(|s| s.base()) {
            // Epochs from here on are read from the batches; the file may be behind them.
            self.epochs.truncate_from_end(first);
        }
        let mut index = 0;
        while let Some(segment) = self.segments.get(index).map(Arc::clone) {
            let kinds = files.segments.get(&segment.base());
            let has_index = kinds.is_some_and(|k| k.contains(&Kind::OffsetIndex));
            let txn_sane = !segment.has_txn_index() || txn_index::read(&segment.place)?.is_some();
            if index < unflushed && has_index && txn_sane {
                index += 1;
                continue;
            }
            if index < unflushed {
                warn!(partition = %self.request.partition, segment = segment.base(), "an index is missing or damaged, the segment is recovered");
            }
            let cut = self.recover_segment(index, &segment)?;
            let was_unflushed = index >= unflushed;
            index += 1;
            if was_unflushed && (cut > 0 || self.is_hole_before(index)) {
                self.drop_segments_from(index)?;
            }
        }
        Ok(())
    }

    /// Recovers one segment; answers how many bytes had to go.
    fn recover_segment(&mut self, index: usize, segment: &Segment) -> Result<u64, StorageError> {
        if segment.size() > 0 {
            info!(partition = %self.request.partition, segment = segment.base(), bytes = segment.size(), "recovering a segment");
        }
        self.recovered_from = self.recovered_from.min(segment.base());
        let before = self.segments.get(..index).unwrap_or_default();
        if self.producers.end() != segment.base() || index == 0 {
            let rebuild = Rebuild {
                home: &self.request.home,
                segments: before,
                start: self.request.log_start,
                end: segment.base(),
                now: self.request.now,
                expire_after: self.request.shared.producer_expiration_ms,
            };
            Log::rebuilt(&rebuild, &mut self.producers)?;
        }
        let cut = recover::segment(
            segment,
            &mut self.producers,
            &mut self.epochs,
            self.request.config.index_interval_bytes,
        )?;
        self.producers.take_snapshot(&self.request.home)?;
        Ok(cut)
    }

    /// Whether a segment has lost its end although a later one is there, as a power cut may leave
    /// them. Where the cut goes through a batch, Kafka drops what follows; where it happens to fall
    /// between two batches, Kafka keeps it, and a replica in sync then lacks records that nobody
    /// sends it again. We drop it in both cases. A log that was compacted once, or replicated from
    /// one, has holes by right; what is older than the last seconds is flushed, and not asked.
    fn is_hole_before(&self, next: usize) -> bool {
        let end = self.producers.end();
        let Some(next) = self.segments.get(next).map(|s| s.base()) else {
            return false;
        };
        let compacted = self.request.config.cleanup_policy.compact;
        let hole = next > end && self.request.rebooted && !compacted;
        // Without a recovery point everything is recovered, old segments too.
        if hole && self.request.recovery_point > 0 {
            error!(partition = %self.request.partition, from = end, to = next, "the machine went down and records are missing between two segments");
            return true;
        }
        false
    }

    fn drop_segments_from(&mut self, index: usize) -> Result<(), StorageError> {
        let gone = self.segments.split_off(index.min(self.segments.len()));
        for segment in gone {
            warn!(partition = %self.request.partition, segment = segment.base(), "a segment behind damaged bytes is dropped");
            for file in segment.mark_deleted()? {
                self.request.home.disk.remove(&file)?;
            }
            if self.producers.drop_snapshot(segment.base()) {
                let snapshot = self.request.home.file(segment.base(), Kind::Snapshot);
                self.request.home.disk.remove(&snapshot)?;
            }
        }
        Ok(())
    }

    /// The log end offset; makes sure that there is a segment to append to.
    fn settle_end(&mut self) -> Result<Offset, StorageError> {
        let checkpointed = self.request.log_start;
        if let Some(last) = self.segments.last() {
            let end = match last.read_next_offset() {
                Ok(end) => end,
                Err(ScanError::Storage(e)) => return Err(e),
                Err(ScanError::Corrupt { position, reason }) => {
                    // Stopped cleanly, yet damaged: only what can be read counts.
                    let last = Arc::clone(last);
                    warn!(partition = %self.request.partition, segment = last.base(), position, %reason, "the last segment is damaged, it is recovered");
                    let index = self.segments.len().saturating_sub(1);
                    self.recover_segment(index, &last)?;
                    self.producers.end()
                }
            };
            if end >= checkpointed {
                return Ok(end);
            }
            warn!(partition = %self.request.partition, end, log_start = checkpointed, "the log ends before it starts, segments are missing; it begins anew");
            self.drop_segments_from(0)?;
            self.epochs.clear();
            self.producers
                .restart_at(checkpointed, &self.request.home)?;
        }
        let place = Place {
            home: Arc::clone(&self.request.home),
            base: checkpointed,
        };
        let preallocate = preallocation(&self.request.config);
        let segment = Segment::create(place, self.request.now, preallocate)?;
        self.segments.push(Arc::new(segment));
        Ok(checkpointed)
    }

    fn settle_start(&mut self, end: Offset) -> Offset {
        let first = self.segments.first().map_or(0, |s| s.base());
        let start = self.request.log_start.max(first);
        self.epochs_on_disk.truncate_from_end(end);
        self.epochs.truncate_from_end(end);
        self.epochs.truncate_from_start(start);
        start
    }

    fn settle_producers(&mut self, start: Offset, end: Offset) -> Result<(), StorageError> {
        let home = Arc::clone(&self.request.home);
        let bases: Vec<Offset> = self.segments.iter().map(|s| s.base()).collect();
        self.producers.remove_stray_snapshots(&bases, &home)?;
        if self.request.clean && self.producers.snapshots().is_empty() {
            // Whoever stopped cleanly and left no snapshot knew no producers.
            for offset in bases.iter().rev().take(2).rev().chain([&end]) {
                self.producers.set_end(*offset);
                self.producers.take_snapshot(&home)?;
            }
            self.producers.set_end(end);
            return Ok(());
        }
        if self.producers.end() == end && !self.request.clean {
            return Ok(());
        }
        let rebuild = Rebuild {
            home: &home,
            segments: &self.segments,
            start,
            end,
            now: self.request.now,
            expire_after: self.request.shared.producer_expiration_ms,
        };
        Log::rebuilt(&rebuild, &mut self.producers)?;
        self.producers.set_end(end);
        self.producers.take_snapshot(&home)?;
        Ok(())
    }

    fn finish(
        mut self,
        topic_id: Option<TopicId>,
        start: Offset,
        end: Offset,
        created: bool,
    ) -> Arc<Log> {
        let request = self.request;
        let recovery_point = if request.clean {
            end
        } else {
            request.recovery_point.min(end)
        };
        // `settle_end` has made sure that there is one.
        let active = self.segments.last().map(Arc::clone);
        let active = active.expect("a loaded log has a segment");
        let high_watermark = request.high_watermark.clamp(start, end.max(start));
        self.producers.replicated_to(high_watermark);
        let first_unstable = self.producers.first_unstable().unwrap_or(Offset::MAX);
        Arc::new_cyclic(|me: &Weak<Log>| Log {
            partition: request.partition,
            home: request.home,
            shared: request.shared,
            me: Weak::clone(me),
            topic_id: Mutex::new(topic_id),
            log_start: AtomicI64::new(start),
            log_end: AtomicI64::new(end),
            high_watermark: AtomicI64::new(high_watermark),
            first_unstable: AtomicI64::new(first_unstable),
            unreplicated: AtomicBool::new(self.producers.has_unreplicated()),
            tail: Mutex::new(Tail::new(Arc::clone(&active), end)),
            hot: Mutex::new(Hot {
                closed: false,
                active,
                end,
                producers: self.producers,
                first_timestamp: None,
                jitter_ms: jitter(&request.config),
                epoch: self.epochs.latest(),
                epoch_unused: false,
            }),
            config: ArcSwap::new(request.config),
            segments: ArcSwap::from_pointee(self.segments),
            epochs: Mutex::new(EpochState {
                epochs: self.epochs,
                on_disk: self.epochs_on_disk,
                on_disk_synced: request.clean,
                closed: false,
            }),
            flush: Mutex::new(FlushState::new(
                recovery_point,
                self.recovered_from,
                created || !request.clean || self.recovered_from != Offset::MAX,
            )),
            flushed: Condvar::new(),
            queued: AtomicBool::new(false),
        })
    }
}

fn load_topic_id(request: &LoadRequest, files: &Files) -> Result<Option<TopicId>, StorageError> {
    if !files.has_metadata {
        return Ok(None);
    }
    let path = request.home.path(partition_metadata::FILE_NAME);
    if !request.shared.keep_topic_ids {
        request.home.disk.remove(&path)?;
        return Ok(None);
    }
    let content = request.home.disk.read_small(&path)?.unwrap_or_default();
    let id = partition_metadata::parse(&content);
    if id.is_none() {
        warn!(file = %path.display(), "partition.metadata is damaged; the topic's id will be stored anew");
    }
    Ok(id)
}

/// Finishes or undoes what compaction had begun, removes leftovers, and lists the rest.
fn settle_files(home: &Home) -> Result<Files, StorageError> {
    let listed = home.disk.list(&home.dir)?;
    let mut swaps: Vec<(Offset, &str)> = Vec::new();
    let mut cleaned: Vec<(Offset, &str)> = Vec::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for entry in listed.iter().filter(|entry| !entry.is_dir) {
        match parse_file(&entry.name) {
            ReplicaFile::Deleted => {
                home.disk.remove(&home.path(&entry.name))?;
            }
            ReplicaFile::Cleaned(base) => cleaned.push((base, &entry.name)),
            ReplicaFile::Swap(base, final_name) => swaps.push((base, final_name)),
            ReplicaFile::Numbered(..) | ReplicaFile::Other => {
                names.insert(entry.name.clone());
            }
        }
    }
    // Swap files beside unfinished output come from an interrupted split and are incomplete.
    let unfinished = cleaned.iter().map(|(base, _)| *base).min();
    let (incomplete, swaps): (Vec<_>, Vec<_>) = swaps
        .into_iter()
        .partition(|(base, _)| unfinished.is_some_and(|from| *base >= from));
    for (_, name) in cleaned {
        home.disk.remove(&home.path(name))?;
    }
    for (_, final_name) in incomplete {
        home.disk.remove(&swap_path(home, final_name))?;
    }
    if !swaps.is_empty() {
        finish_swap(home, &swaps, &mut names)?;
    }
    index_files(home, &names)
}

fn swap_path(home: &Home, final_name: &str) -> PathBuf {
    names::with_suffix(&home.path(final_name), names::SWAP)
}

/// Puts complete compaction output in the place of what it replaces.
fn finish_swap(
    home: &Home,
    swaps: &[(Offset, &str)],
    names: &mut BTreeSet<String>,
) -> Result<(), StorageError> {
    let mut replaced: Option<(Offset, Offset)> = None;
    for (base, final_name) in swaps {
        if parse_file(final_name) != ReplicaFile::Numbered(*base, Kind::Log) {
            continue;
        }
        let next = recover::next_offset_of(home, &swap_path(home, final_name), *base)?;
        let (low, high) = replaced.unwrap_or((*base, next));
        replaced = Some((low.min(*base), high.max(next)));
    }
    if let Some((low, high)) = replaced {
        let gone: Vec<String> = names
            .iter()
            .filter(|name| match parse_file(name) {
                ReplicaFile::Numbered(offset, _) => (low..high).contains(&offset),
                _ => false,
            })
            .cloned()
            .collect();
        for name in gone {
            home.disk.remove(&home.path(&name))?;
            names.remove(&name);
        }
    }
    for (_, final_name) in swaps {
        info!(dir = %home.dir.display(), file = final_name, "finishing an interrupted compaction");
        home.disk
            .rename(&swap_path(home, final_name), &home.path(final_name))?;
        names.insert((*final_name).to_owned());
    }
    home.disk.sync_dir(&home.dir)
}

fn index_files(home: &Home, names: &BTreeSet<String>) -> Result<Files, StorageError> {
    let mut files = Files::default();
    for name in names {
        match parse_file(name) {
            ReplicaFile::Numbered(offset, Kind::Snapshot) => {
                files.snapshots.insert(offset);
            }
            ReplicaFile::Numbered(offset, kind) => {
                files.segments.entry(offset).or_default().insert(kind);
            }
            ReplicaFile::Cleaned(_) | ReplicaFile::Swap(..) | ReplicaFile::Deleted => {}
            ReplicaFile::Other if name == epochs::FILE_NAME => files.has_epochs = true,
            ReplicaFile::Other if name == partition_metadata::FILE_NAME => {
                files.has_metadata = true;
            }
            ReplicaFile::Other => {}
        }
    }
    let orphans: Vec<Offset> = files
        .segments
        .iter()
        .filter(|(_, kinds)| !kinds.contains(&Kind::Log))
        .map(|(offset, _)| *offset)
        .collect();
    for offset in orphans {
        for kind in files.segments.remove(&offset).unwrap_or_default() {
            let path = home.file(offset, kind);
            warn!(file = %path.display(), "an index without a log file is removed");
            home.disk.remove(&path)?;
        }
    }
    Ok(files)
}
