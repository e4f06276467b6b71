//! Listeners and connections of the broker: frames in, responses out, and the limits on both.
//! Knows no API: a [`Service`] answers the requests.

mod service;

pub use service::{Answer, CloseReason, ConnectionInfo, PendingAnswer, Request, Service};
