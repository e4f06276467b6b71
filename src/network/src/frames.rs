//! From bytes to frames.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::future::Future;
use tokio::io::AsyncReadExt;

use crate::budget::{self, Budget, Charge, Waiting};
use crate::error::ConnectionEnd;
use crate::transport::Transport;

/// So much of a half-received frame is outside of the budget. Larger frames get a buffer of their
/// own.
const SMALL_FRAME: usize = 16 * 1024;
/// A read buffer's least and greatest size. What follows it in one connection's traffic decides.
const MIN_READ: usize = 4 * 1024;
const MAX_READ: usize = 64 * 1024;
/// With less room than this, a read is not worth its system call.
const MIN_ROOM: usize = 512;
/// A large frame is charged to the budget before it arrives, in steps as large as what did arrive, or
/// as the last frame, but no larger than this.
const MAX_CHARGE_STEP: usize = 256 * 1024;
/// A large frame's buffer grows to this multiple of what has arrived.
const GROWTH: usize = 4;

/// A whole frame, without its size.
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    /// What the frame was charged while it arrived.
    pub(crate) charge: Charge,
}

/// Cuts the byte stream into frames. Holds memory only while a frame is half received.
pub(crate) struct FrameReader {
    budget: Arc<Budget>,
    max_request_bytes: usize,
    /// Bytes read and not yet taken; no large frame is in here.
    buffer: BytesMut,
    /// The large frame that is arriving.
    large: Option<LargeFrame>,
    /// The size of the next read buffer.
    read_size: usize,
    /// The size of the last frame, which the next one may be trusted to have again.
    last_frame: usize,
}

struct LargeFrame {
    bytes: BytesMut,
    size: usize,
    charge: Charge,
    waiting: Option<Waiting>,
    /// Since when, and from which length on, progress is measured.
    measured: Option<(Instant, usize)>,
}

impl FrameReader {
    pub(crate) fn new(budget: Arc<Budget>, max_request_bytes: usize) -> FrameReader {
        FrameReader {
            budget,
            max_request_bytes,
            buffer: BytesMut::new(),
            large: None,
            read_size: MIN_READ,
            last_frame: 0,
        }
    }

