//! The broker's port in these tests: it takes what controllers send, and nothing else.

use bytes::{Buf, Bytes, BytesMut};
use ottla_protocol::layout::Guarded;
use ottla_protocol::messages::{
    LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest, StopReplicaResponse,
    UpdateMetadataRequest, UpdateMetadataResponse, leader_and_isr_response, stop_replica_response,
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
            other => panic!("controllers do not send {other}"),
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

fn code(refused: RequestRefused) -> i16 {
    match refused {
        RequestRefused::StaleControllerEpoch => 11,
        RequestRefused::StaleBrokerEpoch => 77,
    }
}
