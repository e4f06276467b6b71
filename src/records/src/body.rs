//! One record of a v2 batch, read and written (`DefaultRecord`).

use crate::error::{BuildError, InvalidRecord, ReadError};
use crate::source::Source;
use crate::varint::{
    MAX_VARINT_BYTES, put_varlong, take_nullable, take_u8, take_varint, take_varlong, varlong_size,
};

/// The fields of a v2 record, still relative to its batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i32,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) header_count: i32,
    /// The headers after their count.
    pub(crate) headers: &'a [u8],
}

impl<'a> Body<'a> {
    /// Takes apart the bytes after a record's length; all of them must be used.
    #[inline(always)]
    pub(crate) fn parse(body: &'a [u8]) -> Result<Body<'a>, InvalidRecord> {
        let mut rest = body;
        let _attributes = take_u8(&mut rest)?;
        let timestamp_delta = take_varlong(&mut rest)?;
        let offset_delta = take_varint(&mut rest)?;
        let key_len = take_varint(&mut rest)?;
        let key = take_nullable(&mut rest, key_len)?;
        let value_len = take_varint(&mut rest)?;
        let value = take_nullable(&mut rest, value_len)?;
        let header_count = take_varint(&mut rest)?;
        if header_count != 0 {
            check_headers(rest, header_count)?;
        } else if !rest.is_empty() {
            return Err(InvalidRecord::LengthMismatch);
        }
        Ok(Body {
            timestamp_delta,
            offset_delta,
            key,
            value,
            header_count,
            headers: rest,
        })
    }
}

#[inline(never)]
fn check_headers(mut rest: &[u8], count: i32) -> Result<(), InvalidRecord> {
    match usize::try_from(count) {
        Ok(headers) if headers <= rest.len() => {}
        Ok(_) | Err(_) => return Err(InvalidRecord::HeaderCount(count)),
    }
    for _ in 0..count {
        take_header(&mut rest)?;
    }
    match rest {
        [] => Ok(()),
        _ => Err(InvalidRecord::LengthMismatch),
    }
}

/// Takes name and value of a header off the front.
pub(crate) fn take_header<'a>(
    rest: &mut &'a [u8],
) -> Result<(&'a [u8], Option<&'a [u8]>), InvalidRecord> {
    let key_len = take_varint(rest)?;
    let key = take_nullable(rest, key_len)?.ok_or(InvalidRecord::HeaderKey(key_len))?;
    let value_len = take_varint(rest)?;
    Ok((key, take_nullable(rest, value_len)?))
}

/// Makes the next record available as a whole: length of its length field, length of its body.
#[inline(always)]
pub(crate) fn next_body<S: Source>(source: &mut S) -> Result<(usize, usize), ReadError> {
    if source.available().len() < MAX_VARINT_BYTES {
        // Near the end there may be less, and the parse below says so.
        source.require(MAX_VARINT_BYTES)?;
    }
    let available = source.available();
    let mut rest = available;
    let len = take_varint(&mut rest)?;
    let prefix = available.len() - rest.len();
    let len = usize::try_from(len).map_err(|_| InvalidRecord::LengthMismatch)?;
    if !source.require(prefix.saturating_add(len))? {
        return Err(InvalidRecord::Truncated.into());
    }
    Ok((prefix, len))
}

/// A length, or -1 for null, and the bytes.
pub(crate) fn put_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => put_varlong(out, -1),
        Some(bytes) => {
            put_varlong(out, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
            out.extend_from_slice(bytes);
        }
    }
}

fn field_size(field: Option<&[u8]>) -> usize {
    let len = field.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    varlong_size(len) + field.map_or(0, <[u8]>::len)
}

/// A v2 record with its length.
pub(crate) fn put_body(
    out: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    (header_count, headers): (usize, &[u8]),
) -> Result<(), BuildError> {
    let header_count = i32::try_from(header_count).map_err(|_| BuildError::TooLarge)?;
    let size = 1
        + varlong_size(timestamp_delta)
        + varlong_size(i64::from(offset_delta))
        + field_size(key)
        + field_size(value)
        + varlong_size(i64::from(header_count))
        + headers.len();
    let size = i32::try_from(size).map_err(|_| BuildError::TooLarge)?;
    put_varlong(out, i64::from(size));
    out.push(0);
    put_varlong(out, timestamp_delta);
    put_varlong(out, i64::from(offset_delta));
    put_field(out, key);
    put_field(out, value);
    put_varlong(out, i64::from(header_count));
    out.extend_from_slice(headers);
    Ok(())
}
