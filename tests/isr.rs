//! In-sync replicas by both roads, through the controller and directly in ZooKeeper, and brokers
//! that leave in good order. With `OTTLA_TEST_TARGET=apache` the same is expected of Apache Kafka.

use std::time::{Duration, Instant};

use ottla_client::{
    Cluster, ClusterOptions, Isolation, OffsetSpec, Producer, ProducerOptions, ProducerRecord,
};
use ottla_metadata::TopicPartition;
use ottla_protocol::ErrorCode;
use ottla_tests::{BrokerKind, ClusterSpec, TestCluster, plain, znode};

const LAG: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// Three brokers of an `inter.broker.protocol.version`; broker 0 is the controller.
fn spec(version: &str) -> ClusterSpec {
    ClusterSpec::new(3)
        .with("inter.broker.protocol.version", version)
        .with("replica.lag.time.max.ms", "2000")
        .with("zookeeper.session.timeout.ms", "20000")
        .one_after_the_other()
}

fn cluster(version: &str) -> TestCluster {
    TestCluster::start(&spec(version))
}

/// Sends with acks=all, and again where that is of use.
fn producer(bootstrap: &str) -> Producer {
    let options = ProducerOptions {
        acks: -1,
        ..ProducerOptions::default()
    };
    Producer::new(
        Cluster::new(ClusterOptions::new(bootstrap).expect("good addresses")),
        options,
    )
}

fn record(topic: &str, partition: i32) -> ProducerRecord {
    ProducerRecord {
        topic: topic.to_owned(),
        partition: Some(partition),
        value: Some("v".into()),
        ..ProducerRecord::default()
    }
}

/// Sends one record with acks=all and answers how long it took to be acknowledged.
fn send(cluster: &TestCluster, topic: &str) -> Duration {
    send_through(cluster, &cluster.bootstrap(), topic)
}

/// The same by a client that knows these brokers.
fn send_through(cluster: &TestCluster, bootstrap: &str, topic: &str) -> Duration {
    let began = Instant::now();
    cluster.runtime().block_on(async {
        let producer = producer(bootstrap);
        let delivery = producer
            .send(record(topic, 0))
            .await
            .expect("a known topic");
        delivery.await.expect("told").expect("acknowledged");
        producer.close().await;
    });
    began.elapsed()
}

