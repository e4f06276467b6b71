//! Opening the ports.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use ottla_metadata::SecurityProtocol;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{ListenerSpec, NetworkConfig};
use crate::error::BindError;
use crate::network::Network;
use crate::service::Service;

/// The broker's open ports. Clients can connect already, and wait until
/// [`serve`](Listeners::serve) accepts them.
pub struct Listeners {
    bound: Vec<BoundListener>,
    sockets: Vec<TcpListener>,
    config: NetworkConfig,
}

/// An open port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundListener {
    /// As it was asked for.
    pub spec: ListenerSpec,
    /// The address it has, with the port that the system chose if 0 was asked for.
    pub address: SocketAddr,
}

impl Listeners {
    /// Opens the listeners. Host names are resolved here, which may block.
    pub fn bind(specs: Vec<ListenerSpec>, config: NetworkConfig) -> Result<Listeners, BindError> {
        let mut listeners = Listeners {
            bound: Vec::with_capacity(specs.len()),
            sockets: Vec::with_capacity(specs.len()),
            config,
        };
        for spec in specs {
            let socket = open(&spec, &listeners.config)?;
            let address = socket.local_addr().map_err(|e| spec.bind_error(e))?;
            listeners.bound.push(BoundListener { spec, address });
            listeners.sockets.push(socket);
        }
        Ok(listeners)
    }

    /// The open ports, in the order they were asked for.
    pub fn bound(&self) -> &[BoundListener] {
        &self.bound
    }

    /// Starts to accept connections, within a tokio runtime.
    ///
    /// # Errors
    /// When the runtime does not take the sockets.
    pub fn serve(self, service: Arc<dyn Service>) -> io::Result<Network> {
        Network::start(self.bound, self.sockets, self.config, service)
    }
}

impl ListenerSpec {
    fn bind_error(&self, source: io::Error) -> BindError {
        BindError::Bind {
            name: self.name.to_string(),
            address: format!("{}:{}", self.host, self.port),
            source,
        }
    }

    /// The addresses to try, in order; the first that can be bound is the listener's.
    fn addresses(&self) -> Result<Vec<SocketAddr>, BindError> {
        if self.host.is_empty() {
            // The IPv6 wildcard takes IPv4 as well; some machines have no IPv6.
            return Ok(vec![
                (Ipv6Addr::UNSPECIFIED, self.port).into(),
                (Ipv4Addr::UNSPECIFIED, self.port).into(),
            ]);
        }
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        (host, self.port)
            .to_socket_addrs()
            .map(Iterator::collect)
            .map_err(|source| BindError::Resolve {
                name: self.name.to_string(),
                host: self.host.clone(),
                source,
            })
    }
}

fn open(spec: &ListenerSpec, config: &NetworkConfig) -> Result<TcpListener, BindError> {
    if spec.security_protocol != SecurityProtocol::Plaintext {
        return Err(BindError::SecurityProtocol {
            name: spec.name.to_string(),
            protocol: spec.security_protocol,
        });
    }
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in spec.addresses()? {
        match listen(address, config) {
            Ok(listener) => return Ok(listener),
            Err(e) => {
                // A taken port is not to be taken on another address family.
                let taken = e.kind() == io::ErrorKind::AddrInUse;
                last_error = e;
                if taken {
                    break;
                }
            }
        }
    }
    Err(spec.bind_error(last_error))
}

fn listen(address: SocketAddr, config: &NetworkConfig) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // So that a broker can restart while connections of its last life linger.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it, and only before they are accepted does it set their window.
    if let Some(bytes) = config.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(config.backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
