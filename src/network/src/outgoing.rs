//! Responses on their way to the socket.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use ottla_protocol::{Part, ResponseBody};
use smallvec::SmallVec;
use tokio::task::JoinHandle;

use crate::error::ConnectionEnd;
use crate::sys;
use crate::transport::Transport;

/// File ranges up to this size are read and sent together with the bytes around them: cheaper than
/// a system call of their own.
const SMALL_RANGE: u64 = 16 * 1024;
/// The page cache is asked about a byte in so many before they are sent.
const STRETCH: u64 = 256 * 1024;
/// How much of a file is sent at once at most, and read ahead when it is not in the page cache. More
/// than a socket takes, so that it is the socket that says where to stop: pieces that end shortly
/// before it is full leave a remainder that costs a wake-up and a packet of its own.
const AT_ONCE: u64 = 1024 * 1024;
/// Slices of one write.
const MAX_SLICES: usize = 32;
/// After so many bytes other tasks get a turn.
const BYTES_PER_TURN: usize = 4 * 1024 * 1024;
/// The queue is full with more than this many bytes in memory, or parts.
const MAX_QUEUED_BYTES: usize = 1024 * 1024;
const MAX_QUEUED_PARTS: usize = 256;

/// An idle connection keeps room for so many pieces at most.
const KEPT_PIECES: usize = 32;

/// What is queued for the socket, in order.
#[derive(Default)]
pub(crate) struct Outgoing {
    queue: VecDeque<Piece>,
    /// Bytes in memory.
    queued_bytes: usize,
    /// A read of the range at the front of the queue, on the blocking pool.
    reading: Option<JoinHandle<io::Result<Option<Vec<u8>>>>>,
    /// Set when something was sent.
    progress: bool,
}

enum Piece {
    /// What is left of a response's size.
    Size {
        bytes: [u8; 4],
        sent: usize,
    },
    Bytes(Bytes),
    Range(Range),
}

struct Range {
    file: Arc<File>,
    position: u64,
    len: u64,
    /// Up to which position the file was found or brought into the page cache.
    cached_to: u64,
}

impl Piece {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Piece::Size { bytes, sent } => Some(bytes.get(*sent..).unwrap_or_default()),
            Piece::Bytes(bytes) => Some(bytes),
            Piece::Range(_) => None,
        }
    }
}

impl Outgoing {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the client should take something before more is answered.
    pub(crate) fn is_full(&self) -> bool {
        self.queued_bytes > MAX_QUEUED_BYTES || self.queue.len() > MAX_QUEUED_PARTS
    }

