//! Writing fields in the classic form.

use bytes::{BufMut, Bytes, BytesMut};

/// A text or list that the format has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("longer than the record's format can say")]
pub struct TooLong;

pub(super) struct Writer {
    buffer: BytesMut,
}

impl Writer {
    /// Keys and values begin with their version.
    pub(super) fn new(version: i16) -> Writer {
        let mut buffer = BytesMut::with_capacity(64);
        buffer.put_i16(version);
        Writer { buffer }
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    pub(super) fn str(&mut self, text: &str) -> Result<(), TooLong> {
        let length = i16::try_from(text.len()).map_err(|_| TooLong)?;
        self.buffer.put_i16(length);
        self.buffer.put_slice(text.as_bytes());
        Ok(())
    }

    pub(super) fn nullable_str(&mut self, text: Option<&str>) -> Result<(), TooLong> {
        match text {
            Some(text) => self.str(text),
            None => {
                self.buffer.put_i16(-1);
                Ok(())
            }
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.count(bytes.len())?;
        self.buffer.put_slice(bytes);
        Ok(())
    }

    pub(super) fn count(&mut self, count: usize) -> Result<(), TooLong> {
        self.i32(i32::try_from(count).map_err(|_| TooLong)?);
        Ok(())
    }

    pub(super) fn finish(self) -> Bytes {
        self.buffer.freeze()
    }
}
