//! Produce. The result is known within the call unless followers or a flush have to be waited for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_network::{Answer, CloseReason, ConnectionInfo, Request};
use ottla_protocol::produce::{
    ProducePartitionResponse, ProduceRequestView, ProduceResponse, ProduceTopicResponse,
    RecordError,
};
use ottla_protocol::{ApiKey, ErrorCode, RequestHeader, ResponseBody};
use ottla_records::InvalidRecords;
use ottla_replication::{
    Completion, PartitionError, ProduceError, ProduceOptions, ProduceResults, Produced,
    RequiredAcks,
};
use smallvec::SmallVec;

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::error_code;
use crate::handlers::leaders::Leaders;
use crate::reply::{MAX_PARTITIONS, malformed, too_many_partitions};

pub(crate) const API: Api = Api {
    key: ApiKey::Produce,
    versions: versions(0, 11),
    handle,
};

/// The client that may write internal topics (`AdminUtils.ADMIN_CLIENT_ID`).
const ADMIN_CLIENT_ID: &str = "__admin_client";

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let Request {
        header,
        body,
        connection,
        ..
    } = request;
    let view = match ProduceRequestView::decode(header.api_version, body) {
        Ok(view) => view,
        Err(error) => return malformed(&header, &error),
    };
    if view.partition_count() > MAX_PARTITIONS {
        return too_many_partitions(&header, view.partition_count());
    }
    let acks = match view.acks {
        0 => RequiredAcks::None,
        1 => RequiredAcks::Leader,
        -1 => RequiredAcks::All,
        _ => return refuse_all(&header, &view, ErrorCode::InvalidRequiredAcks),
    };
    if let Some(code) = refusal_of_transactions(&view) {
        return refuse_all(&header, &view, code);
    }
    let exchange = Exchange {
        header,
        connection,
        superseded: superseded(&view),
        view,
    };
    let options = exchange.options(acks);
    let mut produce = context.replicas.produce(options);
    for (topic, partition, records) in exchange.partitions() {
        produce.append(topic, partition, records);
    }
    match produce.finish() {
        Completion::Ready(results) if acks == RequiredAcks::None => {
            without_acks(&exchange, &results)
        }
        Completion::Ready(results) => Answer::Now(exchange.respond(context, results)),
        Completion::Pending(results) => {
            let context = Arc::clone(context);
            let answer = async move { Some(exchange.respond(&context, results.await)) };
            Answer::Later(Box::pin(answer))
        }
    }
}

/// A request and what its answer needs of it.
struct Exchange {
    header: RequestHeader,
    connection: Arc<ConnectionInfo>,
    view: ProduceRequestView,
    /// Places of partitions that the request names again further on, ascending; empty as a rule.
    superseded: Vec<usize>,
}

impl Exchange {
    fn options(&self, acks: RequiredAcks) -> ProduceOptions {
        let version = self.header.api_version;
        ProduceOptions {
            acks,
            timeout: Duration::from_millis(self.view.timeout_ms.max(0).unsigned_abs().into()),
            internal_topics: self.header.client_id.as_deref() == Some(ADMIN_CLIENT_ID),
            zstd: version >= 7,
            single_v2_batch: version >= 3,
        }
    }

    /// What is appended. Of a partition that is named more than once only the last set counts, as
    /// in Kafka, which keeps the sets in a map.
    fn partitions(&self) -> impl Iterator<Item = (&str, i32, Bytes)> {
        all_partitions(&self.view)
            .enumerate()
            .filter(|(place, _)| self.superseded.binary_search(place).is_err())
            .map(|(_, partition)| partition)
    }

    fn respond(&self, context: &Context, results: ProduceResults) -> ResponseBody {
        let mut leaders = Leaders::new(context, &self.connection);
        let mut results = results.into_iter();
        let mut place = 0;
        let mut topics = SmallVec::new();
        for topic in self.view.topics() {
            let mut partitions = SmallVec::new();
            for partition in topic.partitions() {
                let is_superseded = self.superseded.binary_search(&place).is_ok();
                place += 1;
                if is_superseded {
                    continue;
                }
                let result = results
                    .next()
                    .unwrap_or(Err(PartitionError::Unknown.into()));
                let mut answer = partition_response(partition.index, result);
                if answer.error == ErrorCode::NotLeaderOrFollower && self.header.api_version >= 10 {
                    answer.current_leader = Some(leaders.note(topic.name, partition.index));
                }
                partitions.push(answer);
            }
            topics.push(ProduceTopicResponse {
                name: topic.name,
                partitions,
            });
        }
        let node_endpoints = leaders.endpoints();
        ProduceResponse {
            topics,
            throttle_time_ms: 0,
            node_endpoints,
        }
        .encode(&self.header)
    }
}

