//! DescribeCluster: the cluster's id, its brokers and its controller (KIP-700).

use std::sync::Arc;

use ottla_network::{Answer, Request};
use ottla_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use ottla_protocol::messages::{self, DescribeClusterRequest, DescribeClusterResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{broker_id, text};
use crate::{authorized_operations, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::DescribeCluster,
    versions: versions(0, 1),
    handle,
};

/// Endpoint types of version 1 (KIP-919).
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: DescribeClusterRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let response = match message.endpoint_type {
        BROKERS => describe(context, &message, &request.connection.listener),
        CONTROLLERS => refused(
            ErrorCode::MismatchedEndpointType,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of \
             type CONTROLLER",
        ),
        other => refused(
            ErrorCode::UnsupportedEndpointType,
            &format!("Unsupported endpoint type {other}"),
        ),
    };
    reply::now(&request.header, &response)
}

fn refused(code: ErrorCode, message: &str) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_error_code(code.code())
        .with_error_message(Some(text(message)))
}

fn describe(
    context: &Context,
    message: &DescribeClusterRequest,
    listener: &str,
) -> DescribeClusterResponse {
    let image = context.cluster.image();
    let brokers = image.brokers.values().filter_map(|broker| {
        let endpoint = broker.endpoint(listener)?;
        Some(
            DescribeClusterBroker::default()
                .with_broker_id(messages::BrokerId(broker.id.0))
                .with_host(text(endpoint.host.as_str()))
                .with_port(endpoint.port.into())
                .with_rack(broker.rack.as_deref().map(text)),
        )
    });
    // A controller that clients of this listener cannot reach would only confuse them.
    let reachable = image.controller.filter(|id| {
        let controller = image.brokers.get(id);
        controller.is_some_and(|broker| broker.endpoint(listener).is_some())
    });
    let operations = match message.include_cluster_authorized_operations {
        true => authorized_operations::CLUSTER,
        false => authorized_operations::NOT_ASKED,
    };
    DescribeClusterResponse::default()
        .with_cluster_id(text(image.cluster_id.as_str()))
        .with_controller_id(broker_id(reachable))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(operations)
}
