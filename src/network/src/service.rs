//! What the network asks of whoever answers requests.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use ottla_metadata::SecurityProtocol;
use ottla_protocol::{RequestHeader, ResponseBody};

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// Begins to answer a request. Called on the connection's task, in the order of the requests
    /// of that connection and without waiting for earlier answers, so what is done inside the call
    /// takes effect in request order. It must not block.
    fn call(&self, request: Request) -> Answer;
}

/// A request as it came from a connection.
#[derive(Clone, Debug)]
pub struct Request {
    /// The header, in a version that may not exist: the service checks.
    pub header: RequestHeader,
    /// What follows the header. It shares the frame's buffer.
    pub body: Bytes,
    /// Where it came from.
    pub connection: Arc<ConnectionInfo>,
    /// When the whole frame had arrived.
    pub received: Instant,
}

/// An answer that comes later. `None` means that there is none to give: the connection is closed,
/// since the client would wait for it for ever. Dropped when the connection closes before it is
/// ready.
pub type PendingAnswer = Pin<Box<dyn Future<Output = Option<ResponseBody>> + Send>>;

/// What becomes of a request.
pub enum Answer {
    /// Send this.
    Now(ResponseBody),
    /// Send nothing: a produce request with acks=0.
    None,
    /// Send what the future gives, after the answers of all earlier requests.
    Later(PendingAnswer),
    /// Close the connection after the answers of all earlier requests.
    Close(CloseReason),
}

/// Why the service has a connection closed; it is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason(pub String);

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known about a connection; shared by its requests.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Unlike that of any other connection of this process.
    pub id: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The broker's address that the client connected to.
    pub local: SocketAddr,
    /// The name of the listener that accepted it.
    pub listener: Arc<str>,
    /// The listener's security protocol.
    pub security_protocol: SecurityProtocol,
    /// Who the client is, as Kafka writes principals: `User:ANONYMOUS` without authentication.
    pub principal: Arc<str>,
    /// Name and version of the client's software, when it told them (ApiVersions version 3,
    /// KIP-511).
    pub client_software: OnceLock<(String, String)>,
}
