//! A consumer that notes every record it is handed and every high watermark it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ottla_client::{ClientError, Cluster, Topics};
use ottla_metadata::TopicName;
use ottla_protocol::messages::FetchRequest;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::{ErrorCode, StrBytes};
use ottla_records::{batches, records, verify};
use tokio::task::JoinHandle;

use super::{Event, FinalLog, History, RecordId, Watermark};

/// The last version that names topics by name.
const NEWEST: i16 = 12;

/// Whom a reader asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The leader, as consumers do.
    Leader,
    /// A follower in sync (KIP-392). It may be behind, so that what it says of watermarks and of
    /// positions beyond its log proves nothing; its records do.
    Follower,
}

/// A reader at work: follows every partition from its start, each in a task of its own.
pub struct Reader {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Reader {
    /// Begins to read. Has to be called within a runtime.
    pub fn start(
        client: impl Fn() -> Cluster,
        number: u16,
        topic: &str,
        partitions: i32,
        source: Source,
        history: &History,
    ) -> Reader {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..partitions)
            .map(|partition| {
                let mut follow = Follow::new(client(), number, topic, partition, history.clone());
                follow.source = source;
                tokio::spawn(follow.run(Arc::clone(&stop)))
            })
            .collect();
        Reader { stop, tasks }
    }

    /// Reads no more.
    pub async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            // A fetch that hangs ends with the bound of its connection.
            drop(task.await);
        }
    }
}

/// Reads each partition from its start until its leader says that this is all there is.
///
/// # Errors
/// It did not come to the end within `bound`.
pub async fn read_to_the_end(
    client: impl Fn() -> Cluster,
    topic: &str,
    partitions: i32,
    bound: Duration,
) -> Result<BTreeMap<i32, FinalLog>, String> {
    let mut logs = BTreeMap::new();
    for partition in 0..partitions {
        let history = History::default();
        let mut follow = Follow::new(client(), u16::MAX, topic, partition, history.clone());
        let start = Instant::now();
        let high_watermark = loop {
            match follow.once().await {
                Ok(high_watermark) if follow.position >= high_watermark => break high_watermark,
                Ok(_) => {}
                Err(error) if start.elapsed() > bound => {
                    return Err(format!(
                        "{topic}-{partition} at {}: {error}",
                        follow.position
                    ));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let records = history
            .events()
            .into_iter()
            .filter_map(|(_, event)| match event {
                Event::Read { offset, record, .. } => Some((offset, record)),
                _ => None,
            });
        let records = records.collect();
        logs.insert(
            partition,
            FinalLog {
                high_watermark,
                records,
            },
        );
    }
    Ok(logs)
}

/// One partition's reading.
struct Follow {
    client: Cluster,
    number: u16,
    topic: TopicName,
    partition: i32,
    position: i64,
    source: Source,
    history: History,
    stale: bool,
}

impl Follow {
    fn new(client: Cluster, number: u16, topic: &str, partition: i32, history: History) -> Follow {
        Follow {
            client,
            number,
            topic: TopicName::from(topic),
            partition,
            position: 0,
            source: Source::Leader,
            history,
            stale: true,
        }
    }

    async fn run(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            if self.once().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// One fetch from the leader as it is known; its epoch goes along, so that the answer is
    /// that of the leader of this epoch. Answers the high watermark.
    async fn once(&mut self) -> Result<i64, String> {
        let fetched = self.fetch().await;
        self.stale = fetched.is_err();
        fetched
    }

    async fn fetch(&mut self) -> Result<i64, String> {
        let text = |error: ClientError| error.to_string();
        if self.stale {
            let topics = [Arc::clone(&self.topic)];
            let refreshed = self.client.refresh(Topics::Named(&topics)).await;
            refreshed.map_err(text)?;
        }
        let view = self.client.view();
        let state = view
            .topics
            .get(&self.topic)
            .and_then(|topic| topic.partitions.get(&self.partition));
        let (leader, epoch) = state
            .and_then(|state| Some((state.leader?, state.leader_epoch)))
            .ok_or("no leader")?;
        let asked = match self.source {
            Source::Leader => leader,
            Source::Follower => {
                let mut followers = state.into_iter().flat_map(|state| &state.isr);
                let follower = followers.find(|id| **id != leader);
                *follower.ok_or("no follower")?
            }
        };
        let connection = self.client.broker(asked).await.map_err(text)?;
        let version = connection
            .version_of::<FetchRequest>(NEWEST)
            .map_err(text)?;
        let response = connection
            .call_version(version, &self.request(epoch))
            .await
            .map_err(text)?;
        let data = response
            .responses
            .first()
            .and_then(|topic| topic.partitions.first())
            .ok_or_else(|| format!("no partition in the answer: {}", response.error_code))?;
        match ErrorCode::from_code(data.error_code) {
            Some(ErrorCode::None) => {}
            Some(ErrorCode::OffsetOutOfRange) if self.source == Source::Follower => {
                return Err("out of the follower's range".to_owned());
            }
            Some(ErrorCode::OffsetOutOfRange) => {
                self.history.add(Event::OutOfRange {
                    reader: self.number,
                    partition: self.partition,
                    position: self.position,
                });
                return Err("out of range".to_owned());
            }
            _ => return Err(format!("error {}", data.error_code)),
        }
        if self.source == Source::Leader {
            self.history.add(Event::Watermark(Watermark {
                reader: self.number,
                partition: self.partition,
                leader: leader.0,
                epoch,
                value: data.high_watermark,
            }));
        }
        if let Err(reason) = self.take(data.records.as_deref().unwrap_or_default()) {
            self.history.add(Event::Unreadable {
                reader: self.number,
                partition: self.partition,
                position: self.position,
                reason: reason.clone(),
            });
            return Err(reason);
        }
        Ok(data.high_watermark)
    }

    fn request(&self, epoch: i32) -> FetchRequest {
        let partition = FetchPartition::default()
            .with_partition(self.partition)
            .with_current_leader_epoch(epoch)
            .with_fetch_offset(self.position)
            .with_partition_max_bytes(1 << 20);
        let name = StrBytes::from_string(self.topic.to_string());
        let topic = FetchTopic::default()
            .with_topic(name.into())
            .with_partitions(vec![partition]);
        FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_wait_ms(100)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(vec![topic])
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        for batch in batches(bytes) {
            let batch = batch.map_err(|e| e.to_string())?;
            let header = verify(batch).map_err(|e| e.to_string())?;
            for record in records(batch).map_err(|e| e.to_string())? {
                let record = record.map_err(|e| e.to_string())?;
                if record.offset < self.position {
                    continue;
                }
                let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default());
                self.history.add(Event::Read {
                    reader: self.number,
                    partition: self.partition,
                    offset: record.offset,
                    record: value.parse::<RecordId>()?,
                });
            }
            self.position = self.position.max(header.next_offset());
        }
        Ok(())
    }
}
