//! AllocateProducerIds (KIP-730): the controller grants a broker a block of producer ids.

use std::sync::Arc;

use ottla_metadata::BrokerId;
use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, ProducerId,
};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::AllocateProducerIds,
    versions: versions(0, 0),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: AllocateProducerIdsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let context = Arc::clone(context);
    reply::later(request.header, async move {
        let broker = BrokerId(message.broker_id.0);
        let granted = context
            .cluster
            .grant_producer_ids(broker, message.broker_epoch);
        match granted.await {
            Ok(block) => {
                let length = block.end().saturating_sub(*block.start()).saturating_add(1);
                AllocateProducerIdsResponse::default()
                    .with_producer_id_start(ProducerId(*block.start()))
                    .with_producer_id_len(i32::try_from(length).unwrap_or(i32::MAX))
            }
            Err(error) => AllocateProducerIdsResponse::default()
                .with_error_code(error_code::grant(&error).code()),
        }
    })
}
