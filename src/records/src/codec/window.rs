//! The decompressed bytes that have not been read yet.

/// Big enough for an LZ4 or snappy block and what the reader left of the one before; small enough
/// for a core's cache.
const INITIAL_BYTES: usize = 128 << 10;

/// A buffer that is filled at its end and read at its start. All of `buf` stays initialised, so
/// filling never clears it.
#[derive(Debug, Default)]
pub(crate) struct Window {
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl Window {
    /// Bytes to read.
    #[inline]
    pub(crate) fn available(&self) -> &[u8] {
        // In bounds: start <= end <= buf.len() always.
        &self.buf[self.start..self.end]
    }

    /// Marks `n` bytes as read; more than there are counts as all.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = self.end.min(self.start.saturating_add(n));
    }

    /// Space for at least `n` bytes at the end; whoever writes there calls `filled`.
    pub(crate) fn room(&mut self, n: usize) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        if self.buf.len() - self.end < n && self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let needed = self.end.saturating_add(n);
        if self.buf.len() < needed {
            self.buf
                .resize(needed.max(self.buf.len() * 2).max(INITIAL_BYTES), 0);
        }
        &mut self.buf[self.end..]
    }

    /// Adds the first `n` bytes of the room to what is available.
    pub(crate) fn filled(&mut self, n: usize) {
        self.end = self.buf.len().min(self.end.saturating_add(n));
    }

    /// Forgets everything, and gives back memory that only an unusual batch needed.
    pub(crate) fn reset(&mut self, keep_bytes: usize) {
        self.start = 0;
        self.end = 0;
        if self.buf.len() > keep_bytes {
            self.buf = Vec::new();
        }
    }
}
