//! Three brokers in one process, over real sockets: followers copy what leaders take.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_metadata::{BrokerId, BrokerInfo, Endpoint, SecurityProtocol, TopicId, TopicPartition};
use ottla_network::{ListenerSpec, Listeners, Network, NetworkConfig};
use ottla_protocol::messages::ProduceRequest;
use ottla_records::Magic;
use ottla_replication::{Assignment, Leadership, ReplicaManager};

use super::{produce_request, records};
use crate::testing::TestBroker;

const TOPIC: &str = "t";

struct Node {
    broker: Arc<TestBroker>,
    network: Option<Network>,
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
            let network = Some(listeners.serve(service).unwrap());
            infos.push(Arc::new(BrokerInfo {
                id: BrokerId(id),
                epoch: 1,
                endpoints: vec![Endpoint {
                    listener: "PLAINTEXT".to_owned(),
                    security_protocol: SecurityProtocol::Plaintext,
                    host: "127.0.0.1".to_owned(),
                    port,
                }],
                rack: None,
            }));
            nodes.push(Node { broker, network });
        }
        for node in &nodes {
            node.broker.cluster.change(|image| {
                image.brokers = infos
                    .iter()
                    .map(|info| (info.id, Arc::clone(info)))
                    .collect();
            });
            node.broker.cluster.put(TOPIC, 1, Some(0), &[0, 1, 2]);
        }
        Trio { nodes }
    }

    fn manager(&self, id: usize) -> &Arc<ReplicaManager> {
        &self.nodes[id].broker.server.context.replicas
    }

    /// Tells one broker who leads.
    fn assign(&self, id: usize, leader: i32, epoch: i32, isr: &[i32]) {
        let assignment = Assignment {
            partition: TopicPartition::new(TOPIC, 0),
            topic_id: TopicId([1; 16]),
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
