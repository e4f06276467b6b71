//! For tests: a server over a fake cluster and real, empty logs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::future::BoxFuture;
use ottla_cluster::Assignment as Moving;
use ottla_cluster::{
    AlterConfigError, AlterationAnswer, AlterationError, AlterationRefused, ConfigEntity,
    CreatePartitionsError, CreateTopicError, CreatedTopic, DeleteTopicError, ElectLeaderError,
    ElectedLeaders, ElectionKind, ElectionRefused, GrantError, IsrAlteration, LeaderIsr,
    NewPartitions, NewTopic, ReassignError, ReassignmentAnswers, ReassignmentError, ReplicaAnswers,
    Request as Command, RequestRefused, ShutdownRefused, StateNode, StoreError, WaitOptions,
};
use ottla_config::ServerConfig;
use ottla_coordinator::{Coordinator, OFFSETS_TOPIC};
use ottla_log::{LogDirs, LogManager};
use ottla_metadata::{
    BrokerId, BrokerInfo, ClusterImage, ConfigImage, Endpoint, Offset, PartitionImage,
    SecurityProtocol, TopicId, TopicImage, TopicPartition,
};
use ottla_network::{Answer, ConnectionInfo, Request, Service};
use ottla_protocol::layout::Guarded;
use ottla_protocol::{
    ApiKey, RequestHeader, ResponseBody, decode_header, decode_response, decode_response_header,
    encode_request,
};
use ottla_replication::{
    Assignment, Leadership, Options, ReplicaManager, Replicas, Settings, log_manager_config,
};
use parking_lot::Mutex;

use crate::cluster_port::ClusterPort;
use crate::{Configs, Context, Server, group_settings};

/// A broker, id 0, on listener `PLAINTEXT`, with a second broker that other listeners reach.
pub(crate) struct TestBroker {
    pub(crate) server: Arc<Server>,
    pub(crate) cluster: Arc<FakeCluster>,
    pub(crate) dir: tempfile::TempDir,
}

impl TestBroker {
    /// A broker whose file has these settings besides the directory.
    pub(crate) fn new(settings: &[(&str, &str)]) -> TestBroker {
        TestBroker::numbered(0, settings)
    }

    /// The broker of this id.
    pub(crate) fn numbered(id: i32, settings: &[(&str, &str)]) -> TestBroker {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("logs").to_string_lossy().into_owned();
        let fixed = [("zookeeper.connect", "none:1"), ("log.dirs", path.as_str())];
        let (file, _) = ServerConfig::from_settings(fixed.iter().chain(settings).copied())
            .expect("good settings");
        let broker = BrokerId(id);
        let cluster = Arc::new(FakeCluster::new());
        let configs = Configs::new(broker, file.clone(), cluster.configs());
        *cluster.live.lock() = Some(Arc::clone(&configs));
        let dirs = LogDirs::lock(&file.storage.dirs).expect("the directory is free");
        let log_config = |topic: &str| configs.log_config(topic);
        let logs = LogManager::load(dirs, log_manager_config(&file), log_config, 0)
            .expect("no logs to load");
        let replicas = ReplicaManager::new(Options {
            broker,
            logs: Arc::new(logs),
            image: Arc::clone(&cluster.image),
            configs: Arc::clone(&configs) as Arc<_>,
            isr_store: None,
            settings: Settings::of(&file),
        });
        let port = Arc::clone(&cluster) as Arc<dyn ClusterPort>;
        let coordinator = Coordinator::new(ottla_coordinator::Options {
            replicas: Arc::clone(&replicas),
            image: Arc::clone(&cluster.image),
            settings: group_settings(&file),
        });
        let context = Context::over(broker, replicas, coordinator, port, configs.server());
        let server = Server::new(context);
        server.open();
        TestBroker {
            server: Arc::new(server),
            cluster,
            dir,
        }
    }

    /// Puts a topic of one partition, led by this broker, into the image and onto the disk.
    pub(crate) fn lead(&self, topic: &str, id: u8) {
        self.cluster.put(topic, id, Some(0), &[0]);
        let replicas: Replicas = [BrokerId(0)].into_iter().collect();
        let assignment = Assignment {
            partition: TopicPartition::new(topic, 0),
            topic_id: TopicId([id; 16]),
            controller_epoch: 1,
            leader: Some(BrokerId(0)),
            leadership: Leadership {
                leader_epoch: 3,
                partition_epoch: 0,
                replicas: replicas.clone(),
                isr: replicas,
            },
            is_new: true,
        };
        let context = &self.server.context;
        let mut answers = context.replicas.apply_leader_and_isr(vec![assignment]);
        let (_, result) = answers.pop().expect("an answer");
        result.expect("a new leadership");
        if topic == OFFSETS_TOPIC {
            context.coordinator.elected(0, 3);
        }
    }

