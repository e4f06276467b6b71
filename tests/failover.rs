//! How long a topic cannot be written to when a broker is killed: the longest time between two
//! acknowledgements of a producer with acks=all that sends one record after the other.
//!
//! Sessions time out after 30 s here. Whatever the machine is doing beside the tests, a failover that
//! takes less than [`BOUND`] has not waited for that; how long it took is printed (`--nocapture`).
//! `OTTLA_TEST_TARGET=apache` measures Apache's brokers instead, with sessions of Kafka's default.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla_client::{Cluster, Producer, ProducerOptions, ProducerRecord};
use ottla_tests::{BrokerKind, ClusterSpec, TestCluster};

const BOUND: Duration = Duration::from_secs(10);
const TOPIC: &str = "failover";
/// Acknowledgements before and after the crash.
const ENOUGH: usize = 50;

/// How long the session lives on, and how long a failover may take.
fn times() -> (&'static str, Duration) {
    match BrokerKind::under_test() {
        BrokerKind::Ottla => ("30000", BOUND),
        BrokerKind::Apache => ("18000", 6 * BOUND),
    }
}

fn start() -> TestCluster {
    TestCluster::start(&ClusterSpec::new(3).with("zookeeper.session.timeout.ms", times().0))
}

/// Sends until stopped; the times of the acknowledgements.
struct Sending {
    acknowledged: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<Instant>>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Sending {
    fn start(cluster: &TestCluster) -> Sending {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let work = send(cluster.client(), Arc::clone(&acknowledged), stopped);
        Sending {
            acknowledged,
            task: cluster.runtime().spawn(work),
            stop,
        }
    }

    fn wait_for_more(&self) {
        let (before, began) = (self.acknowledged.load(Ordering::Relaxed), Instant::now());
        while self.acknowledged.load(Ordering::Relaxed) < before + ENOUGH {
            assert!(began.elapsed() < 2 * times().1, "nothing is acknowledged");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The longest time between two acknowledgements.
    fn finish(self, cluster: &TestCluster) -> Duration {
        let _ = self.stop.send(());
        let times = cluster.runtime().block_on(self.task);
        let times = times.expect("the producer works");
        let gaps = times.windows(2).filter_map(|pair| match pair {
            [before, after] => Some(*after - *before),
            _ => None,
        });
        gaps.max().unwrap_or_default()
    }
}

async fn send(
    cluster: Cluster,
    acknowledged: Arc<AtomicUsize>,
    mut stop: tokio::sync::oneshot::Receiver<()>,
) -> Vec<Instant> {
    let options = ProducerOptions {
        acks: -1,
        ..ProducerOptions::default()
    };
    let producer = Producer::new(cluster, options);
    let (mut times, mut last) = (Vec::new(), -1);
    while stop.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
        let record = ProducerRecord {
            topic: TOPIC.to_owned(),
            partition: Some(0),
            value: Some(Bytes::from_static(b"value")),
            ..ProducerRecord::default()
        };
        let sent = producer.send(record).await.expect("it can be sent");
        let delivery = sent.await.expect("not given up");
        let delivery = delivery.expect("it is acknowledged");
        assert!(delivery.offset > last, "an acknowledged record was lost");
        last = delivery.offset;
        times.push(Instant::now());
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    times
}

/// Kills a broker while somebody writes.
fn kill_under_load(cluster: &mut TestCluster, what: &str, victim: i32) {
    cluster.wait_for_full_isr(TOPIC);
    let sending = Sending::start(cluster);
    sending.wait_for_more();
    cluster.kill(victim);
    sending.wait_for_more();
    let gap = sending.finish(cluster);
    println!(
        "{what}: nothing was acknowledged for {} ms",
        gap.as_millis()
    );
    assert!(gap < times().1, "{what}: {gap:?}");
}

#[test]
fn a_leader_that_is_killed_is_replaced_at_once() {
    let mut cluster = start();
    let controller = cluster.wait_for_controller_but(-1);
    let [leader, other] = others(controller);
    let replicas = [leader, other, controller];
    cluster.create_topic_on(TOPIC, &[&replicas], &[("min.insync.replicas", "2")]);
    kill_under_load(&mut cluster, "leader killed", leader);
    cluster.restart(leader);
    // The controller now follows; that nobody leads after it is not felt.
    kill_under_load(&mut cluster, "controller killed", controller);
    assert_ne!(cluster.wait_for_controller_but(controller), controller);
}

#[test]
fn a_leader_that_is_also_controller_is_replaced_at_once() {
    let mut cluster = start();
    let controller = cluster.wait_for_controller_but(-1);
    let [one, two] = others(controller);
    let replicas = [controller, one, two];
    cluster.create_topic_on(TOPIC, &[&replicas], &[("min.insync.replicas", "2")]);
    kill_under_load(&mut cluster, "leader and controller killed", controller);
}

fn others(id: i32) -> [i32; 2] {
    [(id + 1) % 3, (id + 2) % 3]
}
