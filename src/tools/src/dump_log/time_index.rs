//! A `.timeindex` file: timestamps and the offsets up to which they are the largest.

use std::path::Path;

use anyhow::{Context, Result, bail};
use ottla_records::{NO_TIMESTAMP, records};

use super::faults::note;
use super::index::OffsetIndex;
use super::segment::Segment;
use super::{Dump, base_offset, sibling};

/// Eight bytes of timestamp, four of offset after the segment's.
const ENTRY: usize = 12;

struct TimeIndex {
    base_offset: i64,
    /// Timestamp and offset of each entry.
    entries: Vec<(i64, i64)>,
    bytes: usize,
}

impl TimeIndex {
    fn read(path: &Path) -> Result<TimeIndex> {
        let bytes = std::fs::read(path)?;
        let base_offset = base_offset(path)?;
        let entry = |chunk: &[u8]| -> Option<(i64, i64)> {
            let (timestamp, rest) = chunk.split_first_chunk::<8>()?;
            let offset = i32::from_be_bytes(*rest.first_chunk::<4>()?);
            let offset = base_offset.checked_add(offset.into())?;
            Some((i64::from_be_bytes(*timestamp), offset))
        };
        let entries: Option<Vec<_>> = bytes.chunks_exact(ENTRY).map(entry).collect();
        Ok(TimeIndex {
            base_offset,
            entries: entries.context("an entry's offset is beyond all bounds")?,
            bytes: bytes.len(),
        })
    }

    /// What a broker checks at its start.
    fn check(&self, path: &Path) -> Result<()> {
        let path = path.display();
        if let (Some((first, _)), Some((last, last_offset))) =
            (self.entries.first(), self.entries.last())
        {
            if last < first {
                bail!(
                    "Corrupt time index found, time index file ({path}) has non-zero size but the last timestamp is \
                     {last} which is less than the first timestamp {first}"
                );
            }
            if *last_offset < self.base_offset {
                bail!(
                    "Corrupt time index found, time index file ({path}) has non-zero size but the last offset is \
                     {last_offset} which is less than the first offset {}",
                    self.base_offset
                );
            }
        }
        if self.bytes % ENTRY != 0 {
            bail!(
                "Time index file {path} is corrupt, found {} bytes which is neither positive nor a multiple of {ENTRY}.",
                self.bytes
            );
        }
        Ok(())
    }
}

pub(super) fn dump(dump: &mut Dump<'_>, path: &Path) -> Result<()> {
    let segment = Segment::open(&sibling(path, "log")?, u64::MAX)?;
    let index = OffsetIndex::read(&sibling(path, "index")?)?;
    let times = TimeIndex::read(path)?;
    if dump.sanity_only {
        times.check(path)?;
        writeln!(dump.out, "{} passed sanity check.", path.display())?;
        return Ok(());
    }
    let mut previous = NO_TIMESTAMP;
    for (i, (timestamp, offset)) in times.entries.iter().copied().enumerate() {
        if offset == times.base_offset && i > 0 {
            break;
        }
        match segment.find(index.lookup(offset), offset)? {
            Some(entry) if entry.header.last_offset() == offset => {
                let mut latest = NO_TIMESTAMP;
                for record in records(&entry.bytes)? {
                    latest = latest.max(record?.timestamp);
                }
                if latest != timestamp {
                    let pair = (timestamp, latest);
                    note(&mut dump.faults.time_mismatches, path, pair);
                }
                if previous >= timestamp {
                    let pair = (timestamp, previous);
                    note(&mut dump.faults.times_out_of_order, path, pair);
                }
            }
            found => {
                let found = found.map_or(-1, |entry| entry.header.last_offset());
                note(&mut dump.faults.offsets_not_found, path, (offset, found));
            }
        }
        if !dump.verify_only {
            writeln!(dump.out, "timestamp: {timestamp} offset: {offset}")?;
        }
        previous = timestamp;
    }
    Ok(())
}
