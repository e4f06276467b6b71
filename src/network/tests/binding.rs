//! Opening ports.

// Helpers are not seen as tests by the lint.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::net::{Ipv4Addr, SocketAddr};

use common::{Client, Server, config, plaintext};
use ottla_metadata::SecurityProtocol;
use ottla_network::{BindError, ListenerSpec, Listeners};

#[test]
fn all_interfaces_and_several_listeners() {
    let wildcard = ListenerSpec {
        host: String::new(),
        ..plaintext("ALL", false)
    };
    let server = Server::with_listeners(config(), vec![wildcard, plaintext("LOCAL", false)]);
    let [all, local] = server.addresses[..] else {
        panic!("two listeners");
    };
    assert!(all.ip().is_unspecified());
    assert!(all.port() != 0 && local.port() != 0 && all.port() != local.port());
    Client::connect((Ipv4Addr::LOCALHOST, all.port()).into()).echo(1);
    Client::connect(local).echo(2);
    let bound = server.network.as_ref().unwrap().bound();
    assert_eq!(&*bound[1].spec.name, "LOCAL");
    assert_eq!(bound[1].address, local);
}

#[test]
fn what_cannot_be_opened_is_named() {
    let taken = Listeners::bind(vec![plaintext("FIRST", false)], config()).unwrap();
    let SocketAddr::V4(address) = taken.bound()[0].address else {
        panic!("an IPv4 address");
    };
    let check = |spec: ListenerSpec, expected: &str| {
        let error = Listeners::bind(vec![spec], config()).err().unwrap();
        assert_eq!(error.to_string(), expected);
        error
    };
    let error = check(
        ListenerSpec {
            port: address.port(),
            ..plaintext("SECOND", false)
        },
        &format!(
            "listener SECOND: cannot listen on 127.0.0.1:{}",
            address.port()
        ),
    );
    assert!(matches!(error, BindError::Bind { .. }));
    check(
        ListenerSpec {
            host: "no such host".to_owned(),
            ..plaintext("THIRD", false)
        },
        "listener THIRD: cannot find an address of host \"no such host\"",
    );
    check(
        ListenerSpec {
            security_protocol: SecurityProtocol::Ssl,
            ..plaintext("FOURTH", false)
        },
        "listener FOURTH asks for SSL, which is not offered: use PLAINTEXT",
    );
}
