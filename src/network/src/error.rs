//! What can go wrong: at the start, and with a connection.

use std::io;

use ottla_metadata::SecurityProtocol;
use ottla_protocol::DecodeError;

use crate::CloseReason;

/// A listener that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The listener's security protocol is not offered.
    #[error("listener {name} asks for {protocol}, which is not offered: use PLAINTEXT")]
    SecurityProtocol {
        /// The listener's name.
        name: String,
        /// What it asks for.
        protocol: SecurityProtocol,
    },
    /// The host has no address.
    #[error("listener {name}: cannot find an address of host {host:?}")]
    Resolve {
        /// The listener's name.
        name: String,
        /// The host.
        host: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The address cannot be bound, as a rule because another process has the port.
    #[error("listener {name}: cannot listen on {address}")]
    Bind {
        /// The listener's name.
        name: String,
        /// Host and port.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionEnd {
    #[error("closed by the client")]
    ByClient,
    #[error("idle for too long")]
    Idle,
    #[error("the broker stops")]
    Stopped,
    #[error("made room for a connection of another broker")]
    MadeRoom,
    #[error("a frame of {size} bytes was announced, allowed are 0 to {max}")]
    FrameSize { size: i32, max: usize },
    #[error("a half-sent frame held memory that others wait for")]
    Stalled,
    #[error("bad request header")]
    Header(#[source] DecodeError),
    #[error("{0}")]
    Service(CloseReason),
    #[error("a request has no answer")]
    NoAnswer,
    #[error("a response of {0} bytes does not fit a frame")]
    ResponseTooLarge(u64),
    #[error("a file ended before the range announced in a response")]
    ShortFile,
    #[error("input or output failed")]
    Io(#[source] io::Error),
}

impl From<io::Error> for ConnectionEnd {
    fn from(error: io::Error) -> ConnectionEnd {
        ConnectionEnd::Io(error)
    }
}
