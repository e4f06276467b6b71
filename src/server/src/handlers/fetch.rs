//! Fetch. What is asked for is in `ask.rs`, what is answered per partition in `answer.rs`; reading and
//! waiting is `ottla-replication`'s, conversion for old clients in `fetch_conversion.rs`.

mod answer;
mod ask;

use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::{BrokerId, ClusterImage, TopicId};
use ottla_network::{Answer, ConnectionInfo, Request};
use ottla_protocol::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartitionResponse, FetchRequest, FetchResponse,
    FetchTopicResponse, IsolationLevel,
};
use ottla_protocol::{ApiKey, ErrorCode, Part, RequestHeader, ResponseBody};
use ottla_replication::{
    Completion, ConsumerPlace, FetchOrigin, FetchPartition, FetchResults, FetchSpec,
    FetchedPartition, Isolation, Known, Watch,
};
use smallvec::smallvec;

use self::answer::{Answered, Found, file_part, needed_conversion};
use self::ask::{Asked, Kind, begin, fetch_partition, limit, size};
use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::error_code;
use crate::fetch_conversion::{Conversion, convert_all};
use crate::fetch_sessions::{NO_SESSION, NewSession, TopicKey};
use crate::handlers::leaders::Leaders;
use crate::reply::{MAX_PARTITIONS, malformed, too_many_partitions};

pub(crate) const API: Api = Api {
    key: ApiKey::Fetch,
    versions: versions(0, 17),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let Request {
        header,
        body,
        connection,
        ..
    } = request;
    let request = match FetchRequest::decode(header.api_version, body) {
        Ok(request) => request,
        Err(error) => return malformed(&header, &error),
    };
    let partitions = request
        .topics
        .iter()
        .map(|topic| topic.partitions.len())
        .sum();
    if partitions > MAX_PARTITIONS {
        return too_many_partitions(&header, partitions);
    }
    let image = context.cluster.image();
    let (kind, all) = match begin(context, &image, &request, header.api_version >= 13) {
        Ok(begun) => begun,
        Err(code) => return Answer::Now(failed(code, NO_SESSION).encode(&header)),
    };
    let exchange = Exchange {
        header,
        connection,
        follower: Some(BrokerId(request.replica_id)).filter(|id| id.0 >= 0),
        is_impatient: request.min_bytes <= 1,
        kind,
    };
    let (spec, unresolved) = exchange.spec(context, &image, &request, all);
    match context.replicas.fetch(spec) {
        Completion::Ready(read) => {
            let found = exchange.found(context, read, unresolved);
            if found.conversions.is_empty() {
                return Answer::Now(exchange.respond(context, found));
            }
            let context = Arc::clone(context);
            Answer::Later(Box::pin(async move {
                Some(exchange.finish(&context, found).await)
            }))
        }
        Completion::Pending(pending) => {
            let context = Arc::clone(context);
            Answer::Later(Box::pin(async move {
                let (read, unresolved) = exchange.with_news(&context, pending.await, unresolved);
                let found = exchange.found(&context, read, unresolved);
                Some(exchange.finish(&context, found).await)
            }))
        }
    }
}

fn failed(code: ErrorCode, session_id: i32) -> FetchResponse<'static> {
    let (topics, node_endpoints) = (Vec::new(), Vec::new());
    FetchResponse {
        throttle_time_ms: 0,
        error: code,
        session_id,
        topics,
        node_endpoints,
    }
}

/// A request and what its answer needs of it.
struct Exchange {
    header: RequestHeader,
    connection: Arc<ConnectionInfo>,
    follower: Option<BrokerId>,
    /// Any byte is worth an answer.
    is_impatient: bool,
    kind: Kind,
}

impl Exchange {
    /// What to read, and what cannot be read because nobody knows the id of its topic.
    fn spec(
        &self,
        context: &Context,
        image: &ClusterImage,
        request: &FetchRequest,
        all: Vec<Asked>,
    ) -> (FetchSpec, Vec<Asked>) {
        let version = self.header.api_version;
        let mut partitions = Vec::with_capacity(all.len());
        let mut unresolved = Vec::new();
        for (key, wanted) in all {
            match fetch_partition(image, &key, wanted) {
                Some(partition) => partitions.push(partition),
                None => unresolved.push((key, wanted)),
            }
        }
        let max_bytes = size(request.max_bytes).min(limit(context));
        let spec = FetchSpec {
            origin: match request.replica_id {
                id @ 0.. => FetchOrigin::Follower(BrokerId(id)),
                _ => FetchOrigin::Consumer,
            },
            max_wait: Duration::from_millis(request.max_wait_ms.max(0).unsigned_abs().into()),
            min_bytes: size(request.min_bytes).min(max_bytes),
            max_bytes,
            hard_limits: version <= 2,
            isolation: match request.isolation_level {
                IsolationLevel::ReadUncommitted => Isolation::ReadUncommitted,
                IsolationLevel::ReadCommitted => Isolation::ReadCommitted,
            },
            leader_only: self.follower.is_some() || version < 11,
            place: self.place(request),
            partitions,
            lookout: self.kind.watched().map(Arc::clone),
        };
        (spec, unresolved)
    }