    /// Sends a request of this version and decodes the answer to it.
    pub(crate) async fn ask<M>(&self, version: i16, message: &M) -> M::Response
    where
        M: ottla_protocol::Request + Guarded,
        M::Response: Guarded,
    {
        let frame = encode_request(version, 7, Some("test"), message).expect("a good request");
        let mut body = frame.slice(4..);
        let header = decode_header(&mut body).expect("a good header");
        let api = header.api;
        let response = self.answer(header, body).await.expect("an answer");
        let mut bytes = bytes_of(&response);
        let correlation_id = decode_response_header(api, version, &mut bytes);
        assert_eq!(correlation_id, Ok(7));
        decode_response(version, bytes).expect("a good response")
    }

    /// Begins to answer any bytes behind a header.
    pub(crate) fn call(&self, header: RequestHeader, body: Bytes) -> Answer {
        self.server.call(Request {
            header,
            body,
            connection: connection(),
            received: Instant::now(),
        })
    }

    /// The answer to any bytes behind a header; the reason where the connection is closed.
    pub(crate) async fn answer(
        &self,
        header: RequestHeader,
        body: Bytes,
    ) -> Result<ResponseBody, String> {
        match self.call(header, body) {
            Answer::Now(response) => Ok(response),
            Answer::None => Err("no answer".to_owned()),
            Answer::Later(later) => later.await.ok_or_else(|| "no answer".to_owned()),
            Answer::Close(reason) => Err(reason.to_string()),
        }
    }
}

/// A header of the test's client.
pub(crate) fn header(api: ApiKey, api_version: i16) -> RequestHeader {
    RequestHeader {
        api,
        api_version,
        correlation_id: 7,
        client_id: None,
    }
}

/// A response's bytes in one piece, those in files included.
pub(crate) fn bytes_of(response: &ResponseBody) -> Bytes {
    use std::os::unix::fs::FileExt;
    let parts = response.parts.iter().map(|part| match part {
        ottla_protocol::Part::Bytes(bytes) => bytes.to_vec(),
        ottla_protocol::Part::File {
            file,
            position,
            len,
        } => {
            let mut bytes = vec![0; usize::try_from(*len).expect("a small file")];
            file.read_exact_at(&mut bytes, *position)
                .expect("the bytes are there");
            bytes
        }
    });
    Bytes::from(parts.collect::<Vec<_>>().concat())
}

fn connection() -> Arc<ConnectionInfo> {
    let address = ([127, 0, 0, 1], 9092).into();
    Arc::new(ConnectionInfo {
        id: 1,
        peer: address,
        local: address,
        listener: "PLAINTEXT".into(),
        security_protocol: SecurityProtocol::Plaintext,
        principal: "User:ANONYMOUS".into(),
        client_software: OnceLock::new(),
    })
}

/// What the fake controller thinks of the broker that asks.
enum BrokerCheck {
    NotController,
    Unknown,
    Stale,
    Good,
}

/// A cluster in memory. What is created is there at once, led by broker 0.
pub(crate) struct FakeCluster {
    pub(crate) image: Arc<ArcSwap<ClusterImage>>,
    configs: Mutex<Arc<ConfigImage>>,
    live: Mutex<Option<Arc<Configs>>>,
    pub(crate) is_controller: Mutex<bool>,
    /// Controllers' requests that came.
    pub(crate) received: Mutex<Vec<Command>>,
    /// What they are answered with.
    pub(crate) answers: Mutex<ReplicaAnswers>,
    /// Partitions that are being moved.
    moving: Mutex<BTreeMap<TopicPartition, Moving>>,
    next_producer_id: AtomicI64,
    consumer_offsets: Mutex<BTreeMap<(String, String, i32), Offset>>,
}

