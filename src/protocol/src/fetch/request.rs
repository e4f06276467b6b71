//! The fetch request.

use std::mem::size_of;

use bytes::Bytes;
use ottla_metadata::TopicId;

use crate::wire::{MemoryLimit, Reader};
use crate::{ApiKey, DecodeError, StrBytes};

/// Which records a fetch may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationLevel {
    /// All up to the high watermark.
    ReadUncommitted,
    /// Those up to the last stable offset; the response lists the aborted transactions.
    ReadCommitted,
}

/// A fetch request of any version. Fields that a version does not have stand at their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// The cluster that the sender believes to talk to (version 12 on).
    pub cluster_id: Option<StrBytes>,
    /// The follower's broker id; negative for consumers: -1, -2 for a debugging consumer.
    pub replica_id: i32,
    /// The follower's broker epoch (version 15 on); -1 when unknown.
    pub replica_epoch: i64,
    /// How long the broker may wait for `min_bytes`.
    pub max_wait_ms: i32,
    /// Fewer bytes are answered only after `max_wait_ms`.
    pub min_bytes: i32,
    /// The most bytes of the whole response (version 3 on, KIP-74); `i32::MAX` before.
    pub max_bytes: i32,
    /// Which records are visible (version 4 on).
    pub isolation_level: IsolationLevel,
    /// The fetch session (version 7 on, KIP-227); 0 for none.
    pub session_id: i32,
    /// The epoch in the session; -1 for a full fetch outside of sessions, 0 for one that begins a
    /// session.
    pub session_epoch: i32,
    /// What to fetch.
    pub topics: Vec<FetchTopic>,
    /// What to take out of the session (version 7 on).
    pub forgotten_topics: Vec<ForgottenTopic>,
    /// The consumer's rack (version 11 on, KIP-392); empty for none.
    pub rack_id: StrBytes,
}

/// A topic of a fetch request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchTopic {
    /// The name up to version 12; empty from then on.
    pub name: StrBytes,
    /// The id from version 13 on (KIP-516); zero before.
    pub id: TopicId,
    /// The partitions.
    pub partitions: Vec<FetchPartition>,
}

/// A partition of a fetch request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// The partition's number.
    pub index: i32,
    /// The leader epoch that the sender believes in (version 9 on, KIP-320); -1 for none.
    pub current_leader_epoch: i32,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// The epoch of the sender's last record (version 12 on, KIP-595); -1 for none.
    pub last_fetched_epoch: i32,
    /// The follower's log start offset (version 5 on); -1 for consumers.
    pub log_start_offset: i64,
    /// The most bytes of this partition.
    pub max_bytes: i32,
    /// The follower's log directory (version 17 on); zero when unknown.
    pub replica_directory_id: TopicId,
}

/// Partitions to take out of a fetch session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgottenTopic {
    /// The name up to version 12; empty from then on.
    pub name: StrBytes,
    /// The id from version 13 on; zero before.
    pub id: TopicId,
    /// The partitions.
    pub partitions: Vec<i32>,
}

/// The fewest bytes of a topic: an empty name, no partitions, no tagged fields.
const MIN_TOPIC_BYTES: usize = 3;
/// The fewest bytes of a partition (version 0).
const MIN_PARTITION_BYTES: usize = 16;

impl FetchRequest {
    /// Decodes the body of a fetch request of a version from 0 to 17. Takes at most 1 MiB plus
    /// eight times the body's size of memory.
    pub fn decode(version: i16, body: Bytes) -> Result<FetchRequest, DecodeError> {
        if !ApiKey::Fetch.versions().contains(version) {
            return Err(DecodeError::UnsupportedVersion {
                message: "FetchRequest",
                version,
            });
        }
        Decoder {
            version,
            flexible: ApiKey::Fetch.is_flexible(version),
            memory: MemoryLimit::for_message(body.len()),
            reader: Reader::new(&body),
            body: &body,
        }
        .request()
    }
}

struct Decoder<'a> {
    version: i16,
    flexible: bool,
    memory: MemoryLimit,
    reader: Reader<'a>,
    body: &'a Bytes,
}

