//! Answers requests: one handler per API, the map from errors to codes, and the wiring of the
//! drivers below.
//!
//! [`Server`] is what `ottla-network` calls. `api_table.rs` lists what is served; ApiVersions
//! answers from the same list, so what is advertised cannot differ from what is served. A handler
//! file holds its API's versions and code together. `error_code.rs` is the only place where errors
//! become protocol codes.

mod api_table;
mod authorized_operations;
mod auto_create;
mod cluster_port;
mod config_resource;
mod configs;
mod context;
mod error_code;
mod fetch_conversion;
mod fetch_sessions;
mod gate;
mod group_settings;
mod group_words;
mod handlers;
mod internal_topics;
mod local_replicas;
mod messages;
mod producer_ids;
mod reply;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod words;

pub use configs::Configs;
pub use context::{Context, Parts};
pub use group_settings::group_settings;
pub use local_replicas::{Proposals, Replicas};

use std::sync::Arc;

use ottla_network::{Answer, CloseReason, Request, Service};
use ottla_protocol::ApiKey;

/// The broker's side of the protocol.
pub struct Server {
    context: Arc<Context>,
}

impl Server {
    /// A server over running drivers. It listens to controllers at once; clients wait until
    /// [`Server::open`].
    pub fn new(context: Arc<Context>) -> Server {
        Server { context }
    }

    /// Lets clients in.
    pub fn open(&self) {
        self.context.gate.open();
    }
}

impl Service for Server {
    fn call(&self, request: Request) -> Answer {
        let (key, version) = (request.header.api, request.header.api_version);
        match api_table::find(key) {
            // A client that asks in a version we do not know is told which ones we do (KIP-511).
            Some(api) if api.versions.contains(version) || key == ApiKey::ApiVersions => {
                match self.context.gate.is_open() || gate::always_comes_in(key) {
                    true => (api.handle)(&self.context, request),
                    false => gate::wait(&self.context, api, request),
                }
            }
            Some(_) => Answer::Close(CloseReason(format!(
                "{key} version {version} is not served"
            ))),
            None => Answer::Close(CloseReason(format!("{key} is not served"))),
        }
    }
}