impl FakeCluster {
    fn new() -> FakeCluster {
        let mut image = ClusterImage::default();
        image.cluster_id = "cluster".to_owned();
        image.controller = Some(BrokerId(0));
        for (id, listener) in [(0, "PLAINTEXT"), (1, "OTHER")] {
            let endpoint = Endpoint {
                listener: listener.to_owned(),
                security_protocol: SecurityProtocol::Plaintext,
                host: format!("host{id}"),
                port: 9092,
            };
            let broker = BrokerInfo {
                id: BrokerId(id),
                epoch: 1,
                endpoints: vec![endpoint],
                rack: Some("r".to_owned()),
            };
            image.brokers.insert(BrokerId(id), Arc::new(broker));
        }
        FakeCluster {
            image: Arc::new(ArcSwap::from_pointee(image)),
            configs: Mutex::default(),
            live: Mutex::default(),
            is_controller: Mutex::new(true),
            received: Mutex::default(),
            answers: Mutex::default(),
            moving: Mutex::default(),
            consumer_offsets: Mutex::default(),
            next_producer_id: AtomicI64::new(0),
        }
    }

    /// Changes the image.
    pub(crate) fn change(&self, change: impl FnOnce(&mut ClusterImage)) {
        let mut image = (**self.image.load()).clone();
        change(&mut image);
        self.image.store(Arc::new(image));
    }

    /// Puts a topic of one partition into the image, with the id `[id; 16]`.
    pub(crate) fn put(&self, name: &str, id: u8, leader: Option<i32>, replicas: &[i32]) {
        let ids: Vec<BrokerId> = replicas.iter().copied().map(BrokerId).collect();
        let partition = PartitionImage {
            replicas: ids.clone(),
            isr: ids,
            leader: leader.map(BrokerId),
            leader_epoch: 3,
            controller_epoch: 1,
            partition_epoch: 0,
            offline_replicas: Vec::new(),
        };
        let topic = TopicImage {
            name: name.into(),
            id: TopicId([id; 16]),
            partitions: BTreeMap::from([(0, partition)]),
        };
        self.change(|image| image.put_topic(topic));
    }

    fn create(
        &self,
        topic: NewTopic,
        options: WaitOptions,
    ) -> Result<CreatedTopic, CreateTopicError> {
        if self.image().topic(&topic.name).is_some() {
            return Err(CreateTopicError::Exists(topic.name));
        }
        ottla_metadata::validate_topic_name(&topic.name)?;
        let asked = topic.replication_factor.max(1);
        if asked > 2 {
            let available = 2;
            return Err(CreateTopicError::InvalidReplicationFactor { asked, available });
        }
        if !options.validate_only {
            self.put(&topic.name, 9, Some(0), &[0]);
            let entity = ConfigEntity::Topic(topic.name.as_str().into());
            self.store(entity, topic.configs);
            if options.timeout.is_zero() {
                return Err(CreateTopicError::NoLeaderInTime);
            }
        }
        Ok(CreatedTopic {
            name: topic.name,
            id: TopicId([9; 16]),
            partitions: topic.partitions.max(1),
            replication_factor: asked,
        })
    }

    fn check_broker(&self, broker: BrokerId, epoch: i64) -> BrokerCheck {
        match self.image().brokers.get(&broker) {
            _ if !self.is_controller() => BrokerCheck::NotController,
            None => BrokerCheck::Unknown,
            Some(known) if known.epoch != epoch => BrokerCheck::Stale,
            Some(_) => BrokerCheck::Good,
        }
    }

    /// Stores these settings of an entity.
    pub(crate) fn set(&self, entity: ConfigEntity, settings: &[(&str, &str)]) {
        let settings = settings.iter();
        let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.store(entity, settings.collect());
    }

    fn store(&self, entity: ConfigEntity, settings: BTreeMap<String, String>) {
        let mut configs = (**self.configs.lock()).clone();
        let settings = Arc::new(settings);
        match entity {
            ConfigEntity::Topic(name) => drop(configs.topics.insert(name, settings)),
            ConfigEntity::Broker(id) => drop(configs.brokers.insert(id, settings)),
            ConfigEntity::BrokerDefault => configs.broker_defaults = settings,
        }
        let configs = Arc::new(configs);
        *self.configs.lock() = Arc::clone(&configs);
        if let Some(live) = &*self.live.lock() {
            live.update(configs);
        }
    }
}

impl ClusterPort for FakeCluster {
    fn image(&self) -> Arc<ClusterImage> {
        self.image.load_full()
    }

    fn configs(&self) -> Arc<ConfigImage> {
        Arc::clone(&self.configs.lock())
    }

