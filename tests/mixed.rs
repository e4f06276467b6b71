//! Apache's brokers and ours in one cluster, with either as controller, by the newest and by an old
//! inter-broker protocol.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ottla_metadata::BrokerId;
use ottla_tests::{
    ApacheVersion, BrokerKind, Client, ClusterSpec, Codec, TestCluster, apache_tool, records_for,
    topics_tool,
};

/// Two of ours around one of Apache's.
const KINDS: [BrokerKind; 3] = [BrokerKind::Ottla, BrokerKind::Apache, BrokerKind::Ottla];

fn spec(inter_broker_protocol: &str) -> ClusterSpec {
    ClusterSpec::new(3)
        .kinds(&KINDS)
        .with("inter.broker.protocol.version", inter_broker_protocol)
        .with("default.replication.factor", "3")
        .with("num.partitions", "2")
        .with("min.insync.replicas", "2")
        // The records are older than a week.
        .with("log.retention.ms", "-1")
        .with("auto.leader.rebalance.enable", "false")
}

/// Makes a broker the controller: for a while it is alone.
fn seat(cluster: &mut TestCluster, id: i32) {
    let others: Vec<i32> = cluster.ids().filter(|other| *other != id).collect();
    for other in others {
        cluster.stop(other);
    }
    assert_eq!(cluster.wait_for_controller_but(-1), id);
    cluster.restart_all();
    cluster.wait_for_members();
    assert_eq!(cluster.controller(), Some(id));
}

/// Writes to all replicas of a topic, and reads through each broker.
fn send_and_read(cluster: &TestCluster, topic: &str, before: usize) {
    let records = records_for("alive", 10, 1);
    Client::Franz.produce(&cluster.bootstrap(), topic, &records, Codec::None);
    for id in cluster.up() {
        let address = cluster.broker(id).address();
        let read = Client::Kcat.consume(&address, topic, 0, before + 10);
        assert_eq!(read.len(), before + 10, "through broker {id}");
    }
}

