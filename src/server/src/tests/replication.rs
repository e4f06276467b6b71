//! Three brokers in one process, over real sockets: followers copy what leaders take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla_cluster::ConfigEntity;
use ottla_metadata::{BrokerId, BrokerInfo, Endpoint, SecurityProtocol, TopicId, TopicPartition};
use ottla_network::{ListenerSpec, Listeners, Network, NetworkConfig};
use ottla_protocol::messages::ProduceRequest;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use ottla_records::Magic;
use ottla_replication::{Assignment, Leadership, ReplicaManager};

use super::{produce_request, records};
use crate::testing::TestBroker;
use crate::words::topic_name;

const TOPIC: &str = "t";

struct Node {
    broker: Arc<TestBroker>,
    network: Option<Network>,
}

/// Opens a port for a broker.
fn serve(broker: &TestBroker, id: i32) -> (Network, Arc<BrokerInfo>) {
    let spec = ListenerSpec {
        name: "PLAINTEXT".into(),
        security_protocol: SecurityProtocol::Plaintext,
        host: "127.0.0.1".to_owned(),
        port: 0,
        inter_broker: false,
        max_connections: None,
    };
    let listeners = Listeners::bind(vec![spec], NetworkConfig::default()).unwrap();
    let port = listeners.bound()[0].address.port();
    let service = Arc::clone(&broker.server) as Arc<_>;
    let info = BrokerInfo {
        id: BrokerId(id),
        epoch: 1,
        endpoints: vec![Endpoint {
            listener: "PLAINTEXT".to_owned(),
            security_protocol: SecurityProtocol::Plaintext,
            host: "127.0.0.1".to_owned(),
            port,
        }],
        rack: Some(format!("rack{id}")),
    };
    (listeners.serve(service).unwrap(), Arc::new(info))
}

struct Trio {
    nodes: Vec<Node>,
}

impl Trio {
    fn start(settings: &[(&str, &str)]) -> Trio {
        let mut nodes = Vec::new();
        let mut infos = Vec::new();
        for id in 0..3 {
            let broker = Arc::new(TestBroker::numbered(id, settings));
            let (network, info) = serve(&broker, id);
            infos.push(info);
            let network = Some(network);
            nodes.push(Node { broker, network });
        }
        for node in &nodes {
            node.broker.cluster.change(|image| {
                image.brokers = infos
                    .iter()
                    .map(|info| (info.id, Arc::clone(info)))
                    .collect();
            });
        }
        let trio = Trio { nodes };
        trio.put(TOPIC, 1);
        trio
    }

    fn manager(&self, id: usize) -> &Arc<ReplicaManager> {
        &self.nodes[id].broker.server.context.replicas
    }

    fn put(&self, topic: &str, topic_id: u8) {
        for node in &self.nodes {
            node.broker
                .cluster
                .put(topic, topic_id, Some(0), &[0, 1, 2]);
        }
    }

    /// Tells one broker who leads.
    fn assign(&self, id: usize, leader: i32, epoch: i32, isr: &[i32]) {
        self.assign_topic((TOPIC, 1), id, leader, epoch, isr);
    }

    fn assign_topic(
        &self,
        (topic, topic_id): (&str, u8),
        id: usize,
        leader: i32,
        epoch: i32,
        isr: &[i32],
    ) {
        let assignment = Assignment {
            partition: TopicPartition::new(topic, 0),
            topic_id: TopicId([topic_id; 16]),
            controller_epoch: 1,
            leader: Some(BrokerId(leader)),
            leadership: Leadership {
                leader_epoch: epoch,
                partition_epoch: epoch,
                replicas: [0, 1, 2].map(BrokerId).into_iter().collect(),
                isr: isr.iter().copied().map(BrokerId).collect(),
            },
            is_new: true,
        };
        let mut answers = self.manager(id).apply_leader_and_isr(vec![assignment]);
        answers.pop().unwrap().1.unwrap();
    }

