//! The broker's port in these tests: it takes what controllers send, and what is sent to them.

use bytes::{Buf, Bytes, BytesMut};
use ottla_metadata::{BrokerId, TopicId};
use ottla_protocol::layout::Guarded;
use ottla_protocol::messages::api_versions_response::ApiVersion;
use ottla_protocol::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, AlterPartitionRequest,
    AlterPartitionResponse, ApiVersionsResponse, ControlledShutdownRequest,
    ControlledShutdownResponse, LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest,
    StopReplicaResponse, UpdateMetadataRequest, UpdateMetadataResponse, alter_partition_response,
    leader_and_isr_response, stop_replica_response,
};
use ottla_protocol::{
    ApiKey, Encodable, Part, RequestHeader, decode_header, decode_request, encode_response,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::*;

/// Serves until the test ends.
pub(super) async fn serve(listener: TcpListener, cluster: Cluster) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, cluster.clone()));
    }
}

async fn answer(mut stream: TcpStream, cluster: Cluster) {
    let mut buffer = BytesMut::new();
    while let Some(mut frame) = next_frame(&mut stream, &mut buffer).await {
        let header = decode_header(&mut frame).unwrap();
        let response = match header.api {
            ApiKey::LeaderAndIsr => leader_and_isr(&cluster, &header, frame).await,
            ApiKey::StopReplica => stop_replica(&cluster, &header, frame).await,
            ApiKey::UpdateMetadata => update_metadata(&cluster, &header, frame).await,
            ApiKey::ApiVersions => api_versions(&header),
            ApiKey::AlterPartition => alter_partition(&cluster, &header, frame).await,
            ApiKey::AllocateProducerIds => allocate_producer_ids(&cluster, &header, frame).await,
            ApiKey::ControlledShutdown => controlled_shutdown(&cluster, &header, frame).await,
            other => panic!("brokers do not send each other {other}"),
        };
        stream.write_all(&response).await.unwrap();
    }
}

