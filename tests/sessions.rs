//! Brokers whose ZooKeeper session ends while they live on: nothing is acknowledged that could be
//! lost, and they come back without a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ottla_client::{
    Admin, Cluster, ClusterOptions, NewTopic, Producer, ProducerOptions, ProducerRecord,
};
use ottla_tests::{ClusterSpec, TestCluster, znode};

const TOPIC: &str = "sessions";
const PATIENCE: Duration = Duration::from_secs(30);

fn others(id: i32) -> [i32; 2] {
    [(id + 1) % 3, (id + 2) % 3]
}

/// Sends one record with acks=all by way of this broker alone, without repeating it.
fn send_by_way_of(cluster: &TestCluster, id: i32) -> Result<i64, String> {
    let address = cluster.broker(id).address();
    let options = ClusterOptions::new(&address).expect("an address");
    let producer = ProducerOptions {
        acks: -1,
        request_timeout: Duration::from_secs(1),
        delivery_timeout: Duration::from_secs(5),
        retries: 0,
        ..ProducerOptions::default()
    };
    cluster.runtime().block_on(async {
        let producer = Producer::new(Cluster::new(options), producer);
        let record = ProducerRecord {
            topic: TOPIC.to_owned(),
            partition: Some(0),
            value: Some(Bytes::from_static(b"value")),
            ..ProducerRecord::default()
        };
        let sent = producer.send(record).await.map_err(|e| e.to_string())?;
        let sent = sent.await.map_err(|e| e.to_string())?;
        sent.map(|sent| sent.offset).map_err(|e| e.to_string())
    })
}

/// A leader that ZooKeeper has given up goes on believing that it leads, as in Kafka; what makes that
/// harmless is that its followers have left it, and that nobody stores a smaller ISR for it.
fn check_a_leader_without_zookeeper(protocol: &str) {
    let spec = ClusterSpec::new(3)
        .with("inter.broker.protocol.version", protocol)
        .with("replica.lag.time.max.ms", "2000")
        .in_namespaces();
    let cluster = TestCluster::start(&spec);
    let controller = cluster.wait_for_controller_but(-1);
    let [leader, other] = others(controller);
    let replicas = [leader, other, controller];
    cluster.create_topic_on(TOPIC, &[&replicas], &[("min.insync.replicas", "1")]);
    let first = send_by_way_of(&cluster, leader).expect("all is well");
    let epoch = cluster.state(TOPIC, 0)["leader_epoch"].clone();
    let registration = znode(
        cluster.zookeeper_connect(),
        &format!("/brokers/ids/{leader}"),
    );
    assert!(registration.is_some());

    cluster.cut_from_zookeeper(leader);
    cluster.wait_for_view("new leader", &[other, controller], PATIENCE, |view| {
        let now = view.leader(TOPIC, 0);
        now.is_some_and(|now| now.id.0 != leader)
    });
    let refused = send_by_way_of(&cluster, leader);
    assert!(
        refused.is_err(),
        "a deposed leader acknowledged {refused:?}"
    );
    let next = send_by_way_of(&cluster, other).expect("the new leader acknowledges");
    assert_eq!(next, first + 1, "what was not acknowledged is not there");

    cluster.mend(leader);
    cluster.wait_until_registered(leader);
    cluster.wait_for_full_isr(TOPIC);
    assert_ne!(cluster.state(TOPIC, 0)["leader_epoch"], epoch);
    let last = send_by_way_of(&cluster, cluster.leader(TOPIC, 0)).expect("all is well again");
    assert_eq!(last, next + 1);
}

#[test]
fn a_leader_without_zookeeper_acknowledges_nothing() {
    check_a_leader_without_zookeeper("3.9");
}

#[test]
fn a_leader_without_zookeeper_acknowledges_nothing_before_alter_partition() {
    check_a_leader_without_zookeeper("2.6");
}

/// KAFKA-6082 and KAFKA-13407: the controller's writes end with its term, somebody else's begin, and
/// the old one is a broker like any other when it is back.
#[test]
fn a_controller_without_zookeeper_is_replaced_and_returns_as_a_broker() {
    let cluster = TestCluster::start(&ClusterSpec::new(3).in_namespaces());
    let connect = cluster.zookeeper_connect().to_owned();
    let old = cluster.wait_for_controller_but(-1);
    let epoch = |connect: &str| -> i32 {
        let text = znode(connect, "/controller_epoch").expect("there is one");
        text.parse().expect("a number")
    };
    let before = epoch(&connect);
    cluster.cut_from_zookeeper(old);
    let new = cluster.wait_for_controller_but(old);
    assert_eq!(epoch(&connect), before + 1);
    let [one, two] = others(old);
    // The old one does not know it yet, and would have clients wait for ZooKeeper.
    cluster.wait_for_view("the new controller", &[one, two], PATIENCE, |view| {
        view.controller.is_some_and(|id| id.0 == new)
    });
    let bootstrap = format!(
        "{},{}",
        cluster.broker(one).address(),
        cluster.broker(two).address()
    );
    let topic = NewTopic {
        name: "without".to_owned(),
        partitions: Some(1),
        replication_factor: Some(2),
        assignment: BTreeMap::new(),
        configs: BTreeMap::new(),
    };
    let admin = Admin::new(Cluster::new(
        ClusterOptions::new(&bootstrap).expect("an address"),
    ));
    let created = cluster
        .runtime()
        .block_on(admin.create_topic(&topic, false));
    created.expect("the new controller acts");
    cluster.wait_for_view("the topic", &[one, two], PATIENCE, |view| {
        view.leader("without", 0).is_some()
    });
    cluster.mend(old);
    cluster.wait_until_registered(old);
    cluster.create_topic_on("with", &[&[old, one, two]], &[]);
    assert_eq!(cluster.wait_for_controller_but(-1), new);
    assert_eq!(
        epoch(&connect),
        before + 1,
        "nobody stood while there was a controller"
    );
}

/// Whoever owns a node watches it: neither a broker nor a controller lives on without it.
#[test]
fn nodes_that_somebody_deletes_are_made_again_at_once() {
    let spec = ClusterSpec::new(3).with("zookeeper.session.timeout.ms", "60000");
    let cluster = TestCluster::start(&spec);
    let connect = cluster.zookeeper_connect().to_owned();
    let delete = |path: &str| {
        cluster.runtime().block_on(async {
            let zk = zookeeper_client::Client::connect(&connect).await;
            let zk = zk.expect("ZooKeeper answers");
            zk.delete(path, None).await.expect("the node is there");
        });
    };
    let controller = cluster.wait_for_controller_but(-1);
    let [leader, other] = others(controller);
    let replicas = [leader, other, controller];
    cluster.create_topic_on(TOPIC, &[&replicas], &[("min.insync.replicas", "2")]);
    let first = send_by_way_of(&cluster, leader).expect("all is well");

    delete(&format!("/brokers/ids/{leader}"));
    cluster.wait_until_registered(leader);
    cluster.wait_for_partitions("a new epoch, and full ISR", TOPIC, |partition| {
        partition.leader_epoch > 0 && partition.isr.len() == 3
    });
    let now = cluster.leader(TOPIC, 0);
    assert_eq!(send_by_way_of(&cluster, now), Ok(first + 1));

    // The session of its owner lives on, and still somebody acts.
    for round in 0..3 {
        delete("/controller");
        cluster.wait_for_controller_but(-1);
        cluster.wait_for_members();
        cluster.create_topic(&format!("round-{round}"), 1, 3, &[]);
    }
}
