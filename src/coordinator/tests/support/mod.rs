//! A coordinator over real logs in a directory of their own, with one partition of groups.
#![allow(dead_code)] // each test file uses its part
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use ottla_config::{ServerConfig, TopicConfig};
use ottla_coordinator::group::{
    Commit, CommitOffset, GroupError, Join, MemberRef, Settings as GroupSettings, WaiterId,
};
use ottla_coordinator::{Coordinator, OFFSETS_TOPIC, Options, Settings, Unavailable};
use ottla_log::{LogDirs, LogManager};
use ottla_metadata::{BrokerId, ClusterImage, TopicId, TopicName, TopicPartition};
use ottla_records::{AppendSource, Compression, validate};
use ottla_replication::{
    Assignment, Leadership, Options as ReplicaOptions, ProduceOptions, ReplicaManager,
    RequiredAcks, Settings as ReplicaSettings, TopicConfigs, log_config, log_manager_config,
    record_rules,
};
use tempfile::TempDir;

const BROKER: BrokerId = BrokerId(0);

pub(crate) struct Configs {
    server: ServerConfig,
    topic: BTreeMap<String, String>,
}

impl TopicConfigs for Configs {
    fn topic(&self, _: &str) -> Arc<TopicConfig> {
        Arc::new(TopicConfig::resolve(&self.server, &self.topic).unwrap())
    }
}

pub(crate) struct Broker {
    _dir: TempDir,
    pub(crate) replicas: Arc<ReplicaManager>,
    pub(crate) coordinator: Arc<Coordinator>,
    epoch: i32,
}

impl Broker {
    /// A broker that leads the one partition of groups, which has these settings.
    pub(crate) async fn start(topic: &[(&str, &str)], compression: Compression) -> Broker {
        let dir = TempDir::new().unwrap();
        let settings = [("zookeeper.connect", "nowhere:1")];
        let (server, _) = ServerConfig::from_settings(settings).unwrap();
        let own = topic.iter();
        let configs = Arc::new(Configs {
            server: server.clone(),
            topic: own
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        });
        let dirs = LogDirs::lock(&[dir.path().join("logs")]).unwrap();
        let of_topic = |name: &str| Arc::new(log_config(&configs.topic(name)));
        let logs = LogManager::load(dirs, log_manager_config(&server), of_topic, 0).unwrap();
        let image: Arc<ArcSwap<ClusterImage>> = Arc::default();
        let replicas = ReplicaManager::new(ReplicaOptions {
            broker: BROKER,
            logs: Arc::new(logs),
            image: Arc::clone(&image),
            configs: configs as Arc<dyn TopicConfigs>,
            isr_store: None,
            settings: ReplicaSettings::default(),
        });
        let coordinator = Coordinator::new(Options {
            replicas: Arc::clone(&replicas),
            image,
            settings: Settings {
                groups: GroupSettings::default(),
                partitions: 1,
                compression,
                commit_timeout: Duration::from_millis(200),
                load_buffer_bytes: 5 << 20,
                retention_check_interval: Duration::from_secs(600),
            },
        });
        let mut broker = Broker {
            _dir: dir,
            replicas,
            coordinator,
            epoch: 0,
        };
        broker.lead().await;
        broker
    }

    /// Takes the leadership (again) and waits until the groups are there.
    pub(crate) async fn lead(&mut self) {
        self.epoch += 1;
        let own: ottla_replication::Replicas = [BROKER].into_iter().collect();
        let assignment = Assignment {
            partition: TopicPartition::new(OFFSETS_TOPIC, 0),
            topic_id: TopicId([7; 16]),
            controller_epoch: 1,
            leader: Some(BROKER),
            leadership: Leadership {
                leader_epoch: self.epoch,
                partition_epoch: self.epoch,
                replicas: own.clone(),
                isr: own,
            },
            is_new: true,
        };
        let mut answers = self.replicas.apply_leader_and_isr(vec![assignment]);
        answers.pop().unwrap().1.unwrap();
        self.coordinator.elected(0, self.epoch);
        while self.coordinator.describe("any").err() == Some(Unavailable::Loading) {
            tokio::task::yield_now().await;
        }
    }

    /// Loses the leadership.
    pub(crate) fn resign(&mut self) {
        self.coordinator.resigned(0, Some(self.epoch));
    }

    /// Appends to the partition of groups behind the coordinator's back.
    pub(crate) fn append(&self, batch: Vec<u8>) {
        let mut produce = self.replicas.produce(ProduceOptions {
            acks: RequiredAcks::Leader,
            timeout: Duration::ZERO,
            internal_topics: true,
            zstd: true,
            single_v2_batch: true,
        });
        produce.append(OFFSETS_TOPIC, 0, batch.into());
        let ottla_replication::Completion::Ready(results) = produce.finish() else {
            panic!("acks=1 waits");
        };
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Appends the end of a transaction, which no client may write, straight to the log.
    pub(crate) fn append_marker(&self, batch: Vec<u8>) {
        let partition = TopicPartition::new(OFFSETS_TOPIC, 0);
        let log = self.replicas.logs().get(&partition).unwrap();
        let settings = [("zookeeper.connect", "nowhere:1")];
        let (server, _) = ServerConfig::from_settings(settings).unwrap();
        let mut rules = record_rules(&server.topic_defaults);
        rules.source = AppendSource::Coordinator;
        let set = validate(batch.into(), &rules).unwrap();
        log.append_as_leader(set, self.epoch, 0).unwrap();
    }

    /// Commits one offset as a consumer that is no member.
    pub(crate) async fn commit(
        &self,
        group: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Result<(), GroupError>, Unavailable> {
        let committed = self.coordinator.commit(group, commit(partition, offset));
        committed.wait().await.map(|results| results[0])
    }

    /// What is committed for a partition of `t`.
    pub(crate) fn committed(
        &self,
        group: &str,
        partition: i32,
    ) -> Result<Option<i64>, Unavailable> {
        let wanted = [(TopicName::from("t"), partition)];
        let mut found = self.coordinator.offsets(group, wanted, false)?;
        let (_, _, offset) = found.pop().unwrap();
        Ok(offset.unwrap().map(|committed| committed.offset))
    }
}

pub(crate) fn nobody() -> MemberRef {
    MemberRef {
        member_id: "".into(),
        instance_id: None,
    }
}

pub(crate) fn commit(partition: i32, offset: i64) -> Commit {
    Commit {
        waiter: WaiterId(0),
        member: nobody(),
        generation: -1,
        retention_ms: None,
        offsets: vec![CommitOffset {
            partition: TopicPartition::new("t", partition),
            offset,
            leader_epoch: None,
            metadata: String::new(),
            timestamp: None,
        }],
    }
}

pub(crate) fn join() -> Join {
    Join {
        waiter: WaiterId(0),
        member: nobody(),
        uuid: "1".into(),
        member_id_required: false,
        can_skip_assignment: true,
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 10_000,
        session_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"m"))],
    }
}
