//! What one client, or many, cannot do to the others.
// Helpers are not seen as tests by the lint.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use common::{Client, ECHO, LATER, Server, config, frame, plaintext};
use ottla_network::NetworkConfig;

/// This process's memory that is really there, in bytes.
#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
#[cfg(target_os = "linux")]
fn announced_bytes_cost_nothing() {
    let server = Server::start(NetworkConfig {
        frame_budget_bytes: 1 << 20,
        backlog: 512,
        ..config()
    });
    server.connect().echo(0);
    let before = resident_bytes();
    let claims: Vec<Client> = (0..400)
        .map(|_| {
            let mut client = server.connect();
            client.0.write_all(&(100i32 << 20).to_be_bytes()).unwrap();
            client.0.write_all(&[0; 100]).unwrap();
            client
        })
        .collect();
    common::wait_until(|| server.connections() == 400);
    let mut client = server.connect();
    client.echo(1);
    // Through the budget, past all those claims.
    let mut large = vec![0; 500_000];
    large[0] = ECHO;
    client.send(2, &large);
    assert_eq!(client.receive().1.len(), 499_999);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 40 << 20, "{grown} bytes for 400 claims of 100 MiB");
    drop(claims);
}

/// Connections that hold the whole budget with half-sent frames and stay silent are closed when
/// another one needs it.
#[test]
fn half_sent_frames_cannot_keep_the_budget() {
    let server = Server::start(NetworkConfig {
        frame_budget_bytes: 1 << 20,
        progress_window: Duration::from_millis(400),
        min_progress_bytes: 1000,
        ..config()
    });
    let size = 400_000;
    let whole = frame(1, &[&[ECHO][..], &vec![0; size]].concat());
    let mut silent: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = server.connect();
            client.0.set_nonblocking(true).unwrap();
            // As much as the broker takes before it stops reading.
            let _ = client.0.write(&whole[..size - 1]);
            client.0.set_nonblocking(false).unwrap();
            client
        })
        .collect();
    for id in 0..3 {
        let mut client = server.connect();
        client.send(id, &[&[ECHO][..], &vec![0; size]].concat());
        assert_eq!(client.receive().0, id);
    }
    let closed = |client: &mut Client| {
        client.0.set_nonblocking(true).unwrap();
        matches!(client.0.read(&mut [0]), Ok(0))
            || client
                .0
                .write(&[0])
                .is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock)
    };
    assert!(silent.iter_mut().any(closed));
}

/// Requests whose answers are outstanding hold the budget; it comes back with the answers.
#[test]
fn outstanding_requests_hold_the_budget_until_they_are_answered() {
    let server = Server::start(NetworkConfig {
        frame_budget_bytes: 300_000,
        ..config()
    });
    let body = |kind: u8| [&[kind][..], &vec![0; 250_000]].concat();
    let mut holder = server.connect();
    holder.send(1, &body(LATER));
    server.service.wait_for_calls(1);
    // The first one beyond the budget goes on the overdraft...
    let mut overdrawn = server.connect();
    overdrawn.send(2, &body(LATER));
    server.service.wait_for_calls(2);
    // ...the next one waits, while small requests pass.
    let mut waiting = server.connect();
    let sender = std::thread::spawn({
        let mut stream = waiting.0.try_clone().unwrap();
        let bytes = frame(3, &body(ECHO));
        move || stream.write_all(&bytes).unwrap()
    });
    let mut small = server.connect();
    for id in 10..20 {
        small.echo(id);
    }
    small.send(20, &[LATER]);
    server.service.wait_for_calls(13);
    assert!(!server.service.seen.lock().unwrap().contains(&3));
    server.service.release(20);
    assert_eq!(small.receive().0, 20);
    server.service.release(1);
    assert_eq!(holder.receive().0, 1);
    assert_eq!(waiting.receive().0, 3);
    sender.join().unwrap();
    server.service.release(2);
    assert_eq!(overdrawn.receive().0, 2);
}