    /// Produces to a broker; answers the error code and the first offset.
    async fn produce(&self, id: usize, acks: i16, records: Bytes) -> (i16, i64) {
        let request: ProduceRequest = produce_request(&[(TOPIC, records.clone())]).with_acks(acks);
        // A format's batches are taken by the versions that brought it.
        let version = match records[16] {
            0 => 1,
            1 => 2,
            _ => 3,
        };
        let response = self.nodes[id].broker.ask(version, &request).await;
        let part = &response.responses[0].partition_responses[0];
        (part.error_code, part.base_offset)
    }

    /// All bytes of the partition's segments on a broker.
    fn log(&self, id: usize) -> Vec<u8> {
        let dir = self.nodes[id].broker.dir.path().join("logs/t-0");
        let mut segments: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "log"))
            .collect();
        segments.sort();
        segments
            .iter()
            .flat_map(|path| std::fs::read(path).unwrap())
            .collect()
    }

    fn ends(&self, id: usize) -> (i64, i64) {
        let log = self
            .manager(id)
            .logs()
            .get(&TopicPartition::new(TOPIC, 0))
            .unwrap();
        (log.high_watermark(), log.log_end_offset())
    }

    /// Waits until all three logs end here and know that everything is committed.
    async fn settle(&self, ids: &[usize], end: i64) {
        let all = async {
            while ids.iter().any(|id| self.ends(*id) != (end, end)) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let settled = tokio::time::timeout(Duration::from_secs(10), all).await;
        let ends: Vec<_> = ids.iter().map(|id| self.ends(*id)).collect();
        assert!(settled.is_ok(), "{ends:?} instead of {end}");
    }

    async fn stop(mut self) {
        for id in 0..3 {
            self.manager(id).stop_following();
        }
        for node in &mut self.nodes {
            let network = node.network.take().unwrap();
            network.stop(Duration::from_millis(100)).await;
        }
    }
}

