//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};

use crate::connection::{Connection, Shared};
use crate::listener::BoundListener;
use crate::service::ConnectionInfo;
use crate::transport::Transport;

/// How long to wait when the system gives no connection, for want of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One listener's loop.
pub(crate) struct Acceptor {
    pub(crate) bound: BoundListener,
    pub(crate) listener: TcpListener,
    pub(crate) shared: Arc<Shared>,
    /// `max.connections`.
    pub(crate) places: Arc<Semaphore>,
    /// `listener.name.<name>.max.connections`.
    pub(crate) own_places: Arc<Semaphore>,
}

/// The places that a connection holds until it ends: one of its listener's, and one of all
/// listeners', which the other brokers can do without.
pub(crate) struct Places {
    _own: Option<OwnedSemaphorePermit>,
    common: Option<OwnedSemaphorePermit>,
}

impl Acceptor {
    /// Accepts until it is dropped.
    pub(crate) async fn run(self) {
        loop {
            // Looked at first, so that clients beyond the limit wait in the system's queue; taken
            // afterwards, so that a quiet listener holds no place that another one could use.
            drop(self.places().await);
            match self.listener.accept().await {
                Ok((stream, peer)) => self.begin(stream, peer, self.places().await),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!(listener = &*self.bound.spec.name, %error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Waits for a place among the listener's own and one among `max.connections`. The listener of
    /// the other brokers does not wait for the latter.
    async fn places(&self) -> Places {
        let own = Arc::clone(&self.own_places).acquire_owned().await.ok();
        let common = match self.bound.spec.inter_broker {
            true => None,
            false => Arc::clone(&self.places).acquire_owned().await.ok(),
        };
        Places { _own: own, common }
    }

    fn begin(&self, stream: TcpStream, peer: SocketAddr, mut places: Places) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let local = match prepare(&stream, &self.shared) {
            Ok(local) => local,
            // The client is gone already.
            Err(_) => return,
        };
        let config = &self.shared.config;
        let inter_broker = self.bound.spec.inter_broker;
        let max_per_ip = config
            .max_connections_per_ip_overrides
            .get(&peer.ip())
            .copied()
            .unwrap_or(config.max_connections_per_ip);
        let listener = Arc::clone(&self.bound.spec.name);
        let Some(entry) = self
            .shared
            .registry
            .enter(peer.ip(), max_per_ip, !inter_broker)
        else {
            info!(%peer, %listener, max_per_ip, "connection refused: its address has too many");
            return;
        };
        places.common = places.common.or_else(|| self.place_of_another());
        let info = ConnectionInfo {
            id: entry.id,
            peer,
            local: SocketAddr::new(local.ip().to_canonical(), local.port()),
            listener,
            security_protocol: self.bound.spec.security_protocol,
            principal: anonymous(),
            client_software: OnceLock::new(),
        };
        let connection = Connection::new(
            info,
            Transport::Plain(stream),
            Arc::clone(&self.shared),
            entry,
            places,
        );
        tokio::spawn(connection.run());
    }

    /// A place for a connection of another broker: a free one, or that of the connection which was
    /// used least recently. The latter frees its place as it ends, so none is taken here.
    fn place_of_another(&self) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(&self.places).try_acquire_owned().ok();
        if free.is_none() {
            self.shared.registry.make_room();
        }
        free
    }
}

/// Sets the socket's options and tells its local address.
fn prepare(stream: &TcpStream, shared: &Shared) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_keepalive(true)?;
    if let Some(bytes) = shared.config.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    stream.local_addr()
}

/// Whether the next connection may be accepted at once: this one failed before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// The principal of whoever did not authenticate.
fn anonymous() -> Arc<str> {
    static ANONYMOUS: OnceLock<Arc<str>> = OnceLock::new();
    Arc::clone(ANONYMOUS.get_or_init(|| Arc::from("User:ANONYMOUS")))
}
