//! Plain reads and writes.

// Compiled on Linux for its test alone.
#![cfg_attr(target_os = "linux", allow(dead_code))]

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn bytes_and_files_are_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        server.writable().await.unwrap();
        assert_eq!(send(&server, &[IoSlice::new(b"head")], true).unwrap(), 4);
        assert_eq!(send_file(&server, &file, 3, 4).unwrap(), 4);
        assert_eq!(send_file(&server, &file, 10, 4).unwrap(), 0);
        drop(server);
        let mut received = String::new();
        client.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "head3456");
        assert_eq!(read_cached(&file, 8, &mut [0; 4]).unwrap(), 2);
        assert_eq!(memory_bytes(), None);
    }
}