async fn copies(version: &str) {
    let magic = match version {
        "0.9.0" => Magic::V0,
        "0.10.2" => Magic::V1,
        _ => Magic::V2,
    };
    let trio = Trio::start(&[
        ("inter.broker.protocol.version", version),
        ("log.message.format.version", version),
        ("replica.fetch.wait.max.ms", "50"),
    ]);
    for id in 0..3 {
        trio.assign(id, 0, 1, &[0, 1, 2]);
    }
    for round in 0..5 {
        let produced = trio.produce(0, -1, records(magic, &["a", "b"])).await;
        assert_eq!(produced, (0, round * 2), "{version}");
    }
    trio.settle(&[0, 1, 2], 10).await;
    assert_eq!(trio.log(0), trio.log(1), "{version}");
    assert_eq!(trio.log(0), trio.log(2), "{version}");

    // Broker 0 is cut off with a record that nobody else has; the others go on without it.
    trio.assign(1, 1, 2, &[0, 1, 2]);
    trio.assign(2, 1, 2, &[0, 1, 2]);
    let (code, _) = trio
        .produce(0, 1, records(magic, &["lost", "lost", "lost"]))
        .await;
    assert_eq!(code, 0);
    trio.assign(1, 1, 3, &[1, 2]);
    trio.assign(2, 1, 3, &[1, 2]);
    assert_eq!(
        trio.produce(1, -1, records(magic, &["c"])).await,
        (0, 10),
        "{version}"
    );
    trio.assign(0, 1, 3, &[1, 2]);
    trio.settle(&[0, 1, 2], 11).await;
    assert_eq!(trio.log(1), trio.log(0), "{version}");
    assert_eq!(trio.log(1), trio.log(2), "{version}");
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_become_equal_in_every_protocol_version() {
    for version in [
        "0.9.0", "0.10.2", "1.0", "2.0", "2.3", "2.6", "2.7", "3.0", "3.4", "3.9",
    ] {
        copies(version).await;
    }
}

/// One consumer's fetch of the topic at offset 0.
fn consumer_fetch(rack: &str) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition_max_bytes(1 << 20)
        .with_current_leader_epoch(-1);
    let topic = FetchTopic::default()
        .with_topic(topic_name(TOPIC))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_session_epoch(-1)
        .with_max_bytes(1 << 20)
        .with_rack_id(rack.to_owned().into())
        .with_topics(vec![topic])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_read_from_the_replica_in_their_rack() {
    // Long polls that nothing but news ends.
    let trio = Trio::start(&[
        (
            "replica.selector.class",
            "org.apache.kafka.common.replica.RackAwareReplicaSelector",
        ),
        ("replica.fetch.wait.max.ms", "20000"),
    ]);
    for id in 0..3 {
        trio.assign(id, 0, 1, &[0, 1]);
    }
    let sent = trio.produce(0, -1, records(Magic::V2, &["a", "b"])).await;
    assert_eq!(sent, (0, 0));
    trio.settle(&[0, 1], 2).await;
    let ask = async |id: usize, rack: &str| {
        let response = trio.nodes[id].broker.ask(11, &consumer_fetch(rack)).await;
        let part = &response.responses[0].partitions[0];
        let bytes = part.records.as_ref().map_or(0, Bytes::len);
        (part.error_code, part.preferred_read_replica.0, bytes > 0)
    };
    assert_eq!(ask(0, "rack0").await, (0, -1, true));
    assert_eq!(ask(0, "rack1").await, (0, 1, false));
    assert_eq!(ask(1, "rack1").await, (0, -1, true));
    // Broker 2 is not in sync, and nobody lives in the last rack.
    assert_eq!(ask(0, "rack2").await, (0, -1, true));
    assert_eq!(ask(0, "elsewhere").await, (0, -1, true));
    assert_eq!(ask(0, "").await, (0, -1, true));
    trio.stop().await;
}

/// After a failover a follower fetches from its new leader at once, though its connection there
/// waits for other partitions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_does_not_keep_arrivals_waiting() {
    let trio = Trio::start(&[("replica.fetch.wait.max.ms", "25000")]);
    for id in 0..3 {
        trio.assign(id, 0, 1, &[0, 1, 2]);
    }
    assert_eq!(
        trio.produce(0, -1, records(Magic::V2, &["a"])).await,
        (0, 0)
    );
    for (topic_id, topic) in (2..).zip(["u", "v", "w"]) {
        trio.put(topic, topic_id);
        for id in 0..3 {
            trio.assign_topic((topic, topic_id), id, 0, 1, &[0, 1, 2]);
        }
        let request =
            produce_request(&[(topic, records(Magic::V2, &["a"]))]).with_timeout_ms(10_000);
        let response = trio.nodes[0].broker.ask(3, &request).await;
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    trio.stop().await;
}

/// A replica that comes late finds that the leader has dropped what it asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_far_behind_begins_where_the_leader_does() {
    for version in ["2.0", "3.9"] {
        let trio = Trio::start(&[
            ("inter.broker.protocol.version", version),
            ("log.message.format.version", version),
            ("replica.fetch.wait.max.ms", "50"),
            ("replica.fetch.backoff.ms", "10"),
        ]);
        trio.assign(0, 0, 1, &[0]);
        for _ in 0..3 {
            let sent = trio
                .produce(0, -1, records(Magic::V2, &["a", "b", "c"]))
                .await;
            assert_eq!(sent.0, 0);
        }
        // In the middle of a batch.
        let log = trio
            .manager(0)
            .logs()
            .get(&TopicPartition::new(TOPIC, 0))
            .unwrap();
        log.advance_log_start_offset(4).unwrap();
        trio.assign(1, 0, 1, &[0]);
        trio.settle(&[0, 1], 9).await;
        let log = trio
            .manager(1)
            .logs()
            .get(&TopicPartition::new(TOPIC, 0))
            .unwrap();
        assert!((3..=4).contains(&log.log_start_offset()), "{version}");
        let sent = trio.produce(0, -1, records(Magic::V2, &["d"])).await;
        assert_eq!(sent, (0, 9));
        trio.settle(&[0, 1], 10).await;
        assert_eq!(log.log_start_offset(), 4, "{version}");
        trio.stop().await;
    }
}

