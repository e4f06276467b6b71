//! Listeners and connections of the broker: frames in, responses out, and the limits on both.
//! Knows no API: a [`Service`] answers the requests.
//!
//! [`Listeners::bind`] opens the ports, [`Listeners::serve`] starts to accept, [`Network::stop`]
//! ends it. Each connection is one task that reads, calls the service in request order, and
//! writes the answers in request order; up to
//! [`max_in_flight_requests`](NetworkConfig::max_in_flight_requests) answers may be outstanding.
//!
//! # What bounds the memory
//! - A request's announced size is a claim: buffers grow with the bytes that arrived.
//! - A connection without unfinished business has no buffer at all.
//! - Frames above 16 KiB that are still arriving, and frames whose answers are outstanding, count
//!   against one budget for all connections (`budget.rs` has the rule that keeps it from
//!   deadlocking). Beside it, each connection may have one half-received frame of up to 16 KiB and
//!   one outstanding request of up to 64 KiB, so that small requests (a follower's fetch, above
//!   all) get through when large ones hold the budget.
//! - A connection whose client does not read its answers is not read from either.

mod accept;
mod answers;
mod budget;
mod config;
mod connection;
mod error;
mod frames;
mod listener;
mod network;
mod outgoing;
mod registry;
mod service;
mod sys;
mod transport;

pub use config::{ListenerSpec, NetworkConfig, default_frame_budget_bytes};
pub use error::BindError;
pub use listener::{BoundListener, Listeners};
pub use network::Network;
pub use service::{Answer, CloseReason, ConnectionInfo, PendingAnswer, Request, Service};