/// Waits until a broker has no folder of the topic's replicas under its own name.
fn wait_until_log_is_gone(cluster: &TestCluster, id: i32, topic: &str) {
    let start = Instant::now();
    let folder = cluster.broker(id).log_dir();
    let left = || -> Vec<String> {
        let entries = std::fs::read_dir(&folder).expect("the folder is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names
            .filter(|name| name.starts_with(&format!("{topic}-")) && !name.contains("-delete"))
            .collect()
    };
    while !left().is_empty() {
        let patience = Duration::from_secs(30);
        assert!(start.elapsed() < patience, "broker {id} keeps {:?}", left());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The life of a few topics.
fn live(controller: i32, inter_broker_protocol: &str) {
    let mut cluster = TestCluster::start(&spec(inter_broker_protocol));
    seat(&mut cluster, controller);
    // One that each leads a partition of, and one that comes into being because somebody who does
    // not talk to the controller asks for it.
    cluster.create_topic("wide", 3, 3, &[]);
    let leaders: BTreeSet<i32> = (0..3).map(|p| cluster.leader("wide", p)).collect();
    assert_eq!(leaders, cluster.ids().collect());
    for (topic, id) in [("auto-0", 0), ("auto-1", 1), ("auto-2", 2)] {
        let address = cluster.broker(id).address();
        let records = records_for("first", 10, 1);
        Client::Kcat.produce(&address, topic, &records, Codec::None);
        cluster.wait_for_full_isr(topic);
        assert_eq!(cluster.isr(topic, 1).len(), 3, "{topic}");
        send_and_read(&cluster, topic, 10);
    }
    send_and_read(&cluster, "wide", 0);

    // Growth by a tool that speaks to ours, deletion by one that speaks to Apache's.
    let ask = |id: i32, arguments: &[&str]| {
        let address = cluster.broker(id).address();
        topics_tool(&[&["--bootstrap-server", &address], arguments].concat());
    };
    ask(0, &["--alter", "--topic", "auto-0", "--partitions", "5"]);
    cluster.wait_for_full_isr("auto-0");
    cluster.wait_for_view(
        "5 partitions",
        &[0, 1, 2],
        Duration::from_secs(30),
        |view| {
            let topic = view.topics.get("auto-0");
            topic.is_some_and(|topic| topic.partitions.len() == 5)
        },
    );
    ask(1, &["--delete", "--topic", "auto-0"]);
    cluster.wait_for_view("no auto-0", &[0, 1, 2], Duration::from_secs(30), |view| {
        !view.topics.contains_key("auto-0")
    });
    for id in cluster.ids() {
        wait_until_log_is_gone(&cluster, id, "auto-0");
    }
    // The name can be used again.
    cluster.wait_for_no_children("/admin/delete_topics");
    cluster.create_topic("auto-0", 1, 3, &[]);
    send_and_read(&cluster, "auto-0", 0);

    // Each broker that is not the controller dies and returns, then the controller does.
    let mut sent = 10;
    let others = cluster.ids().filter(|id| *id != controller);
    for id in others.chain([controller]) {
        cluster.kill(id);
        cluster.wait_until_unregistered(id);
        cluster.wait_for_controller_but(id);
        cluster.wait_for_leaders("wide");
        send_and_read(&cluster, "wide", sent);
        cluster.restart(id);
        cluster.wait_for_members();
        cluster.wait_for_full_isr("wide");
        cluster.wait_for_full_isr("auto-2");
        sent += 10;
    }
}

#[test]
fn apaches_controller() {
    live(1, "3.9");
}

#[test]
fn apaches_controller_of_2_0() {
    live(1, "2.0");
}

#[test]
fn our_controller() {
    live(0, "3.9");
}

#[test]
fn our_controller_of_2_0() {
    live(0, "2.0");
}

/// A partition wanders over all brokers, by Apache's tools, and is led by the first of its replicas.
fn wander(controller: i32, inter_broker_protocol: &str) {
    let mut cluster = TestCluster::start(&spec(inter_broker_protocol));
    seat(&mut cluster, controller);
    cluster.create_topic("moving", 1, 2, &[]);
    send_and_read(&cluster, "moving", 0);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let plan = folder.path().join("plan.json");
    let plan_path = plan.to_str().expect("a plain name");
    let bootstrap = cluster.bootstrap();
    let tool = |class: &str, arguments: &[&str]| {
        let class = format!("org.apache.kafka.tools.{class}");
        let arguments = [&["--bootstrap-server", &bootstrap], arguments].concat();
        apache_tool(ApacheVersion::V3_9, &class, &arguments);
    };
    let mut sent = 10;
    for target in [[1, 0], [2, 1], [0, 2], [1, 2]] {
        let partition = serde_json::json!({"topic": "moving", "partition": 0, "replicas": target});
        let text = serde_json::json!({"version": 1, "partitions": [partition]}).to_string();
        std::fs::write(&plan, text).expect("the folder can be written");
        tool(
            "reassign.ReassignPartitionsCommand",
            &["--reassignment-json-file", plan_path, "--execute"],
        );
        cluster.wait_for_partitions("the new replicas", "moving", |partition| {
            let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
            ids(&partition.replicas) == target && partition.isr.len() == 2
        });
        tool(
            "LeaderElectionCommand",
            &["--election-type", "preferred", "--all-topic-partitions"],
        );
        cluster.wait_for_partitions("the preferred leader", "moving", |partition| {
            partition.leader == Some(BrokerId(target[0]))
        });
        send_and_read(&cluster, "moving", sent);
        sent += 10;
        let former = cluster.ids().filter(|id| !target.contains(id));
        for id in former {
            wait_until_log_is_gone(&cluster, id, "moving");
        }
    }
}

#[test]
fn apaches_controller_moves_partitions() {
    wander(1, "3.9");
}

#[test]
fn our_controller_moves_partitions() {
    wander(0, "3.9");
}

/// A running cluster changes hands, one broker at a time, in place, and back.
#[test]
fn a_cluster_is_replaced_broker_by_broker() {
    let spec = spec("3.9").kind(BrokerKind::Apache);
    let mut cluster = TestCluster::start(&spec);
    cluster.create_topic("kept", 3, 3, &[]);
    send_and_read(&cluster, "kept", 0);
    let mut sent = 10;
    for kind in [BrokerKind::Ottla, BrokerKind::Apache] {
        for id in cluster.ids() {
            cluster.stop(id);
            cluster.wait_until_unregistered(id);
            cluster.wait_for_leaders("kept");
            send_and_read(&cluster, "kept", sent);
            cluster.broker_mut(id).restart_as(kind);
            cluster.wait_for_members();
            cluster.wait_for_full_isr("kept");
            send_and_read(&cluster, "kept", sent + 10);
            sent += 20;
        }
    }
}
