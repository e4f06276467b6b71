//! A broker's replicas in a directory of their own.
#![allow(dead_code)] // each test file uses its part
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use ottla_config::{ServerConfig, TopicConfig};
use ottla_log::{LogDirs, LogManager};
use ottla_metadata::{BrokerId, ClusterImage, PartitionImage, TopicId, TopicImage, TopicPartition};
use ottla_records::{BatchBuilder, BatchOptions};
use ottla_replication::{
    Assignment, Completion, FetchOrigin, FetchPartition, FetchResults, FetchSpec, Isolation,
    IsrProposal, IsrStore, Leadership, Options, ProduceError, ProduceOptions, Produced,
    ReplicaManager, RequiredAcks, Settings, TopicConfigs, log_config, log_manager_config,
};
use parking_lot::Mutex;
use tempfile::TempDir;

pub(crate) const BROKER: BrokerId = BrokerId(0);

pub(crate) struct Broker {
    pub(crate) dir: TempDir,
    pub(crate) replicas: Arc<ReplicaManager>,
    pub(crate) image: Arc<ArcSwap<ClusterImage>>,
    pub(crate) configs: Arc<Configs>,
    pub(crate) proposals: Arc<Proposals>,
}

pub(crate) struct Configs {
    server: ServerConfig,
    topic: Mutex<BTreeMap<String, String>>,
}

impl TopicConfigs for Configs {
    fn topic(&self, _: &str) -> Arc<TopicConfig> {
        Arc::new(TopicConfig::resolve(&self.server, &self.topic.lock()).unwrap())
    }
}

#[derive(Default)]
pub(crate) struct Proposals(pub(crate) Mutex<Vec<IsrProposal>>);

impl IsrStore for Proposals {
    fn propose(&self, proposal: IsrProposal) {
        self.0.lock().push(proposal);
    }
}

impl Broker {
    /// A broker whose topics have these settings.
    pub(crate) fn start(topic: &[(&str, &str)]) -> Broker {
        Broker::start_in(TempDir::new().unwrap(), topic)
    }

    pub(crate) fn start_in(dir: TempDir, topic: &[(&str, &str)]) -> Broker {
        Broker::start_in_dirs(dir, 1, topic)
    }

    /// The same with several log directories.
    pub(crate) fn start_in_dirs(dir: TempDir, count: usize, topic: &[(&str, &str)]) -> Broker {
        let settings = [("zookeeper.connect", "nowhere:1")];
        let (server, _) = ServerConfig::from_settings(settings).unwrap();
        let topic = topic
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let configs = Arc::new(Configs {
            server: server.clone(),
            topic: Mutex::new(topic),
        });
        let names = ["logs", "logs-too", "logs-three"];
        let paths: Vec<_> = names[..count]
            .iter()
            .map(|name| dir.path().join(name))
            .collect();
        let dirs = LogDirs::lock(&paths).unwrap();
        let of_topic = |name: &str| Arc::new(log_config(&configs.topic(name)));
        let logs = LogManager::load(dirs, log_manager_config(&server), of_topic, 0).unwrap();
        let image = Arc::new(ArcSwap::default());
        let proposals = Arc::new(Proposals::default());
        let replicas = ReplicaManager::new(Options {
            broker: BROKER,
            logs: Arc::new(logs),
            image: Arc::clone(&image),
            configs: Arc::clone(&configs) as Arc<dyn TopicConfigs>,
            isr_store: Some(Arc::clone(&proposals) as Arc<dyn IsrStore>),
            settings: Settings::default(),
        });
        Broker {
            dir,
            replicas,
            image,
            configs,
            proposals,
        }
    }

    pub(crate) fn set(&self, key: &str, value: &str) {
        self.configs
            .topic
            .lock()
            .insert(key.to_owned(), value.to_owned());
        self.replicas.update_topic_config("t");
    }

    /// Makes this broker the leader of `t-0`, alone.
    pub(crate) fn lead(&self) {
        self.assign(1, Some(0), &[0], &[0]).unwrap();
    }

    pub(crate) fn assign(
        &self,
        epoch: i32,
        leader: Option<i32>,
        replicas: &[i32],
        isr: &[i32],
    ) -> Result<(), ottla_replication::ReplicaError> {
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
        self.publish(epoch, leader.map(BrokerId), ids(replicas), ids(isr));
        let assignment = Assignment {
            partition: TopicPartition::new("t", 0),
            topic_id: TopicId([7; 16]),
            controller_epoch: 1,
            leader: leader.map(BrokerId),
            leadership: Leadership {
                leader_epoch: epoch,
                partition_epoch: epoch,
                replicas: ids(replicas).into_iter().collect(),
                isr: ids(isr).into_iter().collect(),
            },
            is_new: true,
        };
        let mut answers = self.replicas.apply_leader_and_isr(vec![assignment]);
        answers.pop().unwrap().1
    }