/// Every connection wants more than there is, all at once: all get through.
#[test]
fn an_exhausted_budget_serves_everybody_in_turn() {
    let server = Server::start(NetworkConfig {
        frame_budget_bytes: 200_000,
        progress_window: Duration::from_secs(20),
        ..config()
    });
    std::thread::scope(|scope| {
        for id in 0..16 {
            let mut client = server.connect();
            scope.spawn(move || {
                for _ in 0..3 {
                    client.send(id, &[&[ECHO][..], &vec![1; 300_000]].concat());
                    assert_eq!(client.receive().1.len(), 300_000);
                }
            });
        }
    });
}

#[test]
fn connections_beyond_the_limit_wait() {
    // A quiet listener takes no place.
    let server = Server::with_listeners(
        NetworkConfig {
            max_connections: 2,
            ..config()
        },
        vec![plaintext("A", false), plaintext("B", false)],
    );
    let mut first = server.connect();
    let mut second = server.connect();
    first.echo(1);
    second.echo(2);
    let mut third = server.connect();
    third.send(3, &[ECHO]);
    first.echo(4);
    assert_eq!(server.connections(), 2);
    drop(first);
    assert_eq!(third.receive().0, 3);
    second.echo(5);
}

#[test]
fn a_listener_has_its_own_limit() {
    let mut limited = plaintext("A", false);
    limited.max_connections = Some(1);
    let server = Server::with_listeners(config(), vec![limited, plaintext("B", false)]);
    let mut first = Client::connect(server.addresses[0]);
    first.echo(1);
    let mut second = Client::connect(server.addresses[0]);
    second.send(2, &[ECHO]);
    let mut elsewhere = Client::connect(server.addresses[1]);
    elsewhere.echo(3);
    assert_eq!(server.connections(), 2);
    drop(first);
    assert_eq!(second.receive().0, 2);
}

#[test]
fn other_brokers_get_the_place_of_the_least_recently_used() {
    let server = Server::with_listeners(
        NetworkConfig {
            max_connections: 2,
            ..config()
        },
        vec![plaintext("CLIENTS", false), plaintext("BROKERS", true)],
    );
    let mut old = server.connect();
    old.echo(1);
    std::thread::sleep(Duration::from_millis(5));
    let mut recent = server.connect();
    recent.echo(2);
    let mut broker = Client::connect(server.addresses[1]);
    broker.echo(3);
    assert!(old.is_closed());
    recent.echo(4);
    broker.echo(5);
}

#[test]
fn an_address_has_its_own_limit() {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let check = |config: NetworkConfig, allowed: usize| {
        let server = Server::start(config);
        let mut clients: Vec<Client> = (0..allowed).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.echo(1);
        }
        assert!(server.connect().is_closed());
        drop(clients.pop());
        common::wait_until(|| server.connections() == allowed - 1);
        server.connect().echo(2);
    };
    check(
        NetworkConfig {
            max_connections_per_ip: 3,
            ..config()
        },
        3,
    );
    check(
        NetworkConfig {
            max_connections_per_ip: 0,
            max_connections_per_ip_overrides: [(localhost, 2)].into(),
            ..config()
        },
        2,
    );
}

/// Large answers that wait for an outstanding one are not gathered without bound.
#[test]
fn answers_that_wait_for_an_earlier_one_hold_off_further_requests() {
    let server = Server::start(config());
    let mut client = server.connect();
    client.send(0, &[LATER]);
    server.service.wait_for_calls(1);
    let body = [&[ECHO][..], &vec![0; 400_000]].concat();
    let sender = std::thread::spawn({
        let mut stream = client.0.try_clone().unwrap();
        move || {
            for id in 1..=12 {
                stream.write_all(&frame(id, &body)).unwrap();
            }
        }
    });
    server.service.wait_for_calls(4);
    let mut other = server.connect();
    for id in 100..120 {
        other.echo(id);
    }
    assert_eq!(server.service.calls(), 24);
    server.service.release(0);
    for id in 0..=12 {
        assert_eq!(client.receive().0, id);
    }
    sender.join().unwrap();
}
