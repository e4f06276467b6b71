//! The produce response.

use bytes::{BufMut, BytesMut};
use smallvec::SmallVec;

use crate::wire::PutExt;
use crate::{ApiKey, ErrorCode, RequestHeader, ResponseBody, put_response_header};

/// The answer to a produce request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProduceResponse<'a> {
    /// The topics, as a rule in the order of the request.
    pub topics: SmallVec<[ProduceTopicResponse<'a>; 1]>,
    /// How long the client is throttled (version 1 on).
    pub throttle_time_ms: i32,
    /// Where the leaders named in the partitions are (version 10 on).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The answer for one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceTopicResponse<'a> {
    /// The topic's name.
    pub name: &'a str,
    /// The answers for its partitions.
    pub partitions: SmallVec<[ProducePartitionResponse; 1]>,
}

/// The answer for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducePartitionResponse {
    /// The partition's number.
    pub index: i32,
    /// The outcome.
    pub error: ErrorCode,
    /// The offset of the first record; -1 on errors.
    pub base_offset: i64,
    /// The time of the append for topics with LogAppendTime, else -1 (version 2 on).
    pub log_append_time_ms: i64,
    /// The first offset of the log; -1 when unknown (version 5 on).
    pub log_start_offset: i64,
    /// Which records were refused and why (version 8 on, KIP-467).
    pub record_errors: Vec<RecordError>,
    /// What went wrong, in words (version 8 on).
    pub error_message: Option<String>,
    /// The leader, when the error is that this broker is not (version 10 on, KIP-951).
    pub current_leader: Option<LeaderIdAndEpoch>,
}

impl ProducePartitionResponse {
    /// The answer for a partition that nothing was appended to.
    pub fn failed(index: i32, error: ErrorCode) -> ProducePartitionResponse {
        ProducePartitionResponse {
            index,
            error,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: None,
        }
    }
}

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The record's place in the request's records.
    pub batch_index: i32,
    /// Why it was refused.
    pub message: Option<String>,
}

/// A leader in a response of Produce or Fetch (KIP-951).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderIdAndEpoch {
    /// The leader's broker id; -1 when unknown.
    pub leader_id: i32,
    /// The leader epoch; -1 when unknown.
    pub leader_epoch: i32,
}

/// Where a broker is, in a response of Produce or Fetch (KIP-951).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// The broker's id.
    pub node_id: i32,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

impl ProduceResponse<'_> {
    /// Encodes the response to the request with this header, in the request's version (0 to 11).
    pub fn encode(&self, request: &RequestHeader) -> ResponseBody {
        let version = request.api_version;
        let flexible = ApiKey::Produce.is_flexible(version);
        let mut out = BytesMut::with_capacity(self.size_hint());
        put_response_header(&mut out, ApiKey::Produce, version, request.correlation_id);
        out.put_len(flexible, self.topics.len());
        for topic in &self.topics {
            out.put_string(flexible, topic.name);
            out.put_len(flexible, topic.partitions.len());
            for partition in &topic.partitions {
                partition.put(&mut out, version, flexible);
            }
            out.put_no_tagged_fields(flexible);
        }
        if version >= 1 {
            out.put_i32(self.throttle_time_ms);
        }
        if flexible {
            put_node_endpoints(&mut out, &self.node_endpoints, version >= 10);
        }
        out.freeze().into()
    }

    /// The size of a response without errors, or a little more.
    fn size_hint(&self) -> usize {
        let topics: usize = self
            .topics
            .iter()
            .map(|t| 16 + t.name.len() + t.partitions.len() * 48)
            .sum();
        32 + topics
    }
}

impl ProducePartitionResponse {
    fn put(&self, out: &mut BytesMut, version: i16, flexible: bool) {
        out.put_i32(self.index);
        out.put_i16(self.error.code());
        out.put_i64(self.base_offset);
        if version >= 2 {
            out.put_i64(self.log_append_time_ms);
        }
        if version >= 5 {
            out.put_i64(self.log_start_offset);
        }
        if version >= 8 {
            out.put_len(flexible, self.record_errors.len());
            for error in &self.record_errors {
                out.put_i32(error.batch_index);
                out.put_nullable_string(flexible, error.message.as_deref());
                out.put_no_tagged_fields(flexible);
            }
            out.put_nullable_string(flexible, self.error_message.as_deref());
        }
        if flexible {
            match self.current_leader {
                Some(leader) if version >= 10 => {
                    out.put_varint(1);
                    leader.put_tagged(out, 0);
                }
                _ => out.put_varint(0),
            }
        }
    }
}

impl LeaderIdAndEpoch {
    /// Writes the leader as the tagged field `tag`.
    pub(crate) fn put_tagged(self, out: &mut impl BufMut, tag: u32) {
        out.put_varint(tag);
        out.put_varint(9);
        out.put_i32(self.leader_id);
        out.put_i32(self.leader_epoch);
        out.put_varint(0);
    }
}

/// Writes the tagged section whose only known field, number 0, is the list of endpoints.
pub(crate) fn put_node_endpoints(out: &mut BytesMut, endpoints: &[NodeEndpoint], known: bool) {
    if !known || endpoints.is_empty() {
        out.put_varint(0);
        return;
    }
    let mut content = Vec::with_capacity(endpoints.len() * 32);
    content.put_len(true, endpoints.len());
    for endpoint in endpoints {
        content.put_i32(endpoint.node_id);
        content.put_string(true, &endpoint.host);
        content.put_i32(endpoint.port);
        content.put_nullable_string(true, endpoint.rack.as_deref());
        content.put_varint(0);
    }
    out.put_varint(1);
    out.put_varint(0);
    out.put_varint(u32::try_from(content.len()).unwrap_or(u32::MAX));
    out.put_slice(&content);
}
