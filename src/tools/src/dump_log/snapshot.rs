//! A `.snapshot` file: the idempotent producers of a partition (`ProducerStateManager`).

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use bytes::{Buf, TryGetError};

use super::Dump;

/// Version, checksum, number of entries; then the entries.
const VERSION: i16 = 1;
/// The checksum covers what comes after it.
const CHECKED_FROM: usize = 6;

/// Producer id, epoch, last sequence, last offset, offset delta, timestamp, coordinator epoch,
/// first offset of the open transaction.
struct Producer {
    id: i64,
    epoch: i16,
    last_sequence: i32,
    last_offset: i64,
    offset_delta: i32,
    timestamp: i64,
    coordinator_epoch: i32,
    transaction_first_offset: i64,
}

pub(super) fn dump(dump: &mut Dump<'_>, path: &Path) -> Result<()> {
    let bytes = std::fs::read(path)?;
    match parse(&bytes) {
        Ok(producers) => {
            for producer in producers {
                write_producer(dump.out, &producer)?;
            }
        }
        // As in Kafka, not an error of the tool: it goes on with the next file.
        Err(fault) => eprintln!("{}: {fault}", path.display()),
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Vec<Producer>, String> {
    let short = |_: TryGetError| "Snapshot failed schema validation: it is too short".to_owned();
    let mut rest = bytes;
    let version = rest.try_get_i16().map_err(short)?;
    if version != VERSION {
        return Err(format!(
            "Snapshot contained an unknown file version {version}"
        ));
    }
    let stored = rest.try_get_u32().map_err(short)?;
    let computed = ottla_records::crc32c(bytes.get(CHECKED_FROM..).unwrap_or_default());
    if stored != computed {
        return Err(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}"
        ));
    }
    let count = rest.try_get_i32().map_err(short)?;
    let mut producers = Vec::new();
    for _ in 0..count {
        producers.push(producer(&mut rest).map_err(short)?);
    }
    Ok(producers)
}

fn producer(rest: &mut &[u8]) -> Result<Producer, TryGetError> {
    Ok(Producer {
        id: rest.try_get_i64()?,
        epoch: rest.try_get_i16()?,
        last_sequence: rest.try_get_i32()?,
        last_offset: rest.try_get_i64()?,
        offset_delta: rest.try_get_i32()?,
        timestamp: rest.try_get_i64()?,
        coordinator_epoch: rest.try_get_i32()?,
        transaction_first_offset: rest.try_get_i64()?,
    })
}

fn write_producer(out: &mut dyn Write, producer: &Producer) -> Result<()> {
    let first_offset = match producer.transaction_first_offset {
        none if none < 0 => "OptionalLong.empty".to_owned(),
        offset => format!("OptionalLong[{offset}]"),
    };
    write!(
        out,
        "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {first_offset} \
         lastTimestamp: {} ",
        producer.id, producer.epoch, producer.coordinator_epoch, producer.timestamp
    )?;
    if producer.last_offset >= 0 {
        write!(
            out,
            "firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
            first_sequence(producer.last_sequence, producer.offset_delta),
            producer.last_sequence,
            producer.last_offset,
            producer.offset_delta,
            producer.timestamp
        )?;
    }
    writeln!(out)?;
    Ok(())
}

/// The sequence `delta` before `last`; they go round from `i32::MAX` to 0.
fn first_sequence(last: i32, delta: i32) -> i64 {
    let (last, delta) = (i64::from(last), i64::from(delta));
    if last < delta {
        i64::from(i32::MAX) - (delta - last) + 1
    } else {
        last - delta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_round() {
        assert_eq!(first_sequence(9, 9), 0);
        assert_eq!(first_sequence(0, 1), i64::from(i32::MAX));
    }

    #[test]
    fn damage_is_told() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(parse(bytes).err().as_deref(), Some(expected));
        };
        check(&[0], "Snapshot failed schema validation: it is too short");
        check(&[0, 9], "Snapshot contained an unknown file version 9");
        check(
            &[0, 1, 0, 0, 0, 1, 0, 0, 0, 0],
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: 1. Computed crc: 1214729159",
        );
    }
}
