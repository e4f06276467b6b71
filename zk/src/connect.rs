//! Where ZooKeeper is and how long to wait for it; the first connection and its chroot.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zookeeper_client::{Acls, Client, CreateMode, Error};

use crate::error::ZkError;
use crate::record::SessionRecord;

/// A failed attempt to connect is repeated after this long.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// An attempt is given at least this long, however short the connection timeout.
const MIN_ATTEMPT: Duration = Duration::from_millis(500);
/// The version whose plain `create` request all servers understand, 3.4's among them. The newer
/// request only adds the node's stat to the answer, which is not needed.
const OLDEST_SERVER: (u32, u32, u32) = (3, 4, 0);

/// The crate doubles its pause with every round over its list of servers, without a bound, so that
/// after an outage of 13 seconds a lone server would be tried again only 12 seconds later. Within a
/// round it pauses for less than a second. So the list is made long by repetition.
const MIN_ENTRIES: usize = 16;

/// How to reach ZooKeeper.
#[derive(Clone)]
pub struct ZkConfig {
    /// `zookeeper.connect`: `host:port,host:port` and perhaps `/chroot` at the end.
    pub connect: String,
    /// `zookeeper.session.timeout.ms`, which the servers may bend to their bounds.
    pub session_timeout: Duration,
    /// `zookeeper.connection.timeout.ms`: how long the first connection may take.
    pub connection_timeout: Duration,
    /// `zookeeper.max.in.flight.requests`: how many requests of one bulk operation are on their
    /// way at once.
    pub max_in_flight: usize,
    /// Where a broker keeps the ids of its sessions, so that it can tell its own old nodes after a
    /// crash. Tools have none.
    pub session_record: Option<Arc<dyn SessionRecord>>,
}

impl ZkConfig {
    /// Kafka's defaults, for the given connect string, without a record of sessions.
    pub fn new(connect: impl Into<String>) -> ZkConfig {
        ZkConfig {
            connect: connect.into(),
            session_timeout: Duration::from_millis(18_000),
            connection_timeout: Duration::from_millis(18_000),
            max_in_flight: 10,
            session_record: None,
        }
    }
}

/// The connect string, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectString {
    /// `host:port,host:port`.
    pub(crate) servers: String,
    /// `/a/b`, or empty.
    pub(crate) chroot: String,
}

impl ConnectString {
    pub(crate) fn parse(connect: &str) -> Result<ConnectString, ZkError> {
        let bad = |reason: &str| ZkError::BadConnectString {
            connect: connect.to_owned(),
            reason: reason.to_owned(),
        };
        let (servers, chroot) = match connect.find('/') {
            None => (connect, ""),
            Some(slash) => connect.split_at(slash),
        };
        let servers: Vec<&str> = servers.split(',').map(str::trim).collect();
        if servers.iter().any(|server| server.is_empty()) {
            return Err(bad("a server is empty"));
        }
        let chroot = chroot.trim().trim_end_matches('/');
        let bad_component = |part: &str| part.is_empty() || part == "." || part == "..";
        if chroot.split('/').skip(1).any(bad_component) {
            return Err(bad("the chroot has an empty or relative component"));
        }
        Ok(ConnectString {
            servers: servers.join(","),
            chroot: chroot.to_owned(),
        })
    }

    /// What the crate is given: the servers again and again, and the chroot.
    fn for_crate(&self) -> String {
        let servers: Vec<String> = self.servers.split(',').map(to_be_looked_up).collect();
        let rounds = MIN_ENTRIES.div_ceil(servers.len().max(1));
        let servers = vec![servers.join(","); rounds].join(",");
        format!("{servers}{}", self.chroot)
    }
}

/// The same server, with an IPv4 address in a form that goes through the system's resolver: the old
/// one with three numbers, of which the last has 16 bits.
///
/// The crate connects to a plain address within one poll, and when that fails at once (the network is
/// unreachable) it never looks at the session's deadline: once that is over it tries again without a
/// pause and without an end, and the thread does nothing else (seen in 0.11.2,
/// `Connector::connect`). While a name is looked up it does look.
fn to_be_looked_up(server: &str) -> String {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (server, None),
    };
    let Ok(address) = host.parse::<std::net::Ipv4Addr>() else {
        return server.to_owned();
    };
    let [a, b, c, d] = address.octets();
    let rest = u16::from_be_bytes([c, d]);
    match port {
        Some(port) => format!("{a}.{b}.{rest}:{port}"),
        None => format!("{a}.{b}.{rest}"),
    }
}

/// Opens the first session, having created the chroot through a connection without one.
pub(crate) async fn first_connection(
    config: &ZkConfig,
    to: &ConnectString,
) -> Result<Client, ZkError> {
    let deadline = Instant::now() + config.connection_timeout;
    let bare = ConnectString {
        chroot: String::new(),
        ..to.clone()
    };
    if !to.chroot.is_empty() {
        let client = connect_until(config, &bare, deadline).await?;
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let created = tokio::time::timeout_at(
            deadline.max(Instant::now() + MIN_ATTEMPT),
            client.mkdir(&to.chroot, &options),
        );
        match created.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(unreachable(config, to, &error.to_string())),
            Err(_) => return Err(unreachable(config, to, "no answer")),
        }
    }
    connect_until(config, to, deadline).await
}

async fn connect_until(
    config: &ZkConfig,
    to: &ConnectString,
    deadline: Instant,
) -> Result<Client, ZkError> {
    loop {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(MIN_ATTEMPT);
        let reason = match tokio::time::timeout(left, connect_once(config, to)).await {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error @ Error::BadArguments(_))) => {
                return Err(ZkError::BadConnectString {
                    connect: config.connect.clone(),
                    reason: error.to_string(),
                });
            }
            Ok(Err(Error::NoHosts)) => "connection refused or no route".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() + RETRY_PAUSE >= deadline {
            return Err(unreachable(config, to, &reason));
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

fn unreachable(config: &ZkConfig, to: &ConnectString, reason: &str) -> ZkError {
    ZkError::Unreachable {
        addresses: to.servers.clone(),
        timeout: config.connection_timeout,
        reason: reason.to_owned(),
    }
}

/// One round over all servers.
pub(crate) async fn connect_once(config: &ZkConfig, to: &ConnectString) -> Result<Client, Error> {
    let (major, minor, patch) = OLDEST_SERVER;
    Client::connector()
        .with_session_timeout(config.session_timeout)
        .with_server_version(major, minor, patch)
        .with_fail_eagerly()
        .connect(&to.for_crate())
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_strings_are_taken_apart() {
        let check = |text: &str, servers: &str, chroot: &str| {
            let parsed = ConnectString::parse(text).unwrap();
            assert_eq!((&*parsed.servers, &*parsed.chroot), (servers, chroot));
        };
        check("localhost:2181", "localhost:2181", "");
        check("a:1,b:2,c", "a:1,b:2,c", "");
        check("a:1, b:2/kafka/one", "a:1,b:2", "/kafka/one");
        check("a:1/", "a:1", "");
        check("[::1]:2181/k/", "[::1]:2181", "/k");
        for (server, looked_up) in [
            ("127.0.0.1:2181", "127.0.1:2181"),
            ("10.126.99.4", "10.126.25348"),
            ("zookeeper:2181", "zookeeper:2181"),
            ("[::1]:2181", "[::1]:2181"),
        ] {
            assert_eq!(to_be_looked_up(server), looked_up);
        }
        for bad in ["", "a,,b", "/chroot", "a//b", "a/../b"] {
            assert!(ConnectString::parse(bad).is_err(), "{bad:?}");
        }
    }
}
