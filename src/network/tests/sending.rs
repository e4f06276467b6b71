//! Responses with file ranges, and clients that do not read.
// Helpers are not seen as tests by the lint.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use common::{Client, ECHO, FILE, Server, config};

/// A file with `len` bytes that differ by position.
fn file(len: usize) -> (Arc<File>, Vec<u8>) {
    let bytes: Vec<u8> = (0..len).map(|i| (i / 251 + i) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    (Arc::new(file), bytes)
}

fn set_file(server: &Server, file: &Arc<File>, position: u64, len: u64) {
    *server.service.file.lock().unwrap() = Some((Arc::clone(file), position, len));
}

#[test]
fn file_ranges_of_all_sizes_are_sent() {
    let server = Server::start(config());
    let mut client = server.connect();
    let (file, bytes) = file(12 << 20);
    for (position, len) in [
        (0, 0),
        (0, 1),
        (5, 100),
        (1000, 16 * 1024),
        (1000, 16 * 1024 + 1),
        (100, 256 * 1024),
        (7, 1 << 20),
        (1, (12 << 20) - 1),
    ] {
        set_file(&server, &file, position, len);
        client.send(3, &[FILE]);
        let (id, rest) = client.receive();
        assert_eq!(id, 3);
        let range = &bytes[position as usize..(position + len) as usize];
        assert!(
            rest == [range, b"tail"].concat(),
            "{len} bytes from {position}"
        );
    }
}

/// The same with the page cache emptied of the file first, so that it is read ahead.
#[test]
#[cfg(target_os = "linux")]
fn cold_file_ranges_are_sent() {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    use std::os::fd::AsRawFd;

    let server = Server::start(config());
    let mut client = server.connect();
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bytes: Vec<u8> = (0..5usize << 20).map(|i| (i / 251 + i) as u8).collect();
    file.write_all(&bytes).unwrap();
    let file = Arc::new(file);
    for (position, len) in [(10, 1000), (0, 5 << 20), (4 << 20, 20_000)] {
        file.sync_all().unwrap();
        posix_fadvise(
            file.as_raw_fd(),
            0,
            0,
            PosixFadviseAdvice::POSIX_FADV_DONTNEED,
        )
        .unwrap();
        set_file(&server, &file, position, len);
        client.send(3, &[FILE]);
        let range = &bytes[position as usize..(position + len) as usize];
        assert!(client.receive().1 == [range, b"tail"].concat());
    }
}

#[test]
fn a_short_file_closes_the_connection_instead_of_corrupting_it() {
    let server = Server::start(config());
    let (file, _) = file(300_000);
    for (position, len) in [
        (0u64, 300_001u64),
        (299_990, 11),
        (300_000, 1),
        (400_000, 1_000_000),
        (100_000, 10 << 20),
    ] {
        set_file(&server, &file, position, len);
        let mut client = server.connect();
        client.send(1, &[FILE]);
        let mut received = Vec::new();
        // Ends with the file, or with a reset.
        let _ = client.0.read_to_end(&mut received);
        let announced = 4 + 4 + len as usize + 4;
        assert!(received.len() < announced, "{} bytes", received.len());
        assert!(!received.ends_with(b"tail"));
    }
    server.connect().echo(1);
}

/// A client that asks much and reads nothing is not served further, hurts nobody, and gets all
/// answers when it reads at last.
#[test]
fn a_slow_reader_waits_for_itself() {
    const REQUESTS: i32 = 40;
    let server = Server::start(config());
    let (file, bytes) = file(2 << 20);
    set_file(&server, &file, 0, 2 << 20);
    let mut slow = server.connect();
    for id in 0..REQUESTS {
        slow.send(id, &[FILE]);
    }
    let blob = vec![7; 1 << 20];
    let mut hog = server.connect();
    let mut hog_writer = Client(hog.0.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        for id in 0..REQUESTS {
            hog_writer.send(id, &[&[ECHO][..], &blob].concat());
        }
    });
    let mut other = server.connect();
    for id in 0..100 {
        other.echo(id);
    }
    std::thread::sleep(Duration::from_millis(50));
    assert!(
        server.service.calls() < 100 + REQUESTS as usize * 2,
        "the hog is not read from"
    );
    for id in 0..REQUESTS {
        let (answered, rest) = slow.receive();
        assert_eq!(answered, id);
        assert!(rest[..2 << 20] == bytes[..]);
        assert_eq!(hog.receive().0, id);
    }
    writer.join().unwrap();
}
