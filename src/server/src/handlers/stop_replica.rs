//! StopReplica: a controller says which replicas this broker has to stop, or to delete.

use std::sync::Arc;

use ottla_cluster::Request as Command;
use ottla_cluster::wire::stop_replica::decode;
use ottla_network::{Answer, Request};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::stop_replica_response::StopReplicaPartitionError;
use ottla_protocol::messages::{StopReplicaRequest, StopReplicaResponse};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::topic_name;
use crate::{error_code, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::StopReplica,
    versions: versions(0, 4),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: StopReplicaRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let command = decode(&message);
    drop(message);
    let received = context.cluster.receive(Command::StopReplica(command));
    reply::later(request.header, async move {
        let answers = match received.await {
            Ok(answers) => answers,
            Err(refused) => {
                let code = error_code::request_refused(refused).code();
                return StopReplicaResponse::default().with_error_code(code);
            }
        };
        let errors = answers.into_iter().map(|(partition, result)| {
            StopReplicaPartitionError::default()
                .with_topic_name(topic_name(&partition.topic))
                .with_partition_index(partition.partition)
                .with_error_code(error_code::replica(result).code())
        });
        StopReplicaResponse::default().with_partition_errors(errors.collect())
    })
}
