//! What the network is told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::SecurityProtocol;

/// A listener to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSpec {
    /// The listener's name, such as `PLAINTEXT`.
    pub name: Arc<str>,
    /// How it talks to clients. Only [`SecurityProtocol::Plaintext`] can be opened.
    pub security_protocol: SecurityProtocol,
    /// Host name or address; empty for all interfaces.
    pub host: String,
    /// The port; 0 for one that the system chooses.
    pub port: u16,
    /// Set for the listener of the other brokers: it takes connections beyond `max.connections`,
    /// and the connection of another listener that was used least recently is closed instead.
    pub inter_broker: bool,
    /// `listener.name.<name>.max.connections`: beyond it, new connections of this listener wait in
    /// the system's queue. `None`: only the limit over all listeners counts.
    pub max_connections: Option<usize>,
}

/// Limits and socket options.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// `max.connections`: beyond it, new connections wait in the system's queue.
    pub max_connections: usize,
    /// `max.connections.per.ip`: beyond it, new connections are closed.
    pub max_connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`, with names resolved.
    pub max_connections_per_ip_overrides: HashMap<IpAddr, usize>,
    /// `connections.max.idle.ms`: a connection with neither bytes nor outstanding answers for this
    /// long is closed. `None`: never.
    pub max_idle: Option<Duration>,
    /// `socket.send.buffer.bytes`; `None` (-1) for the system's default.
    pub send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None` (-1) for the system's default.
    pub receive_buffer_bytes: Option<usize>,
    /// `socket.listen.backlog.size`.
    pub backlog: u32,
    /// `socket.request.max.bytes`: a frame announced larger closes the connection.
    pub max_request_bytes: usize,
    /// How many requests of one connection may be without an answer; then it is not read from.
    pub max_in_flight_requests: usize,
    /// `queued.max.request.bytes`, or [`default_frame_budget_bytes`] when that is not set.
    pub frame_budget_bytes: usize,
    /// While connections wait for the budget, a half-received frame that counts against it must
    /// bring [`min_progress_bytes`](Self::min_progress_bytes) in each such stretch of time, or its
    /// connection is closed.
    pub progress_window: Duration,
    /// See [`progress_window`](Self::progress_window).
    pub min_progress_bytes: usize,
}

impl Default for NetworkConfig {
    /// Kafka's defaults where Kafka has the setting.
    fn default() -> NetworkConfig {
        NetworkConfig {
            max_connections: i32::MAX as usize,
            max_connections_per_ip: i32::MAX as usize,
            max_connections_per_ip_overrides: HashMap::new(),
            max_idle: Some(Duration::from_secs(600)),
            send_buffer_bytes: Some(100 * 1024),
            receive_buffer_bytes: Some(100 * 1024),
            backlog: 50,
            max_request_bytes: 100 * 1024 * 1024,
            max_in_flight_requests: 64,
            frame_budget_bytes: default_frame_budget_bytes(),
            progress_window: Duration::from_secs(5),
            min_progress_bytes: 64 * 1024,
        }
    }
}

/// The budget for frames when `queued.max.request.bytes` is not set, where Kafka has no bound: an
/// eighth of the memory of the machine or of the control group, between 64 MiB and 4 GiB.
pub fn default_frame_budget_bytes() -> usize {
    const FLOOR: u64 = 64 << 20;
    const CEILING: u64 = 4 << 30;
    let memory = crate::sys::memory_bytes().unwrap_or(FLOOR);
    usize::try_from((memory / 8).clamp(FLOOR, CEILING)).unwrap_or(FLOOR as usize)
}
