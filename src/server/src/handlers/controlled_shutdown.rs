//! ControlledShutdown: a broker that is about to stop has the controller move its leaderships.

use std::sync::Arc;

use ottla_metadata::{BrokerId, TopicPartition};
use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::controlled_shutdown_response::RemainingPartition;
use ottla_protocol::messages::{ControlledShutdownRequest, ControlledShutdownResponse};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::topic_name;
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::ControlledShutdown,
    versions: versions(0, 3),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: ControlledShutdownRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let context = Arc::clone(context);
    reply::later(request.header, async move {
        let broker = BrokerId(message.broker_id.0);
        let moved = context
            .cluster
            .controlled_shutdown(broker, message.broker_epoch);
        match moved.await {
            Ok(left) => ControlledShutdownResponse::default()
                .with_remaining_partitions(left.iter().map(remaining).collect()),
            Err(refused) => ControlledShutdownResponse::default()
                .with_error_code(error_code::shutdown_refused(refused).code()),
        }
    })
}

fn remaining(left: &TopicPartition) -> RemainingPartition {
    RemainingPartition::default()
        .with_topic_name(topic_name(&left.topic))
        .with_partition_index(left.partition)
}
