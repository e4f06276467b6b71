//! Converting stored records for fetches of old clients.

use crate::batch_options::BatchOptions;
use crate::batches::batches;
use crate::builder::BatchBuilder;
use crate::cursor::RecordCursor;
use crate::error::{ConvertError, CorruptBatch, ReadError};
use crate::format::{Compression, MAX_HEADER_SIZE, Magic, TimestampType};
use crate::header::BatchHeader;

/// What is sent when nothing survives conversion, in bytes: enough for a client to see that there
/// is an entry it cannot hold.
pub const OVERFLOW_MIN_BYTES: usize = 12;

/// The records of a slice of a log, converted to at most `target`, as Kafka sends them
/// (`LazyDownConversionRecords`).
///
/// The size is fixed first: that of `records`, or of the first converted batch if that is larger.
/// Converted batches that pass it are cut off
/// (clients see a partial tail), and what is missing is filled with a fake entry that is announced
/// larger than the bytes left.
/// Control batches and headers are dropped. Of uncompressed v2 batches, records below
/// `fetch_offset` are dropped.
///
/// # Errors
/// The first batch is compressed with zstd, or cannot be read. Later ones only end the conversion:
/// the client will come back for them.
pub fn down_convert(
    records: &[u8],
    target: Magic,
    fetch_offset: i64,
) -> Result<Vec<u8>, ConvertError> {
    let mut out = Vec::new();
    // Set by the first batch of which anything is left.
    let mut announced = None;
    let mut size_if_empty = 0;
    for batch in batches(records) {
        size_if_empty = OVERFLOW_MIN_BYTES;
        match batch
            .map_err(|corrupt| ReadError::from(corrupt).into())
            .and_then(|batch| convert(batch, target, fetch_offset))
        {
            Ok(converted) => out.extend_from_slice(&converted),
            Err(error) if announced.is_none() => return Err(error),
            Err(_) => break,
        }
        if announced.is_none() && !out.is_empty() {
            announced = Some(out.len().max(records.len()));
        }
        if announced.is_some_and(|size| out.len() >= size) {
            break;
        }
    }
    pad_to(&mut out, announced.unwrap_or(size_if_empty));
    Ok(out)
}

/// Cuts `out` to `announced` bytes, or fills it up with the start of an entry that claims to be
/// larger than what is left.
pub fn pad_to(out: &mut Vec<u8>, announced: usize) {
    let left = announced.saturating_sub(out.len());
    if left > 0 {
        let claim = i32::try_from(left + 1)
            .unwrap_or(i32::MAX)
            .max(i32::try_from(MAX_HEADER_SIZE).unwrap_or(i32::MAX));
        out.extend_from_slice(&(-1_i64).to_be_bytes());
        out.extend_from_slice(&claim.to_be_bytes());
    }
    out.resize(announced, 0);
}

/// One entry in the target's format; nothing if none of its records has a form there.
fn convert(batch: &[u8], target: Magic, fetch_offset: i64) -> Result<Vec<u8>, ConvertError> {
    let header = BatchHeader::parse(batch)
        .and_then(|header| header.ok_or(CorruptBatch::FieldPastEnd))
        .map_err(ReadError::from)?;
    if target < Magic::V2 && header.is_control() {
        return Ok(Vec::new());
    }
    if target < Magic::V2 && header.compression() == Compression::Zstd {
        return Err(ConvertError::UnsupportedCompression);
    }
    if header.magic() <= target {
        return Ok(batch.to_vec());
    }
    let mut cursor = RecordCursor::new(batch)?;
    let mut builder = None;
    while let Some(record) = cursor.next()? {
        // A compressed batch stays one entry, so it is converted whole.
        if header.compression() == Compression::None && record.offset < fetch_offset {
            continue;
        }
        let builder = match &mut builder {
            Some(builder) => builder,
            none => none.insert(BatchBuilder::new(options(&header, target, record.offset))?),
        };
        builder.append_at(
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            &[],
        )?;
    }
    Ok(builder.map_or(Ok(Vec::new()), BatchBuilder::build)?)
}

fn options(header: &BatchHeader, target: Magic, base_offset: i64) -> BatchOptions {
    BatchOptions {
        magic: target,
        compression: header.compression(),
        level: level(header.compression()),
        base_offset,
        log_append_time_ms: match header.timestamp_type() {
            TimestampType::Create => None,
            TimestampType::LogAppend => Some(header.max_timestamp()),
        },
        ..BatchOptions::default()
    }
}

/// What is compressed for one answer is compressed fast: the usual level of gzip costs the broker
/// ten times the CPU for a few per cent of the bytes.
fn level(codec: Compression) -> i32 {
    match codec {
        Compression::Gzip => 1,
        Compression::None | Compression::Snappy | Compression::Lz4 | Compression::Zstd => {
            codec.default_level()
        }
    }
}
