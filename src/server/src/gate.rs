//! Keeps clients waiting until this broker knows its cluster.

use std::sync::Arc;

use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use tokio::sync::watch;

use crate::api_table::Api;
use crate::context::Context;

/// Shut when the broker starts, then open for good.
///
/// The controller's first word comes over the network, and a client that came before it would see
/// a cluster without brokers and topics, and give up on it.
pub(crate) struct Gate {
    open: watch::Sender<bool>,
}

impl Gate {
    pub(crate) fn shut() -> Gate {
        Gate {
            open: watch::Sender::new(false),
        }
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    async fn opened(&self) {
        // The sender is ours, so that it ends only when the gate opens.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

/// Whether these requests come in at any time: they bring knowledge of the cluster, or need none, or
/// are for the controller, which knows.
pub(crate) fn always_comes_in(key: ApiKey) -> bool {
    matches!(
        key,
        ApiKey::ApiVersions
            | ApiKey::LeaderAndIsr
            | ApiKey::StopReplica
            | ApiKey::UpdateMetadata
            | ApiKey::ControlledShutdown
            | ApiKey::AlterPartition
            | ApiKey::AllocateProducerIds
    )
}

/// Handles the request when the gate has opened.
pub(crate) fn wait(context: &Arc<Context>, api: &'static Api, request: Request) -> Answer {
    let context = Arc::clone(context);
    Answer::Later(Box::pin(async move {
        context.gate.opened().await;
        match (api.handle)(&context, request) {
            Answer::Now(response) => Some(response),
            Answer::Later(response) => response.await,
            // A produce request that wants no answer can do without its connection.
            Answer::None | Answer::Close(_) => None,
        }
    }))
}
