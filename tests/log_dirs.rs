//! Log directories of real brokers: one of several fails, and replicas move between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ottla_client::{AlterOp, ConfigResource, ResourceType};
use ottla_metadata::BrokerId;
use ottla_tests::history::{History, read_to_the_end, summary, verify};
use ottla_tests::{
    ApacheVersion, Client, ClusterSpec, Codec, Steady, TestCluster, apache_tool, records_for,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The broker with several directories.
const MANY: i32 = 1;

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Three brokers, one of them with two directories.
fn start(a: &Path, b: &Path) -> TestCluster {
    let dirs = format!("{},{}", a.display(), b.display());
    let spec = ClusterSpec::new(3)
        .with("auto.leader.rebalance.enable", "false")
        .with("replica.high.watermark.checkpoint.interval.ms", "300")
        .with_of(MANY, "log.dirs", &dirs);
    TestCluster::start(&spec)
}

/// Partitions of the topic that lie in a directory.
fn partitions_in(dir: &Path, topic: &str) -> BTreeSet<i32> {
    let prefix = format!("{topic}-");
    std::fs::read_dir(dir)
        .expect("the directory can be listed")
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_prefix(&prefix)?.parse().ok()
        })
        .collect()
}

/// What Apache's `kafka-log-dirs` says of the broker.
fn log_dirs(cluster: &TestCluster, topic: &str) -> serde_json::Value {
    let text = apache_tool(
        ApacheVersion::V3_9,
        "org.apache.kafka.tools.LogDirsCommand",
        &[
            "--bootstrap-server",
            &cluster.bootstrap(),
            "--describe",
            "--broker-list",
            &MANY.to_string(),
            "--topic-list",
            topic,
        ],
    );
    let json = text.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(json.expect("a line of JSON")).expect("JSON")
}

fn dir_of<'a>(described: &'a serde_json::Value, dir: &Path) -> &'a serde_json::Value {
    let dirs = described["brokers"][0]["logDirs"].as_array();
    dirs.expect("directories")
        .iter()
        .find(|found| found["logDir"].as_str() == dir.to_str())
        .expect("the directory is named")
}

/// As many acknowledgements as there are and then some more.
fn wait_for_more(writer: &Steady) {
    let before = writer.acknowledged();
    wait_until("acknowledgements", || writer.acknowledged() >= before + 20);
}

#[test]
fn a_failed_directory_takes_its_replicas_offline_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let mut cluster = start(&a, &b);
    let replicas: [&[i32]; 4] = [&[1, 0, 2], &[1, 2, 0], &[1, 0, 2], &[1, 2, 0]];
    cluster.create_topic_on("dirs", &replicas, &[("min.insync.replicas", "2")]);
    let (stays, fails) = (partitions_in(&a, "dirs"), partitions_in(&b, "dirs"));
    assert_eq!((stays.len(), fails.len()), (2, 2), "replicas are spread");
    let bootstrap = cluster.bootstrap();
    let writer = Client::Franz.write_steadily(&bootstrap, "dirs", 4, 0, folder.path());
    wait_for_more(&writer);

    // The directory is not there any more; the next checkpoint finds out.
    let gone = folder.path().join("gone");
    std::fs::rename(&b, &gone).expect("it can be renamed");
    std::fs::write(&b, "no directory").expect("it can be written");
    for partition in &fails {
        wait_until("another leader", || {
            !cluster.isr("dirs", *partition).contains(&MANY)
                && ![MANY, -1].contains(&cluster.leader("dirs", *partition))
        });
    }
    for partition in &stays {
        assert_eq!(cluster.leader("dirs", *partition), MANY);
        assert_eq!(cluster.isr("dirs", *partition).len(), 3);
    }
    assert!(cluster.broker(MANY).is_up());
    cluster.wait_for_partitions("offline replicas", "dirs", |partition| {
        let failed = partition.leader.is_some_and(|leader| leader.0 != MANY);
        partition.offline.iter().any(|id| id.0 == MANY) == failed
    });
    cluster.wait_for_no_children("/log_dir_event_notification");
    let described = log_dirs(&cluster, "dirs");
    let (fine, failed) = (dir_of(&described, &a), dir_of(&described, &b));
    assert_eq!(
        fine["partitions"].as_array().map(Vec::len),
        Some(2),
        "{fine}"
    );
    assert!(fine["error"].is_null(), "{fine}");
    assert!(
        failed["error"]
            .to_string()
            .contains("KafkaStorageException"),
        "{failed}"
    );

    wait_for_more(&writer);

    // A start with a directory that cannot be used goes on with the other.
    cluster.kill(MANY);
    cluster.restart(MANY);
    for partition in &stays {
        wait_until("in sync again", || {
            cluster.isr("dirs", *partition).len() == 3
        });
    }
    for partition in &fails {
        assert!(!cluster.isr("dirs", *partition).contains(&MANY));
        assert!(
            !a.join(format!("dirs-{partition}")).exists(),
            "made anew elsewhere"
        );
    }
    // And with the directory back all is as it was.
    cluster.kill(MANY);
    std::fs::remove_file(&b).expect("it can be removed");
    std::fs::rename(&gone, &b).expect("it can be renamed");
    cluster.restart(MANY);
    cluster.wait_for_full_isr("dirs");
    assert_eq!(partitions_in(&b, "dirs"), fails);
    finish(&cluster, writer, "dirs", 4);
}

