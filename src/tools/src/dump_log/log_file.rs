//! A `.log` file: its batches, and if wanted their records.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use ottla_records::{
    Compression, ControlRecord, Magic, Record, TimestampType, control_record, records, verify,
};

use super::faults::note;
use super::segment::{Entry, Segment};
use super::{Dump, base_offset};

pub(super) fn dump(dump: &mut Dump<'_>, path: &Path) -> Result<()> {
    writeln!(dump.out, "Log starting offset: {}", base_offset(path)?)?;
    let segment = Segment::open(path, dump.max_bytes)?;
    let mut position = 0;
    let mut last_offset = None;
    while let Some(entry) = segment.entry(position)? {
        write_batch(dump.out, &entry)?;
        if dump.deep {
            for record in records(&entry.bytes).with_context(|| at(position))? {
                let record = record.with_context(|| at(position))?;
                if let Some(last) = last_offset
                    && Some(record.offset) != i64::checked_add(last, 1)
                {
                    note(&mut dump.faults.gaps, path, (last, record.offset));
                }
                last_offset = Some(record.offset);
                write_record(dump, &entry, &record)?;
            }
        }
        position = entry.next_position();
    }
    let trailing = segment.end().saturating_sub(position);
    if trailing > 0 && dump.max_bytes == i32::MAX as u64 {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(
            dump.out,
            "Found {trailing} invalid bytes at the end of {name}"
        )?;
    }
    Ok(())
}

fn at(position: u64) -> String {
    format!("unreadable batch at position {position}")
}

fn timestamp_type(magic: Magic, kind: TimestampType) -> &'static str {
    match (magic, kind) {
        (Magic::V0, _) => "NoTimestampType",
        (_, TimestampType::Create) => "CreateTime",
        (_, TimestampType::LogAppend) => "LogAppendTime",
    }
}

fn write_batch(out: &mut dyn Write, entry: &Entry) -> Result<()> {
    let header = &entry.header;
    match header.magic() {
        Magic::V2 => {
            let producer = header.producer_fields();
            let horizon = header
                .delete_horizon_ms()
                .map_or("OptionalLong.empty".to_owned(), |ms| {
                    format!("OptionalLong[{ms}]")
                });
            write!(
                out,
                "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
                 producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon}",
                header.base_offset().unwrap_or(-1),
                header.last_offset(),
                header.record_count().unwrap_or(-1),
                producer.base_sequence,
                producer.last_sequence,
                producer.id,
                producer.epoch,
                header.leader_epoch(),
                header.is_transactional(),
                header.is_control(),
            )?;
        }
        Magic::V0 | Magic::V1 => write!(out, "offset: {}", header.last_offset())?,
    }
    writeln!(
        out,
        " position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}",
        entry.position,
        timestamp_type(header.magic(), header.timestamp_type()),
        header.max_timestamp(),
        entry.bytes.len(),
        header.magic().byte(),
        header.compression().name(),
        header.crc(),
        verify(&entry.bytes).is_ok()
    )?;
    Ok(())
}

fn write_record(dump: &mut Dump<'_>, entry: &Entry, record: &Record) -> Result<()> {
    let header = &entry.header;
    let out = &mut *dump.out;
    let mut prefix = "| ";
    if dump.metadata {
        let length =
            |bytes: &Option<_>| bytes.as_ref().map_or(-1, |b: &bytes::Bytes| b.len() as i64);
        write!(
            out,
            "{prefix}offset: {} {}: {} keySize: {} valueSize: {}",
            record.offset,
            timestamp_type(header.magic(), header.timestamp_type()),
            record.timestamp,
            length(&record.key),
            length(&record.value)
        )?;
        prefix = " ";
        match header.magic() {
            Magic::V2 => {
                let keys: Vec<&str> = record.headers.iter().map(|(k, _)| k.as_str()).collect();
                write!(
                    out,
                    " sequence: {} headerKeys: [{}]",
                    record.sequence,
                    keys.join(",")
                )?;
            }
            // The checksums of records inside a compressed message are not kept.
            Magic::V0 | Magic::V1 if header.compression() == Compression::None => {
                let valid = verify(&entry.bytes).is_ok();
                // The second brace is Kafka's.
                write!(out, " isValid: {valid} crc: {}}}", header.crc())?;
            }
            Magic::V0 | Magic::V1 => {}
        }
        match control_record(&entry.bytes)? {
            None => {}
            Some(ControlRecord::Abort { coordinator_epoch }) => write!(
                out,
                " endTxnMarker: ABORT coordinatorEpoch: {coordinator_epoch}"
            )?,
            Some(ControlRecord::Commit { coordinator_epoch }) => write!(
                out,
                " endTxnMarker: COMMIT coordinatorEpoch: {coordinator_epoch}"
            )?,
            Some(ControlRecord::Other(id)) => write!(out, " controlType: UNKNOWN({id})")?,
        }
    }
    if dump.content && !header.is_control() {
        if let Some(key) = &record.key {
            write!(out, "{prefix}key: ")?;
            out.write_all(key)?;
        }
        if let Some(value) = &record.value {
            write!(out, " payload: ")?;
            out.write_all(value)?;
        }
    }
    writeln!(out)?;
    Ok(())
}