    fn receive(
        &self,
        request: Command,
    ) -> BoxFuture<'static, Result<ReplicaAnswers, RequestRefused>> {
        let sender = match &request {
            Command::LeaderAndIsr(request) => request.sender,
            Command::UpdateMetadata(request) => request.sender,
            Command::StopReplica(request) => request.sender,
        };
        let result = match sender.controller_epoch {
            epoch if epoch < 1 => Err(RequestRefused::StaleControllerEpoch),
            _ => Ok(self.answers.lock().clone()),
        };
        self.received.lock().push(request);
        Box::pin(std::future::ready(result))
    }

    fn is_controller(&self) -> bool {
        *self.is_controller.lock()
    }

    fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<CreatedTopic, CreateTopicError>>> {
        let created = topics.into_iter().map(|topic| self.create(topic, options));
        Box::pin(std::future::ready(created.collect()))
    }

    fn auto_create(
        &self,
        topic: NewTopic,
    ) -> BoxFuture<'_, Result<CreatedTopic, CreateTopicError>> {
        let options = WaitOptions {
            timeout: std::time::Duration::from_secs(1),
            validate_only: false,
        };
        Box::pin(std::future::ready(self.create(topic, options)))
    }

    fn delete_topics(
        &self,
        topics: Vec<String>,
        _: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), DeleteTopicError>>> {
        for topic in &topics {
            self.change(|image| drop(image.remove_topic(topic)));
        }
        Box::pin(std::future::ready(topics.iter().map(|_| Ok(())).collect()))
    }

    fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
        _: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), CreatePartitionsError>>> {
        let add = |wanted: NewPartitions| match self.image().topic(&wanted.topic) {
            None => Err(CreatePartitionsError::UnknownTopic(wanted.topic)),
            Some(_) if wanted.count <= 1 => Err(CreatePartitionsError::NotAnIncrease {
                current: 1,
                asked: wanted.count,
            }),
            Some(_) => Ok(()),
        };
        Box::pin(std::future::ready(topics.into_iter().map(add).collect()))
    }

    fn elect_leaders(
        &self,
        kind: ElectionKind,
        partitions: BTreeSet<TopicPartition>,
        timeout: Duration,
    ) -> BoxFuture<'_, ElectedLeaders> {
        let refused = ElectLeaderError::Refused;
        let elect = |tp: &TopicPartition| {
            let image = self.image();
            let Some(partition) = image.partition(&tp.topic, tp.partition) else {
                return Err(refused(ElectionRefused::UnknownPartition));
            };
            let preferred = partition.replicas.first().copied();
            match (kind, partition.leader) {
                _ if timeout.is_zero() => Err(ElectLeaderError::TimedOut),
                (ElectionKind::Unclean, None) => Err(refused(ElectionRefused::NobodyEligible)),
                (ElectionKind::Preferred, None) => {
                    Err(refused(ElectionRefused::PreferredUnavailable))
                }
                (ElectionKind::Preferred, leader) if leader != preferred => Ok(()),
                (_, Some(_)) => Err(refused(ElectionRefused::NotNeeded)),
            }
        };
        let elected = partitions.into_iter().map(|tp| {
            let outcome = match self.is_controller() {
                true => elect(&tp),
                false => Err(refused(ElectionRefused::NotController)),
            };
            (tp, outcome)
        });
        Box::pin(std::future::ready(elected.collect()))
    }

    fn alter_reassignments(
        &self,
        partitions: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<ReassignmentAnswers, ReassignError>> {
        let mut moving = self.moving.lock();
        let mut alter = |tp: &TopicPartition, target: Option<Vec<BrokerId>>| {
            let image = self.image();
            let partition = image.partition(&tp.topic, tp.partition);
            let partition = partition.ok_or(ReassignmentError::UnknownPartition)?;
            match target {
                Some(target) if target.is_empty() => return Err(ReassignmentError::Empty),
                Some(target) => {
                    let now = Moving {
                        replicas: partition.replicas.clone(),
                        ..Moving::default()
                    };
                    moving.insert(tp.clone(), now.reassign_to(&target));
                }
                None => {
                    let ended = moving.remove(tp);
                    ended.ok_or(ReassignmentError::NotInProgress)?;
                }
            }
            Ok(())
        };
        let answers = match (self.is_controller(), timeout.is_zero()) {
            (false, _) => Err(ReassignError::NotController),
            (true, true) => Err(ReassignError::TimedOut),
            (true, false) => Ok(partitions
                .into_iter()
                .map(|(tp, target)| (tp.clone(), alter(&tp, target)))
                .collect()),
        };
        Box::pin(std::future::ready(answers))
    }

    fn list_reassignments(
        &self,
        partitions: Option<BTreeSet<TopicPartition>>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<BTreeMap<TopicPartition, Moving>, ReassignError>> {
        let mut listed = self.moving.lock().clone();
        listed.retain(|tp, _| partitions.as_ref().is_none_or(|asked| asked.contains(tp)));
        let listed = match (self.is_controller(), timeout.is_zero()) {
            (false, _) => Err(ReassignError::NotController),
            (true, true) => Err(ReassignError::TimedOut),
            (true, false) => Ok(listed),
        };
        Box::pin(std::future::ready(listed))
    }

    fn alter_configs(
        &self,
        entity: ConfigEntity,
        configs: BTreeMap<String, String>,
    ) -> BoxFuture<'_, Result<(), AlterConfigError>> {
        self.store(entity, configs);
        Box::pin(std::future::ready(Ok(())))
    }

    fn allocate_producer_ids(&self) -> BoxFuture<'_, Result<RangeInclusive<i64>, StoreError>> {
        let first = self.next_producer_id.fetch_add(1000, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(first..=first + 999)))
    }

    fn grant_producer_ids(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> BoxFuture<'_, Result<RangeInclusive<i64>, GrantError>> {
        let granted = match self.check_broker(broker, broker_epoch) {
            BrokerCheck::NotController => Err(GrantError::NotController),
            BrokerCheck::Unknown => Err(GrantError::UnknownBroker),
            BrokerCheck::Stale => Err(GrantError::StaleBrokerEpoch),
            BrokerCheck::Good => {
                let first = self.next_producer_id.fetch_add(1000, Ordering::Relaxed);
                Ok(first..=first + 999)
            }
        };
        Box::pin(std::future::ready(granted))
    }

    /// Partitions of topics in the image are changed, broker 9 may not be in sync.
    fn alter_partition(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
        partitions: Vec<IsrAlteration>,
    ) -> BoxFuture<'_, Result<Vec<AlterationAnswer>, AlterationRefused>> {
        let alter = |wanted: IsrAlteration| {
            let result = match wanted.partition {
                0 if wanted.isr.contains(&BrokerId(9)) => Err(AlterationError::IneligibleReplica),
                0 => Ok(StateNode {
                    state: LeaderIsr {
                        leader: Some(broker),
                        leader_epoch: wanted.leader_epoch,
                        isr: wanted.isr,
                        controller_epoch: 1,
                        recovering: wanted.recovering,
                    },
                    version: wanted.partition_epoch + 1,
                }),
                _ => Err(AlterationError::UnknownPartition),
            };
            AlterationAnswer {
                topic: wanted.topic,
                partition: wanted.partition,
                result,
            }
        };
        let altered = match self.check_broker(broker, broker_epoch) {
            BrokerCheck::NotController => Err(AlterationRefused::NotController),
            BrokerCheck::Unknown | BrokerCheck::Stale => Err(AlterationRefused::StaleBrokerEpoch),
            BrokerCheck::Good => Ok(partitions.into_iter().map(alter).collect()),
        };
        Box::pin(std::future::ready(altered))
    }

    /// A partition of topic `left` stays.
    fn controlled_shutdown(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> BoxFuture<'_, Result<BTreeSet<TopicPartition>, ShutdownRefused>> {
        let moved = match self.check_broker(broker, broker_epoch.max(1)) {
            BrokerCheck::NotController => Err(ShutdownRefused::NotController),
            BrokerCheck::Unknown => Err(ShutdownRefused::UnknownBroker),
            BrokerCheck::Stale => Err(ShutdownRefused::StaleBrokerEpoch),
            BrokerCheck::Good => Ok(BTreeSet::from([TopicPartition::new("left", 3)])),
        };
        Box::pin(std::future::ready(moved))
    }

    fn consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
    ) -> BoxFuture<'a, Result<Option<Offset>, StoreError>> {
        let key = (group.to_owned(), topic.to_owned(), partition);
        let found = self.consumer_offsets.lock().get(&key).copied();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn commit_consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
        offset: Offset,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let key = (group.to_owned(), topic.to_owned(), partition);
        self.consumer_offsets.lock().insert(key, offset);
        Box::pin(std::future::ready(Ok(())))
    }
}
