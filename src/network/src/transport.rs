//! The byte stream below a connection. TLS would be a second variant.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::sys;

pub(crate) enum Transport {
    /// TCP as it is; files can be sent without copying them.
    Plain(TcpStream),
}

impl Transport {
    /// Waits until a read would find something.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Writes from `slices`; `more` says that a file follows at once.
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let Transport::Plain(stream) = self;
        poll_io(stream, cx, || sys::send(stream, slices, more))
    }

    /// Sends from a file; `Ready(Ok(0))` is the file's end.
    pub(crate) fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: &std::fs::File,
        position: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        let Transport::Plain(stream) = self;
        poll_io(stream, cx, || sys::send_file(stream, file, position, count))
    }
}

/// Tries `write` whenever the socket may take something.
fn poll_io(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, &mut write) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return Poll::Ready(result),
        }
    }
}
