//! Decompression as a stream: whatever the size of the batch, memory is that of a window.

use std::cell::Cell;

use super::gzip::Gzip;
use super::lz4::Lz4;
use super::snappy::Snappy;
use super::window::Window;
use super::zstd::Zstd;
use super::{gzip, inflate_limit, zstd};
use crate::error::{DecompressError, ReadError};
use crate::format::{Compression, Magic};
use crate::source::Source;

/// Buffers above this size are given back after use instead of being kept for the thread.
const KEEP_BYTES: usize = 4 << 20;

thread_local! {
    /// One set of buffers and codec states per thread, lent to one inflater at a time.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// What decompression needs and what costs to make.
#[derive(Default)]
struct Scratch {
    window: Window,
    gzip: gzip::State,
    zstd: zstd::State,
}

/// Decompresses the content of one batch.
pub(crate) struct Inflater<'a> {
    codec: Compression,
    stream: Stream<'a>,
    /// Taken only in `drop`.
    scratch: Option<Box<Scratch>>,
    produced: usize,
    limit: usize,
}

enum Stream<'a> {
    /// No codec: the bytes as they are.
    Plain(&'a [u8]),
    Gzip(Gzip<'a>),
    Snappy(Snappy<'a>),
    Lz4(Lz4<'a>),
    Zstd(Zstd<'a>),
}

impl<'a> Inflater<'a> {
    /// A stream over `compressed`. The magic matters to LZ4, whose header checksum was computed
    /// wrongly with v0.
    pub(crate) fn new(codec: Compression, magic: Magic, compressed: &'a [u8]) -> Inflater<'a> {
        let mut scratch = SCRATCH.take().unwrap_or_default();
        let stream = match codec {
            Compression::None => Stream::Plain(compressed),
            Compression::Gzip => Stream::Gzip(Gzip::new(compressed)),
            Compression::Snappy => Stream::Snappy(Snappy::new(compressed)),
            Compression::Lz4 => Stream::Lz4(Lz4::new(compressed, magic)),
            Compression::Zstd => Stream::Zstd(Zstd::new(compressed, &mut scratch.zstd)),
        };
        Inflater {
            codec,
            stream,
            scratch: Some(scratch),
            produced: 0,
            limit: inflate_limit(compressed.len()),
        }
    }

    fn fill(&mut self) -> Result<usize, DecompressError> {
        let Some(scratch) = self.scratch.as_mut() else {
            return Ok(0);
        };
        let Scratch { window, gzip, zstd } = &mut **scratch;
        let filled = match &mut self.stream {
            Stream::Plain(rest) => {
                window.room(rest.len())[..rest.len()].copy_from_slice(rest);
                let filled = rest.len();
                window.filled(filled);
                *rest = &[];
                filled
            }
            Stream::Gzip(stream) => stream.fill(gzip, window)?,
            Stream::Snappy(stream) => stream.fill(window)?,
            Stream::Lz4(stream) => stream.fill(window)?,
            Stream::Zstd(stream) => stream.fill(zstd, window)?,
        };
        self.produced = self.produced.saturating_add(filled);
        if self.produced > self.limit {
            return Err(DecompressError::TooLarge { limit: self.limit });
        }
        Ok(filled)
    }
}

impl Source for Inflater<'_> {
    #[inline]
    fn available(&self) -> &[u8] {
        self.scratch
            .as_ref()
            .map_or(&[], |scratch| scratch.window.available())
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        if let Some(scratch) = self.scratch.as_mut() {
            scratch.window.consume(n);
        }
    }

    fn refill(&mut self) -> Result<bool, ReadError> {
        let codec = self.codec;
        self.fill()
            .map(|filled| filled > 0)
            .map_err(|problem| ReadError::Decompress { codec, problem })
    }
}

impl Drop for Inflater<'_> {
    fn drop(&mut self) {
        if let Some(mut scratch) = self.scratch.take() {
            scratch.window.reset(KEEP_BYTES);
            scratch.zstd.trim(KEEP_BYTES);
            SCRATCH.set(Some(scratch));
        }
    }
}

impl std::fmt::Debug for Inflater<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater")
            .field("codec", &self.codec)
            .field("produced", &self.produced)
            .finish_non_exhaustive()
    }
}
