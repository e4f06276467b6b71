//! Three processes keep three equal logs: after a follower was killed, and after a leader that had
//! records of its own. Consumers may read each of them.

use std::process::Command;
use std::time::{Duration, Instant};

use ottla_tests::{Client, ClusterSpec, Codec, TestCluster, records_for, run, run_ok};

const TOPIC: &str = "copies";

/// The bytes of all segments of a broker's replica, in order. Where segments end is each broker's
/// own affair.
fn log_of(cluster: &TestCluster, id: i32) -> Vec<u8> {
    let folder = cluster.broker(id).log_dir().join(format!("{TOPIC}-0"));
    let entries = std::fs::read_dir(&folder).expect("the replica has a folder");
    let mut segments: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "log"))
        .collect();
    segments.sort();
    let bytes = segments.iter().map(std::fs::read);
    bytes
        .flat_map(|bytes| bytes.expect("segments can be read"))
        .collect()
}

/// Waits until all logs are equal and hold `count` batches or more; answers their bytes.
fn wait_for_equal_logs(cluster: &TestCluster, longer_than: usize) -> Vec<u8> {
    let began = Instant::now();
    loop {
        let logs: Vec<_> = cluster.ids().map(|id| log_of(cluster, id)).collect();
        if logs
            .iter()
            .all(|log| *log == logs[0] && log.len() > longer_than)
        {
            return logs[0].clone();
        }
        let sizes: Vec<_> = logs.iter().map(Vec::len).collect();
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the logs stay different: {sizes:?} bytes"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kcat_with_one_ack(cluster: &TestCluster, id: i32, value: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("value");
    std::fs::write(&file, value).expect("the folder can be written");
    let address = cluster.broker(id).address();
    let mut command = Command::new("kcat");
    command.args(["-P", "-b", &address, "-t", TOPIC, "-p", "0", "-X", "acks=1"]);
    run_ok(command.arg(&file));
}

fn contains(log: &[u8], value: &str) -> bool {
    log.windows(value.len())
        .any(|window| window == value.as_bytes())
}

fn logs_stay_equal(version: &str) {
    let spec = ClusterSpec::new(3)
        .with("inter.broker.protocol.version", version)
        .with("log.message.format.version", version)
        .with("replica.lag.time.max.ms", "30000");
    let mut cluster = TestCluster::start(&spec);
    let small = [("segment.bytes", "1048576"), ("min.insync.replicas", "2")];
    cluster.create_topic_on(TOPIC, &[&[0, 1, 2]], &small);
    let bootstrap = cluster.bootstrap();
    for codec in [Codec::None, Codec::Gzip] {
        Client::Franz.produce(&bootstrap, TOPIC, &records_for("first", 100, 1), codec);
        Client::Kcat.produce(&bootstrap, TOPIC, &records_for("kcat", 5, 1), codec);
    }
    let first = wait_for_equal_logs(&cluster, 0);

    // A follower that was away fetches what it missed.
    cluster.kill(2);
    Client::Kcat.produce(&bootstrap, TOPIC, &records_for("second", 5, 1), Codec::None);
    cluster.restart(2);
    cluster.wait_for_full_isr(TOPIC);
    let second = wait_for_equal_logs(&cluster, first.len());
    assert!(second.starts_with(&first));

    // A leader dies with a record that no follower has seen.
    cluster.pause(1);
    cluster.pause(2);
    // The first one answers the fetches that are waiting, in the sockets of the paused processes.
    kcat_with_one_ack(&cluster, 0, "on its way");
    kcat_with_one_ack(&cluster, 0, "nobody else has seen this");
    cluster.kill(0);
    cluster.resume(1);
    cluster.resume(2);
    cluster.wait_until_unregistered(0);
    cluster.wait_for_leaders(TOPIC);
    assert_ne!(cluster.leader(TOPIC, 0), 0);
    assert!(contains(&log_of(&cluster, 0), "nobody else has seen this"));
    Client::Kcat.produce(&bootstrap, TOPIC, &records_for("third", 5, 1), Codec::None);
    cluster.restart(0);
    cluster.wait_for_full_isr(TOPIC);
    let third = wait_for_equal_logs(&cluster, second.len());
    assert!(third.starts_with(&second));
    assert!(!contains(&third, "nobody else has seen this"));
}

#[test]
fn logs_stay_equal_by_fetch() {
    logs_stay_equal("3.9");
}

#[test]
fn logs_stay_equal_by_epoch_requests() {
    logs_stay_equal("2.0");
}

/// A consumer says where it is and reads from the follower there.
#[test]
fn a_consumer_reads_from_the_replica_in_its_rack() {
    let mut spec = ClusterSpec::new(3).with(
        "replica.selector.class",
        "org.apache.kafka.common.replica.RackAwareReplicaSelector",
    );
    for id in 0..3 {
        spec = spec.with_of(id, "broker.rack", &format!("rack{id}"));
    }
    let cluster = TestCluster::start(&spec);
    cluster.create_topic_on(TOPIC, &[&[0, 1, 2]], &[]);
    let bootstrap = cluster.bootstrap();
    Client::Kcat.produce(&bootstrap, TOPIC, &records_for("near", 5, 1), Codec::None);
    let mut command = Command::new("kcat");
    command.args([
        "-C",
        "-b",
        &bootstrap,
        "-t",
        TOPIC,
        "-o",
        "beginning",
        "-c",
        "5",
    ]);
    command.args(["-X", "client.rack=rack2", "-X", "debug=fetch,topic"]);
    let output = run(&mut command);
    assert!(output.status.success());
    let debug = String::from_utf8_lossy(&output.stderr);
    let moved = "migrating from broker 0 to 2 (leader is 0): preferred replica";
    assert!(debug.contains(moved), "{debug}");
}
