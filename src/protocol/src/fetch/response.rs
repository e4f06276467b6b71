//! The fetch response.

use bytes::{BufMut, BytesMut};
use ottla_metadata::TopicId;
use smallvec::SmallVec;

use crate::produce::{LeaderIdAndEpoch, NodeEndpoint, put_node_endpoints};
use crate::wire::PutExt;
use crate::{ApiKey, ErrorCode, Part, RequestHeader, ResponseBody, put_response_header};

/// The answer to a fetch request.
#[derive(Clone, Debug)]
pub struct FetchResponse<'a> {
    /// How long the client is throttled (version 1 on).
    pub throttle_time_ms: i32,
    /// An error of the whole request (version 7 on).
    pub error: ErrorCode,
    /// The fetch session (version 7 on); 0 for none.
    pub session_id: i32,
    /// The topics.
    pub topics: Vec<FetchTopicResponse<'a>>,
    /// Where the leaders named in the partitions are (version 16 on, KIP-951).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The answer for one topic.
#[derive(Clone, Debug)]
pub struct FetchTopicResponse<'a> {
    /// The name, sent up to version 12.
    pub name: &'a str,
    /// The id, sent from version 13 on.
    pub id: TopicId,
    /// The answers for its partitions.
    pub partitions: Vec<FetchPartitionResponse>,
}

/// The answer for one partition.
#[derive(Clone, Debug)]
pub struct FetchPartitionResponse {
    /// The partition's number.
    pub index: i32,
    /// The outcome.
    pub error: ErrorCode,
    /// The high watermark; -1 on errors.
    pub high_watermark: i64,
    /// The last stable offset (version 4 on); -1 when unknown.
    pub last_stable_offset: i64,
    /// The first offset of the log (version 5 on); -1 when unknown.
    pub log_start_offset: i64,
    /// Where the sender's log parts from ours (version 12 on, KIP-595).
    pub diverging_epoch: Option<EpochEndOffset>,
    /// The leader, when the error is that this broker is not (version 12 on).
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// The snapshot to fetch instead (version 12 on; KRaft only).
    pub snapshot_id: Option<SnapshotId>,
    /// The aborted transactions among the records (version 4 on); `None`, which is null on the
    /// wire, unless the fetch reads committed records only.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The replica that the consumer should read from (version 11 on, KIP-392); -1 for none.
    pub preferred_read_replica: i32,
    /// The record batches, in order. Never null on the wire: without parts, they are empty.
    pub records: SmallVec<[Part; 1]>,
}

/// An epoch and the offset behind its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The leader epoch.
    pub epoch: i32,
    /// The offset behind its last record.
    pub end_offset: i64,
}

/// A snapshot of a KRaft log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotId {
    /// The offset behind its last record.
    pub end_offset: i64,
    /// The epoch of its last record.
    pub epoch: i32,
}

/// An aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: i64,
    /// The offset of its first record.
    pub first_offset: i64,
}

impl FetchPartitionResponse {
    /// An answer without records.
    pub fn failed(index: i32, error: ErrorCode) -> FetchPartitionResponse {
        FetchPartitionResponse {
            index,
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: None,
            current_leader: None,
            snapshot_id: None,
            aborted_transactions: None,
            preferred_read_replica: -1,
            records: SmallVec::new(),
        }
    }
}

impl FetchResponse<'_> {
    /// Encodes the response to the request with this header, in the request's version (0 to 17).
    /// The records are moved into the result's parts, uncopied.
    pub fn encode(self, request: &RequestHeader) -> ResponseBody {
        let version = request.api_version;
        let mut writer = Writer {
            version,
            flexible: ApiKey::Fetch.is_flexible(version),
            out: BytesMut::with_capacity(self.size_hint()),
            body: ResponseBody::default(),
        };
        put_response_header(
            &mut writer.out,
            ApiKey::Fetch,
            version,
            request.correlation_id,
        );
        writer.response(self);
        writer.end_bytes();
        writer.body
    }

    /// The size of a response without tagged fields and records, or a little more.
    fn size_hint(&self) -> usize {
        let topics: usize = self
            .topics
            .iter()
            .map(|t| {
                let partitions: usize = t
                    .partitions
                    .iter()
                    .map(|p| 64 + p.aborted_transactions.as_ref().map_or(0, |a| a.len() * 17))
                    .sum();
                32 + t.name.len() + partitions
            })
            .sum();
        64 + topics
    }
}