fn all_partitions(view: &ProduceRequestView) -> impl Iterator<Item = (&str, i32, Bytes)> {
    view.topics().flat_map(|topic| {
        let name = topic.name;
        topic
            .partitions()
            .map(move |p| (name, p.index, p.records.unwrap_or_default()))
    })
}

/// Places of partitions that are named again later in the request, ascending.
fn superseded(view: &ProduceRequestView) -> Vec<usize> {
    if view.partition_count() < 2 {
        return Vec::new();
    }
    let places = all_partitions(view).enumerate();
    let mut places: Vec<(&str, i32, usize)> = places
        .map(|(place, (topic, partition, _))| (topic, partition, place))
        .collect();
    places.sort_unstable();
    let mut superseded = Vec::new();
    for pair in places.windows(2) {
        if let [(topic, partition, place), (next_topic, next_partition, _)] = pair {
            if (topic, partition) == (next_topic, next_partition) {
                superseded.push(*place);
            }
        }
    }
    superseded.sort_unstable();
    superseded
}

/// Transactions have no coordinator yet, so no batch can belong to one. Without this, a batch that
/// claims to would hold the last stable offset for ever. A batch outside of any transactional id
/// is refused as in Kafka.
fn refusal_of_transactions(view: &ProduceRequestView) -> Option<ErrorCode> {
    let is_transactional = all_partitions(view).any(|(_, _, records)| has_transaction(&records));
    match (&view.transactional_id, is_transactional) {
        (_, false) => None,
        (None, true) => Some(ErrorCode::TransactionalIdAuthorizationFailed),
        (Some(_), true) => Some(ErrorCode::InvalidTxnState),
    }
}

/// Whether the first batch is of format v2 (byte 16) and in a transaction (bit 4 of byte 22).
fn has_transaction(records: &[u8]) -> bool {
    records.get(16) == Some(&2)
        && records
            .get(22)
            .is_some_and(|attributes| attributes & 0x10 != 0)
}

fn partition_response(
    index: i32,
    result: Result<Produced, ProduceError>,
) -> ProducePartitionResponse {
    match result {
        Ok(produced) => ProducePartitionResponse {
            index,
            error: ErrorCode::None,
            base_offset: produced.first_offset,
            log_append_time_ms: produced.log_append_time,
            log_start_offset: produced.log_start_offset,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: None,
        },
        Err(error) => {
            let code = error_code::produce(&error);
            tracing::debug!(partition = index, %error, code = %code, "append refused");
            let mut response = ProducePartitionResponse::failed(index, code);
            response.error_message = Some(error.to_string());
            response.record_errors = record_errors(error);
            response
        }
    }
}

fn record_errors(error: ProduceError) -> Vec<RecordError> {
    let (ProduceError::Records(InvalidRecords::Invalid { record_errors, .. })
    | ProduceError::Records(InvalidRecords::InvalidTimestamp { record_errors, .. })) = error
    else {
        return Vec::new();
    };
    let errors = record_errors.into_iter();
    errors
        .map(|(batch_index, text)| RecordError {
            batch_index,
            message: Some(text),
        })
        .collect()
}

/// A client that wants no answer learns of errors by losing its connection.
fn without_acks(exchange: &Exchange, results: &ProduceResults) -> Answer {
    let failed = exchange
        .partitions()
        .zip(results)
        .find_map(|((topic, partition, _), result)| {
            let error = result.as_ref().err()?;
            Some(format!(
                "produce with acks=0 to {topic}-{partition}: {error}"
            ))
        });
    match failed {
        Some(reason) => Answer::Close(CloseReason(reason)),
        None => Answer::None,
    }
}

fn refuse_all(header: &RequestHeader, view: &ProduceRequestView, code: ErrorCode) -> Answer {
    if view.acks == 0 {
        return Answer::Close(CloseReason(format!("produce with acks=0 refused: {code}")));
    }
    let topics = view.topics().map(|topic| {
        let partitions = topic.partitions();
        let refuse = |p: ottla_protocol::produce::ProducePartition| {
            ProducePartitionResponse::failed(p.index, code)
        };
        ProduceTopicResponse {
            name: topic.name,
            partitions: partitions.map(refuse).collect(),
        }
    });
    let response = ProduceResponse {
        topics: topics.collect(),
        ..ProduceResponse::default()
    };
    Answer::Now(response.encode(header))
}
