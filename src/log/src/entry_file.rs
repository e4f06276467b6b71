//! A file of entries of one size that only grows at its end: the body of both index kinds.
//!
//! New entries gather in memory and are written in blocks; nothing is lost by that, because the
//! index of a segment that may miss entries is rebuilt after a crash anyway. Lookups read the file
//! with a handful of `pread`s and remember the block they ended in. There is no memory map, so that
//! a hundred thousand partitions cost neither mappings nor a fault when a file is shorter than it
//! was.

use std::fs::File;

use crate::error::StorageError;
use crate::names::Kind;
use crate::place::Place;

/// Entries kept in memory before they are written, and entries read at once.
const BLOCK: u32 = 256;

/// The entries of one index. `N` is the size of an entry in bytes.
#[derive(Debug)]
pub(crate) struct EntryFile<const N: usize> {
    kind: Kind,
    /// Entries in the file; unknown until it is first needed.
    written: Option<u32>,
    /// Entries after those.
    tail: Vec<[u8; N]>,
    file: Option<File>,
    /// The file changed since it was synced.
    unsynced: bool,
    /// The block that answered the last lookup, and the number of its first entry.
    block: Option<(u32, Vec<[u8; N]>)>,
}

impl<const N: usize> EntryFile<N> {
    /// The entries of a file that is there already, or will be created when entries are written.
    pub(crate) fn existing(kind: Kind) -> EntryFile<N> {
        EntryFile {
            kind,
            written: None,
            tail: Vec::new(),
            file: None,
            unsynced: false,
            block: None,
        }
    }

    /// Creates the file, empty.
    pub(crate) fn create(kind: Kind, place: &Place) -> Result<EntryFile<N>, StorageError> {
        place.disk().create(&place.path(kind))?;
        Ok(EntryFile {
            written: Some(0),
            ..EntryFile::existing(kind)
        })
    }

    /// Number of entries.
    pub(crate) fn len(&mut self, place: &Place) -> Result<u32, StorageError> {
        Ok(self
            .written(place)?
            .saturating_add(u32::try_from(self.tail.len()).unwrap_or(u32::MAX)))
    }

    pub(crate) fn last(&mut self, place: &Place) -> Result<Option<[u8; N]>, StorageError> {
        if let Some(entry) = self.tail.last() {
            return Ok(Some(*entry));
        }
        let Some(index) = self.written(place)?.checked_sub(1) else {
            return Ok(None);
        };
        let last = self.entry(place, index)?;
        // Only lookups come so often that the descriptor is worth keeping.
        self.file = None;
        Ok(last)
    }

    pub(crate) fn push(&mut self, place: &Place, entry: [u8; N]) -> Result<(), StorageError> {
        self.tail.push(entry);
        if self.tail.len() >= BLOCK as usize {
            match self.write_out(place) {
                // The entries stay in memory and are written with the next.
                Err(StorageError::Exhausted { .. }) => {}
                result => return result,
            }
        }
        Ok(())
    }

