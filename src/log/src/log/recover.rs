//! Finding out what a segment really holds.

use std::path::Path;
use std::sync::Arc;

use ottla_metadata::Offset;
use ottla_records::Magic;
use tracing::warn;

use super::producers::replay;
use crate::epochs::Epochs;
use crate::error::StorageError;
use crate::indexes::BatchAt;
use crate::place::Home;
use crate::producers::Producers;
use crate::scan::{Batches, Headers, ScanError, examine};
use crate::segment::Segment;

/// Checks every batch of a segment, cuts it at the first that is not intact, and builds its
/// indexes anew. Producers and epochs follow the batches; producers must stand at its base.
/// Answers how many bytes had to be cut off.
pub(super) fn segment(
    segment: &Segment,
    producers: &mut Producers,
    epochs: &mut Epochs,
    index_interval: u32,
) -> Result<u64, StorageError> {
    let size = segment.size();
    segment.reset_indexes()?;
    let file = segment.file()?;
    let mut batches = Batches::new(&segment.place, &file, 0, size);
    let mut next = segment.base();
    let mut valid = 0;
    let mut damage = None;
    loop {
        let (position, bytes) = match batches.next() {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(ScanError::Storage(e)) => return Err(e),
            Err(ScanError::Corrupt { reason, .. }) => {
                damage = Some(reason.to_string());
                break;
            }
        };
        let (header, batch) = match examine(bytes) {
            Ok(found) => found,
            Err(reason) => {
                damage = Some(reason.to_string());
                break;
            }
        };
        if batch.last_offset < next || batch.base_offset < segment.base() {
            damage = Some(format!("offset {} after {next}", batch.last_offset));
            break;
        }
        let at = BatchAt {
            position,
            size: batch.size,
            last_offset: batch.last_offset,
            max_timestamp: batch.max_timestamp,
        };
        segment.index_batch(at, index_interval)?;
        let epoch = header.leader_epoch();
        if batch.magic == Magic::V2 && epochs.latest().is_none_or(|latest| epoch > latest) {
            epochs.assign(epoch, batch.base_offset);
        }
        if batch.producer.is_some() {
            segment.add_aborted(&replay(producers, &batch))?;
        }
        next = batch.last_offset.saturating_add(1);
        valid = position + batch.size as u64;
    }
    let cut = size.saturating_sub(valid);
    if cut > 0 {
        warn!(dir = %segment.place.dir().display(), segment = segment.base(), position = valid, bytes = cut, damage, "the end of a segment is not intact and is cut off");
        segment.grown_to(valid);
        segment.trim()?;
    }
    segment.finish()?;
    producers.set_end(next);
    Ok(cut)
}

/// Leader epochs as the batches tell.
pub(super) fn epochs_of(segments: &[Arc<Segment>]) -> Result<Epochs, StorageError> {
    let mut epochs = Epochs::default();
    for segment in segments {
        let file = segment.file()?;
        let mut headers = Headers::new(&segment.place, &file, 0, segment.size());
        loop {
            match headers.next() {
                Ok(Some((_, header))) => {
                    let newer = epochs.latest().is_none_or(|e| header.leader_epoch() > e);
                    if let (true, Some(base)) = (newer, header.base_offset()) {
                        epochs.assign(header.leader_epoch(), base);
                    }
                }
                Ok(None) | Err(ScanError::Corrupt { .. }) => break,
                Err(ScanError::Storage(e)) => return Err(e),
            }
        }
    }
    Ok(epochs)
}

/// The offset after the last batch of a log file under whatever name.
pub(super) fn next_offset_of(
    home: &Home,
    path: &Path,
    base: Offset,
) -> Result<Offset, StorageError> {
    let file = home.disk.open(path)?;
    let (size, _) = home.disk.stat(path)?.unwrap_or_default();
    let place = crate::place::Place {
        home: Arc::new(Home {
            disk: Arc::clone(&home.disk),
            dir: home.dir.clone(),
        }),
        base,
    };
    let mut headers = Headers::new(&place, &file, 0, size);
    let mut next = base;
    loop {
        match headers.next() {
            Ok(Some((_, header))) => next = header.next_offset(),
            Ok(None) | Err(ScanError::Corrupt { .. }) => return Ok(next),
            Err(ScanError::Storage(e)) => return Err(e),
        }
    }
}
