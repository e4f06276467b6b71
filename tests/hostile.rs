//! Whatever arrives on the socket: an answer or a closed connection, never a broken broker.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ottla_tests::{Broker, BrokerKind, BrokerOptions, Client, Codec, records_for, zookeeper};

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the broker runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.expect("the kernel tells the resident size") / 1024.0
}

fn start() -> Broker {
    Broker::start(&BrokerOptions::new(&zookeeper().fresh_chroot()).kind(BrokerKind::Ottla))
}

fn check_serves(broker: &mut Broker) {
    let records = records_for("sound", 5, 1);
    let topic = "still-served";
    Client::Kcat.produce(&broker.address(), topic, &records, Codec::None);
    let read = Client::Kcat.consume(&broker.address(), topic, 0, 5);
    assert_eq!(read.len(), 5);
    let output = broker.process().output();
    assert!(!output.contains("panicked"), "{output}");
}

#[test]
fn announced_sizes_cost_nothing() {
    let mut broker = start();
    check_serves(&mut broker);
    let pid = broker.process().pid();
    let before = resident_mib(pid);
    let announced = (100i32 * 1024 * 1024 - 1).to_be_bytes();
    let connections: Vec<TcpStream> = (0..400)
        .map(|_| {
            let mut stream = TcpStream::connect(broker.address()).expect("the broker accepts");
            stream.write_all(&announced).expect("four bytes fit");
            stream.write_all(&[0, 0, 0, 7]).expect("four bytes fit");
            stream
        })
        .collect();
    check_serves(&mut broker);
    let grown = resident_mib(pid) - before;
    assert!(grown < 32.0, "400 announcements cost {grown} MiB");
    drop(connections);
}

/// A small generator of our own (xorshift), so that a failing seed can be named.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

fn send_frame(address: &str, frame: &[u8]) {
    let mut stream = TcpStream::connect(address).expect("the broker accepts");
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a socket takes a time-out");
    // The broker may close before it has read all.
    let _ = stream.write_all(frame);
    let _ = stream.read(&mut [0; 1024]);
}

#[test]
fn garbage_is_survived() {
    let mut broker = start();
    let seed = 0x0771_a5ee_d000_0001;
    let mut chance = Chance(seed);
    for round in 0..400u64 {
        let key = (round % 70) as i16;
        let version = (chance.next() % 19) as i16 - 1;
        let size = (chance.next() % 200) as usize;
        let mut frame = Vec::new();
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&7i32.to_be_bytes());
        frame.extend_from_slice(&[0, 1, b'x']);
        if version >= 9 {
            frame.push(0);
        }
        match round % 3 {
            // Lengths that claim the world.
            0 => frame.extend(std::iter::repeat_n([0x7f, 0xff, 0xff, 0xff], 8).flatten()),
            1 => frame.extend(std::iter::repeat_n(0xff, size)),
            _ => frame.extend(chance.bytes(size)),
        }
        let mut bytes = (frame.len() as i32).to_be_bytes().to_vec();
        bytes.extend(frame);
        send_frame(&broker.address(), &bytes);
    }
    for size in [-1i32, i32::MIN, i32::MAX, 0, 1] {
        send_frame(&broker.address(), &size.to_be_bytes());
    }
    send_frame(&broker.address(), b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n");
    check_serves(&mut broker);
}
