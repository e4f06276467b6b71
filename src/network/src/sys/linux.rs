//! sendfile, reads that do not wait for the disk, and corked writes.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::sys::sendfile::sendfile64;
use socket2::SockRef;
use tokio::net::TcpStream;

/// Writes to the socket; with `more`, the system may wait for what follows to fill a segment.
pub(crate) fn send(stream: &TcpStream, slices: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
    let more = if more { libc::MSG_MORE } else { 0 };
    SockRef::from(stream).send_vectored_with_flags(slices, libc::MSG_NOSIGNAL | more)
}

/// Moves up to `count` bytes from the page cache to the socket.
pub(crate) fn send_file(
    stream: &TcpStream,
    file: &File,
    position: u64,
    count: usize,
) -> io::Result<usize> {
    let mut offset = libc::off64_t::try_from(position)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(sendfile64(stream, file, Some(&mut offset), count)?)
}

/// Reads what the page cache has, at most `buffer.len()` bytes; `WouldBlock` if the first of them
/// would have to come from the disk. File systems that cannot tell are just read.
#[allow(unsafe_code)]
pub(crate) fn read_cached(file: &File, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let offset = libc::off64_t::try_from(position)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let slice = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: the one iovec describes `buffer`, which is borrowed mutably for the whole call, and
    // the descriptor is open because `file` is borrowed.
    let n = unsafe { libc::preadv2(file.as_raw_fd(), &slice, 1, offset, libc::RWF_NOWAIT) };
    if let Ok(n) = usize::try_from(n) {
        return Ok(n);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::ENOSYS) => file.read_at(buffer, position),
        _ => Err(error),
    }
}

/// The memory that this process may use: the machine's, or its control group's if that is less.
pub(crate) fn memory_bytes() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let machine = machine
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .saturating_mul(1024);
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    Some(group.map_or(machine, |group| group.min(machine)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_just_written_is_read_from_the_cache() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut buffer = [0; 4];
        assert_eq!(read_cached(&file, 2, &mut buffer).unwrap(), 4);
        assert_eq!(&buffer, b"2345");
        assert_eq!(read_cached(&file, 8, &mut buffer).unwrap(), 2);
        assert_eq!(read_cached(&file, 10, &mut buffer).unwrap(), 0);
        assert!(read_cached(&file, u64::MAX, &mut buffer).is_err());
    }

    #[test]
    fn the_machine_has_memory() {
        assert!(memory_bytes().unwrap() > 1 << 20);
    }
}