    /// Takes the next frame if all of it has arrived.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, ConnectionEnd> {
        if let Some(large) = &self.large {
            if large.bytes.len() < large.size {
                return Ok(None);
            }
            return Ok(self.large.take().map(|large| {
                self.last_frame = large.size;
                Frame {
                    bytes: large.bytes.freeze(),
                    charge: large.charge,
                }
            }));
        }
        let Some(prefix) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let size = self.check_size(i32::from_be_bytes(*prefix))?;
        if self.buffer.len() - 4 >= size {
            self.buffer.advance(4);
            let bytes = self.buffer.split_to(size).freeze();
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            self.last_frame = size;
            return Ok(Some(Frame {
                bytes,
                charge: Charge::default(),
            }));
        }
        if size > SMALL_FRAME {
            self.buffer.advance(4);
            let mut bytes =
                BytesMut::with_capacity(trusted_capacity(self.buffer.len(), self.last_frame, size));
            bytes.extend_from_slice(&self.buffer);
            self.buffer = BytesMut::new();
            self.large = Some(LargeFrame {
                bytes,
                size,
                charge: Charge::default(),
                waiting: None,
                measured: None,
            });
        }
        Ok(None)
    }

    fn check_size(&self, size: i32) -> Result<usize, ConnectionEnd> {
        usize::try_from(size)
            .ok()
            .filter(|&size| size <= self.max_request_bytes)
            .ok_or(ConnectionEnd::FrameSize {
                size,
                max: self.max_request_bytes,
            })
    }

    /// Reads once. `Ready(Ok(0))` is the end of the stream.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
    ) -> Poll<io::Result<usize>> {
        if self.large.is_some() {
            return self.poll_read_large(cx, transport);
        }
        if self.buffer.capacity() - self.buffer.len() < MIN_ROOM {
            ready!(transport.poll_readable(cx))?;
            self.make_room();
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let read = poll_read_buf(cx, transport, &mut self.buffer);
        match read {
            Poll::Ready(Ok(n)) if n == room => {
                self.read_size = (self.read_size * 2).min(MAX_READ);
            }
            Poll::Ready(Ok(n)) if n < self.read_size / 4 => {
                self.read_size = (self.read_size / 2).max(MIN_READ);
            }
            Poll::Ready(_) => {}
            // Between bytes there is no buffer.
            Poll::Pending if self.buffer.is_empty() => self.buffer = BytesMut::new(),
            Poll::Pending => {}
        }
        read
    }

    /// Makes the buffer larger: by what the traffic of late suggests, or for a half-received
    /// small frame, by a multiple of what arrived.
    fn make_room(&mut self) {
        if self.buffer.is_empty() {
            // The head of a large frame is read alone, since it has to be copied.
            let size = match self.last_frame {
                0..=MAX_READ => self.read_size,
                _ => MIN_READ,
            };
            self.buffer = BytesMut::with_capacity(size);
        } else {
            self.buffer
                .reserve((self.buffer.len() * (GROWTH - 1)).max(MIN_READ));
        }
    }

    fn poll_read_large(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
    ) -> Poll<io::Result<usize>> {
        let last_frame = self.last_frame;
        let Some(large) = &mut self.large else {
            return Poll::Pending;
        };
        ready!(large.poll_charge(cx, &self.budget, last_frame));
        let arrived = large.bytes.len();
        if arrived == large.bytes.capacity() {
            let capacity = trusted_capacity(arrived, last_frame, large.size);
            large.bytes.reserve(capacity.saturating_sub(arrived));
        }
        let room = large.size.min(large.paid_to()).saturating_sub(arrived);
        poll_read_buf(cx, transport, &mut (&mut large.bytes).limit(room))
    }

    /// When [`check_progress`](Self::check_progress) is due, if a large frame is arriving.
    pub(crate) fn progress_due(&mut self, window: Duration) -> Option<Instant> {
        let large = self.large.as_mut()?;
        let arrived = large.bytes.len();
        let (since, _) = *large
            .measured
            .get_or_insert_with(|| (Instant::now(), arrived));
        Some(since + window)
    }

    /// Ends a frame that holds memory others wait for and does not come forward.
    pub(crate) fn check_progress(
        &mut self,
        now: Instant,
        window: Duration,
        min_bytes: usize,
    ) -> Result<(), ConnectionEnd> {
        let Some(large) = &mut self.large else {
            return Ok(());
        };
        let (since, from) = *large.measured.get_or_insert((now, large.bytes.len()));
        if now < since + window {
            return Ok(());
        }
        let own_wait = large.waiting.is_some();
        let progress = large.bytes.len().saturating_sub(from);
        if !own_wait && progress < min_bytes && self.budget.is_contended() {
            return Err(ConnectionEnd::Stalled);
        }
        large.measured = Some((now, large.bytes.len()));
        Ok(())
    }
}

impl LargeFrame {
    /// Up to which length the frame may grow.
    fn paid_to(&self) -> usize {
        self.charge.covered().saturating_add(SMALL_FRAME)
    }

    /// Pays for the bytes that are here and for the next step.
    fn poll_charge(
        &mut self,
        cx: &mut Context<'_>,
        budget: &Arc<Budget>,
        last_frame: usize,
    ) -> Poll<()> {
        let arrived = self.bytes.len();
        while self.paid_to() <= arrived && self.paid_to() < self.size {
            let step = arrived.max(last_frame).clamp(SMALL_FRAME, MAX_CHARGE_STEP);
            let more = step.min(self.size - self.paid_to());
            if self.waiting.is_none() && self.charge.try_add(budget, more) {
                continue;
            }
            let waiting = self
                .waiting
                .get_or_insert_with(|| budget::wait(Arc::clone(budget), more));
            let granted = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
            // The time of waiting is not the client's fault.
            self.measured = None;
            self.charge.merge(granted);
        }
        Poll::Ready(())
    }
}

/// How much a large frame's buffer may hold when `arrived` bytes of `size` are there: a few times
/// that, or as much as the last frame, which did arrive.
fn trusted_capacity(arrived: usize, last_frame: usize, size: usize) -> usize {
    arrived
        .saturating_mul(GROWTH)
        .max(last_frame)
        .max(SMALL_FRAME)
        .min(size)
}

fn poll_read_buf(
    cx: &mut Context<'_>,
    transport: &mut Transport,
    buffer: &mut impl BufMut,
) -> Poll<io::Result<usize>> {
    let Transport::Plain(stream) = transport;
    pin!(stream.read_buf(buffer)).poll(cx)
}
