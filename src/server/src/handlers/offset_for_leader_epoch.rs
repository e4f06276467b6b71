//! OffsetForLeaderEpoch: where a leader's epoch ends, for followers and consumers that look whether
//! their history is still the leader's (KIP-101, KIP-320).

use std::sync::Arc;

use ottla_network::{Answer, Request};
use ottla_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ottla_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::error_code;
use crate::reply::{decode, now};

pub(crate) const API: Api = Api {
    key: ApiKey::OffsetForLeaderEpoch,
    versions: versions(0, 4),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let body: OffsetForLeaderEpochRequest = match decode(&request) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let version = request.header.api_version;
    let topic = |topic: OffsetForLeaderTopic| {
        let find = |asked: &OffsetForLeaderPartition| end(context, version, &topic.topic, asked);
        let partitions = topic.partitions.iter().map(find).collect();
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic)
            .with_partitions(partitions)
    };
    let topics = body.topics.into_iter().map(topic).collect();
    now(
        &request.header,
        &OffsetForLeaderEpochResponse::default().with_topics(topics),
    )
}

fn end(
    context: &Context,
    version: i16,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> EpochEndOffset {
    let answer = EpochEndOffset::default().with_partition(asked.partition);
    let current = Some(asked.current_leader_epoch).filter(|epoch| *epoch >= 0);
    let end = context
        .replicas
        .epoch_end(topic, asked.partition, current, asked.leader_epoch);
    match end {
        Ok(end) => {
            let answer = answer.with_error_code(ErrorCode::None.code());
            let answer = answer.with_end_offset(end.end_offset);
            // Version 0 has no field for the epoch.
            if version >= 1 {
                answer.with_leader_epoch(end.epoch)
            } else {
                answer
            }
        }
        Err(error) => answer.with_error_code(error_code::partition(error).code()),
    }
}
