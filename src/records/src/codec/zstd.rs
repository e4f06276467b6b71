//! Zstandard frames.

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, decompress_bound};

use super::window::Window;
use crate::error::DecompressError;

/// Output asked for at a time: a zstd block.
const STEP_BYTES: usize = 128 << 10;
/// Up to here all output is asked for at once, which spares the copy from zstd's own window to ours.
const WHOLE_BYTES: usize = 1 << 20;

/// The context of a thread.
#[derive(Default)]
pub(crate) struct State(Option<DCtx<'static>>);

impl State {
    /// Drops a context that a large window made large.
    pub(crate) fn trim(&mut self, keep_bytes: usize) {
        if self
            .0
            .as_ref()
            .is_some_and(|context| context.sizeof() > keep_bytes)
        {
            self.0 = None;
        }
    }
}

pub(crate) struct Zstd<'a> {
    rest: &'a [u8],
    /// Inside a frame, so that the end of input is too early.
    inside: bool,
    /// The most that comes out, if it is asked for at once.
    whole: Option<usize>,
}

impl<'a> Zstd<'a> {
    pub(crate) fn new(compressed: &'a [u8], state: &mut State) -> Zstd<'a> {
        let bound = decompress_bound(compressed).ok();
        let whole = bound
            .and_then(|bound| usize::try_from(bound).ok())
            .filter(|bound| *bound <= WHOLE_BYTES);
        let context = state.0.get_or_insert_with(DCtx::create);
        let ready = context
            .reset(ResetDirective::SessionOnly)
            .and_then(|_| context.set_parameter(DParameter::StableOutBuffer(whole.is_some())));
        if ready.is_err() {
            state.0 = None;
        }
        Zstd {
            rest: compressed,
            inside: true,
            whole,
        }
    }

    /// Adds output to the window; 0 at the end.
    pub(crate) fn fill(
        &mut self,
        state: &mut State,
        window: &mut Window,
    ) -> Result<usize, DecompressError> {
        let context = state.0.as_mut().ok_or(DecompressError::Malformed)?;
        loop {
            if self.rest.is_empty() && !self.inside {
                return Ok(0);
            }
            let mut input = InBuffer::around(self.rest);
            let mut output = OutBuffer::around(window.room(self.whole.unwrap_or(STEP_BYTES)));
            let hint = context
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| DecompressError::Malformed)?;
            let (read, written) = (input.pos(), output.pos());
            self.rest = self.rest.get(read..).ok_or(DecompressError::Malformed)?;
            self.inside = hint != 0;
            // A frame that has its room ends in one call, and zstd gets no other room for it.
            if self.whole.is_some() && self.inside {
                return Err(DecompressError::Truncated);
            }
            window.filled(written);
            if written > 0 {
                return Ok(written);
            }
            if read == 0 && (self.inside || !self.rest.is_empty()) {
                return Err(DecompressError::Truncated);
            }
        }
    }
}
