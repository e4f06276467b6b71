//! Aborted transactions of a segment, for read-committed consumers (Kafka's `TransactionIndex`).

use ottla_metadata::Offset;

use crate::error::StorageError;
use crate::names::Kind;
use crate::place::Place;

const VERSION: i16 = 0;
/// Bytes of an entry.
pub(crate) const ENTRY_SIZE: usize = 34;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedTxn {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: Offset,
    /// Offset of the marker.
    pub(crate) last_offset: Offset,
    /// What the last stable offset was right after the marker.
    pub(crate) last_stable_offset: Offset,
}

impl AbortedTxn {
    fn encode(&self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        let fields = [
            self.producer_id,
            self.first_offset,
            self.last_offset,
            self.last_stable_offset,
        ];
        bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
        for (slot, field) in bytes[2..].chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; ENTRY_SIZE]) -> AbortedTxn {
        let field = |i: usize| {
            let mut value = [0; 8];
            value.copy_from_slice(&bytes[2 + i * 8..10 + i * 8]);
            i64::from_be_bytes(value)
        };
        AbortedTxn {
            producer_id: field(0),
            first_offset: field(1),
            last_offset: field(2),
            last_stable_offset: field(3),
        }
    }
}

/// Adds entries at the end of the file, which is created if need be.
pub(crate) fn append(place: &Place, entries: &[AbortedTxn]) -> Result<(), StorageError> {
    let path = place.path(Kind::TxnIndex);
    let disk = place.disk();
    let file = match disk.open_if_exists(&path)? {
        Some(file) => file,
        None => disk.create(&path)?,
    };
    let end = file
        .metadata()
        .map_err(|e| disk.fail("stat", &path, e))?
        .len();
    let bytes: Vec<u8> = entries.iter().flat_map(AbortedTxn::encode).collect();
    disk.write_at(&file, &path, &bytes, end - end % ENTRY_SIZE as u64)
}

/// All entries; `None` when the file does not make sense (wrong length, an entry before the
/// segment).
pub(crate) fn read(place: &Place) -> Result<Option<Vec<AbortedTxn>>, StorageError> {
    let content = place.disk().read_small(&place.path(Kind::TxnIndex))?;
    let content = content.unwrap_or_default();
    let chunks = content.chunks_exact(ENTRY_SIZE);
    let whole = chunks.remainder().is_empty();
    let entries: Vec<AbortedTxn> = chunks
        .filter_map(|chunk| chunk.first_chunk().map(AbortedTxn::decode))
        .collect();
    let sane = whole && entries.iter().all(|e| e.last_offset >= place.base);
    Ok(sane.then_some(entries))
}

/// Keeps only entries whose marker lies below `offset`.
pub(crate) fn truncate(place: &Place, offset: Offset) -> Result<(), StorageError> {
    let keep: Vec<AbortedTxn> = read(place)?
        .unwrap_or_default()
        .into_iter()
        .take_while(|e| e.last_offset < offset)
        .collect();
    place.disk().create(&place.path(Kind::TxnIndex))?;
    if keep.is_empty() {
        return Ok(());
    }
    append(place, &keep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn append_read_truncate() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            home: Arc::new(crate::place::Home {
                disk: Arc::new(crate::io::Disk::new(dir.path().to_owned())),
                dir: dir.path().to_owned(),
            }),
            base: 10,
        };
        let txn = |last| AbortedTxn {
            producer_id: 5,
            first_offset: 8,
            last_offset: last,
            last_stable_offset: last + 1,
        };
        assert_eq!(read(&place).unwrap(), Some(vec![]));
        append(&place, &[txn(12)]).unwrap();
        append(&place, &[txn(15), txn(20)]).unwrap();
        assert_eq!(read(&place).unwrap(), Some(vec![txn(12), txn(15), txn(20)]));
        truncate(&place, 15).unwrap();
        assert_eq!(read(&place).unwrap(), Some(vec![txn(12)]));
        append(&place, &[txn(3)]).unwrap();
        assert_eq!(read(&place).unwrap(), None);
    }
}