impl Decoder<'_> {
    fn request(mut self) -> Result<FetchRequest, DecodeError> {
        let v = self.version;
        let mut request = FetchRequest {
            cluster_id: None,
            replica_id: match v {
                ..=14 => self.reader.i32("replica_id")?,
                _ => -1,
            },
            replica_epoch: -1,
            max_wait_ms: self.reader.i32("max_wait_ms")?,
            min_bytes: self.reader.i32("min_bytes")?,
            max_bytes: self.i32_since(3, "max_bytes", i32::MAX)?,
            isolation_level: self.isolation_level()?,
            session_id: self.i32_since(7, "session_id", 0)?,
            session_epoch: self.i32_since(7, "session_epoch", -1)?,
            topics: self.topics()?,
            forgotten_topics: match v {
                ..7 => Vec::new(),
                _ => self.forgotten_topics()?,
            },
            rack_id: match v {
                ..11 => StrBytes::default(),
                _ => self.string("rack_id")?,
            },
        };
        if self.flexible {
            let body = self.body;
            self.reader.tagged_fields(|tag, content| {
                match tag {
                    0 => {
                        request.cluster_id =
                            content.nullable_shared_string(body, true, "cluster_id")?;
                    }
                    1 if v >= 15 => {
                        request.replica_id = content.i32("replica_id")?;
                        request.replica_epoch = content.i64("replica_epoch")?;
                    }
                    _ => {}
                }
                Ok(())
            })?;
        }
        Ok(request)
    }

    /// As in Kafka, only 0 and 1 are taken.
    fn isolation_level(&mut self) -> Result<IsolationLevel, DecodeError> {
        if self.version < 4 {
            return Ok(IsolationLevel::ReadUncommitted);
        }
        match self.reader.i8("isolation_level")? {
            0 => Ok(IsolationLevel::ReadUncommitted),
            1 => Ok(IsolationLevel::ReadCommitted),
            other => Err(DecodeError::Invalid {
                message: "FetchRequest",
                reason: format!("isolation level {other}"),
            }),
        }
    }

    fn topics(&mut self) -> Result<Vec<FetchTopic>, DecodeError> {
        let count = self.array_len::<FetchTopic>(MIN_TOPIC_BYTES, "topics")?;
        let mut topics = Vec::with_capacity(count);
        for _ in 0..count {
            let (name, id) = self.name_or_id()?;
            let partitions = self.partitions()?;
            self.skip_tags()?;
            topics.push(FetchTopic {
                name,
                id,
                partitions,
            });
        }
        Ok(topics)
    }

    fn partitions(&mut self) -> Result<Vec<FetchPartition>, DecodeError> {
        let count = self.array_len::<FetchPartition>(MIN_PARTITION_BYTES, "partitions")?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            let mut partition = FetchPartition {
                index: self.reader.i32("partition")?,
                current_leader_epoch: self.i32_since(9, "current_leader_epoch", -1)?,
                fetch_offset: self.reader.i64("fetch_offset")?,
                last_fetched_epoch: self.i32_since(12, "last_fetched_epoch", -1)?,
                log_start_offset: match self.version {
                    ..5 => -1,
                    _ => self.reader.i64("log_start_offset")?,
                },
                max_bytes: self.reader.i32("partition_max_bytes")?,
                replica_directory_id: TopicId::ZERO,
            };
            if self.flexible {
                let has_directory = self.version >= 17;
                self.reader.tagged_fields(|tag, content| {
                    if tag == 0 && has_directory {
                        partition.replica_directory_id =
                            TopicId(content.array("replica_directory_id")?);
                    }
                    Ok(())
                })?;
            }
            partitions.push(partition);
        }
        Ok(partitions)
    }

    fn forgotten_topics(&mut self) -> Result<Vec<ForgottenTopic>, DecodeError> {
        let count = self.array_len::<ForgottenTopic>(MIN_TOPIC_BYTES, "forgotten_topics_data")?;
        let mut topics = Vec::with_capacity(count);
        for _ in 0..count {
            let (name, id) = self.name_or_id()?;
            let count = self.array_len::<i32>(4, "partitions")?;
            let mut partitions = Vec::with_capacity(count);
            for _ in 0..count {
                partitions.push(self.reader.i32("partitions")?);
            }
            self.skip_tags()?;
            topics.push(ForgottenTopic {
                name,
                id,
                partitions,
            });
        }
        Ok(topics)
    }

    fn name_or_id(&mut self) -> Result<(StrBytes, TopicId), DecodeError> {
        match self.version {
            ..=12 => Ok((self.string("topic")?, TopicId::ZERO)),
            _ => Ok((StrBytes::default(), TopicId(self.reader.array("topic_id")?))),
        }
    }

    /// The number of elements of an array of `T`, covered by the bytes and memory that are left.
    fn array_len<T>(
        &mut self,
        min_element_bytes: usize,
        field: &'static str,
    ) -> Result<usize, DecodeError> {
        let count = self
            .reader
            .array_len(self.flexible, min_element_bytes, field)?;
        self.memory.charge(count.saturating_mul(size_of::<T>()))?;
        Ok(count)
    }

    fn i32_since(
        &mut self,
        version: i16,
        field: &'static str,
        default: i32,
    ) -> Result<i32, DecodeError> {
        if self.version < version {
            return Ok(default);
        }
        self.reader.i32(field)
    }

    fn string(&mut self, field: &'static str) -> Result<StrBytes, DecodeError> {
        self.reader
            .nullable_shared_string(self.body, self.flexible, field)?
            .ok_or(DecodeError::InvalidLength { field, length: -1 })
    }

    fn skip_tags(&mut self) -> Result<(), DecodeError> {
        if self.flexible {
            self.reader.skip_tagged_fields()?;
        }
        Ok(())
    }
}
