//! Produce, versions 0 to 11: the request as a view on its frame, and the response's encoder.

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::wire::{PutExt, Reader};
use crate::{
    ApiKey, DecodeError, ErrorCode, RequestHeader, ResponseBody, StrBytes, put_response_header,
};

/// A produce request. Decoding checks all of it; the partitions are read from the frame as they
/// are iterated, so the request takes no memory besides its frame.
#[derive(Clone, Debug)]
pub struct ProduceRequestView {
    /// The transactional id (version 3 on).
    pub transactional_id: Option<StrBytes>,
    /// 0: no answer is wanted; 1: when the leader has it; -1: when all in-sync replicas have it.
    /// Other values are not refused here.
    pub acks: i16,
    /// How long to wait for the in-sync replicas.
    pub timeout_ms: i32,
    flexible: bool,
    /// The frame from the first topic on.
    topics: Bytes,
    topic_count: usize,
    partition_count: usize,
}

/// One topic of a produce request.
#[derive(Clone, Debug)]
pub struct ProduceTopic<'a> {
    /// The topic's name; not yet checked against Kafka's rules for names.
    pub name: &'a str,
    partitions: ProducePartitions<'a>,
}

/// One partition of a produce request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducePartition {
    /// The partition's number.
    pub index: i32,
    /// The record batches (or message set): a slice of the frame. `None` stands for null.
    pub records: Option<Bytes>,
}

/// The fewest bytes of a topic: an empty name, no partitions, no tagged fields.
const MIN_TOPIC_BYTES: usize = 3;
/// The fewest bytes of a partition: its number, null records, no tagged fields.
const MIN_PARTITION_BYTES: usize = 6;

impl ProduceRequestView {
    /// Decodes the body of a produce request of a version from 0 to 11.
    pub fn decode(version: i16, body: Bytes) -> Result<ProduceRequestView, DecodeError> {
        if !ApiKey::Produce.versions().contains(version) {
            return Err(DecodeError::UnsupportedVersion {
                message: "ProduceRequest",
                version,
            });
        }
        let flexible = ApiKey::Produce.is_flexible(version);
        let mut reader = Reader::new(&body);
        let transactional_id = match version {
            ..3 => None,
            _ => reader.nullable_shared_string(&body, flexible, "transactional_id")?,
        };
        let acks = reader.i16("acks")?;
        let timeout_ms = reader.i32("timeout_ms")?;
        let topic_count = reader.array_len(flexible, MIN_TOPIC_BYTES, "topic_data")?;
        let topics_at = reader.position();
        let mut partition_count = 0usize;
        for _ in 0..topic_count {
            read_topic_name(&mut reader, flexible)?;
            let count = read_partition_count(&mut reader, flexible)?;
            for _ in 0..count {
                read_partition(&mut reader, flexible)?;
            }
            skip_tags(&mut reader, flexible)?;
            partition_count = partition_count.saturating_add(count);
        }
        skip_tags(&mut reader, flexible)?;
        Ok(ProduceRequestView {
            transactional_id,
            acks,
            timeout_ms,
            flexible,
            topics: body.slice(topics_at..),
            topic_count,
            partition_count,
        })
    }

    /// The number of partitions in all topics; a partition that is named twice counts twice.
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// The topics in the order of the request.
    pub fn topics(&self) -> ProduceTopics<'_> {
        ProduceTopics {
            request: self,
            reader: Reader::new(&self.topics),
            left: self.topic_count,
        }
    }
}

/// Iterates the topics of a produce request.
#[derive(Clone, Debug)]
pub struct ProduceTopics<'a> {
    request: &'a ProduceRequestView,
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Iterator for ProduceTopics<'a> {
    type Item = ProduceTopic<'a>;

    fn next(&mut self) -> Option<ProduceTopic<'a>> {
        self.left = self.left.checked_sub(1)?;
        let flexible = self.request.flexible;
        // `decode` has read all this before: no error is left to happen.
        let name = read_topic_name(&mut self.reader, flexible).ok()?;
        let left = read_partition_count(&mut self.reader, flexible).ok()?;
        let partitions = ProducePartitions {
            frame: &self.request.topics,
            flexible,
            reader: self.reader,
            left,
        };
        for _ in 0..left {
            read_partition(&mut self.reader, flexible).ok()?;
        }
        skip_tags(&mut self.reader, flexible).ok()?;
        Some(ProduceTopic { name, partitions })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a> ProduceTopic<'a> {
    /// The topic's partitions in the order of the request.
    pub fn partitions(&self) -> ProducePartitions<'a> {
        self.partitions.clone()
    }
}

/// Iterates the partitions of a topic of a produce request.
#[derive(Clone, Debug)]
pub struct ProducePartitions<'a> {
    frame: &'a Bytes,
    flexible: bool,
    reader: Reader<'a>,
    left: usize,
}

impl Iterator for ProducePartitions<'_> {
    type Item = ProducePartition;

    fn next(&mut self) -> Option<ProducePartition> {
        self.left = self.left.checked_sub(1)?;
        let (index, records) = read_partition(&mut self.reader, self.flexible).ok()?;
        Some(ProducePartition {
            index,
            records: records.map(|records| self.frame.slice_ref(records)),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

fn read_topic_name<'a>(reader: &mut Reader<'a>, flexible: bool) -> Result<&'a str, DecodeError> {
    reader.string(flexible, "name")
}

fn read_partition_count(reader: &mut Reader<'_>, flexible: bool) -> Result<usize, DecodeError> {
    reader.array_len(flexible, MIN_PARTITION_BYTES, "partition_data")
}

fn read_partition<'a>(
    reader: &mut Reader<'a>,
    flexible: bool,
) -> Result<(i32, Option<&'a [u8]>), DecodeError> {
    let index = reader.i32("index")?;
    let records = match reader.len(flexible, "records")? {
        Some(len) => Some(reader.take(len, "records")?),
        None => None,
    };
    skip_tags(reader, flexible)?;
    Ok((index, records))
}

fn skip_tags(reader: &mut Reader<'_>, flexible: bool) -> Result<(), DecodeError> {
    if flexible {
        reader.skip_tagged_fields()?;
    }
    Ok(())
}

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
