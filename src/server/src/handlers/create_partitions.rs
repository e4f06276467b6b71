//! CreatePartitions (KIP-195): the controller adds partitions and waits for their leaders.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_cluster::{CreatePartitionsError, NewPartitions, WaitOptions};
use ottla_metadata::BrokerId;
use ottla_network::{Answer, Request};
use ottla_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use ottla_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{ApiError, timeout, topic_name};
use crate::{error_code, messages, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::CreatePartitions,
    versions: versions(0, 3),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: CreatePartitionsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let context = Arc::clone(context);
    reply::later(request.header, async move {
        let results = create(&context, &message).await;
        CreatePartitionsResponse::default().with_results(results)
    })
}

/// One result per name: a topic that is named twice is refused once.
async fn create(
    context: &Context,
    message: &CreatePartitionsRequest,
) -> Vec<CreatePartitionsTopicResult> {
    let mut seen = BTreeSet::new();
    let names = message.topics.iter().map(|topic| topic.name.as_str());
    let twice: BTreeSet<&str> = names.filter(|name| !seen.insert(*name)).collect();
    if !context.cluster.is_controller() {
        let refused = || ApiError {
            code: ErrorCode::NotController,
            message: None,
        };
        return seen
            .into_iter()
            .map(|name| result(name, Err(refused())))
            .collect();
    }
    let options = WaitOptions {
        timeout: timeout(message.timeout_ms),
        validate_only: message.validate_only,
    };
    let single = message
        .topics
        .iter()
        .filter(|topic| !twice.contains(topic.name.as_str()));
    let wanted: Vec<NewPartitions> = single.map(new_partitions).collect();
    let created = context
        .cluster
        .create_partitions(wanted.clone(), options)
        .await;
    let outcomes = wanted.iter().zip(created).map(|(wanted, outcome)| {
        let outcome = outcome.map_err(|error| api_error(&wanted.topic, &error));
        result(&wanted.topic, outcome)
    });
    let refused = twice.iter().map(|name| {
        let error = ApiError::invalid_request("Duplicate topic in request.");
        result(name, Err(error))
    });
    outcomes.chain(refused).collect()
}

fn new_partitions(topic: &CreatePartitionsTopic) -> NewPartitions {
    let assignment = topic.assignments.as_ref().map(|partitions| {
        let replicas = partitions
            .iter()
            .map(|p| p.broker_ids.iter().map(|id| BrokerId(id.0)).collect());
        replicas.collect()
    });
    NewPartitions {
        topic: topic.name.to_string(),
        count: topic.count,
        assignment,
    }
}

fn api_error(name: &str, error: &CreatePartitionsError) -> ApiError {
    ApiError {
        code: error_code::create_partitions(error),
        message: messages::create_partitions(name, error),
    }
}

fn result(name: &str, outcome: Result<(), ApiError>) -> CreatePartitionsTopicResult {
    let (code, message) = ApiError::parts(outcome);
    CreatePartitionsTopicResult::default()
        .with_name(topic_name(name))
        .with_error_code(code)
        .with_error_message(message)
}