/// The state of the first partition: leader, ISR, leader epoch, and how often the ISR was changed.
fn wait_for_state(cluster: &TestCluster, topic: &str, leader: i32, isr: &[i32], epoch: i64) {
    let start = Instant::now();
    loop {
        let state = cluster.state(topic, 0);
        let now = (
            cluster.leader(topic, 0),
            cluster.isr(topic, 0),
            state["leader_epoch"].as_i64().expect("a number"),
        );
        if now == (leader, isr.to_vec(), epoch) {
            assert_eq!(state["controller_epoch"], 1);
            assert_eq!(state["version"], 1);
            assert_eq!(
                state.as_object().map_or(0, |fields| fields.len()),
                5,
                "{state}"
            );
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{state}, not {leader} {isr:?} {epoch}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A follower freezes, falls behind and is left out; thawed it catches up and is taken back. The
/// leader's doing: the leader epoch stays.
fn shrinks_and_grows(spec: &ClusterSpec) {
    let mut cluster = TestCluster::start(spec);
    cluster.create_topic_on("t", &[&[1, 0, 2]], &[("min.insync.replicas", "2")]);
    send(&cluster, "t");
    cluster.pause(2);
    let took = send(&cluster, "t");
    // The record waits until the follower is left out, which takes half as long again at most.
    assert!(
        took > LAG / 2 && took < LAG * 2 + Duration::from_secs(2),
        "{took:?}"
    );
    wait_for_state(&cluster, "t", 1, &[1, 0], 0);
    // All brokers that can speak say so.
    cluster.wait_for_view("smaller ISR", &[0, 1], PATIENCE, |view| {
        view.topics["t"].partitions[&0].isr.len() == 2
    });
    cluster.resume(2);
    wait_for_state(&cluster, "t", 1, &[1, 0, 2], 0);
    cluster.wait_for_full_isr("t");
    assert!(send(&cluster, "t") < LAG / 2);
    cluster.wait_for_no_children("/isr_change_notification");
}

#[test]
fn in_sync_replicas_shrink_and_grow_through_the_controller() {
    shrinks_and_grows(&spec("3.9"));
}

#[test]
fn in_sync_replicas_shrink_and_grow_in_zookeeper() {
    shrinks_and_grows(&spec("2.5"));
}

#[test]
fn in_sync_replicas_shrink_and_grow_through_apaches_controller() {
    use BrokerKind::{Apache, Ottla};
    shrinks_and_grows(&spec("3.9").kinds(&[Apache, Ottla, Ottla]));
}

/// A broker that is told to stop first hands over what it leads: it is out of sync before it is gone,
/// and a writer notices nothing.
fn leaves(version: &str) {
    let mut cluster = cluster(version);
    cluster.create_topic_on(
        "t",
        &[&[1, 2, 0], &[2, 1, 0]],
        &[("min.insync.replicas", "2")],
    );
    send(&cluster, "t");
    let bootstrap = cluster.bootstrap();
    let runtime = cluster.runtime();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writer = runtime.spawn(async move {
        let producer = producer(&bootstrap);
        let mut slowest = Duration::ZERO;
        while stopped.try_recv().is_err() {
            let began = Instant::now();
            let delivery = producer.send(record("t", 0)).await.expect("a known topic");
            delivery.await.expect("told").expect("acknowledged");
            slowest = slowest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        slowest
    });
    let began = Instant::now();
    cluster.broker_mut(1).process().signal("TERM");
    while znode(cluster.zookeeper_connect(), "/brokers/ids/1").is_some() {
        let state = cluster.state("t", 0);
        let in_sync = state["isr"]
            .as_array()
            .is_some_and(|isr| isr.contains(&1.into()));
        // In one write: who does not lead any more is not in sync any more.
        assert_eq!(state["leader"] == 1, in_sync, "{state}");
        assert!(began.elapsed() < PATIENCE);
    }
    let gone = began.elapsed();
    assert_eq!(cluster.leader("t", 0), 2);
    assert_eq!(cluster.isr("t", 0), [2, 0]);
    // A follower may have been seen in sync once more before it stopped, which ends with it.
    while cluster.isr("t", 1) != [2, 0] {
        assert!(began.elapsed() < PATIENCE);
    }
    cluster.stop(1);
    stop.send(()).expect("the writer writes");
    let slowest = runtime.block_on(writer).expect("the writer does not panic");
    println!(
        "{version}: gone after {gone:?}, stopped after {:?}, slowest record {slowest:?}",
        began.elapsed()
    );
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    cluster.restart(1);
    cluster.wait_for_full_isr("t");

    // The controller itself, which leads too.
    cluster.stop(0);
    let controller = cluster.wait_for_controller_but(0);
    assert_ne!(controller, 0);
    cluster.wait_for_partitions("ISR without broker 0", "t", |partition| {
        !plain(&partition.isr).contains(&0) && partition.leader.is_some()
    });
    send(&cluster, "t");
}

/// The controller leaves a dead follower out at once, under a new leader epoch, whatever the leader
/// waits for.
#[test]
fn a_dead_follower_is_not_waited_for() {
    let mut cluster = cluster("3.9");
    cluster.create_topic_on("t", &[&[1, 0, 2]], &[("min.insync.replicas", "2")]);
    send(&cluster, "t");
    cluster.kill(2);
    send(&cluster, "t");
    let epoch = cluster.state("t", 0)["leader_epoch"]
        .as_i64()
        .expect("a number");
    // By the controller, unless the leader was faster: it looks every second.
    wait_for_state(&cluster, "t", 1, &[1, 0], epoch);
    cluster.restart(2);
    wait_for_state(&cluster, "t", 1, &[1, 0, 2], epoch);
}

/// What becomes of one record that is sent once: its offset or the broker's code.
fn send_once(cluster: &TestCluster, topic: &str, acks: i16) -> Result<i64, ErrorCode> {
    let bootstrap = cluster.bootstrap();
    cluster.runtime().block_on(async {
        let options = ProducerOptions {
            acks,
            retries: 0,
            ..ProducerOptions::default()
        };
        let client = Cluster::new(ClusterOptions::new(&bootstrap).expect("good addresses"));
        let producer = Producer::new(client, options);
        let delivery = producer
            .send(record(topic, 0))
            .await
            .expect("a known topic");
        match delivery.await.expect("told") {
            Ok(delivery) => Ok(delivery.offset),
            Err(error) => Err(error.code().expect("an error of the broker")),
        }
    })
}

/// The high watermark as consumers see it.
fn watermark(cluster: &TestCluster, topic: &str) -> i64 {
    let tp = TopicPartition::new(topic, 0);
    let wanted = [(tp.clone(), OffsetSpec::Latest)].into();
    let client = cluster.client();
    let asked = client.list_offsets(&wanted, Isolation::ReadUncommitted);
    let answers = cluster.runtime().block_on(asked);
    answers[&tp].as_ref().expect("an offset").offset
}

/// `min.insync.replicas`: acks=all is refused, others are taken, but nobody reads them before enough
/// replicas have them (3.7).
#[test]
fn too_few_in_sync_replicas() {
    let mut cluster = cluster("3.9");
    cluster.create_topic_on("t", &[&[1, 2]], &[("min.insync.replicas", "2")]);
    assert_eq!(send_once(&cluster, "t", -1), Ok(0));
    cluster.kill(2);
    while cluster.isr("t", 0) != [1] {}
    cluster.wait_for_partitions("smaller ISR", "t", |partition| partition.isr.len() == 1);
    assert_eq!(
        send_once(&cluster, "t", -1),
        Err(ErrorCode::NotEnoughReplicas)
    );
    assert_eq!(send_once(&cluster, "t", 1), Ok(1));
    assert_eq!(watermark(&cluster, "t"), 1);
    cluster.restart(2);
    cluster.wait_for_full_isr("t");
    assert_eq!(send_once(&cluster, "t", -1), Ok(2));
    assert_eq!(watermark(&cluster, "t"), 3);
}

/// The controller hangs with a leader's request: as soon as there is another one it is asked instead.
#[test]
fn a_controller_that_hangs_is_not_waited_for() {
    let spec = spec("3.9").with("zookeeper.session.timeout.ms", "4000");
    let mut cluster = TestCluster::start(&spec);
    cluster.create_topic_on("t", &[&[1, 2]], &[]);
    send(&cluster, "t");
    cluster.pause(0);
    cluster.pause(2);
    // Far less than the request's own time-out of 30 s.
    let took = send_through(&cluster, &cluster.broker(1).address(), "t");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(cluster.isr("t", 0), [1]);
    cluster.resume(0);
    cluster.resume(2);
    cluster.wait_for_full_isr("t");
    assert_ne!(cluster.controller(), Some(0));
    send(&cluster, "t");
}

/// Without ZooKeeper nobody can take over, and a broker that stops does not wait for it.
#[test]
fn a_broker_stops_without_zookeeper() {
    let mut cluster = cluster("3.9");
    cluster.create_topic_on("t", &[&[1, 2, 0], &[0, 1, 2]], &[]);
    send(&cluster, "t");
    cluster.stop_zookeeper();
    for id in [1, 0] {
        let began = Instant::now();
        cluster.stop(id);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(15), "broker {id}: {took:?}");
    }
    cluster.restart_zookeeper();
    cluster.restart_all();
    cluster.wait_for_full_isr("t");
    send(&cluster, "t");
}

#[test]
fn a_broker_leaves_in_good_order() {
    leaves("3.9");
}

#[test]
fn a_broker_leaves_in_good_order_by_old_requests() {
    leaves("2.0");
}
