//! The file format of producer snapshots: version, CRC-32C, count, entries of 46 bytes.

use std::collections::HashMap;

use ottla_metadata::Offset;
use ottla_records::crc32c;

use crate::producers::{CachedBatch, ProducerEntry};

const VERSION: i16 = 1;
const ENTRIES_AT: usize = 6;
const ENTRY_SIZE: usize = 46;

pub(crate) fn encode(entries: &HashMap<i64, ProducerEntry>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRIES_AT + 4 + entries.len() * ENTRY_SIZE);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let count = i32::try_from(entries.len()).unwrap_or(i32::MAX);
    bytes.extend_from_slice(&count.to_be_bytes());
    for (id, entry) in entries.iter().take(count as usize) {
        let last = entry.last_batch();
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&entry.epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.last_sequence().to_be_bytes());
        bytes.extend_from_slice(&last.map_or(-1, |b| b.last_offset).to_be_bytes());
        bytes.extend_from_slice(&last.map_or(0, |b| b.offset_delta).to_be_bytes());
        bytes.extend_from_slice(&entry.last_timestamp.to_be_bytes());
        bytes.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let crc = crc32c(bytes.get(ENTRIES_AT..).unwrap_or_default());
    if let Some(field) = bytes.get_mut(2..ENTRIES_AT) {
        field.copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

/// Reads a snapshot.
///
/// # Errors
/// Why it cannot be used.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<(i64, ProducerEntry)>, &'static str> {
    let mut fields = Fields(bytes);
    let version = i16::from_be_bytes(fields.take()?);
    if version != VERSION {
        return Err("unknown version");
    }
    let crc = u32::from_be_bytes(fields.take()?);
    if crc != crc32c(fields.0) {
        return Err("wrong checksum");
    }
    let count = i32::from_be_bytes(fields.take()?);
    let count = usize::try_from(count).map_err(|_| "negative count")?;
    if count.checked_mul(ENTRY_SIZE) != Some(fields.0.len()) {
        return Err("wrong length");
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(entry(&mut fields)?);
    }
    Ok(entries)
}

fn entry(fields: &mut Fields<'_>) -> Result<(i64, ProducerEntry), &'static str> {
    let id = i64::from_be_bytes(fields.take()?);
    let epoch = i16::from_be_bytes(fields.take()?);
    let last_sequence = i32::from_be_bytes(fields.take()?);
    let last_offset = Offset::from_be_bytes(fields.take()?);
    let offset_delta = i32::from_be_bytes(fields.take()?);
    let timestamp = i64::from_be_bytes(fields.take()?);
    let coordinator_epoch = i32::from_be_bytes(fields.take()?);
    let txn_first_offset = Offset::from_be_bytes(fields.take()?);
    let mut entry = ProducerEntry {
        epoch,
        coordinator_epoch,
        last_timestamp: timestamp,
        txn_first_offset: (txn_first_offset >= 0).then_some(txn_first_offset),
        ..ProducerEntry::EMPTY
    };
    if last_offset >= 0 {
        entry.remember(CachedBatch {
            last_sequence,
            last_offset,
            offset_delta,
            timestamp,
        });
    }
    Ok((id, entry))
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or("too short")?;
        self.0 = rest;
        Ok(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_damage() {
        let mut one = ProducerEntry {
            epoch: 3,
            coordinator_epoch: 7,
            last_timestamp: 99,
            txn_first_offset: Some(40),
            ..ProducerEntry::EMPTY
        };
        one.remember(CachedBatch {
            last_sequence: 12,
            last_offset: 55,
            offset_delta: 4,
            timestamp: 99,
        });
        let two = ProducerEntry {
            epoch: 0,
            ..ProducerEntry::EMPTY
        };
        let entries = HashMap::from([(1000, one), (1001, two)]);
        let bytes = encode(&entries);
        assert_eq!(bytes.len(), 10 + 2 * 46);
        let back: HashMap<_, _> = decode(&bytes).unwrap().into_iter().collect();
        assert_eq!(back, entries);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_err(), "byte {at}");
            assert!(decode(&bytes[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(decode(&encode(&HashMap::new())), Ok(Vec::new()));
    }
}