struct Writer {
    version: i16,
    flexible: bool,
    /// Bytes that are not yet a part.
    out: BytesMut,
    body: ResponseBody,
}

impl Writer {
    fn response(&mut self, response: FetchResponse<'_>) {
        if self.version >= 1 {
            self.out.put_i32(response.throttle_time_ms);
        }
        if self.version >= 7 {
            self.out.put_i16(response.error.code());
            self.out.put_i32(response.session_id);
        }
        self.out.put_len(self.flexible, response.topics.len());
        for topic in response.topics {
            match self.version {
                ..=12 => self.out.put_string(self.flexible, topic.name),
                _ => self.out.put_slice(&topic.id.0),
            }
            self.out.put_len(self.flexible, topic.partitions.len());
            for partition in topic.partitions {
                self.partition(partition);
            }
            self.out.put_no_tagged_fields(self.flexible);
        }
        if self.flexible {
            put_node_endpoints(&mut self.out, &response.node_endpoints, self.version >= 16);
        }
    }

    fn partition(&mut self, partition: FetchPartitionResponse) {
        self.out.put_i32(partition.index);
        self.out.put_i16(partition.error.code());
        self.out.put_i64(partition.high_watermark);
        if self.version >= 4 {
            self.out.put_i64(partition.last_stable_offset);
        }
        if self.version >= 5 {
            self.out.put_i64(partition.log_start_offset);
        }
        if self.version >= 4 {
            self.aborted_transactions(partition.aborted_transactions.as_deref());
        }
        if self.version >= 11 {
            self.out.put_i32(partition.preferred_read_replica);
        }
        let tags = Tags {
            diverging_epoch: partition.diverging_epoch,
            current_leader: partition.current_leader,
            snapshot_id: partition.snapshot_id,
        };
        self.records(partition.records);
        if self.flexible {
            tags.put(&mut self.out);
        }
    }

    fn aborted_transactions(&mut self, transactions: Option<&[AbortedTransaction]>) {
        let Some(transactions) = transactions else {
            return self.out.put_null_len(self.flexible);
        };
        self.out.put_len(self.flexible, transactions.len());
        for transaction in transactions {
            self.out.put_i64(transaction.producer_id);
            self.out.put_i64(transaction.first_offset);
            self.out.put_no_tagged_fields(self.flexible);
        }
    }

    fn records(&mut self, records: SmallVec<[Part; 1]>) {
        let len: u64 = records.iter().map(Part::len).sum();
        // More than a frame can hold is refused by `network`, which knows the whole size.
        self.out
            .put_len(self.flexible, usize::try_from(len).unwrap_or(usize::MAX));
        if len > 0 {
            self.end_bytes();
            self.body
                .parts
                .extend(records.into_iter().filter(|part| !part.is_empty()));
        }
    }

    /// Makes a part of the bytes written so far.
    fn end_bytes(&mut self) {
        if !self.out.is_empty() {
            let bytes = self.out.split().freeze();
            self.body.parts.push(Part::Bytes(bytes));
        }
    }
}

/// The tagged fields of a partition.
struct Tags {
    diverging_epoch: Option<EpochEndOffset>,
    current_leader: Option<LeaderIdAndEpoch>,
    snapshot_id: Option<SnapshotId>,
}

impl Tags {
    fn put(self, out: &mut BytesMut) {
        let count = u32::from(self.diverging_epoch.is_some())
            + u32::from(self.current_leader.is_some())
            + u32::from(self.snapshot_id.is_some());
        out.put_varint(count);
        if let Some(diverging) = self.diverging_epoch {
            out.put_varint(0);
            out.put_varint(13);
            out.put_i32(diverging.epoch);
            out.put_i64(diverging.end_offset);
            out.put_varint(0);
        }
        if let Some(leader) = self.current_leader {
            leader.put_tagged(out, 1);
        }
        if let Some(snapshot) = self.snapshot_id {
            out.put_varint(2);
            out.put_varint(13);
            out.put_i64(snapshot.end_offset);
            out.put_i32(snapshot.epoch);
            out.put_varint(0);
        }
    }
}
