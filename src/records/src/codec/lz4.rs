//! The LZ4 frame as Kafka reads it: independent blocks, no dictionary (`Lz4BlockInputStream`).

use std::hash::Hasher;

use twox_hash::XxHash32;

use super::window::Window;
use crate::error::DecompressError;
use crate::format::Magic;

/// Little-endian 0x184D2204.
pub(crate) const FRAME_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Top bit of a block's length: stored as it is.
pub(crate) const STORED_BIT: u32 = 1 << 31;
const VERSION_MASK: u8 = 0xc0;
const VERSION: u8 = 0x40;
const INDEPENDENT_BIT: u8 = 0x20;
const BLOCK_CHECKSUM_BIT: u8 = 0x10;
const CONTENT_SIZE_BIT: u8 = 0x08;
const CONTENT_CHECKSUM_BIT: u8 = 0x04;
const RESERVED_BITS: u8 = 0x03;
/// LZ4 cannot pass 255:1, so a block's buffer need not believe the frame's maximum.
const MAX_RATIO: usize = 255;
const MIN_ROOM_BYTES: usize = 64;

pub(crate) struct Lz4<'a> {
    rest: &'a [u8],
    /// The frame's flags and block size, once its header has been read.
    frame: Option<Frame>,
    magic: Magic,
    finished: bool,
}

#[derive(Clone, Copy)]
struct Frame {
    flags: u8,
    max_block: usize,
}

impl<'a> Lz4<'a> {
    pub(crate) fn new(compressed: &'a [u8], magic: Magic) -> Lz4<'a> {
        Lz4 {
            rest: compressed,
            frame: None,
            magic,
            finished: false,
        }
    }

    /// Adds a block's output to the window; 0 at the end.
    pub(crate) fn fill(&mut self, window: &mut Window) -> Result<usize, DecompressError> {
        let frame = match self.frame {
            Some(frame) => frame,
            None => {
                let frame = self.header()?;
                self.frame = Some(frame);
                frame
            }
        };
        while !self.finished {
            let filled = self.block(frame, window)?;
            if filled > 0 {
                return Ok(filled);
            }
        }
        Ok(0)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], DecompressError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or(DecompressError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_u32(&mut self) -> Result<u32, DecompressError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<4>()
            .ok_or(DecompressError::Truncated)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*taken))
    }

    fn header(&mut self) -> Result<Frame, DecompressError> {
        if self.take(4)? != FRAME_MAGIC {
            return Err(DecompressError::Malformed);
        }
        let start = self.rest;
        let [flags, block_descriptor] = *self.take(2)? else {
            return Err(DecompressError::Truncated);
        };
        let sound = flags & VERSION_MASK == VERSION
            && flags & INDEPENDENT_BIT != 0
            && flags & RESERVED_BITS == 0;
        if !sound || block_descriptor & 0x8f != 0 {
            return Err(DecompressError::Malformed);
        }
        let max_block = match block_descriptor >> 4 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err(DecompressError::Malformed),
        };
        if flags & CONTENT_SIZE_BIT != 0 {
            self.take(8)?;
        }
        let descriptor = start
            .get(..start.len() - self.rest.len())
            .ok_or(DecompressError::Malformed)?;
        let [checksum] = *self.take(1)? else {
            return Err(DecompressError::Truncated);
        };
        // Writers of v0 hashed the frame's magic as well; readers never looked.
        if self.magic != Magic::V0 && checksum != header_checksum(descriptor) {
            return Err(DecompressError::Malformed);
        }
        Ok(Frame { flags, max_block })
    }

    fn block(&mut self, frame: Frame, window: &mut Window) -> Result<usize, DecompressError> {
        let word = self.take_u32()?;
        let len = usize::try_from(word & !STORED_BIT).map_err(|_| DecompressError::Malformed)?;
        if len == 0 {
            self.finished = true;
            if frame.flags & CONTENT_CHECKSUM_BIT != 0 {
                self.take(4)?;
            }
            return Ok(0);
        }
        if len > frame.max_block {
            return Err(DecompressError::Malformed);
        }
        let block = self.take(len)?;
        if frame.flags & BLOCK_CHECKSUM_BIT != 0 && self.take_u32()? != hash(block) {
            return Err(DecompressError::Malformed);
        }
        if word & STORED_BIT != 0 {
            let room = window
                .room(len)
                .get_mut(..len)
                .ok_or(DecompressError::Malformed)?;
            room.copy_from_slice(block);
            window.filled(len);
            return Ok(len);
        }
        let size = frame
            .max_block
            .min(len.saturating_mul(MAX_RATIO) + MIN_ROOM_BYTES);
        let room = window
            .room(size)
            .get_mut(..size)
            .ok_or(DecompressError::Malformed)?;
        let filled = lz4_flex::block::decompress_into(block, room)
            .map_err(|_| DecompressError::Malformed)?;
        window.filled(filled);
        Ok(filled)
    }
}

/// The descriptor's checksum byte.
pub(crate) fn header_checksum(descriptor: &[u8]) -> u8 {
    let [_, _, second, _] = hash(descriptor).to_be_bytes();
    second
}

fn hash(bytes: &[u8]) -> u32 {
    let mut hasher = XxHash32::with_seed(0);
    hasher.write(bytes);
    hasher.finish_32()
}