    /// Reads what turned out to have news while the fetch waited.
    fn with_news(
        &self,
        context: &Context,
        (mut spec, mut results): (FetchSpec, FetchResults),
        mut unresolved: Vec<Asked>,
    ) -> ((FetchSpec, FetchResults), Vec<Asked>) {
        let Kind::Incremental(session, _) = &self.kind else {
            return ((spec, results), unresolved);
        };
        let news = session.news();
        if news.is_empty() {
            return ((spec, results), unresolved);
        }
        let image = context.cluster.image();
        let looked_at = std::mem::take(&mut spec.partitions);
        let mut more = spec.clone();
        for (key, wanted) in news {
            match fetch_partition(&image, &key, wanted) {
                Some(partition) => more.partitions.push(partition),
                None => unresolved.push((key, wanted)),
            }
        }
        let (more, found) = context.replicas.fetch_news(more);
        spec.partitions = looked_at;
        spec.partitions.extend(more.partitions);
        results.extend(found);
        ((spec, results), unresolved)
    }

    /// Has the session told when a partition has something new for the follower, if it has not now.
    fn watch(&self, context: &Context, answer: &Answered, turn: u64) -> Option<Watch> {
        let follower = self.follower.filter(|_| self.is_impatient)?;
        let lookout = self.kind.lookout()?;
        let wanted = &answer.wanted;
        let known = Known {
            topic: &answer.name,
            topic_id: answer.id,
            partition: answer.response.index,
            leader_epoch: Some(wanted.current_leader_epoch).filter(|epoch| *epoch >= 0),
            at: wanted.fetch_offset,
            log_start: wanted.log_start_offset,
            high_watermark: answer.response.high_watermark,
            leader_log_start: answer.response.log_start_offset,
        };
        context.replicas.watch(lookout, turn, follower, &known)
    }

    /// Where the consumer is, from version 11 on.
    fn place(&self, request: &FetchRequest) -> Option<ConsumerPlace> {
        let says = self.follower.is_none() && !request.rack_id.is_empty();
        says.then(|| ConsumerPlace {
            rack: request.rack_id.as_str().to_owned(),
            listener: Arc::clone(&self.connection.listener),
        })
    }

    /// What was found, as the response will say it.
    fn found(
        &self,
        context: &Context,
        (spec, results): (FetchSpec, FetchResults),
        unresolved: Vec<Asked>,
    ) -> Found {
        let answers = Vec::with_capacity(results.len() + unresolved.len());
        let mut found = Found {
            answers,
            conversions: Vec::new(),
        };
        for (partition, result) in spec.partitions.into_iter().zip(results) {
            let response = match result {
                Ok(fetched) => self.fetched(context, &partition, fetched, &mut found),
                Err(error) => {
                    let code = error_code::fetch(&error, self.header.api_version);
                    tracing::debug!(
                        topic = &*partition.topic, partition = partition.partition, %error, "fetch"
                    );
                    FetchPartitionResponse::failed(partition.partition, code)
                }
            };
            found.answers.push(Answered::new(partition, response));
        }
        for ((topic, partition), wanted) in unresolved {
            let id = if let TopicKey::Id(id) = topic {
                id
            } else {
                TopicId::ZERO
            };
            let response = FetchPartitionResponse::failed(partition, ErrorCode::UnknownTopicId);
            let key = (topic, partition);
            found.answers.push(Answered {
                key,
                wanted,
                name: "".into(),
                id,
                response,
            });
        }
        found
    }

