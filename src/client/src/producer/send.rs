//! One produce request.

use std::sync::Arc;

use ottla_metadata::{BrokerId, TopicPartition};
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{InitProducerIdRequest, ProduceRequest};
use ottla_protocol::{ErrorCode, StrBytes};
use tokio::time::sleep;

use super::ProducerOptions;
use super::batch::Batch;
use crate::{ClientError, Cluster};

/// Base offset and append time of an acknowledged batch, -1 where unknown.
type Acknowledged = Result<(i64, i64), ClientError>;

/// A batch and what became of it.
pub(super) type Settled = (TopicPartition, Batch, Acknowledged);

/// Sends one batch per partition to their leader.
pub(super) async fn produce(
    cluster: Cluster,
    options: Arc<ProducerOptions>,
    leader: BrokerId,
    batches: Vec<(TopicPartition, Batch)>,
) -> Vec<Settled> {
    match exchange(&cluster, &options, leader, &batches).await {
        Ok(answers) => {
            let with_answer = |(partition, batch): (TopicPartition, Batch)| {
                let answer = answers.iter().find(|(p, _)| *p == partition);
                let answer = answer.map_or_else(|| Err(left_out()), |(_, a)| a.clone());
                (partition, batch, answer)
            };
            batches.into_iter().map(with_answer).collect()
        }
        Err(error) => batches
            .into_iter()
            .map(|(partition, batch)| (partition, batch, Err(error.clone())))
            .collect(),
    }
}

fn left_out() -> ClientError {
    ClientError::from_code(
        ErrorCode::UnknownServerError.code(),
        Some("the broker left the partition out of its answer"),
    )
}

async fn exchange(
    cluster: &Cluster,
    options: &ProducerOptions,
    leader: BrokerId,
    batches: &[(TopicPartition, Batch)],
) -> Result<Vec<(TopicPartition, Acknowledged)>, ClientError> {
    let connection = cluster.broker(leader).await?;
    let version = connection.version_of::<ProduceRequest>(i16::MAX)?;
    let mut topics: Vec<TopicProduceData> = Vec::new();
    let mut answers = Vec::new();
    for (partition, batch) in batches {
        let records = match batch.build(partition, version, options) {
            Ok(records) => records,
            Err(error) => {
                answers.push((partition.clone(), Err(error)));
                continue;
            }
        };
        let data = PartitionProduceData::default()
            .with_index(partition.partition)
            .with_records(Some(records));
        match topics.last_mut() {
            Some(last) if last.name.as_str() == &*partition.topic => last.partition_data.push(data),
            _ => {
                let name = StrBytes::from_string(partition.topic.to_string());
                topics.push(
                    TopicProduceData::default()
                        .with_name(name.into())
                        .with_partition_data(vec![data]),
                );
            }
        }
    }
    if topics.is_empty() {
        return Ok(answers);
    }
    let request = ProduceRequest::default()
        .with_acks(options.acks)
        .with_timeout_ms(i32::try_from(options.request_timeout.as_millis()).unwrap_or(i32::MAX))
        .with_topic_data(topics);
    if options.acks == 0 {
        connection.send(version, &request).await?;
        let sent = batches
            .iter()
            .filter(|(p, _)| !answers.iter().any(|(a, _)| a == p));
        let sent: Vec<_> = sent.map(|(p, _)| (p.clone(), Ok((-1, -1)))).collect();
        answers.extend(sent);
        return Ok(answers);
    }
    let response = connection.call_version(version, &request).await?;
    for topic in &response.responses {
        for p in &topic.partition_responses {
            let partition = TopicPartition::new(topic.name.as_str(), p.index);
            let answer = match ErrorCode::from_code(p.error_code) {
                // Written by an attempt whose answer was lost.
                Some(ErrorCode::DuplicateSequenceNumber) => Ok((-1, -1)),
                _ => ClientError::check(p.error_code, p.error_message.as_deref())
                    .map(|()| (p.base_offset, p.log_append_time_ms)),
            };
            answers.push((partition, answer));
        }
    }
    Ok(answers)
}

/// Asks for a producer id (KIP-98), once; pauses after a failure that may pass.
pub(super) async fn producer_id(cluster: Cluster) -> Result<(i64, i16), ClientError> {
    let asked = ask_for_id(&cluster).await;
    if asked.as_ref().is_err_and(ClientError::is_retriable) {
        sleep(cluster.options().retry_backoff).await;
    }
    asked
}

async fn ask_for_id(cluster: &Cluster) -> Result<(i64, i16), ClientError> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(i32::MAX)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let response = cluster.any().await?.call(&request).await?;
    ClientError::check(response.error_code, None)?;
    Ok((response.producer_id.0, response.producer_epoch))
}
