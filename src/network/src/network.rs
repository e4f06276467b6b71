//! The running network.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::info;

use crate::accept::Acceptor;
use crate::budget::Budget;
use crate::config::NetworkConfig;
use crate::connection::Shared;
use crate::listener::BoundListener;
use crate::registry::{Order, Registry};
use crate::service::Service;

/// Accepts and serves connections until it is stopped or dropped; when dropped, connections end at
/// once.
pub struct Network {
    bound: Vec<BoundListener>,
    acceptors: Vec<JoinHandle<()>>,
    registry: Arc<Registry>,
}

impl Network {
    pub(crate) fn start(
        bound: Vec<BoundListener>,
        sockets: Vec<StdListener>,
        config: NetworkConfig,
        service: Arc<dyn Service>,
    ) -> io::Result<Network> {
        let registry = Registry::new();
        let places = config.max_connections.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places));
        let shared = Arc::new(Shared {
            service,
            budget: Budget::new(config.frame_budget_bytes),
            config,
            registry: Arc::clone(&registry),
        });
        let mut acceptors = Vec::with_capacity(bound.len());
        for (bound, socket) in bound.iter().zip(sockets) {
            let own_places = bound.spec.max_connections.unwrap_or(Semaphore::MAX_PERMITS);
            let own_places = own_places.min(Semaphore::MAX_PERMITS);
            let acceptor = Acceptor {
                bound: bound.clone(),
                listener: TcpListener::from_std(socket)?,
                shared: Arc::clone(&shared),
                places: Arc::clone(&places),
                own_places: Arc::new(Semaphore::new(own_places)),
            };
            info!(listener = &*bound.spec.name, address = %bound.address, "listening");
            acceptors.push(tokio::spawn(acceptor.run()));
        }
        Ok(Network {
            bound,
            acceptors,
            registry,
        })
    }

    /// The open ports, in the order they were asked for.
    pub fn bound(&self) -> &[BoundListener] {
        &self.bound
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.registry.len()
    }

    /// Closes the ports, takes no more requests, and waits until those that were taken are answered
    /// and their answers sent, but not longer than `bound`. What is left then is cut off.
    pub async fn stop(mut self, bound: Duration) {
        for acceptor in self.acceptors.drain(..) {
            acceptor.abort();
            // Cancelled, which is what was wanted.
            let _ = acceptor.await;
        }
        self.registry.give_all(Order::Drain);
        if tokio::time::timeout(bound, self.registry.empty())
            .await
            .is_err()
        {
            let left = self.registry.len();
            info!(left, "cutting off connections that did not finish");
            self.registry.give_all(Order::Stop);
            self.registry.empty().await;
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for acceptor in &self.acceptors {
            acceptor.abort();
        }
        self.registry.give_all(Order::Stop);
    }
}
