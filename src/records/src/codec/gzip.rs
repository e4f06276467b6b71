//! RFC 1952 members around raw deflate. The frame is read here so that one inflate state serves a
//! thread for ever.

use flate2::{Decompress, FlushDecompress, Status};

use super::window::Window;
use crate::error::DecompressError;

/// Output asked for at a time.
const STEP_BYTES: usize = 32 << 10;

const FLAG_HEADER_CRC: u8 = 0x02;
const FLAG_EXTRA: u8 = 0x04;
const FLAG_NAME: u8 = 0x08;
const FLAG_COMMENT: u8 = 0x10;

/// The inflate state of a thread.
#[derive(Default)]
pub(crate) struct State(Option<Decompress>);

/// Where in the sequence of members the reader is.
enum At {
    Header,
    Body,
    End,
}

pub(crate) struct Gzip<'a> {
    rest: &'a [u8],
    at: At,
    /// CRC-32 of the current member's output.
    crc: crc32fast::Hasher,
    /// Length of the current member's output.
    len: usize,
    first: bool,
}

impl<'a> Gzip<'a> {
    pub(crate) fn new(compressed: &'a [u8]) -> Gzip<'a> {
        Gzip {
            rest: compressed,
            at: At::Header,
            crc: crc32fast::Hasher::new(),
            len: 0,
            first: true,
        }
    }

    /// Adds output to the window; 0 at the end.
    pub(crate) fn fill(
        &mut self,
        state: &mut State,
        window: &mut Window,
    ) -> Result<usize, DecompressError> {
        loop {
            match self.at {
                At::End => return Ok(0),
                At::Header => self.member(state)?,
                At::Body => {
                    let filled = self.body(state, window)?;
                    if filled > 0 {
                        return Ok(filled);
                    }
                }
            }
        }
    }

    fn member(&mut self, state: &mut State) -> Result<(), DecompressError> {
        match after_header(self.rest) {
            Ok(rest) => {
                self.rest = rest;
                self.at = At::Body;
                self.first = false;
                self.crc.reset();
                self.len = 0;
                match &mut state.0 {
                    Some(inflate) => inflate.reset(false),
                    None => state.0 = Some(Decompress::new(false)),
                }
                Ok(())
            }
            // Java ignores what follows a member and is not another one.
            Err(_) if !self.first => {
                self.at = At::End;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn body(&mut self, state: &mut State, window: &mut Window) -> Result<usize, DecompressError> {
        let inflate = state.0.as_mut().ok_or(DecompressError::Malformed)?;
        let room = window.room(STEP_BYTES);
        let (in_before, out_before) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress(self.rest, room, FlushDecompress::None)
            .map_err(|_| DecompressError::Malformed)?;
        let read = usize::try_from(inflate.total_in() - in_before).unwrap_or(usize::MAX);
        let written = usize::try_from(inflate.total_out() - out_before).unwrap_or(usize::MAX);
        self.rest = self.rest.get(read..).ok_or(DecompressError::Malformed)?;
        self.crc
            .update(room.get(..written).ok_or(DecompressError::Malformed)?);
        self.len = self.len.wrapping_add(written);
        window.filled(written);
        match status {
            Status::StreamEnd => self.trailer()?,
            Status::Ok | Status::BufError if read == 0 && written == 0 => {
                return Err(DecompressError::Truncated);
            }
            Status::Ok | Status::BufError => {}
        }
        Ok(written)
    }

    fn trailer(&mut self) -> Result<(), DecompressError> {
        let (trailer, rest) = self
            .rest
            .split_first_chunk::<8>()
            .ok_or(DecompressError::Truncated)?;
        let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
        let crc = std::mem::take(&mut self.crc).finalize();
        let len = u32::try_from(self.len & 0xffff_ffff).unwrap_or(0);
        if u32::from_le_bytes([c0, c1, c2, c3]) != crc
            || u32::from_le_bytes([l0, l1, l2, l3]) != len
        {
            return Err(DecompressError::Malformed);
        }
        self.rest = rest;
        self.at = At::Header;
        Ok(())
    }
}

/// What follows the member header at the start of `bytes`.
fn after_header(bytes: &[u8]) -> Result<&[u8], DecompressError> {
    let (head, mut rest) = bytes
        .split_first_chunk::<10>()
        .ok_or(DecompressError::Truncated)?;
    let [0x1f, 0x8b, 8, flags, ..] = *head else {
        return Err(DecompressError::Malformed);
    };
    if flags & FLAG_EXTRA != 0 {
        let (len, after) = rest
            .split_first_chunk::<2>()
            .ok_or(DecompressError::Truncated)?;
        rest = after
            .get(usize::from(u16::from_le_bytes(*len))..)
            .ok_or(DecompressError::Truncated)?;
    }
    for flag in [FLAG_NAME, FLAG_COMMENT] {
        if flags & flag != 0 {
            let zero = rest
                .iter()
                .position(|b| *b == 0)
                .ok_or(DecompressError::Truncated)?;
            rest = rest.get(zero + 1..).ok_or(DecompressError::Truncated)?;
        }
    }
    if flags & FLAG_HEADER_CRC != 0 {
        rest = rest.get(2..).ok_or(DecompressError::Truncated)?;
    }
    Ok(rest)
}