    /// Writes what is only in memory.
    pub(crate) fn write_out(&mut self, place: &Place) -> Result<(), StorageError> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let written = self.written(place)?;
        let kind = self.kind;
        let file = open(&mut self.file, place, kind)?;
        place.disk().write_at(
            file,
            &place.named(kind),
            self.tail.as_flattened(),
            u64::from(written) * N as u64,
        )?;
        self.written = Some(written.saturating_add(self.tail.len() as u32));
        self.tail.clear();
        self.unsynced = true;
        self.file = None;
        Ok(())
    }

    /// Writes what is only in memory and makes the file durable.
    pub(crate) fn sync(&mut self, place: &Place) -> Result<(), StorageError> {
        self.write_out(place)?;
        if !self.unsynced {
            return Ok(());
        }
        let kind = self.kind;
        let file = open(&mut self.file, place, kind)?;
        self.unsynced = false;
        place.disk().sync(file, &place.named(kind))?;
        self.file = None;
        Ok(())
    }

    /// Whether entries were written that are not known to be on disk.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.unsynced || !self.tail.is_empty()
    }

    /// Keeps the first `count` entries, and cuts off whatever else the file holds.
    pub(crate) fn truncate(&mut self, place: &Place, count: u32) -> Result<(), StorageError> {
        let written = self.written(place)?;
        if count >= written {
            self.tail.truncate((count - written) as usize);
            return Ok(());
        }
        self.tail.clear();
        self.block = None;
        let kind = self.kind;
        let file = open(&mut self.file, place, kind)?;
        place
            .disk()
            .set_len(file, &place.named(kind), u64::from(count) * N as u64)?;
        self.written = Some(count);
        self.unsynced = true;
        Ok(())
    }

    /// Empties the file, whatever it holds.
    pub(crate) fn reset(&mut self, place: &Place) -> Result<(), StorageError> {
        place.disk().create(&place.path(self.kind))?;
        *self = EntryFile {
            written: Some(0),
            unsynced: true,
            ..EntryFile::existing(self.kind)
        };
        Ok(())
    }

    /// Gives descriptor and memory back; they return when needed.
    pub(crate) fn release(&mut self, place: &Place) -> Result<(), StorageError> {
        self.write_out(place)?;
        self.tail = Vec::new();
        self.file = None;
        self.block = None;
        Ok(())
    }

    /// The last entry for which `before` holds, with its number. `before` must hold for a prefix
    /// of the entries.
    pub(crate) fn search(
        &mut self,
        place: &Place,
        before: impl Fn(&[u8; N]) -> bool,
    ) -> Result<Option<(u32, [u8; N])>, StorageError> {
        let written = self.written(place)?;
        if self.tail.first().is_some_and(&before) {
            return Ok(last_before(written, &self.tail, &before));
        }
        if let Some((first, block)) = &self.block {
            let ends_here = first + block.len() as u32 == written;
            if block.first().is_some_and(&before)
                && (ends_here || !block.last().is_some_and(&before))
            {
                return Ok(last_before(*first, block, &before));
            }
        }
        // Invariant: `before` holds for every entry below `low` and for none from `high` on.
        let (mut low, mut high) = (0, written);
        while high - low > BLOCK {
            let middle = low + (high - low) / 2;
            match self.entry(place, middle)? {
                Some(entry) if before(&entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        // One more entry in front, so that the answer is in the block.
        let first = low.saturating_sub(1);
        let block = self.entries(place, first, high - first)?;
        let found = last_before(first, &block, &before);
        self.block = Some((first, block));
        Ok(found)
    }

    fn written(&mut self, place: &Place) -> Result<u32, StorageError> {
        if let Some(written) = self.written {
            return Ok(written);
        }
        let stat = place.disk().stat(&place.path(self.kind))?;
        let len = stat.map_or(0, |(len, _)| len);
        let written = u32::try_from(len / N as u64).unwrap_or(u32::MAX);
        self.written = Some(written);
        Ok(written)
    }

    fn entry(&mut self, place: &Place, index: u32) -> Result<Option<[u8; N]>, StorageError> {
        Ok(self.entries(place, index, 1)?.first().copied())
    }

    fn entries(
        &mut self,
        place: &Place,
        first: u32,
        count: u32,
    ) -> Result<Vec<[u8; N]>, StorageError> {
        let kind = self.kind;
        let file = open(&mut self.file, place, kind)?;
        let mut entries = vec![[0; N]; count as usize];
        let read = place.disk().read_at(
            file,
            &place.named(kind),
            entries.as_flattened_mut(),
            u64::from(first) * N as u64,
        )?;
        entries.truncate(read / N);
        Ok(entries)
    }
}

fn open<'f>(
    slot: &'f mut Option<File>,
    place: &Place,
    kind: Kind,
) -> Result<&'f File, StorageError> {
    let file = match slot.take() {
        Some(file) => file,
        None => {
            let path = place.path(kind);
            match place.disk().open_if_exists(&path)? {
                Some(file) => file,
                None => place.disk().create(&path)?,
            }
        }
    };
    Ok(slot.insert(file))
}

fn last_before<const N: usize>(
    first: u32,
    entries: &[[u8; N]],
    before: impl Fn(&[u8; N]) -> bool,
) -> Option<(u32, [u8; N])> {
    let index = entries.partition_point(before).checked_sub(1)?;
    let number = first.checked_add(u32::try_from(index).ok()?)?;
    entries.get(index).map(|entry| (number, *entry))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::io::Disk;
    use crate::place::Home;

    fn place(dir: &std::path::Path) -> Place {
        Place {
            home: Arc::new(Home {
                disk: Arc::new(Disk::new(dir.to_owned())),
                dir: dir.to_owned(),
            }),
            base: 0,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn lookups_agree_with_a_scan(
            steps in prop::collection::vec((1_u32..4, any::<u8>()), 1..1500),
            targets in prop::collection::vec(0_u32..4500, 40),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let place = place(dir.path());
            let mut file = EntryFile::<8>::create(Kind::OffsetIndex, &place).unwrap();
            let mut model: Vec<u64> = Vec::new();
            let mut key = 0;
            for (step, act) in &steps {
                key += u64::from(*step);
                file.push(&place, key.to_be_bytes()).unwrap();
                model.push(key);
                match act {
                    0 => {
                        let keep = model.len() / 2;
                        file.truncate(&place, keep as u32).unwrap();
                        model.truncate(keep);
                        key = model.last().copied().unwrap_or(0);
                    }
                    1..5 => file.write_out(&place).unwrap(),
                    5..8 => file.release(&place).unwrap(),
                    8..10 => {
                        file.sync(&place).unwrap();
                        file = EntryFile::existing(Kind::OffsetIndex);
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(file.len(&place).unwrap() as usize, model.len());
            for target in targets {
                let target = u64::from(target);
                let expected = model.iter().rposition(|k| *k <= target);
                let got = file.search(&place, |e| u64::from_be_bytes(*e) <= target).unwrap();
                prop_assert_eq!(got.map(|(i, _)| i as usize), expected);
                prop_assert_eq!(got.map(|(_, e)| u64::from_be_bytes(e)), expected.map(|i| model[i]));
            }
        }
    }
}
