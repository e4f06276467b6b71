//! A broker without a log: it does as it is told and remembers what that was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_config::MetadataVersion;
use ottla_metadata::{
    BrokerId, ClusterImage, ConfigImage, Endpoint, LeaderEpoch, SecurityProtocol, TopicName,
    TopicPartition,
};
use ottla_zk::testing::{self, MemoryRecord};
use ottla_zk::{Zk, ZkConfig};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::*;

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What the broker was told, one line each.
#[derive(Default)]
pub(super) struct Recorder {
    lines: Mutex<Vec<String>>,
}

impl Recorder {
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    pub(super) fn clear(&self) {
        self.lines.lock().clear();
    }

    fn note(&self, line: String) {
        self.lines.lock().push(line);
    }
}

impl LocalReplicas for Recorder {
    fn leader_and_isr(&self, request: LeaderAndIsr) -> Result<ReplicaAnswers, RequestRefused> {
        let mut answers = Vec::new();
        for state in request.partitions {
            let leader = state.leader.map_or(-1, |id| id.0);
            self.note(format!(
                "lead {} {leader} epoch {}",
                state.partition, state.leader_epoch
            ));
            answers.push((state.partition, Ok(())));
        }
        Ok(answers)
    }

    fn stop_replicas(&self, request: StopReplica) -> Result<ReplicaAnswers, RequestRefused> {
        let mut answers = Vec::new();
        for stop in request.partitions {
            let verb = if stop.delete { "delete" } else { "stop" };
            self.note(format!("{verb} {}", stop.partition));
            answers.push((stop.partition, Ok(())));
        }
        Ok(answers)
    }

    fn metadata_updated(&self, _image: &Arc<ClusterImage>, removed: &[TopicName]) {
        for topic in removed {
            self.note(format!("forget {topic}"));
        }
    }

    fn moved_away(&self, partitions: Vec<(TopicPartition, LeaderEpoch)>) {
        for (partition, epoch) in partitions {
            self.note(format!("elsewhere {partition} epoch {epoch}"));
        }
    }

    fn isr_stored(&self, proposal: &IsrProposal, outcome: IsrOutcome) {
        self.note(format!("isr {} {outcome:?}", proposal.partition));
    }

    fn configs_changed(&self, _configs: &Arc<ConfigImage>, changed: &[ConfigEntity]) {
        for entity in changed {
            self.note(format!("config {entity:?}"));
        }
    }
}

/// A broker and what it was told.
pub(super) struct Broker {
    pub(super) cluster: Cluster,
    pub(super) told: Arc<Recorder>,
    pub(super) proposer: IsrProposer,
}

/// A connect string below which nobody else is.
pub(super) fn chroot() -> String {
    let server = testing::shared();
    server
        .unwrap_or_else(|error| panic!("{error}"))
        .fresh_chroot()
}

pub(super) fn config(connect: &str) -> ZkConfig {
    ZkConfig {
        session_timeout: Duration::from_secs(6),
        session_record: Some(Arc::new(MemoryRecord::default())),
        ..ZkConfig::new(connect)
    }
}

/// A tool's connection.
pub(super) async fn tool(connect: &str) -> Zk {
    Zk::connect(ZkConfig::new(connect)).await.unwrap()
}

/// The tool's connection below the crate.
pub(super) async fn raw(connect: &str) -> zookeeper_client::Client {
    zookeeper_client::Client::connect(connect).await.unwrap()
}

/// The content of a node.
pub(super) async fn text(zk: &zookeeper_client::Client, path: &str) -> String {
    match zk.get_data(path).await {
        Ok((data, _)) => String::from_utf8(data).unwrap(),
        Err(error) => format!("{error}"),
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        version: MetadataVersion::LATEST,
        delete_topics: true,
        unclean_election: false,
        default_partitions: 1,
        default_replication_factor: 1,
        leader_balance: None,
        inter_broker_listener: "PLAINTEXT".to_owned(),
        controller_listener: "PLAINTEXT".to_owned(),
        controller_socket_timeout: PATIENCE,
        request_timeout: PATIENCE,
    }
}

pub(super) async fn start(connect: &str, id: i32) -> Broker {
    start_with(config(connect), id, settings()).await
}

pub(super) async fn start_with(config: ZkConfig, id: i32, settings: Settings) -> Broker {
    let bootstrap = Bootstrap::connect(config).await.unwrap();
    bootstrap.cluster_id().await.unwrap();
    bootstrap.load_configs().await.unwrap();
    let proposer = bootstrap.isr_proposer();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registration = Registration {
        id: BrokerId(id),
        endpoints: vec![Endpoint {
            listener: "PLAINTEXT".to_owned(),
            security_protocol: SecurityProtocol::Plaintext,
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
        }],
        rack: None,
        version: settings.version,
    };
    let registered = bootstrap.register(registration).await.unwrap();
    let told = Arc::new(Recorder::default());
    let cluster = registered.start(settings, Arc::clone(&told) as Arc<dyn LocalReplicas>);
    tokio::spawn(super::wire::serve(listener, cluster.clone()));
    Broker {
        cluster,
        told,
        proposer,
    }
}

/// Waits for something that changes by itself. Polled: it is the test that looks, from outside.
pub(super) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Broker {
    pub(super) async fn is_controller(&self) {
        eventually("controller", async || self.cluster.is_controller()).await;
    }

    /// `topic-partition leader epoch` of every partition in the image.
    pub(super) fn partitions(&self) -> Vec<String> {
        let image = self.cluster.image();
        let topics = image.topics.values();
        topics
            .flat_map(|topic| {
                topic.partitions.iter().map(|(number, partition)| {
                    let leader = partition.leader.map_or(-1, |id| id.0);
                    format!(
                        "{}-{number} {leader} {}",
                        topic.name, partition.leader_epoch
                    )
                })
            })
            .collect()
    }

    /// Waits until the image has these partitions and no others.
    pub(super) async fn shows(&self, want: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while self.partitions() != want {
            let got = self.partitions();
            assert!(Instant::now() < deadline, "{got:?}, not {want:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn heard(&self, line: &str) {
        eventually(line, async || {
            self.told.lines().iter().any(|told| told == line)
        })
        .await;
    }

    pub(super) async fn create(
        &self,
        name: &str,
        partitions: i32,
    ) -> Result<CreatedTopic, CreateTopicError> {
        let topic = NewTopic {
            partitions,
            ..NewTopic::named(name)
        };
        self.create_topic(topic).await
    }

    pub(super) async fn create_topic(
        &self,
        topic: NewTopic,
    ) -> Result<CreatedTopic, CreateTopicError> {
        let results = self.cluster.create_topics(vec![topic], wait()).await;
        results.into_iter().next().unwrap()
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), DeleteTopicError> {
        let results = self
            .cluster
            .delete_topics(vec![name.to_owned()], wait())
            .await;
        results.into_iter().next().unwrap()
    }
}

pub(super) fn wait() -> WaitOptions {
    WaitOptions {
        timeout: PATIENCE,
        validate_only: false,
    }
}

pub(super) fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    entries.iter().map(owned).collect()
}
