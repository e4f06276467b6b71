//! Sending records in batches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_metadata::{TopicName, TopicPartition};
use ottla_records::Compression;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::cluster::Topics;
use crate::{ClientError, Cluster, partition_of_key};

mod batch;
mod send;
mod sender;

use batch::Pending;
use sender::{Command, Sender};

/// Records on their way to the sender task; `buffer_memory` bounds the bytes.
const QUEUE: usize = 1024;

/// How records are sent. The defaults are those of Kafka's producer, but for `acks` and
/// `idempotence`, which have to be asked for.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// Replicas that must have a record before it is acknowledged: 0, 1, or -1 for all in sync.
    pub acks: i16,
    /// How long a batch may wait for more records (`linger.ms`).
    pub linger: Duration,
    /// The size at which a batch is full (`batch.size`).
    pub batch_bytes: usize,
    /// The largest request, and so the largest record (`max.request.size`).
    pub max_request_bytes: usize,
    /// Bytes of records that may wait (`buffer.memory`).
    pub buffer_bytes: usize,
    /// How long a call may wait for metadata or buffer space (`max.block.ms`).
    pub max_block: Duration,
    /// How long replicas may take to acknowledge, as told to the broker (`request.timeout.ms`).
    pub request_timeout: Duration,
    /// How long a record may take from the call to its acknowledgement (`delivery.timeout.ms`).
    pub delivery_timeout: Duration,
    /// Repetitions of a failed request.
    pub retries: u32,
    /// Codec of the batches.
    pub compression: Compression,
    /// Level of the codec; its default if none.
    pub compression_level: Option<i32>,
    /// No duplicates and no gaps when requests are repeated (KIP-98). Needs acks -1.
    pub idempotence: Idempotence,
}

/// Whether batches are numbered, so that brokers recognise repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotence {
    /// They are not.
    Off,
    /// They are, unless the brokers (older than 0.11) or the topic (of an old message format)
    /// cannot keep the numbers.
    IfPossible,
    /// They are; records that cannot be numbered are not sent.
    Required,
}

impl Default for ProducerOptions {
    fn default() -> ProducerOptions {
        ProducerOptions {
            acks: 1,
            linger: Duration::ZERO,
            batch_bytes: 16_384,
            max_request_bytes: 1_048_576,
            buffer_bytes: 32 << 20,
            max_block: Duration::from_secs(60),
            request_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(120),
            retries: u32::MAX,
            compression: Compression::None,
            compression_level: None,
            idempotence: Idempotence::Off,
        }
    }
}

/// A record to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerRecord {
    /// Its topic.
    pub topic: String,
    /// Its partition; chosen by the key, or by turns, if none.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; none is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// Milliseconds since the Unix epoch; now if none.
    pub timestamp_ms: Option<i64>,
}

/// Where a record went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset; -1 where the broker did not say (acks 0).
    pub offset: i64,
    /// The time that the broker gave it, -1 if it kept the producer's.
    pub log_append_time_ms: i64,
}

/// Sends records. Dropping it drops what was not yet sent; [`Producer::close`] sends it first.
#[derive(Debug)]
pub struct Producer {
    cluster: Cluster,
    options: Arc<ProducerOptions>,
    memory: Arc<Semaphore>,
    commands: mpsc::Sender<Command>,
    sender: tokio::task::JoinHandle<()>,
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

impl Producer {
    /// A producer for the cluster. Nothing is connected yet.
    pub fn new(cluster: Cluster, options: ProducerOptions) -> Producer {
        let options = Arc::new(options);
        let (commands, queue) = mpsc::channel(QUEUE);
        let sender = Sender::new(cluster.clone(), Arc::clone(&options), queue);
        Producer {
            memory: Arc::new(Semaphore::new(
                options.buffer_bytes.min(Semaphore::MAX_PERMITS),
            )),
            cluster,
            options,
            commands,
            sender: tokio::spawn(sender.run()),
        }
    }

    /// Puts a record into a batch; waits while the topic is unknown or the buffer is full. The
    /// returned receiver gets the fate of the record. Records of one caller and one partition keep
    /// their order.
    ///
    /// # Errors
    /// The record is too large, its topic or partition did not become known, the producer is
    /// closed.
    pub async fn send(
        &self,
        record: ProducerRecord,
    ) -> Result<oneshot::Receiver<Result<Delivery, ClientError>>, ClientError> {
        let topic = TopicName::from(record.topic.as_str());
        let partitions = self.partitions_of(&topic).await?;
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) if u32::try_from(partition).is_ok_and(|p| p < partitions) => {
                Some(partition)
            }
            (Some(partition), _) => {
                return Err(ClientError::DeadlinePassed {
                    what: format!(
                        "Partition {partition} of topic {topic} with partition count {partitions} \
                         is not present in metadata"
                    ),
                    timeout: self.options.max_block,
                });
            }
            (None, Some(key)) => Some(partition_of_key(key, partitions)),
            (None, None) => None,
        };
        let (reply, fate) = oneshot::channel();
        let mut pending = Pending::new(record, reply);
        if pending.size > self.options.max_request_bytes {
            return Err(ClientError::RecordTooLarge {
                size: pending.size,
                limit: self.options.max_request_bytes,
            });
        }
        let wanted = pending.size.min(self.options.buffer_bytes);
        let permits =
            Arc::clone(&self.memory).acquire_many_owned(u32::try_from(wanted).unwrap_or(u32::MAX));
        let permits = tokio::time::timeout(self.options.max_block, permits).await;
        match permits {
            Ok(Ok(permits)) => pending.memory = Some(permits),
            Ok(Err(_)) => return Err(ClientError::Closed),
            Err(_) => {
                return Err(ClientError::DeadlinePassed {
                    what: "the buffer did not get free".to_owned(),
                    timeout: self.options.max_block,
                });
            }
        }
        let command = Command::Append {
            topic,
            partition,
            partitions,
            pending,
        };
        self.commands
            .send(command)
            .await
            .map_err(|_| ClientError::Closed)?;
        Ok(fate)
    }

    /// Waits until all records sent so far are acknowledged or have failed.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Flush(reply)).await.is_ok() {
            // An error means that the sender is gone, and the records with it.
            drop(done.await);
        }
    }

    /// Sends what is waiting, and ends.
    pub async fn close(self) {
        self.flush().await;
    }

    /// The number of partitions of a topic, which the broker may create. At least 1.
    async fn partitions_of(&self, topic: &TopicName) -> Result<u32, ClientError> {
        let deadline = Instant::now() + self.options.max_block;
        let mut view = self.cluster.view();
        loop {
            let found = view
                .topics
                .get(topic)
                .and_then(|t| u32::try_from(t.partitions.len()).ok())
                .filter(|count| *count > 0);
            if let Some(count) = found {
                return Ok(count);
            }
            if Instant::now() >= deadline {
                return Err(ClientError::DeadlinePassed {
                    what: format!("Topic {topic} not present in metadata"),
                    timeout: self.options.max_block,
                });
            }
            let topics = [Arc::clone(topic)];
            match self.cluster.refresh(Topics::NamedOrCreated(&topics)).await {
                Ok(fresh) => {
                    if let Some(t) = fresh.topics.get(topic)
                        && t.error != 0
                    {
                        let error = ClientError::from_code(t.error, None);
                        tracing::warn!(%topic, %error, "no metadata yet");
                        if !error.is_retriable() {
                            return Err(error);
                        }
                        sleep(self.cluster.options().retry_backoff).await;
                    }
                    view = fresh;
                }
                Err(error) if error.is_retriable() => {
                    sleep(self.cluster.options().retry_backoff).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
