//! Where record bytes come from: a slice, or a decompressor that hands them out bit by bit.

use crate::error::{InvalidRecord, ReadError};

/// The largest record that is read. It has to lie in memory whole, and no sane `max.message.bytes`
/// admits it uncompressed.
pub(crate) const MAX_RECORD_BYTES: usize = 256 << 20;

/// Bytes to read, in order.
pub(crate) trait Source {
    /// What can be read now.
    fn available(&self) -> &[u8];
    /// Marks `n` bytes of what is available as read.
    fn consume(&mut self, n: usize);
    /// Makes more available; false at the end.
    fn refill(&mut self) -> Result<bool, ReadError>;

    /// Makes `n` bytes available; false if the end comes first.
    #[inline]
    fn require(&mut self, n: usize) -> Result<bool, ReadError> {
        if self.available().len() >= n {
            return Ok(true);
        }
        self.require_more(n)
    }

    /// The slow half of `require`. Memory follows the bytes that come, not the claim `n`.
    #[cold]
    fn require_more(&mut self, n: usize) -> Result<bool, ReadError> {
        if n > MAX_RECORD_BYTES {
            return Err(InvalidRecord::TooLarge(n).into());
        }
        while self.available().len() < n {
            if !self.refill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// No byte left at all.
    fn is_at_end(&mut self) -> Result<bool, ReadError> {
        Ok(!self.require(1)?)
    }
}

/// Bytes that lie in memory already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice<'a>(pub(crate) &'a [u8]);

impl Source for Slice<'_> {
    #[inline]
    fn available(&self) -> &[u8] {
        self.0
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        self.0 = self.0.get(n..).unwrap_or(&[]);
    }

    #[inline]
    fn refill(&mut self) -> Result<bool, ReadError> {
        Ok(false)
    }
}