/// Nothing that the writer was told to be acknowledged is lost.
fn finish(cluster: &TestCluster, writer: Steady, topic: &str, partitions: i32) {
    let history = History::default();
    writer.finish(&history);
    let events = history.events();
    println!("{}", summary(&events));
    let read = read_to_the_end(|| cluster.client(), topic, partitions, PATIENCE);
    let last = cluster.runtime().block_on(read);
    let violations = verify(&events, &last.expect("the topic can be read"));
    assert!(violations.is_empty(), "{violations:#?}");
}

/// A file for the tool: the replicas stay, one of them in another directory.
fn plan(folder: &Path, topic: &str, dir: &Path) -> PathBuf {
    let entry = serde_json::json!({
        "topic": topic,
        "partition": 0,
        "replicas": [1, 0, 2],
        "log_dirs": [dir, "any", "any"],
    });
    let text = serde_json::json!({"version": 1, "partitions": [entry]}).to_string();
    let path = folder.join("plan.json");
    std::fs::write(&path, text).expect("the folder can be written");
    path
}

/// Apache's tool moves the replica to a directory.
fn reassign(cluster: &TestCluster, folder: &Path, topic: &str, (to, rest): (&Path, &[&str])) {
    let file = plan(folder, topic, to);
    let file = file.to_str().expect("a path of ASCII");
    let at = cluster.bootstrap();
    let base = [
        "--bootstrap-server",
        &at,
        "--reassignment-json-file",
        file,
        "--execute",
    ];
    apache_tool(
        ApacheVersion::V3_9,
        "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
        &[&base[..], rest].concat(),
    );
}

#[test]
fn a_replica_moves_under_load_and_after_a_crash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let mut cluster = start(&a, &b);
    cluster.create_topic_on("moves", &[&[1, 0, 2]], &[("min.insync.replicas", "2")]);
    let writer = Client::Franz.write_steadily(&cluster.bootstrap(), "moves", 1, 0, folder.path());
    wait_for_more(&writer);
    let (here, there) = match partitions_in(&a, "moves").is_empty() {
        false => (a, b),
        true => (b, a),
    };
    reassign(&cluster, folder.path(), "moves", (&there, &[]));
    let is_in = |dir: &Path| {
        partitions_in(dir, "moves").contains(&0)
            && std::fs::read_dir(dir).is_ok_and(|mut all| {
                !all.any(|entry| {
                    entry.is_ok_and(|e| e.file_name().to_string_lossy().ends_with("-future"))
                })
            })
    };
    wait_until("the replica has moved", || is_in(&there) && !is_in(&here));
    wait_for_more(&writer);
    let described = log_dirs(&cluster, "moves");
    let moved = &dir_of(&described, &there)["partitions"][0];
    assert_eq!(moved["partition"], "moves-0", "{described}");
    assert_eq!(moved["isFuture"], false, "{described}");
    assert_eq!(
        dir_of(&described, &here)["partitions"],
        serde_json::json!([])
    );

    // Back, so slowly that the broker dies before it is done. It goes on after the start, where the
    // throttle is lifted.
    let slowly = ["--replica-alter-log-dirs-throttle", "1"];
    reassign(&cluster, folder.path(), "moves", (&here, &slowly));
    cluster.kill(MANY);
    cluster.restart(MANY);
    cluster.wait_for_full_isr("moves");
    wait_for_more(&writer);
    finish(&cluster, writer, "moves", 1);
}