    fn publish(
        &self,
        epoch: i32,
        leader: Option<BrokerId>,
        replicas: Vec<BrokerId>,
        isr: Vec<BrokerId>,
    ) {
        let mut image = ClusterImage::clone(&self.image.load());
        for id in &replicas {
            let endpoints = Vec::new();
            let info = ottla_metadata::BrokerInfo {
                id: *id,
                epoch: 1,
                endpoints,
                rack: None,
            };
            image.brokers.insert(*id, Arc::new(info));
        }
        let partition = PartitionImage {
            replicas,
            isr,
            leader,
            leader_epoch: epoch,
            controller_epoch: 1,
            partition_epoch: epoch,
            offline_replicas: Vec::new(),
        };
        let partitions = BTreeMap::from([(0, partition.clone()), (1, partition)]);
        image.put_topic(TopicImage {
            name: "t".into(),
            id: TopicId([7; 16]),
            partitions,
        });
        self.image.store(Arc::new(image));
    }

    pub(crate) fn begin(
        &self,
        acks: RequiredAcks,
        records: Bytes,
    ) -> Completion<Vec<Result<Produced, ProduceError>>> {
        self.begin_within(acks, Duration::from_secs(30), records)
    }

    pub(crate) fn begin_within(
        &self,
        acks: RequiredAcks,
        timeout: Duration,
        records: Bytes,
    ) -> Completion<Vec<Result<Produced, ProduceError>>> {
        let options = ProduceOptions {
            acks,
            timeout,
            internal_topics: false,
            zstd: true,
            single_v2_batch: true,
        };
        let mut produce = self.replicas.produce(options);
        produce.append("t", 0, records);
        match produce.finish() {
            Completion::Ready(results) => Completion::Ready(results.into_vec()),
            Completion::Pending(results) => {
                Completion::Pending(Box::pin(async move { results.await.into_vec() }))
            }
        }
    }

    /// Produces with acks=all and expects the answer within the call.
    #[track_caller]
    pub(crate) fn produce(&self, records: Bytes) -> Result<Produced, ProduceError> {
        ready(self.begin(RequiredAcks::All, records)).pop().unwrap()
    }

    pub(crate) fn topic_config(&self) -> Arc<TopicConfig> {
        self.configs.topic("t")
    }

    /// The log end offset of `t-0`.
    pub(crate) fn read_end(&self) -> i64 {
        let log = self
            .replicas
            .logs()
            .get(&TopicPartition::new("t", 0))
            .unwrap();
        log.log_end_offset()
    }

    pub(crate) fn fetch(&self, spec: FetchSpec) -> Completion<(FetchSpec, FetchResults)> {
        self.replicas.fetch(spec)
    }

    /// The offsets of all that can be read from `offset` on, without waiting.
    #[track_caller]
    pub(crate) fn read(&self, offset: i64) -> Vec<i64> {
        let (_, mut results) = ready(self.fetch(spec(offset)));
        offsets(results.pop().unwrap().unwrap())
    }
}

#[track_caller]
pub(crate) fn ready<T>(completion: Completion<T>) -> T {
    match completion {
        Completion::Ready(answer) => answer,
        Completion::Pending(_) => panic!("has to wait"),
    }
}

#[track_caller]
pub(crate) fn pending<T>(
    completion: Completion<T>,
) -> std::pin::Pin<Box<dyn Future<Output = T> + Send>> {
    match completion {
        Completion::Ready(_) => panic!("does not wait"),
        Completion::Pending(future) => future,
    }
}

/// A batch of `count` records of about `size` bytes each.
pub(crate) fn batch(count: usize, size: usize) -> Bytes {
    batch_with(count, size, BatchOptions::default())
}

pub(crate) fn batch_with(count: usize, size: usize, options: BatchOptions) -> Bytes {
    let mut builder = BatchBuilder::new(options).unwrap();
    for i in 0..count {
        let value = vec![b'v'; size];
        builder
            .append(1000 + i as i64, Some(b"k"), Some(&value), &[])
            .unwrap();
    }
    builder.build().unwrap().into()
}

/// A consumer's fetch of `t-0` that does not wait.
pub(crate) fn spec(offset: i64) -> FetchSpec {
    FetchSpec {
        origin: FetchOrigin::Consumer,
        max_wait: Duration::ZERO,
        min_bytes: 1,
        max_bytes: 1 << 20,
        hard_limits: false,
        isolation: Isolation::ReadUncommitted,
        leader_only: true,
        place: None,
        partitions: vec![part(offset)],
        lookout: None,
    }
}

pub(crate) fn part(offset: i64) -> FetchPartition {
    FetchPartition {
        topic: "t".into(),
        topic_id: TopicId::ZERO,
        partition: 0,
        fetch_offset: offset,
        log_start_offset: -1,
        max_bytes: 1 << 20,
        current_leader_epoch: None,
        last_fetched_epoch: None,
        known_high_watermark: -1,
    }
}

/// Offsets of the records of a read.
pub(crate) fn offsets(fetched: ottla_replication::FetchedPartition) -> Vec<i64> {
    use std::os::unix::fs::FileExt;
    let Some(slice) = fetched.records else {
        return Vec::new();
    };
    let mut bytes = vec![0; slice.len];
    slice
        .file
        .read_exact_at(&mut bytes, slice.position)
        .unwrap();
    let mut offsets = Vec::new();
    for batch in ottla_records::batches(&bytes) {
        for record in ottla_records::records(batch.unwrap()).unwrap() {
            offsets.push(record.unwrap().offset);
        }
    }
    offsets
}
