//! An `.index` file: offsets and where their batches stand in the log.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::faults::note;
use super::segment::Segment;
use super::{Dump, base_offset, sibling};

/// Four bytes of offset after the segment's, four of position.
const ENTRY: usize = 8;

/// An offset index, read as a whole; it has at most some ten MiB.
pub(super) struct OffsetIndex {
    pub(super) base_offset: i64,
    /// Offset and position of each entry. Zeros after the first one are space set aside.
    pub(super) entries: Vec<(i64, u64)>,
    bytes: usize,
}

impl OffsetIndex {
    pub(super) fn read(path: &Path) -> Result<OffsetIndex> {
        let bytes = std::fs::read(path)?;
        let base_offset = base_offset(path)?;
        let entry = |chunk: &[u8]| -> Option<(i64, u64)> {
            let (offset, rest) = chunk.split_first_chunk::<4>()?;
            let position = rest.first_chunk::<4>()?;
            let offset = base_offset.checked_add(i32::from_be_bytes(*offset).into())?;
            Some((offset, u32::from_be_bytes(*position).into()))
        };
        let entries: Option<Vec<_>> = bytes.chunks_exact(ENTRY).map(entry).collect();
        Ok(OffsetIndex {
            base_offset,
            entries: entries.context("an entry's offset is beyond all bounds")?,
            bytes: bytes.len(),
        })
    }

    /// The entries before the space set aside.
    pub(super) fn used(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        let used = |(i, (offset, _)): &(usize, &(i64, u64))| *i == 0 || *offset != self.base_offset;
        self.entries
            .iter()
            .enumerate()
            .take_while(used)
            .map(|(_, entry)| *entry)
    }

    /// Where to begin looking for an offset.
    pub(super) fn lookup(&self, offset: i64) -> u64 {
        self.used()
            .take_while(|(indexed, _)| *indexed <= offset)
            .last()
            .map_or(0, |(_, position)| position)
    }

    /// What a broker checks at its start.
    fn check(&self, path: &Path) -> Result<()> {
        let path = path.display();
        if let Some((last, _)) = self.entries.last()
            && *last < self.base_offset
        {
            bail!(
                "Corrupt index found, index file ({path}) has non-zero size but the last offset is {last} which is \
                 less than the base offset {}.",
                self.base_offset
            );
        }
        if self.bytes % ENTRY != 0 {
            bail!(
                "Index file {path} is corrupt, found {} bytes which is neither positive nor a multiple of {ENTRY}.",
                self.bytes
            );
        }
        Ok(())
    }
}

pub(super) fn dump(dump: &mut Dump<'_>, path: &Path) -> Result<()> {
    let segment = Segment::open(&sibling(path, "log")?, u64::MAX)?;
    let index = OffsetIndex::read(path)?;
    if index.entries.is_empty() {
        writeln!(dump.out, "{} is empty.", path.display())?;
        return Ok(());
    }
    if dump.sanity_only {
        index.check(path)?;
        writeln!(dump.out, "{} passed sanity check.", path.display())?;
        return Ok(());
    }
    for (offset, position) in index.used() {
        let found = segment.entry(position)?.map(|e| e.header.last_offset());
        if found != Some(offset) {
            let pair = (offset, found.unwrap_or(-1));
            note(&mut dump.faults.index_mismatches, path, pair);
        }
        if !dump.verify_only {
            writeln!(dump.out, "offset: {offset} position: {position}")?;
        }
    }
    Ok(())
}
