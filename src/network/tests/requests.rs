//! Requests in, answers out, in order.
// Helpers are not seen as tests by the lint.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::Write;
use std::time::Duration;

use common::{CLOSE, Client, ECHO, LATER, NOTHING, Server, config, frame};
use ottla_network::NetworkConfig;

#[test]
fn answers_keep_the_order_of_requests() {
    let server = Server::start(config());
    let mut client = server.connect();
    let mut bytes = Vec::new();
    for (id, kind) in [
        (1, ECHO),
        (2, LATER),
        (3, ECHO),
        (4, NOTHING),
        (5, LATER),
        (6, ECHO),
    ] {
        bytes.extend(frame(id, &[kind]));
    }
    client.0.write_all(&bytes).unwrap();
    assert_eq!(client.receive().0, 1);
    server.service.wait_for_calls(6);
    server.service.release(5);
    server.service.release(2);
    for id in [2, 3, 5, 6] {
        assert_eq!(client.receive().0, id);
    }
    assert_eq!(*server.service.seen.lock().unwrap(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn frames_of_all_sizes_arrive_whole() {
    let server = Server::start(NetworkConfig {
        // Less than the largest frame: the overdraft carries it.
        frame_budget_bytes: 1 << 20,
        ..config()
    });
    let mut client = server.connect();
    let sizes = [
        0, 1, 100, 4_079, 4_096, 16_000, 16_384, 16_385, 65_536, 70_000, 300_000, 5_000_000, 10,
        5_000_000, 3,
    ];
    for (id, &size) in (0i32..).zip(&sizes) {
        let mut body = vec![ECHO];
        body.extend((0..size).map(|i: usize| (i % 251) as u8));
        client.send(id, &body);
        let (answered, echoed) = client.receive();
        assert_eq!(answered, id);
        assert!(echoed == body[1..], "{size} bytes come back unchanged");
    }
}

#[test]
fn a_frame_may_come_byte_by_byte_and_frames_may_share_a_packet() {
    let server = Server::start(config());
    let mut client = server.connect();
    for byte in frame(7, &[ECHO, 1, 2, 3]) {
        client.0.write_all(&[byte]).unwrap();
    }
    assert_eq!(client.receive(), (7, vec![1, 2, 3]));
    let many: Vec<u8> = (0..1000).flat_map(|id| frame(id, &[ECHO, 9])).collect();
    client.0.write_all(&many).unwrap();
    for id in 0..1000 {
        assert_eq!(client.receive(), (id, vec![9]));
    }
}

#[test]
fn no_more_than_the_bound_is_in_flight() {
    let server = Server::start(NetworkConfig {
        max_in_flight_requests: 3,
        ..config()
    });
    let mut client = server.connect();
    for id in 0..5 {
        client.send(id, &[LATER]);
    }
    server.service.wait_for_calls(3);
    let mut other = server.connect();
    other.echo(99);
    assert_eq!(
        server.service.calls(),
        4,
        "three of the first, one of the other"
    );
    for id in 0..5 {
        server.service.release(id);
        assert_eq!(client.receive().0, id);
    }
}

#[test]
fn a_request_to_close_lets_earlier_answers_out() {
    let server = Server::start(config());
    let mut client = server.connect();
    client.send(1, &[LATER]);
    client.send(2, &[CLOSE]);
    client.send(3, &[ECHO]);
    server.service.release(1);
    assert_eq!(client.receive().0, 1);
    assert!(client.is_closed());
}

#[test]
fn a_request_without_an_answer_closes_the_connection() {
    let server = Server::start(config());
    let mut client = server.connect();
    client.send(1, &[LATER]);
    client.send(2, &[LATER]);
    client.send(3, &[ECHO]);
    server.service.give_up(2);
    server.service.release(1);
    assert_eq!(client.receive().0, 1);
    assert!(client.is_closed());
}

#[test]
fn a_closed_connection_drops_its_requests() {
    let server = Server::start(config());
    let mut client = server.connect();
    client.send(1, &[LATER]);
    server.service.wait_for_calls(1);
    drop(client);
    common::wait_until(|| server.connections() == 0);
    server.connect().echo(2);
}

#[test]
fn bad_frames_close_the_connection() {
    let server = Server::start(NetworkConfig {
        max_request_bytes: 1000,
        ..config()
    });
    let check = |bytes: &[u8]| {
        let mut client = server.connect();
        client.0.write_all(bytes).unwrap();
        assert!(client.is_closed(), "{bytes:?}");
    };
    check(&(-1i32).to_be_bytes());
    check(&i32::MIN.to_be_bytes());
    check(&1001i32.to_be_bytes());
    check(&0i32.to_be_bytes());
    check(&[0, 0, 0, 2, 0, 0]);
    check(&[0, 0, 0, 4, 3, 18, 0, 0]);
    server.connect().echo(1);
}

#[test]
fn stop_finishes_what_was_taken() {
    let mut server = Server::start(config());
    let mut client = server.connect();
    let mut idle = server.connect();
    idle.echo(7);
    client.send(1, &[LATER]);
    client.send(2, &[ECHO, 5]);
    server.service.wait_for_calls(3);
    let network = server.network.take().unwrap();
    let stopped = server.runtime.spawn(network.stop(Duration::from_secs(20)));
    assert!(idle.is_closed());
    assert!(std::net::TcpStream::connect(server.addresses[0]).is_err());
    assert!(!stopped.is_finished());
    server.service.release(1);
    assert_eq!(client.receive().0, 1);
    assert_eq!(client.receive(), (2, vec![5]));
    assert!(client.is_closed());
    server.runtime.block_on(stopped).unwrap();
}

#[test]
fn stop_does_not_wait_for_ever() {
    let mut server = Server::start(config());
    let mut client = server.connect();
    client.send(1, &[LATER]);
    server.service.wait_for_calls(1);
    let network = server.network.take().unwrap();
    server
        .runtime
        .block_on(network.stop(Duration::from_millis(20)));
    assert!(client.is_closed());
}

#[test]
fn an_idle_connection_is_closed_but_not_one_that_waits() {
    let server = Server::start(NetworkConfig {
        max_idle: Some(Duration::from_millis(300)),
        ..config()
    });
    let mut waiting = server.connect();
    waiting.send(1, &[LATER]);
    let mut idle = server.connect();
    let mut half: Client = server.connect();
    half.0.write_all(&[0, 0, 1]).unwrap();
    assert!(idle.is_closed());
    assert!(half.is_closed());
    server.service.release(1);
    assert_eq!(waiting.receive().0, 1);
    assert!(waiting.is_closed());
}
