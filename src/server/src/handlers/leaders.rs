//! What "not the leader" answers carry so that clients need not ask for metadata (KIP-951).

use std::sync::Arc;

use ottla_metadata::{BrokerId, ClusterImage};
use ottla_network::ConnectionInfo;
use ottla_protocol::produce::{LeaderIdAndEpoch, NodeEndpoint};

use crate::context::Context;

/// Gathers the leaders that a response names, and where they are. Costs nothing until the first.
pub(crate) struct Leaders<'a> {
    context: &'a Context,
    connection: &'a ConnectionInfo,
    image: Option<Arc<ClusterImage>>,
    endpoints: Vec<NodeEndpoint>,
}

impl<'a> Leaders<'a> {
    pub(crate) fn new(context: &'a Context, connection: &'a ConnectionInfo) -> Leaders<'a> {
        Leaders {
            context,
            connection,
            image: None,
            endpoints: Vec::new(),
        }
    }

    /// The partition's leader as far as this broker knows; -1 for what it does not know.
    pub(crate) fn note(&mut self, topic: &str, partition: i32) -> LeaderIdAndEpoch {
        let image = self
            .image
            .get_or_insert_with(|| self.context.cluster.image());
        let Some(known) = image.partition(topic, partition) else {
            return LeaderIdAndEpoch {
                leader_id: -1,
                leader_epoch: -1,
            };
        };
        let (leader, leader_epoch) = (known.leader, known.leader_epoch);
        let endpoint = leader.and_then(|id| endpoint(image, id, &self.connection.listener));
        if let Some(endpoint) = endpoint {
            if self
                .endpoints
                .iter()
                .all(|known| known.node_id != endpoint.node_id)
            {
                self.endpoints.push(endpoint);
            }
        }
        LeaderIdAndEpoch {
            leader_id: leader.map_or(-1, |id| id.0),
            leader_epoch,
        }
    }

    pub(crate) fn endpoints(self) -> Vec<NodeEndpoint> {
        self.endpoints
    }
}

fn endpoint(image: &ClusterImage, id: BrokerId, listener: &str) -> Option<NodeEndpoint> {
    let broker = image.brokers.get(&id)?;
    let endpoint = broker.endpoint(listener)?;
    Some(NodeEndpoint {
        node_id: id.0,
        host: endpoint.host.clone(),
        port: endpoint.port.into(),
        rack: broker.rack.clone(),
    })
}
