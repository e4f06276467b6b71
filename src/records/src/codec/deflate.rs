//! Compression as a stream into a growing buffer.

use std::io::{BufWriter, Write};

use super::{lz4, snappy};
use crate::error::BuildError;
use crate::format::{Compression, Magic};

/// Block that xerial's writer compresses at a time.
const SNAPPY_BLOCK_BYTES: usize = 32 << 10;
/// Block of an LZ4 frame of size code 4.
const LZ4_BLOCK_BYTES: usize = 64 << 10;
/// Gathered before gzip sees them: each call costs as much as compressing a short record.
const GZIP_STEP_BYTES: usize = 16 << 10;
/// Version 1, independent blocks, nothing else; blocks of 64 KiB.
const LZ4_DESCRIPTOR: [u8; 2] = [0x60, 0x40];

/// Appends compressed bytes to what `out` already holds.
pub(crate) struct Deflater {
    stream: Stream,
    codec: Compression,
    level: i32,
}

enum Stream {
    Plain(Vec<u8>),
    Gzip(BufWriter<flate2::write::GzEncoder<Vec<u8>>>),
    Blocks(Blocks),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

/// Codecs that compress block by block.
struct Blocks {
    out: Vec<u8>,
    block: Vec<u8>,
    kind: BlockKind,
}

#[derive(Clone, Copy)]
enum BlockKind {
    Snappy,
    Lz4,
}

impl Deflater {
    /// A stream that appends to `out`. Snappy has no levels, and LZ4's are ignored: only its fast
    /// compressor is here.
    pub(crate) fn new(
        codec: Compression,
        level: i32,
        magic: Magic,
        mut out: Vec<u8>,
    ) -> Result<Deflater, BuildError> {
        let refused = || BuildError::Compress { codec, level };
        let stream = match codec {
            Compression::None => Stream::Plain(out),
            Compression::Gzip => {
                let level = match level {
                    -1 => flate2::Compression::default(),
                    _ => flate2::Compression::new(
                        u32::try_from(level)
                            .ok()
                            .filter(|l| *l <= 9)
                            .ok_or_else(refused)?,
                    ),
                };
                let encoder = flate2::write::GzEncoder::new(out, level);
                Stream::Gzip(BufWriter::with_capacity(GZIP_STEP_BYTES, encoder))
            }
            Compression::Snappy => {
                out.extend_from_slice(&snappy::XERIAL_HEADER);
                Stream::Blocks(Blocks::new(out, BlockKind::Snappy))
            }
            Compression::Lz4 => {
                write_lz4_header(magic, &mut out);
                Stream::Blocks(Blocks::new(out, BlockKind::Lz4))
            }
            Compression::Zstd => {
                Stream::Zstd(zstd::stream::write::Encoder::new(out, level).map_err(|_| refused())?)
            }
        };
        Ok(Deflater {
            stream,
            codec,
            level,
        })
    }

    /// Adds uncompressed bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        let (codec, level) = (self.codec, self.level);
        match &mut self.stream {
            Stream::Plain(out) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Stream::Gzip(encoder) => encoder
                .write_all(bytes)
                .map_err(|_| BuildError::Compress { codec, level }),
            Stream::Blocks(blocks) => blocks.write(bytes),
            Stream::Zstd(encoder) => encoder
                .write_all(bytes)
                .map_err(|_| BuildError::Compress { codec, level }),
        }
    }

    /// Bytes in the buffer so far, what it held at first included; codecs keep some back.
    pub(crate) fn len(&self) -> usize {
        match &self.stream {
            Stream::Plain(out) => out.len(),
            Stream::Gzip(encoder) => encoder.get_ref().get_ref().len(),
            Stream::Blocks(blocks) => blocks.out.len() + blocks.block.len(),
            Stream::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    /// The buffer, with the stream brought to its end.
    pub(crate) fn finish(self) -> Result<Vec<u8>, BuildError> {
        let (codec, level) = (self.codec, self.level);
        let refused = |_| BuildError::Compress { codec, level };
        match self.stream {
            Stream::Plain(out) => Ok(out),
            Stream::Gzip(encoder) => encoder
                .into_inner()
                .map_err(|error| error.into_error())
                .and_then(|encoder| encoder.finish())
                .map_err(refused),
            Stream::Blocks(blocks) => blocks.finish(),
            Stream::Zstd(encoder) => encoder.finish().map_err(refused),
        }
    }
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflater")
            .field("codec", &self.codec)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

fn write_lz4_header(magic: Magic, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&lz4::FRAME_MAGIC);
    out.extend_from_slice(&LZ4_DESCRIPTOR);
    // Readers of v0 expect the checksum that its first writers computed wrongly, over the magic as
    // well (KAFKA-3160).
    let hashed_from = match magic {
        Magic::V0 => start,
        Magic::V1 | Magic::V2 => start + lz4::FRAME_MAGIC.len(),
    };
    let checksum = lz4::header_checksum(out.get(hashed_from..).unwrap_or(&[]));
    out.push(checksum);
}

impl Blocks {
    fn new(out: Vec<u8>, kind: BlockKind) -> Blocks {
        Blocks {
            out,
            block: Vec::with_capacity(kind.block_bytes()),
            kind,
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), BuildError> {
        while !bytes.is_empty() {
            let space = self.kind.block_bytes().saturating_sub(self.block.len());
            let (taken, rest) = bytes.split_at(space.min(bytes.len()));
            self.block.extend_from_slice(taken);
            bytes = rest;
            if self.block.len() >= self.kind.block_bytes() {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BuildError> {
        match self.kind {
            BlockKind::Snappy => flush_snappy(&self.block, &mut self.out)?,
            BlockKind::Lz4 => flush_lz4(&self.block, &mut self.out)?,
        }
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, BuildError> {
        if !self.block.is_empty() {
            self.flush()?;
        }
        if let BlockKind::Lz4 = self.kind {
            self.out.extend_from_slice(&[0; 4]);
        }
        Ok(self.out)
    }
}

impl BlockKind {
    fn block_bytes(self) -> usize {
        match self {
            BlockKind::Snappy => SNAPPY_BLOCK_BYTES,
            BlockKind::Lz4 => LZ4_BLOCK_BYTES,
        }
    }
}

fn flush_snappy(block: &[u8], out: &mut Vec<u8>) -> Result<(), BuildError> {
    let compressed = snap::raw::Encoder::new()
        .compress_vec(block)
        .map_err(|_| BuildError::TooLarge)?;
    let len = i32::try_from(compressed.len()).map_err(|_| BuildError::TooLarge)?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&compressed);
    Ok(())
}

fn flush_lz4(block: &[u8], out: &mut Vec<u8>) -> Result<(), BuildError> {
    let compressed = lz4_flex::block::compress(block);
    let (bytes, flag) = if compressed.len() < block.len() {
        (&compressed[..], 0)
    } else {
        (block, lz4::STORED_BIT)
    };
    let len = u32::try_from(bytes.len()).map_err(|_| BuildError::TooLarge)?;
    out.extend_from_slice(&(len | flag).to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}
