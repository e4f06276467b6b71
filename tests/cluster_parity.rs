//! The same story on a cluster of ours and on one of Apache Kafka 3.9: the same znodes, and the same
//! words of Apache's `kafka-topics --describe`, after every chapter.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ottla_tests::{
    ApacheVersion, BrokerKind, Client, ClusterSpec, Codec, Record, TestCluster, apache_tool,
    records_for, topics_tool, znodes,
};

const TOPIC: &str = "story";
/// The chapter in which something is missing.
const KILLED: &str = "broker 2 was killed";
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that may be compared, by chapter.
type Transcript = Vec<(&'static str, BTreeMap<String, String>)>;

/// What differs from cluster to cluster for good reasons is blotted out.
fn blot(path: &str, text: &str) -> String {
    let Ok(mut json) = serde_json::from_str::<serde_json::Value>(text) else {
        return text.to_owned();
    };
    if let Some(object) = json.as_object_mut() {
        let by_chance: &[&str] = match path {
            "/cluster/id" => &["id"],
            _ => &["timestamp", "topic_id", "port", "endpoints"],
        };
        for key in by_chance {
            if let Some(value) = object.get_mut(*key) {
                *value = match &*value {
                    serde_json::Value::String(_) => "some text".into(),
                    serde_json::Value::Number(_) => "some number".into(),
                    other => format!("{} things", other.as_array().map_or(0, Vec::len)).into(),
                };
            }
        }
    }
    json.sort_all_objects();
    json.to_string()
}

/// All znodes, and what Apache's tool describes.
fn look(cluster: &TestCluster, transcript: &mut Transcript, chapter: &'static str) {
    let mut seen = BTreeMap::new();
    for (path, node) in znodes(cluster.zookeeper_connect()) {
        if path == "/latest_producer_id_block" {
            // Below 3.0 Apache's brokers take a block of producer ids when they start, ours when
            // somebody wants an id.
            continue;
        }
        let text = format!(
            "{} version {}{}",
            blot(&path, node.text.as_deref().unwrap_or("null")),
            node.version,
            if node.ephemeral { " ephemeral" } else { "" }
        );
        seen.insert(path, text);
    }
    let bootstrap = cluster.bootstrap();
    let siblings: &[Option<&str>] = match chapter {
        KILLED => &[
            None,
            Some("--under-replicated-partitions"),
            Some("--unavailable-partitions"),
            Some("--at-min-isr-partitions"),
            Some("--under-min-isr-partitions"),
        ],
        _ => &[None],
    };
    for option in siblings {
        let mut arguments = vec!["--bootstrap-server", bootstrap.as_str(), "--describe"];
        arguments.extend(option);
        let words: Vec<String> = topics_tool(&arguments)
            .split('\t')
            .map(|field| match field.strip_prefix("TopicId: ") {
                Some(_) => "TopicId: some".to_owned(),
                None => field.to_owned(),
            })
            .collect();
        seen.insert(format!("describe {option:?}"), words.join("\t"));
    }
    transcript.push((chapter, seen));
}

/// Waits until the znodes of all partitions have these in-sync replicas, in any order.
fn wait_for_isrs(cluster: &TestCluster, wanted: [&[i32]; 3]) {
    let start = Instant::now();
    loop {
        let now: Vec<Vec<i32>> = (0..3)
            .map(|partition| {
                let mut isr = cluster.isr(TOPIC, partition);
                isr.sort_unstable();
                isr
            })
            .collect();
        if now == wanted {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{now:?} instead of {wanted:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Moves a partition with Apache's tool, and waits until that is done.
fn move_partition(cluster: &TestCluster, replicas: &[i32]) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("plan.json");
    let plan = serde_json::json!({"version": 1, "partitions": [
        {"topic": "moved", "partition": 0, "replicas": replicas},
    ]});
    std::fs::write(&path, plan.to_string()).expect("the folder can be written");
    apache_tool(
        ApacheVersion::V3_9,
        "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
        &[
            "--bootstrap-server",
            &cluster.bootstrap(),
            "--execute",
            "--reassignment-json-file",
            path.to_str().expect("a plain name"),
        ],
    );
    let start = Instant::now();
    loop {
        let all = znodes(cluster.zookeeper_connect());
        let node = all
            .get("/brokers/topics/moved")
            .and_then(|node| node.text.clone());
        let node: serde_json::Value =
            serde_json::from_str(&node.expect("the topic is there")).expect("it is JSON");
        let done = |key: &str| node[key].as_object().is_some_and(|map| map.is_empty());
        if node["partitions"]["0"] == serde_json::json!(replicas)
            && done("adding_replicas")
            && done("removing_replicas")
        {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{node}");
        std::thread::sleep(Duration::from_millis(20));
    }
    cluster.wait_for_full_isr("moved");
}

fn story(kind: BrokerKind, protocol: &str) -> Transcript {
    let spec = ClusterSpec::new(3)
        .kind(kind)
        .one_after_the_other()
        .with("min.insync.replicas", "2")
        .with("inter.broker.protocol.version", protocol)
        // Long enough for brokers that start on a busy machine.
        .with("replica.lag.time.max.ms", "6000")
        .with("auto.leader.rebalance.enable", "false")
        // Broker 1 will be frozen, and must not lose its session.
        .with_of(1, "zookeeper.session.timeout.ms", "60000");
    let mut cluster = TestCluster::start(&spec);
    let mut transcript = Transcript::new();
    look(&cluster, &mut transcript, "three brokers have started");

    cluster.create_topic_on(
        TOPIC,
        &[&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]],
        &[("retention.ms", "5000000")],
    );
    look(&cluster, &mut transcript, "a topic was created");

    cluster.kill(2);
    cluster.wait_until_unregistered(2);
    wait_for_isrs(&cluster, [&[0, 1], &[0, 1], &[0, 1]]);
    cluster.wait_for_members();
    cluster.wait_for_leaders(TOPIC);
    look(&cluster, &mut transcript, KILLED);

    cluster.restart(2);
    cluster.wait_for_full_isr(TOPIC);
    look(&cluster, &mut transcript, "broker 2 is back");

    apache_tool(
        ApacheVersion::V3_9,
        "org.apache.kafka.tools.LeaderElectionCommand",
        &[
            "--bootstrap-server",
            &cluster.bootstrap(),
            "--election-type",
            "preferred",
            "--all-topic-partitions",
        ],
    );
    cluster.wait_for_partitions("preferred leaders", TOPIC, |partition| {
        partition.leader == partition.replicas.first().copied()
    });
    cluster.wait_for_full_isr(TOPIC);
    look(&cluster, &mut transcript, "preferred leaders were elected");

    cluster.pause(1);
    // A follower that has all there is stays in sync, however long it is silent.
    let records = [0, 2].map(|partition| Record {
        partition: Some(partition),
        ..records_for("wake", 1, 1).remove(0)
    });
    let address = cluster.broker(0).address();
    Client::Kcat.produce(&address, TOPIC, &records, Codec::None);
    wait_for_isrs(&cluster, [&[0, 2], &[0, 1, 2], &[0, 2]]);
    cluster.resume(1);
    cluster.wait_for_full_isr(TOPIC);
    // The controller deletes the notifications when it has read them.
    cluster.wait_for_no_children("/isr_change_notification");
    look(
        &cluster,
        &mut transcript,
        "broker 1 was frozen and is in sync again",
    );

    if protocol == "3.9" {
        // Before AlterPartition, brokers tell of ISRs when they get round to it.
        cluster.create_topic_on("moved", &[&[0, 1]], &[]);
        move_partition(&cluster, &[2, 1]);
        look(&cluster, &mut transcript, "a partition was moved");
        cluster
            .with_admin(async |admin| admin.delete_topic("moved").await)
            .expect("it can be deleted");
        cluster.wait_for_no_children("/admin/delete_topics");
    }

    cluster.stop(1);
    wait_for_isrs(&cluster, [&[0, 2], &[0, 2], &[0, 2]]);
    cluster.wait_for_members();
    cluster.wait_for_leaders(TOPIC);
    look(&cluster, &mut transcript, "broker 1 was stopped");
    transcript
}

fn check(protocol: &str) {
    // Six brokers at a time are enough.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (apaches, ours) = std::thread::scope(|scope| {
        let apaches = scope.spawn(|| story(BrokerKind::Apache, protocol));
        let ours = story(BrokerKind::under_test(), protocol);
        (apaches.join().expect("Apache's brokers do it"), ours)
    });
    assert_eq!(apaches.len(), ours.len());
    for ((chapter, apaches), (_, ours)) in apaches.into_iter().zip(ours) {
        let mut differences = String::new();
        let mut keys: Vec<_> = apaches.keys().chain(ours.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let (one, other) = (apaches.get(key), ours.get(key));
            if one != other {
                differences.push_str(&format!("{key}\n  Apache: {one:?}\n  ours:   {other:?}\n"));
            }
        }
        assert!(
            differences.is_empty(),
            "after \"{chapter}\":\n{differences}"
        );
    }
}

#[test]
fn znodes_and_descriptions_are_those_of_apache() {
    check("3.9");
}

/// Leaders write the state znodes themselves and notify the controller through ZooKeeper.
#[test]
fn znodes_and_descriptions_are_those_of_apache_before_alter_partition() {
    check("2.6");
}