    /// Whether something was sent since this was last asked.
    pub(crate) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.progress)
    }

    /// Queues a response.
    pub(crate) fn push(&mut self, response: ResponseBody) -> Result<(), ConnectionEnd> {
        let len = response.len();
        let size = i32::try_from(len).map_err(|_| ConnectionEnd::ResponseTooLarge(len))?;
        self.queue.push_back(Piece::Size {
            bytes: size.to_be_bytes(),
            sent: 0,
        });
        self.queued_bytes += 4;
        for part in response.parts {
            match part {
                Part::Bytes(bytes) if bytes.is_empty() => {}
                Part::Bytes(bytes) => {
                    self.queued_bytes += bytes.len();
                    self.queue.push_back(Piece::Bytes(bytes));
                }
                Part::File { len: 0, .. } => {}
                Part::File {
                    file,
                    position,
                    len,
                } => self.queue.push_back(Piece::Range(Range {
                    file,
                    position,
                    len,
                    cached_to: position,
                })),
            }
        }
        Ok(())
    }

    /// Sends until the queue is empty, the socket is full, or a read ahead must be waited for.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        transport: &Transport,
    ) -> Poll<Result<(), ConnectionEnd>> {
        let mut turn = 0usize;
        while !self.queue.is_empty() {
            if turn >= BYTES_PER_TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(self.poll_reading(cx))?;
            self.load_small_ranges()?;
            let sent = match self.queue.front() {
                Some(Piece::Range(_)) => match self.poll_send_range(cx, transport) {
                    Poll::Ready(Ok(None)) => continue,
                    Poll::Ready(Ok(Some(sent))) => sent,
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                    Poll::Pending => return Poll::Pending,
                },
                _ => ready!(self.poll_send_bytes(cx, transport))?,
            };
            turn = turn.saturating_add(sent);
            self.progress = true;
        }
        if self.queue.capacity() > KEPT_PIECES {
            self.queue = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Turns small ranges among the first pieces into bytes, up to the first that is not in the
    /// page cache.
    fn load_small_ranges(&mut self) -> Result<(), ConnectionEnd> {
        for piece in self.queue.iter_mut().take(MAX_SLICES) {
            let Piece::Range(range) = piece else {
                continue;
            };
            if range.len > SMALL_RANGE {
                return Ok(());
            }
            let Some(bytes) = range.load()? else {
                return Ok(());
            };
            self.queued_bytes += bytes.len();
            *piece = Piece::Bytes(bytes);
        }
        Ok(())
    }

    fn poll_send_bytes(
        &mut self,
        cx: &mut Context<'_>,
        transport: &Transport,
    ) -> Poll<Result<usize, ConnectionEnd>> {
        let slices: SmallVec<[IoSlice<'_>; MAX_SLICES]> = self
            .queue
            .iter()
            .take(MAX_SLICES)
            .map_while(Piece::bytes)
            .map(IoSlice::new)
            .collect();
        let file_follows = matches!(self.queue.get(slices.len()), Some(Piece::Range(_)));
        let sent = transport.poll_write(cx, &slices, file_follows);
        drop(slices);
        let sent = ready!(sent)?;
        if sent == 0 {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
        }
        self.take_sent(sent);
        Poll::Ready(Ok(sent))
    }

    /// Takes `sent` bytes off the front of the queue.
    fn take_sent(&mut self, mut sent: usize) {
        self.queued_bytes = self.queued_bytes.saturating_sub(sent);
        while let Some(piece) = self.queue.front_mut() {
            let len = piece.bytes().map_or(0, <[u8]>::len);
            if sent < len || piece.bytes().is_none() {
                match piece {
                    Piece::Size { sent: before, .. } => *before += sent,
                    Piece::Bytes(bytes) => bytes.advance(sent),
                    Piece::Range(_) => {}
                }
                return;
            }
            sent -= len;
            self.queue.pop_front();
        }
    }

    /// Sends from the range at the front, or starts to read it ahead: `None`.
    fn poll_send_range(
        &mut self,
        cx: &mut Context<'_>,
        transport: &Transport,
    ) -> Poll<Result<Option<usize>, ConnectionEnd>> {
        let Some(Piece::Range(range)) = self.queue.front_mut() else {
            return Poll::Ready(Ok(None));
        };
        if range.position >= range.cached_to && !range.find_in_cache()? {
            self.reading = Some(range.read_ahead());
            return Poll::Ready(Ok(None));
        }
        let stretch = range
            .len
            .min(range.cached_to.saturating_sub(range.position));
        let stretch = usize::try_from(stretch).unwrap_or(usize::MAX);
        let sent = ready!(transport.poll_send_file(cx, &range.file, range.position, stretch))?;
        if sent == 0 {
            return Poll::Ready(Err(ConnectionEnd::ShortFile));
        }
        range.position += sent as u64;
        range.len = range.len.saturating_sub(sent as u64);
        if range.len == 0 {
            self.queue.pop_front();
        }
        Poll::Ready(Ok(Some(sent)))
    }

    /// Waits for a read ahead and puts what it read into the queue.
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionEnd>> {
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other);
        self.reading = None;
        let bytes = result.and_then(|read| read).map_err(short_file)?;
        let Some(front) = self.queue.front_mut() else {
            return Poll::Ready(Ok(()));
        };
        if let Some(bytes) = bytes {
            self.queued_bytes += bytes.len();
            *front = Piece::Bytes(bytes.into());
        } else if let Piece::Range(range) = front {
            range.cached_to = range.position + range.len.min(AT_ONCE);
        }
        Poll::Ready(Ok(()))
    }
}

impl Range {
    /// All of the range, if the page cache has it.
    fn load(&self) -> Result<Option<Bytes>, ConnectionEnd> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX)];
        match sys::read_cached(&self.file, self.position, &mut bytes) {
            Ok(n) if n == bytes.len() => Ok(Some(bytes.into())),
            // Fewer bytes: the rest is on the disk, or the file is short. The read ahead tells.
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Finds out how many of the next stretches are in the page cache, judged by the first byte and the
    /// last one of each; whether there are any.
    fn find_in_cache(&mut self) -> Result<bool, ConnectionEnd> {
        if !self.is_cached(self.position)? {
            return Ok(false);
        }
        let end = self.position + self.len.min(AT_ONCE);
        self.cached_to = self.position;
        while self.cached_to < end {
            let stretch_end = end.min(self.cached_to + STRETCH);
            if !self.is_cached(stretch_end - 1)? {
                break;
            }
            self.cached_to = stretch_end;
        }
        Ok(self.cached_to > self.position)
    }

    fn is_cached(&self, position: u64) -> Result<bool, ConnectionEnd> {
        match sys::read_cached(&self.file, position, &mut [0]) {
            Ok(0) => Err(ConnectionEnd::ShortFile),
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Reads a small range, or the beginning of a large one into the page cache (`None`), off the
    /// runtime's threads.
    fn read_ahead(&self) -> JoinHandle<io::Result<Option<Vec<u8>>>> {
        let file = Arc::clone(&self.file);
        let position = self.position;
        let len = self.len;
        tokio::task::spawn_blocking(move || {
            if len <= SMALL_RANGE {
                let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
                file.read_exact_at(&mut bytes, position)?;
                return Ok(Some(bytes));
            }
            let end = position + len.min(AT_ONCE);
            let mut buffer = vec![0; 64 * 1024];
            let mut at = position;
            while at < end {
                let want = usize::try_from(end - at).unwrap_or(usize::MAX);
                let want = want.min(buffer.len());
                let read = file.read_at(buffer.get_mut(..want).unwrap_or_default(), at)?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                at += read as u64;
            }
            Ok(None)
        })
    }
}

fn short_file(error: io::Error) -> ConnectionEnd {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ConnectionEnd::ShortFile,
        _ => ConnectionEnd::Io(error),
    }
}