/// Where the replica of `bulk` is: directory, whether it is on its way there, and how far behind.
/// Nothing while the cluster has not noticed yet that the broker is back.
fn places(cluster: &TestCluster) -> Vec<(String, bool, i64)> {
    let dirs =
        cluster.with_admin(async |admin| admin.describe_log_dirs(BrokerId(MANY), None).await);
    let mut places = Vec::new();
    for dir in dirs.unwrap_or_default() {
        let topics = dir
            .topics
            .iter()
            .filter(|topic| topic.name.as_str() == "bulk");
        for replica in topics.flat_map(|topic| &topic.partitions) {
            let path = dir.log_dir.to_string();
            places.push((path, replica.is_future_key, replica.offset_lag));
        }
    }
    places
}

#[test]
fn a_throttled_move_shows_survives_a_crash_and_ends_when_the_throttle_does() {
    const RECORDS: usize = 12_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let mut cluster = start(&a, &b);
    cluster.create_topic_on("bulk", &[&[1, 0, 2]], &[]);
    let records = records_for("bulk", RECORDS, 1);
    Client::Franz.produce(&cluster.bootstrap(), "bulk", &records, Codec::None);
    let (here, there) = match partitions_in(&a, "bulk").is_empty() {
        false => (a, b),
        true => (b, a),
    };
    let slowly = ["--replica-alter-log-dirs-throttle", "1"];
    reassign(&cluster, folder.path(), "bulk", (&there, &slowly));
    let is_moving = |places: Vec<(String, bool, i64)>| {
        let mut future = places.iter().filter(|(_, future, _)| *future);
        future.any(|(dir, _, lag)| Some(dir.as_str()) == there.to_str() && *lag > 0)
    };
    wait_until("the future replica shows", || is_moving(places(&cluster)));
    let described = log_dirs(&cluster, "bulk");
    assert_eq!(
        dir_of(&described, &there)["partitions"][0]["isFuture"],
        true,
        "{described}"
    );
    cluster.kill(MANY);
    cluster.restart(MANY);
    cluster.wait_for_full_isr("bulk");
    wait_until("the move goes on", || is_moving(places(&cluster)));
    let broker = ConfigResource {
        kind: ResourceType::Broker,
        name: MANY.to_string(),
    };
    let throttle = "replica.alter.log.dirs.io.max.bytes.per.second".to_owned();
    let change = BTreeMap::from([(throttle, AlterOp::Delete)]);
    cluster
        .with_admin(async |admin| admin.alter_configs(&broker, &change).await)
        .expect("the broker can be configured");
    wait_until("the replica has moved", || {
        let places = places(&cluster);
        let there = there.to_str().map(str::to_owned);
        there.is_some_and(|there| places == [(there, false, 0)])
    });
    // It is renamed a moment after the new one is in use.
    wait_until("the old directory goes", || {
        !partitions_in(&here, "bulk").contains(&0)
    });
    let read = Client::Kcat.consume(&cluster.bootstrap(), "bulk", 0, RECORDS);
    assert_eq!(read.len(), RECORDS);
}