    /// A partition that was read. What an old client cannot read is converted before it is sent,
    /// or refused.
    fn fetched(
        &self,
        context: &Context,
        partition: &FetchPartition,
        fetched: FetchedPartition,
        found: &mut Found,
    ) -> FetchPartitionResponse {
        let version = self.header.api_version;
        let index = partition.partition;
        if version < 10 {
            match needed_conversion(context, partition, version, self.follower.is_some()) {
                Ok(Some(target)) => {
                    if let Some(records) = &fetched.records {
                        found.conversions.extend(Conversion::new(
                            found.answers.len(),
                            records,
                            target,
                            partition.fetch_offset,
                        ));
                    }
                }
                Ok(None) => {}
                Err(code) => return FetchPartitionResponse::failed(index, code),
            }
        }
        let mut response = FetchPartitionResponse::failed(index, ErrorCode::None);
        response.high_watermark = fetched.high_watermark;
        response.last_stable_offset = fetched.last_stable_offset;
        response.log_start_offset = fetched.log_start_offset;
        response.preferred_read_replica = fetched.preferred.map_or(-1, |id| id.0);
        response.diverging_epoch = fetched.diverging.map(|d| EpochEndOffset {
            epoch: d.epoch,
            end_offset: d.end_offset,
        });
        response.aborted_transactions = fetched.aborted.map(|aborted| {
            let aborted = aborted.into_iter();
            aborted
                .map(|a| AbortedTransaction {
                    producer_id: a.producer_id,
                    first_offset: a.first_offset,
                })
                .collect()
        });
        response.records = fetched.records.map(file_part).into_iter().collect();
        response
    }

    async fn finish(&self, context: &Context, mut found: Found) -> ResponseBody {
        let conversions = std::mem::take(&mut found.conversions);
        for (place, converted) in convert_all(context, conversions).await {
            let Some(answer) = found.answers.get_mut(place) else {
                continue;
            };
            let response = &mut answer.response;
            match converted {
                Ok(records) => response.records = smallvec![Part::Bytes(records)],
                Err(code) => *response = FetchPartitionResponse::failed(response.index, code),
            }
        }
        self.respond(context, found)
    }

    fn respond(&self, context: &Context, mut found: Found) -> ResponseBody {
        let session_id = match self.settle_session(context, &mut found) {
            Ok(session_id) => session_id,
            Err(code) => {
                let id = if let Kind::Incremental(session, _) = &self.kind {
                    session.id
                } else {
                    0
                };
                return failed(code, id).encode(&self.header);
            }
        };
        let mut leaders = Leaders::new(context, &self.connection);
        let mut topics: Vec<FetchTopicResponse<'_>> = Vec::new();
        for answer in &mut found.answers {
            let mut response =
                FetchPartitionResponse::failed(answer.response.index, ErrorCode::None);
            std::mem::swap(&mut response, &mut answer.response);
            let moved = matches!(
                response.error,
                ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
            );
            if moved && self.header.api_version >= 16 {
                response.current_leader = Some(leaders.note(&answer.name, response.index));
            }
            match topics.last_mut() {
                Some(last) if last.id == answer.id && last.name == &*answer.name => {
                    last.partitions.push(response);
                }
                _ => {
                    let (name, id) = (&*answer.name, answer.id);
                    topics.push(FetchTopicResponse {
                        name,
                        id,
                        partitions: vec![response],
                    });
                }
            }
        }
        let node_endpoints = leaders.endpoints();
        let (error, throttle_time_ms) = (ErrorCode::None, 0);
        let response = FetchResponse {
            throttle_time_ms,
            error,
            session_id,
            topics,
            node_endpoints,
        };
        response.encode(&self.header)
    }

    /// Begins the session, or drops from the answer what its session has told before. Answers the
    /// session id of the response.
    fn settle_session(&self, context: &Context, found: &mut Found) -> Result<i32, ErrorCode> {
        match &self.kind {
            Kind::Sessionless => Ok(NO_SESSION),
            Kind::Full => {
                let partitions = found.answers.iter();
                let partitions = partitions
                    .map(|a| (a.key.clone(), a.wanted, a.told()))
                    .collect();
                let new = NewSession {
                    is_privileged: self.follower.is_some(),
                    uses_ids: self.header.api_version >= 13,
                    partitions,
                };
                let slots = context.config.load().fetch.session_cache_slots;
                Ok(context.fetch_sessions.open(new, slots, context.now_ms()))
            }
            Kind::Incremental(session, epoch) => {
                let told: Vec<_> = found
                    .answers
                    .iter()
                    .map(|a| (a.key.clone(), a.told()))
                    .collect();
                let watch = |place: usize, turn| {
                    let answer = found.answers.get(place)?;
                    self.watch(context, answer, turn)
                };
                let mut news = session.select(*epoch, &told, watch)?.into_iter();
                found.answers.retain(|_| news.next().unwrap_or(true));
                Ok(session.id)
            }
        }
    }
}
