//! Reading and writing the protocol's primitive types.

use bytes::{BufMut, Bytes};

use crate::{DecodeError, StrBytes};

/// Reads primitive values off the front of a slice. Every method checks what is left first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Bytes taken since the reader was made.
    taken: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader {
            rest: bytes,
            taken: 0,
        }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn position(&self) -> usize {
        self.taken
    }

    pub(crate) fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (front, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or(DecodeError::Truncated { field })?;
        self.rest = rest;
        self.taken += n;
        Ok(front)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (front, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated { field })?;
        self.rest = rest;
        self.taken += N;
        Ok(*front)
    }

    pub(crate) fn i8(&mut self, field: &'static str) -> Result<i8, DecodeError> {
        self.array(field).map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        self.array(field).map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.array(field).map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.array(field).map(i64::from_be_bytes)
    }

    #[inline]
    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        match *self.rest {
            // Nearly all have one byte.
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                self.taken += 1;
                Ok(byte.into())
            }
            _ => self.long_varint(field),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array(field)?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong { field })
    }

    /// A length of a string: 2 bytes, or a varint that is one more; `None` is null.
    pub(crate) fn string_len(
        &mut self,
        compact: bool,
        field: &'static str,
    ) -> Result<Option<usize>, DecodeError> {
        if compact {
            return self.compact_len(field);
        }
        let length = self.i16(field)?;
        signed_len(length.into(), field)
    }

    /// A length of bytes or of an array: 4 bytes, or a varint that is one more; `None` is null.
    pub(crate) fn len(
        &mut self,
        compact: bool,
        field: &'static str,
    ) -> Result<Option<usize>, DecodeError> {
        if compact {
            return self.compact_len(field);
        }
        let length = self.i32(field)?;
        signed_len(length.into(), field)
    }

    fn compact_len(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        // A u32 fits in a usize on the 32- and 64-bit machines this runs on.
        Ok(self.varint(field)?.checked_sub(1).map(|n| n as usize))
    }

    /// A string that shares the bytes of `frame`, which is what this reader reads.
    pub(crate) fn nullable_shared_string(
        &mut self,
        frame: &Bytes,
        compact: bool,
        field: &'static str,
    ) -> Result<Option<StrBytes>, DecodeError> {
        let Some(len) = self.string_len(compact, field)? else {
            return Ok(None);
        };
        StrBytes::from_utf8(frame.slice_ref(self.take(len, field)?))
            .map(Some)
            .map_err(|_| DecodeError::NotUtf8 { field })
    }

    pub(crate) fn string(
        &mut self,
        compact: bool,
        field: &'static str,
    ) -> Result<&'a str, DecodeError> {
        let len = self
            .string_len(compact, field)?
            .ok_or(DecodeError::InvalidLength { field, length: -1 })?;
        std::str::from_utf8(self.take(len, field)?).map_err(|_| DecodeError::NotUtf8 { field })
    }

    /// The number of elements of an array that may not be null. Each takes at least
    /// `min_element_bytes` (above zero), so a count that cannot fit is refused here and callers
    /// may reserve memory for it.
    pub(crate) fn array_len(
        &mut self,
        compact: bool,
        min_element_bytes: usize,
        field: &'static str,
    ) -> Result<usize, DecodeError> {
        let count = self
            .len(compact, field)?
            .ok_or(DecodeError::InvalidLength { field, length: -1 })?;
        if count > self.remaining() / min_element_bytes.max(1) {
            return Err(DecodeError::Truncated { field });
        }
        Ok(count)
    }

    /// Takes the tagged fields at the end of a struct; `known` gets each tag with its content.
    pub(crate) fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader<'a>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        const FIELD: &str = "tagged fields";
        for _ in 0..self.varint(FIELD)? {
            let tag = self.varint(FIELD)?;
            let size = self.varint(FIELD)? as usize;
            known(tag, &mut Reader::new(self.take(size, FIELD)?))?;
        }
        Ok(())
    }

    pub(crate) fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.tagged_fields(|_, _| Ok(()))
    }
}

fn signed_len(length: i64, field: &'static str) -> Result<Option<usize>, DecodeError> {
    match length {
        -1 => Ok(None),
        _ => usize::try_from(length)
            .map(Some)
            .map_err(|_| DecodeError::InvalidLength { field, length }),
    }
}

/// What a message may always take when decoded, in bytes.
const FREE_MEMORY: usize = 1 << 20;
/// What a message may take beyond that, per byte on the wire. Real requests of many partitions
/// stay below 4; an array of empty tagged structs could reach hundreds.
const MEMORY_PER_WIRE_BYTE: usize = 8;

/// Bounds the memory of a decoded message by its size on the wire.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    wire_bytes: usize,
    limit: usize,
    left: usize,
}

impl MemoryLimit {
    pub(crate) fn for_message(wire_bytes: usize) -> MemoryLimit {
        let limit = FREE_MEMORY.saturating_add(wire_bytes.saturating_mul(MEMORY_PER_WIRE_BYTE));
        MemoryLimit {
            wire_bytes,
            limit,
            left: limit,
        }
    }

    pub(crate) fn charge(&mut self, memory: usize) -> Result<(), DecodeError> {
        self.left = self
            .left
            .checked_sub(memory)
            .ok_or(DecodeError::Amplified {
                wire_bytes: self.wire_bytes,
                limit: self.limit,
            })?;
        Ok(())
    }
}

/// Writes primitive values that `bytes` does not know.
pub(crate) trait PutExt: BufMut {
    fn put_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.put_u8(value as u8);
    }

    /// The length of bytes or of an array. Longer than `i32::MAX` cannot be sent: frames are
    /// shorter.
    fn put_len(&mut self, compact: bool, len: usize) {
        if compact {
            self.put_varint(u32::try_from(len).unwrap_or(u32::MAX).saturating_add(1));
        } else {
            self.put_i32(i32::try_from(len).unwrap_or(i32::MAX));
        }
    }

    fn put_null_len(&mut self, compact: bool) {
        if compact {
            self.put_varint(0);
        } else {
            self.put_i32(-1);
        }
    }

    /// A string. What does not fit a 2-byte length is cut at a character: only texts for people
    /// can be that long.
    fn put_string(&mut self, compact: bool, text: &str) {
        if compact {
            self.put_len(true, text.len());
            self.put_slice(text.as_bytes());
        } else {
            let text = text
                .get(..text.floor_char_boundary_at(i16::MAX as usize))
                .unwrap_or_default();
            self.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
            self.put_slice(text.as_bytes());
        }
    }

    fn put_nullable_string(&mut self, compact: bool, text: Option<&str>) {
        match text {
            Some(text) => self.put_string(compact, text),
            None if compact => self.put_varint(0),
            None => self.put_i16(-1),
        }
    }

    /// The end of a struct without tagged fields.
    fn put_no_tagged_fields(&mut self, flexible: bool) {
        if flexible {
            self.put_u8(0);
        }
    }
}

impl<B: BufMut> PutExt for B {}

trait FloorCharBoundary {
    fn floor_char_boundary_at(&self, index: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_at(&self, index: usize) -> usize {
        if index >= self.len() {
            return self.len();
        }
        (0..=index)
            .rev()
            .find(|&i| self.is_char_boundary(i))
            .unwrap_or(0)
    }
}