/// What may not flow at once flows when the rate allows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttled_replicas_catch_up_all_the_same() {
    for side in ["leader", "follower"] {
        // One batch per fetch.
        let trio = Trio::start(&[
            ("replica.fetch.wait.max.ms", "50"),
            ("replica.fetch.max.bytes", "100"),
        ]);
        for node in &trio.nodes {
            let throttled = format!("{side}.replication.throttled.replicas");
            node.broker.cluster.set(
                ConfigEntity::Topic(TOPIC.into()),
                &[(throttled.as_str(), "*")],
            );
            let rate = format!("{side}.replication.throttled.rate");
            let entity = ConfigEntity::BrokerDefault;
            node.broker.cluster.set(entity, &[(rate.as_str(), "200")]);
            let context = &node.broker.server.context;
            context.replicas.reconfigure(&context.config.load());
        }
        trio.assign(0, 0, 1, &[0]);
        for _ in 0..4 {
            let sent = trio.produce(0, 1, records(Magic::V2, &["abcdefgh"])).await;
            assert_eq!(sent.0, 0);
        }
        let (size, began) = (trio.log(0).len(), Instant::now());
        assert!(size > 250, "{size}");
        trio.assign(1, 0, 1, &[0]);
        trio.settle(&[0, 1], 4).await;
        // More than a second's worth had gone through before the last batch.
        assert!(began.elapsed() >= Duration::from_secs(1), "{side}");
        assert_eq!(trio.log(0), trio.log(1), "{side}");
        trio.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_find_a_leader_that_has_moved() {
    let mut trio = Trio::start(&[
        ("replica.fetch.wait.max.ms", "50"),
        ("replica.fetch.backoff.ms", "20"),
    ]);
    for id in 0..3 {
        trio.assign(id, 0, 1, &[0, 1, 2]);
    }
    assert_eq!(
        trio.produce(0, -1, records(Magic::V2, &["a"])).await,
        (0, 0)
    );
    let network = trio.nodes[0].network.take().unwrap();
    network.stop(Duration::from_millis(100)).await;
    let (network, info) = serve(&trio.nodes[0].broker, 0);
    trio.nodes[0].network = Some(network);
    for node in &trio.nodes {
        node.broker
            .cluster
            .change(|image| drop(image.brokers.insert(BrokerId(0), Arc::clone(&info))));
    }
    assert_eq!(
        trio.produce(0, -1, records(Magic::V2, &["b"])).await,
        (0, 1)
    );
    trio.settle(&[0, 1, 2], 2).await;
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_directory_fails_leaves_the_others_alone() {
    let trio = Trio::start(&[
        ("replica.fetch.wait.max.ms", "50"),
        // Broker 1 holds the watermark for so long, though it is not in sync.
        ("replica.lag.time.max.ms", "200"),
        ("log.segment.bytes", "100"),
    ]);
    for id in 0..3 {
        trio.assign(id, 0, 1, &[0, 2]);
    }
    assert_eq!(
        trio.produce(0, -1, records(Magic::V2, &["a"])).await,
        (0, 0)
    );
    trio.settle(&[0, 1, 2], 1).await;
    // The next append rolls a segment, which needs the directory.
    let dir = trio.nodes[1].broker.dir.path();
    std::fs::rename(dir.join("logs/t-0"), dir.join("gone")).unwrap();
    let failed = trio
        .manager(1)
        .logs()
        .get(&TopicPartition::new(TOPIC, 0))
        .unwrap();
    for offset in 1..4 {
        let sent = trio.produce(0, 1, records(Magic::V2, &["b"])).await;
        assert_eq!(sent, (0, offset));
    }
    trio.settle(&[0, 2], 4).await;
    let offline = async {
        while !failed.is_offline() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), offline)
        .await
        .unwrap();
    assert_eq!(failed.log_end_offset(), 1);
    trio.stop().await;
}