/// The next frame without its size; `None` at the end.
pub(super) async fn next_frame(stream: &mut TcpStream, buffer: &mut BytesMut) -> Option<Bytes> {
    loop {
        if let Some(size) = buffer.first_chunk::<4>() {
            let size = usize::try_from(i32::from_be_bytes(*size)).unwrap();
            if buffer.len() >= 4 + size {
                buffer.advance(4);
                return Some(buffer.split_to(size).freeze());
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// A response with its size.
pub(super) fn framed<M: Encodable + Guarded>(header: &RequestHeader, message: &M) -> Vec<u8> {
    let body = encode_response(header, message).unwrap();
    let mut bytes = vec![0; 4];
    for part in body.parts {
        match part {
            Part::Bytes(part) => bytes.extend_from_slice(&part),
            Part::File { .. } => panic!("no files here"),
        }
    }
    let size = u32::try_from(bytes.len() - 4).unwrap().to_be_bytes();
    bytes[..4].copy_from_slice(&size);
    bytes
}

async fn leader_and_isr(cluster: &Cluster, header: &RequestHeader, frame: Bytes) -> Vec<u8> {
    let message: LeaderAndIsrRequest = decode_request(header.api_version, frame).unwrap();
    let request = wire::leader_and_isr::decode(&message);
    let ids = message.topic_states.iter().map(|t| t.topic_id);
    let ids: Vec<_> = ids.collect();
    let result = cluster.receive(Request::LeaderAndIsr(request)).await;
    let response = LeaderAndIsrResponse::default();
    let response = match result {
        // Names instead of ids, which nobody misses here.
        Ok(_) if header.api_version < 5 => response,
        Ok(_) => response.with_topics(
            ids.into_iter()
                .map(|id| {
                    leader_and_isr_response::LeaderAndIsrTopicError::default().with_topic_id(id)
                })
                .collect(),
        ),
        Err(refused) => response.with_error_code(code(refused)),
    };
    framed(header, &response)
}

async fn stop_replica(cluster: &Cluster, header: &RequestHeader, frame: Bytes) -> Vec<u8> {
    let message: StopReplicaRequest = decode_request(header.api_version, frame).unwrap();
    let request = wire::stop_replica::decode(&message);
    let response = StopReplicaResponse::default();
    let response = match cluster.receive(Request::StopReplica(request)).await {
        Ok(answers) => response.with_partition_errors(
            answers
                .into_iter()
                .map(|(tp, _)| {
                    stop_replica_response::StopReplicaPartitionError::default()
                        .with_topic_name(ottla_protocol::messages::TopicName(
                            ottla_protocol::StrBytes::from_string(tp.topic.to_string()),
                        ))
                        .with_partition_index(tp.partition)
                })
                .collect(),
        ),
        Err(refused) => response.with_error_code(code(refused)),
    };
    framed(header, &response)
}

async fn update_metadata(cluster: &Cluster, header: &RequestHeader, frame: Bytes) -> Vec<u8> {
    let message: UpdateMetadataRequest = decode_request(header.api_version, frame).unwrap();
    let request = wire::update_metadata::decode(&message, header.api_version);
    let result = cluster.receive(Request::UpdateMetadata(request)).await;
    let code = result.map_or_else(code, |_| 0);
    framed(
        header,
        &UpdateMetadataResponse::default().with_error_code(code),
    )
}

fn api_versions(header: &RequestHeader) -> Vec<u8> {
    let keys = [
        ApiKey::ControlledShutdown,
        ApiKey::AlterPartition,
        ApiKey::AllocateProducerIds,
    ];
    let keys = keys.map(|key| {
        let versions = key.versions();
        ApiVersion::default()
            .with_api_key(key.key())
            .with_min_version(versions.min)
            .with_max_version(versions.max)
    });
    let response = ApiVersionsResponse::default().with_api_keys(keys.to_vec());
    framed(header, &response)
}

async fn alter_partition(cluster: &Cluster, header: &RequestHeader, frame: Bytes) -> Vec<u8> {
    let message: AlterPartitionRequest = decode_request(header.api_version, frame).unwrap();
    let (broker, epoch) = (BrokerId(message.broker_id.0), message.broker_epoch);
    let mut response = AlterPartitionResponse::default();
    for topic in &message.topics {
        let wanted = topic.partitions.iter().map(|partition| IsrAlteration {
            topic: match header.api_version {
                0 | 1 => TopicKey::Name(topic.topic_name.as_str().into()),
                _ => TopicKey::Id(TopicId(*topic.topic_id.as_bytes())),
            },
            partition: partition.partition_index,
            leader_epoch: partition.leader_epoch,
            isr: match header.api_version {
                0..=2 => partition.new_isr.iter().map(|id| BrokerId(id.0)).collect(),
                _ => {
                    let states = partition.new_isr_with_epochs.iter();
                    states.map(|state| BrokerId(state.broker_id.0)).collect()
                }
            },
            recovering: partition.leader_recovery_state != 0,
            partition_epoch: partition.partition_epoch,
        });
        match cluster
            .alter_partition(broker, epoch, wanted.collect())
            .await
        {
            Err(AlterationRefused::NotController) => response.error_code = 41,
            Err(AlterationRefused::StaleBrokerEpoch) => response.error_code = 77,
            Ok(answers) => response.topics.push(
                alter_partition_response::TopicData::default()
                    .with_topic_name(topic.topic_name.clone())
                    .with_topic_id(topic.topic_id)
                    .with_partitions(answers.into_iter().map(altered).collect()),
            ),
        }
    }
    framed(header, &response)
}

fn altered(answer: AlterationAnswer) -> alter_partition_response::PartitionData {
    let partition =
        alter_partition_response::PartitionData::default().with_partition_index(answer.partition);
    match answer.result {
        Err(AlterationError::NotController) => partition.with_error_code(41),
        Err(AlterationError::FencedLeaderEpoch) => partition.with_error_code(74),
        Err(AlterationError::UnknownTopicId) => partition.with_error_code(100),
        Err(AlterationError::IneligibleReplica) => partition.with_error_code(107),
        Err(error) => panic!("{error}"),
        Ok(node) => partition
            .with_leader_id(node.state.leader.unwrap().0.into())
            .with_leader_epoch(node.state.leader_epoch)
            .with_isr(node.state.isr.iter().map(|id| id.0.into()).collect())
            .with_partition_epoch(node.version),
    }
}

async fn allocate_producer_ids(cluster: &Cluster, header: &RequestHeader, frame: Bytes) -> Vec<u8> {
    let message: AllocateProducerIdsRequest = decode_request(header.api_version, frame).unwrap();
    let broker = BrokerId(message.broker_id.0);
    let granted = cluster.grant_producer_ids(broker, message.broker_epoch);
    let response = AllocateProducerIdsResponse::default();
    let response = match granted.await {
        Ok(block) => response
            .with_producer_id_start((*block.start()).into())
            .with_producer_id_len(1000),
        Err(_) => response.with_error_code(41),
    };
    framed(header, &response)
}

async fn controlled_shutdown(cluster: &Cluster, header: &RequestHeader, frame: Bytes) -> Vec<u8> {
    let message: ControlledShutdownRequest = decode_request(header.api_version, frame).unwrap();
    let broker = BrokerId(message.broker_id.0);
    let left = cluster.controlled_shutdown(broker, message.broker_epoch);
    let response = ControlledShutdownResponse::default();
    let response = match left.await {
        Ok(left) => {
            assert!(left.is_empty());
            response
        }
        Err(_) => response.with_error_code(11),
    };
    framed(header, &response)
}

fn code(refused: RequestRefused) -> i16 {
    match refused {
        RequestRefused::StaleControllerEpoch => 11,
        RequestRefused::StaleBrokerEpoch => 77,
    }
}
