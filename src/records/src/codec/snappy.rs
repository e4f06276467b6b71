//! Snappy blocks in xerial's framing, or one bare block as some clients send it.

use super::window::Window;
use crate::error::DecompressError;

/// What xerial's stream starts with: its magic, version 1, compatible with version 1.
pub(crate) const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// The magic alone; later versions may follow it.
const XERIAL_MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
/// A snappy copy of 64 bytes takes 3, so no honest block passes 22:1. The length in front of a
/// block is a claim and held against this.
const MAX_RATIO: usize = 22;

pub(crate) struct Snappy<'a> {
    rest: &'a [u8],
    framed: bool,
}

impl<'a> Snappy<'a> {
    pub(crate) fn new(compressed: &'a [u8]) -> Snappy<'a> {
        let framed =
            compressed.len() >= XERIAL_HEADER.len() && compressed.starts_with(&XERIAL_MAGIC);
        let rest = match framed {
            true => compressed.get(XERIAL_HEADER.len()..).unwrap_or(&[]),
            false => compressed,
        };
        Snappy { rest, framed }
    }

    /// Adds a block's output to the window; 0 at the end.
    pub(crate) fn fill(&mut self, window: &mut Window) -> Result<usize, DecompressError> {
        while !self.rest.is_empty() {
            let block = self.block()?;
            let filled = decompress(block, window)?;
            if filled > 0 {
                return Ok(filled);
            }
        }
        Ok(0)
    }

    fn block(&mut self) -> Result<&'a [u8], DecompressError> {
        if !self.framed {
            return Ok(std::mem::take(&mut self.rest));
        }
        // Appended streams repeat the header.
        while self.rest.starts_with(&XERIAL_MAGIC) {
            self.rest = self
                .rest
                .get(XERIAL_HEADER.len()..)
                .ok_or(DecompressError::Truncated)?;
        }
        if self.rest.is_empty() {
            return Ok(&[]);
        }
        let (len, after) = self
            .rest
            .split_first_chunk::<4>()
            .ok_or(DecompressError::Truncated)?;
        let len =
            usize::try_from(i32::from_be_bytes(*len)).map_err(|_| DecompressError::Malformed)?;
        let (block, rest) = after
            .split_at_checked(len)
            .ok_or(DecompressError::Truncated)?;
        self.rest = rest;
        Ok(block)
    }
}

fn decompress(block: &[u8], window: &mut Window) -> Result<usize, DecompressError> {
    if block.is_empty() {
        return Ok(0);
    }
    let claimed = snap::raw::decompress_len(block).map_err(|_| DecompressError::Malformed)?;
    if claimed > block.len().saturating_mul(MAX_RATIO) {
        return Err(DecompressError::Malformed);
    }
    let room = window.room(claimed);
    let filled = snap::raw::Decoder::new()
        .decompress(block, room)
        .map_err(|_| DecompressError::Malformed)?;
    window.filled(filled);
    Ok(filled)
}
