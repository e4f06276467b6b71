//! Reading fields from bytes that nobody vouches for.

use std::sync::Arc;

use bytes::Bytes;

use crate::Text;

/// What is left to read, in the classic or the flexible form (KIP-482). `None` of a method means
/// that the bytes are malformed.
pub(super) struct Reader<'a> {
    left: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader {
            left: bytes,
            flexible: false,
        }
    }

    pub(super) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.left.split_at_checked(length)?;
        self.left = left;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn uvarint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for shift in (0..32).step_by(7) {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A length where -1 (0 in the flexible form) is null.
    fn length(&mut self, short: bool) -> Option<Option<usize>> {
        let length = match (self.flexible, short) {
            (true, _) => i64::from(self.uvarint()?) - 1,
            (false, true) => i64::from(self.i16()?),
            (false, false) => i64::from(self.i32()?),
        };
        match length {
            -1 => Some(None),
            length => usize::try_from(length).ok().map(Some),
        }
    }

    pub(super) fn str(&mut self) -> Option<&'a str> {
        self.nullable_str()?
    }

    pub(super) fn nullable_str(&mut self) -> Option<Option<&'a str>> {
        match self.length(true)? {
            None => Some(None),
            Some(length) => std::str::from_utf8(self.take(length)?).ok().map(Some),
        }
    }

    pub(super) fn text(&mut self) -> Option<Text> {
        self.str().map(to_text)
    }

    pub(super) fn nullable_text(&mut self) -> Option<Option<Text>> {
        Some(self.nullable_str()?.map(to_text))
    }

    /// Bytes, copied; null is read as none, as nobody tells the two apart.
    pub(super) fn bytes(&mut self) -> Option<Bytes> {
        match self.length(false)? {
            None => Some(Bytes::new()),
            Some(length) => self.take(length).map(Bytes::copy_from_slice),
        }
    }

    /// How many elements follow, never more than bytes are left.
    pub(super) fn count(&mut self) -> Option<usize> {
        self.length(false)?
            .filter(|&count| count <= self.left.len())
    }

    /// Skips the tagged fields of a flexible structure.
    pub(super) fn tags(&mut self) -> Option<()> {
        if self.flexible {
            for _ in 0..self.uvarint()? {
                self.uvarint()?;
                let size = self.uvarint()?;
                self.take(usize::try_from(size).ok()?)?;
            }
        }
        Some(())
    }
}

/// Empty texts share one allocation.
fn to_text(text: &str) -> Text {
    if text.is_empty() {
        Text::default()
    } else {
        Arc::from(text)
    }
}
