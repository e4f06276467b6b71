//! The codecs, as streams over bounded memory.

mod deflate;
mod gzip;
mod inflate;
mod lz4;
mod snappy;
mod window;
mod zstd;

pub(crate) use deflate::Deflater;
pub(crate) use inflate::Inflater;

/// Deflate, the densest codec that real producers use on real data, cannot pass 1032:1; what claims
/// more is made to hurt.
const MAX_INFLATE_RATIO: usize = 1100;
/// Small batches of one repeated byte pass any ratio with zstd, and do no harm.
const FREE_INFLATE_BYTES: usize = 16 << 20;
/// Java clients index a batch's content with an `int`; beyond it nobody can read what came out.
const MAX_INFLATE_BYTES: usize = i32::MAX as usize;

/// The most bytes that may come out of `compressed` bytes before it is called a decompression bomb.
/// Bounds time; memory is bounded by the window.
pub(crate) fn inflate_limit(compressed: usize) -> usize {
    compressed
        .saturating_mul(MAX_INFLATE_RATIO)
        .clamp(FREE_INFLATE_BYTES, MAX_INFLATE_BYTES)
}
