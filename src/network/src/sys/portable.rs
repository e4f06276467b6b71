//! Plain reads and writes.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

use tokio::net::TcpStream;

/// Writes to the socket.
pub(crate) fn send(stream: &TcpStream, slices: &[IoSlice<'_>], _more: bool) -> io::Result<usize> {
    stream.try_write_vectored(slices)
}

/// Copies up to `count` bytes from the file to the socket, a buffer at a time.
pub(crate) fn send_file(
    stream: &TcpStream,
    file: &File,
    position: u64,
    count: usize,
) -> io::Result<usize> {
    let mut buffer = vec![0; count.min(64 * 1024)];
    let read = file.read_at(&mut buffer, position)?;
    match buffer.get(..read) {
        Some(bytes) if !bytes.is_empty() => stream.try_write(bytes),
        _ => Ok(0),
    }
}

/// Reads at most `buffer.len()` bytes. Whether they are in the page cache is not known here.
pub(crate) fn read_cached(file: &File, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
    file.read_at(buffer, position)
}

/// The memory that this process may use is not known here.
pub(crate) fn memory_bytes() -> Option<u64> {
    None
}
