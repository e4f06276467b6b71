//! ListOffsets.

use std::collections::HashSet;
use std::sync::Arc;

use ottla_network::{Answer, Request};
use ottla_protocol::messages::ListOffsetsRequest;
use ottla_protocol::messages::list_offsets_request::ListOffsetsPartition;
use ottla_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use ottla_protocol::{ApiKey, DecodeError, ErrorCode};
use ottla_replication::{Isolation, OffsetAnswer, OffsetQuery, OffsetTarget, ReplicaManager};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::reply::{decode, malformed, now};
use crate::{error_code, reply};

pub(crate) const API: Api = Api {
    key: ApiKey::ListOffsets,
    versions: versions(0, 9),
    handle,
};

/// `replica_id` of consumers.
const CONSUMER: i32 = -1;
/// `replica_id` of tools that may ask any replica.
const DEBUGGER: i32 = -2;

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let body: ListOffsetsRequest = match decode(&request) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let version = request.header.api_version;
    let Some(asker) = Asker::new(&body) else {
        let reason = format!("isolation level {}", body.isolation_level);
        let message = "ListOffsetsRequest";
        return malformed(&request.header, &DecodeError::Invalid { message, reason });
    };
    let may_block = |p: &ListOffsetsPartition| {
        version == 0 || target(version, p.timestamp).is_some_and(OffsetTarget::may_block)
    };
    let answer = {
        let replicas = Arc::clone(&context.replicas);
        let duplicates = duplicates(&body);
        let is_slow = body
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .any(may_block);
        let look_up = move || {
            Lookup {
                replicas,
                asker,
                version,
                duplicates,
            }
            .respond(body)
        };
        if !is_slow {
            return now(&request.header, &look_up());
        }
        tokio::task::spawn_blocking(look_up)
    };
    let header = request.header;
    Answer::Later(Box::pin(async move {
        reply::encode(&header, &answer.await.ok()?)
    }))
}

/// Who asks, and so what the answer may show.
#[derive(Clone, Copy)]
struct Asker {
    isolation: Option<Isolation>,
    leader_only: bool,
}

impl Asker {
    /// `None` for an isolation level that does not exist.
    fn new(body: &ListOffsetsRequest) -> Option<Asker> {
        let isolation = match body.isolation_level {
            0 => Isolation::ReadUncommitted,
            1 => Isolation::ReadCommitted,
            _ => return None,
        };
        let replica = body.replica_id.0;
        let isolation = (replica == CONSUMER).then_some(isolation);
        Some(Asker {
            isolation,
            leader_only: replica != DEBUGGER,
        })
    }
}

/// What the timestamp of a request of this version (1 on) asks for, if it exists there.
fn target(version: i16, timestamp: i64) -> Option<OffsetTarget> {
    match timestamp {
        0.. => Some(OffsetTarget::Timestamp(timestamp)),
        -1 => Some(OffsetTarget::Latest),
        -2 => Some(OffsetTarget::Earliest),
        -3 if version >= 7 => Some(OffsetTarget::MaxTimestamp),
        -4 if version >= 8 => Some(OffsetTarget::Earliest),
        -5 if version >= 9 => Some(OffsetTarget::LatestTiered),
        _ => None,
    }
}

fn duplicates(body: &ListOffsetsRequest) -> HashSet<(String, i32)> {
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for topic in &body.topics {
        for partition in &topic.partitions {
            if !seen.insert((&topic.name, partition.partition_index)) {
                twice.insert((topic.name.to_string(), partition.partition_index));
            }
        }
    }
    twice
}

struct Lookup {
    replicas: Arc<ReplicaManager>,
    asker: Asker,
    version: i16,
    duplicates: HashSet<(String, i32)>,
}

impl Lookup {
    fn respond(&self, body: ListOffsetsRequest) -> ListOffsetsResponse {
        let topic = |topic: ottla_protocol::messages::list_offsets_request::ListOffsetsTopic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|p| self.partition(&topic.name, p));
            let partitions = partitions.collect();
            ListOffsetsTopicResponse::default()
                .with_name(topic.name)
                .with_partitions(partitions)
        };
        ListOffsetsResponse::default().with_topics(body.topics.into_iter().map(topic).collect())
    }

    fn partition(&self, topic: &str, asked: &ListOffsetsPartition) -> ListOffsetsPartitionResponse {
        let response =
            ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
        let result = match self.version {
            0 => self
                .legacy(topic, asked)
                .map(|o| response.clone().with_old_style_offsets(o)),
            _ => self
                .find(topic, asked)
                .map(|found| self.found(response.clone(), found)),
        };
        result.unwrap_or_else(|code| response.with_error_code(code.code()))
    }

    fn found(
        &self,
        response: ListOffsetsPartitionResponse,
        found: OffsetAnswer,
    ) -> ListOffsetsPartitionResponse {
        let response = response
            .with_offset(found.offset)
            .with_timestamp(found.timestamp);
        match self.version {
            4.. => response.with_leader_epoch(found.leader_epoch),
            _ => response,
        }
    }

    fn query<'a>(&self, topic: &'a str, partition: i32, target: OffsetTarget) -> OffsetQuery<'a> {
        let Asker {
            isolation,
            leader_only,
        } = self.asker;
        let current_leader_epoch = None;
        OffsetQuery {
            topic,
            partition,
            target,
            isolation,
            leader_only,
            current_leader_epoch,
        }
    }

    fn find(&self, topic: &str, asked: &ListOffsetsPartition) -> Result<OffsetAnswer, ErrorCode> {
        if self
            .duplicates
            .contains(&(topic.to_owned(), asked.partition_index))
        {
            return Err(ErrorCode::InvalidRequest);
        }
        let target = target(self.version, asked.timestamp).ok_or(ErrorCode::UnsupportedVersion)?;
        let mut query = self.query(topic, asked.partition_index, target);
        query.current_leader_epoch = Some(asked.current_leader_epoch).filter(|epoch| *epoch >= 0);
        let answer = self.replicas.list_offset(query);
        answer.map_err(|error| error_code::list_offsets(&error, self.version))
    }

    /// Version 0 knows -1 and -2 only, and answers with a list.
    fn legacy(&self, topic: &str, asked: &ListOffsetsPartition) -> Result<Vec<i64>, ErrorCode> {
        if asked.timestamp < -2 {
            return Err(ErrorCode::UnsupportedVersion);
        }
        let query = self.query(topic, asked.partition_index, OffsetTarget::Latest);
        let max = usize::try_from(asked.max_num_offsets).unwrap_or(0);
        let offsets = self.replicas.legacy_offsets(query, asked.timestamp, max);
        offsets.map_err(error_code::partition)
    }
}
