//! Producer state from what lies on disk, and what is shown of it.

use std::sync::Arc;

use ottla_metadata::{Millis, Offset};

use super::Log;
use crate::answers::ActiveProducer;
use crate::error::StorageError;
use crate::place::Home;
use crate::producers::{Origin, Producers, Staged};
use crate::scan::{Batches, ScanError, info};
use crate::segment::Segment;

/// Rebuilds producer state up to `end`: the newest snapshot that is of use, then the log from
/// there on.
pub(super) struct Rebuild<'a> {
    pub(super) home: &'a Home,
    pub(super) segments: &'a [Arc<Segment>],
    /// Log start offset.
    pub(super) start: Offset,
    pub(super) end: Offset,
    pub(super) now: Millis,
    pub(super) expire_after: Millis,
}

impl Rebuild<'_> {
    pub(super) fn run(&self, producers: &mut Producers) -> Result<(), ScanError> {
        producers.reload(self.start, self.end, self.now, self.expire_after, self.home)?;
        for (index, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(index + 1).map(|s| s.base());
            let after = next.is_some_and(|next| next <= producers.end());
            if producers.end() >= self.end {
                break;
            }
            if segment.base() >= self.end || after {
                continue;
            }
            // Long logs without snapshots would be scanned again by the next rebuild.
            if segment.base() > producers.end() {
                producers.set_end(segment.base());
                producers.take_snapshot(self.home)?;
            }
            self.scan(segment, producers)?;
        }
        producers.set_end(self.end);
        Ok(())
    }

    fn scan(&self, segment: &Segment, producers: &mut Producers) -> Result<(), ScanError> {
        let from = producers.end().max(self.start);
        let file = segment.file()?;
        let start = segment.floor_position(from)?;
        let mut batches = Batches::new(&segment.place, &file, start, segment.size());
        while let Some((_, bytes)) = batches.next()? {
            let Ok(Some(header)) = ottla_records::BatchHeader::parse(bytes) else {
                continue;
            };
            if header.last_offset() >= self.end {
                break;
            }
            if header.producer().is_none() || header.last_offset() < from {
                continue;
            }
            replay(producers, &info(&header, bytes));
        }
        Ok(())
    }
}

/// Takes a stored batch in; the entries that the transaction index needs.
pub(super) fn replay(
    producers: &mut Producers,
    batch: &ottla_records::BatchInfo,
) -> smallvec::SmallVec<[crate::txn_index::AbortedTxn; 1]> {
    let mut staged = Staged::default();
    // What is stored is believed; only a batch outside of its producer's transaction is refused,
    // and then it has no effect on the producer.
    match producers.stage(&mut staged, batch, Origin::Replication) {
        Ok(()) => producers.commit(staged),
        Err(_) => smallvec::SmallVec::new(),
    }
}

impl Log {
    /// The producers that the log remembers, by id.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        let hot = self.hot.lock();
        let mut all: Vec<ActiveProducer> = hot
            .producers
            .iter()
            .map(|(producer_id, entry)| ActiveProducer {
                producer_id,
                epoch: entry.epoch,
                last_sequence: entry.last_sequence(),
                last_timestamp: entry.last_timestamp,
                coordinator_epoch: entry.coordinator_epoch,
                current_txn_first_offset: entry.txn_first_offset,
            })
            .collect();
        all.sort_by_key(|p| p.producer_id);
        all
    }

    /// Recognises as repeated what `current`, whose place this log takes, would have: a producer may
    /// have several batches on their way, and all of them come again when their leader has gone.
    pub(crate) fn take_over_producers(&self, current: &Log) {
        let theirs = current.hot.lock();
        self.hot
            .lock()
            .producers
            .remember_batches_of(&theirs.producers);
    }

    /// Forgets producers that have been silent for `producer.id.expiration.ms`.
    pub(crate) fn expire_producers(&self, now: Millis) {
        let mut hot = self.hot.lock();
        hot.producers
            .expire(now, self.shared.producer_expiration_ms);
    }

    pub(super) fn rebuilt(
        rebuild: &Rebuild<'_>,
        producers: &mut Producers,
    ) -> Result<(), StorageError> {
        match rebuild.run(producers) {
            Ok(()) => Ok(()),
            Err(ScanError::Storage(e)) => Err(e),
            Err(ScanError::Corrupt { position, reason }) => {
                tracing::warn!(dir = %rebuild.home.dir.display(), position, %reason, "a damaged batch ends the rebuild of producer state");
                Ok(())
            }
        }
    }
}
