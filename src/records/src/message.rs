//! One v0 or v1 message, alone or inside a compressed one (`LegacyRecord`).

use crate::error::{BuildError, CorruptBatch, InvalidRecord, ReadError};
use crate::format::{LOG_OVERHEAD, MAGIC_AT, Magic, SIZE_AT, legacy};
use crate::header::BatchHeader;
use crate::source::Source;
use crate::wire;

/// A message whose frame is sound and whose key and value lie inside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) header: BatchHeader,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Takes a whole entry apart. Does not look at the checksum.
    pub(crate) fn parse(entry: &'a [u8]) -> Result<Message<'a>, CorruptBatch> {
        let header = BatchHeader::parse(entry)?.ok_or(CorruptBatch::FieldPastEnd)?;
        let mut rest = entry
            .get(fields_at(header.magic())..)
            .ok_or(CorruptBatch::FieldPastEnd)?;
        let key = take_field(&mut rest)?;
        let value = take_field(&mut rest)?;
        Ok(Message { header, key, value })
    }
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, CorruptBatch> {
    let (len, after) = rest
        .split_first_chunk::<4>()
        .ok_or(CorruptBatch::FieldPastEnd)?;
    let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else {
        *rest = after;
        return Ok(None);
    };
    let (field, after) = after
        .split_at_checked(len)
        .ok_or(CorruptBatch::FieldPastEnd)?;
    *rest = after;
    Ok(Some(field))
}

/// Checks the CRC-32 of a whole message of at least the v0 overhead.
pub(crate) fn check_crc(entry: &[u8]) -> Result<(), CorruptBatch> {
    let stored = wire::u32_at(entry, legacy::CRC_AT).ok_or(CorruptBatch::FieldPastEnd)?;
    let computed = crc32fast::hash(
        entry
            .get(legacy::CRC_AT + 4..)
            .ok_or(CorruptBatch::FieldPastEnd)?,
    );
    if stored == computed {
        Ok(())
    } else {
        Err(CorruptBatch::Checksum { stored, computed })
    }
}

/// Makes the next inner message available as a whole and returns its length; `None` at the end,
/// where Kafka tolerates a partial one.
pub(crate) fn next_inner<S: Source>(source: &mut S) -> Result<Option<usize>, ReadError> {
    if !source.require(LOG_OVERHEAD)? {
        return Ok(None);
    }
    let size = wire::i32_at(source.available(), SIZE_AT).ok_or(InvalidRecord::Truncated)?;
    let len = usize::try_from(size)
        .ok()
        .filter(|len| *len >= crate::format::MIN_ENTRY_SIZE)
        .ok_or(CorruptBatch::TooSmall {
            size,
            minimum: crate::format::MIN_ENTRY_SIZE,
        })?
        .saturating_add(LOG_OVERHEAD);
    Ok(source.require(len)?.then_some(len))
}

/// Bytes of a message that are neither key nor value.
pub(crate) fn overhead(magic: Magic) -> usize {
    fields_at(magic) + 8
}

fn fields_at(magic: Magic) -> usize {
    match magic {
        Magic::V0 => legacy::KEY_AT_V0,
        Magic::V1 | Magic::V2 => legacy::KEY_AT_V1,
    }
}

/// What a message says.
pub(crate) struct Fields<'a> {
    pub(crate) magic: Magic,
    pub(crate) offset: i64,
    pub(crate) attributes: u8,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

/// Appends a message.
pub(crate) fn write(out: &mut Vec<u8>, fields: &Fields<'_>) -> Result<(), BuildError> {
    let start = out.len();
    out.resize(start + fields_at(fields.magic), 0);
    for field in [fields.key, fields.value] {
        let len = field.map_or(Ok(-1), |bytes| i32::try_from(bytes.len()));
        out.extend_from_slice(&len.map_err(|_| BuildError::TooLarge)?.to_be_bytes());
        out.extend_from_slice(field.unwrap_or(&[]));
    }
    let entry = out.get_mut(start..).unwrap_or(&mut []);
    write_header(
        entry,
        fields.magic,
        fields.offset,
        fields.attributes,
        fields.timestamp,
    )
}

/// Completes a compressed message whose value is already in place.
pub(crate) fn write_wrapper_header(
    entry: &mut [u8],
    magic: Magic,
    offset: i64,
    attributes: u8,
    timestamp: i64,
) -> Result<(), BuildError> {
    let value_len = entry.len().saturating_sub(overhead(magic));
    let value_len = i32::try_from(value_len).map_err(|_| BuildError::TooLarge)?;
    wire::put(entry, fields_at(magic), (-1_i32).to_be_bytes());
    wire::put(entry, fields_at(magic) + 4, value_len.to_be_bytes());
    write_header(entry, magic, offset, attributes, timestamp)
}

fn write_header(
    entry: &mut [u8],
    magic: Magic,
    offset: i64,
    attributes: u8,
    timestamp: i64,
) -> Result<(), BuildError> {
    let size = i32::try_from(entry.len().saturating_sub(LOG_OVERHEAD))
        .map_err(|_| BuildError::TooLarge)?;
    wire::put(entry, 0, offset.to_be_bytes());
    wire::put(entry, SIZE_AT, size.to_be_bytes());
    wire::put(entry, MAGIC_AT, [magic.byte()]);
    wire::put(entry, legacy::ATTRIBUTES_AT, [attributes]);
    if magic != Magic::V0 {
        wire::put(entry, legacy::TIMESTAMP_AT, timestamp.to_be_bytes());
    }
    let crc = crc32fast::hash(entry.get(legacy::CRC_AT + 4..).unwrap_or(&[]));
    wire::put(entry, legacy::CRC_AT, crc.to_be_bytes());
    Ok(())
}
