//! The produce request as a view on its frame.

use bytes::Bytes;

use crate::wire::Reader;
use crate::{ApiKey, DecodeError, StrBytes};

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
