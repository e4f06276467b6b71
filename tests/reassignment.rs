//! Partitions move between brokers while they are written to and read, by our tool, by Apache's, and
//! by the znode that older tools write; they are cancelled, and the controller dies in the middle.
//! Nothing acknowledged is lost, and both tools say the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ottla_client::{
    AlterOp, ConfigResource, Producer, ProducerOptions, ProducerRecord, ResourceType,
};
use ottla_tests::faults::{FaultRun, Load};
use ottla_tests::{
    ApacheVersion, ClusterSpec, TestCluster, binary, java_command, repository, run, znode,
};

/// The topic that a [`FaultRun`] writes to.
const TOPIC: &str = "faults";
const PATIENCE: Duration = Duration::from_secs(60);
/// How many records are written at once, and how large they are.
const RECORDS: usize = 40;
const RECORD: usize = 100_000;

/// Whose tool.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Ours,
    Apaches,
}

/// How a tool ended, and what it printed to standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    code: Option<i32>,
    text: String,
}

impl Whose {
    fn run(self, address: &str, arguments: &[&str]) -> Ending {
        let mut command = match self {
            Whose::Ours => {
                let script = repository().join("scripts/kafka-reassign-partitions.sh");
                let mut command = Command::new(script);
                let program = binary("ottla");
                command.env("OTTLA_BIN", program.parent().expect("it lies in a folder"));
                command
            }
            Whose::Apaches => java_command(
                ApacheVersion::V3_9,
                256,
                "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
            ),
        };
        command
            .args(["--bootstrap-server", address])
            .args(arguments);
        let output = run(&mut command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{command:?}: {errors}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = output.status.code();
        Ending { code, text }
    }

    fn must(self, address: &str, arguments: &[&str]) -> String {
        let ending = self.run(address, arguments);
        assert_eq!(ending.code, Some(0), "{arguments:?}: {}", ending.text);
        ending.text
    }
}

/// A file for the tool.
fn plan(folder: &Path, partitions: &[(&str, i32, &[i32])]) -> PathBuf {
    let entries: Vec<_> = partitions
        .iter()
        .map(|(topic, partition, replicas)| {
            serde_json::json!({"topic": topic, "partition": partition, "replicas": replicas})
        })
        .collect();
    let text = serde_json::json!({"version": 1, "partitions": entries}).to_string();
    let path = folder.join(format!("plan-{}.json", partitions.len()));
    std::fs::write(&path, text).expect("the folder can be written");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// What the topic's node says.
fn topic_node(cluster: &TestCluster, topic: &str) -> serde_json::Value {
    let path = format!("/brokers/topics/{topic}");
    let text = znode(cluster.zookeeper_connect(), &path).expect("the topic is there");
    serde_json::from_str(&text).expect("it is JSON")
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the topic's partitions are where they shall be and nowhere else.
fn wait_until_moved(cluster: &TestCluster, topic: &str, targets: &[&[i32]]) {
    wait_for("the topic's node says so", || {
        let node = topic_node(cluster, topic);
        let done = |key: &str| node[key].as_object().is_some_and(|map| map.is_empty());
        let there = (0..).zip(targets).all(|(partition, target): (i32, _)| {
            node["partitions"][partition.to_string()] == serde_json::json!(target)
        });
        there && done("adding_replicas") && done("removing_replicas")
    });
    cluster.wait_for_full_isr(topic);
    wait_for("the logs of former replicas are gone", || {
        (0..).zip(targets).all(|(partition, target): (i32, _)| {
            cluster.ids().all(|id| {
                let folder = cluster.broker(id).log_dir();
                let folder = folder.join(format!("{topic}-{partition}"));
                folder.is_dir() == target.contains(&id)
            })
        })
    });
    for (partition, target) in (0..).zip(targets) {
        assert!(target.contains(&cluster.leader(topic, partition)));
    }
}

fn moved(targets: &[&[i32]]) -> Vec<(&'static str, i32, Vec<i32>)> {
    (0..)
        .zip(targets)
        .map(|(partition, target)| (TOPIC, partition, target.to_vec()))
        .collect()
}

fn plan_of(folder: &Path, targets: &[&[i32]]) -> PathBuf {
    let partitions = moved(targets);
    let partitions: Vec<_> = partitions
        .iter()
        .map(|(topic, partition, target)| (*topic, *partition, target.as_slice()))
        .collect();
    plan(folder, &partitions)
}

#[test]
fn partitions_move_under_load() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut run = FaultRun::start(&FaultRun::spec_of(4), Load::default());
    let address = run.cluster().bootstrap();
    let everywhere: [(Whose, [&[i32]; 3]); 3] = [
        // All leaders go.
        (Whose::Ours, [&[3, 1, 2], &[3, 2, 1], &[2, 3, 1]]),
        (Whose::Apaches, [&[0, 3, 2], &[2, 0, 3], &[3, 2, 0]]),
        // Fewer and more replicas, in another order.
        (Whose::Ours, [&[3, 0], &[0, 1, 2, 3], &[0, 3, 2]]),
    ];
    for (whose, targets) in &everywhere {
        let plan = plan_of(folder.path(), targets);
        let file = ["--reassignment-json-file", text(&plan)];
        whose.must(&address, &[&["--execute"][..], &file].concat());
        wait_until_moved(run.cluster(), TOPIC, targets);
        let told = whose.must(&address, &[&["--verify"][..], &file].concat());
        for partition in 0..3 {
            let done = format!("Reassignment of partition {TOPIC}-{partition} is completed.");
            assert!(told.contains(&done), "{told}");
        }
        run.wait_for_acknowledgements("a move");
    }
    // The road of older tools.
    let targets: [&[i32]; 3] = [&[1, 2, 3], &[3, 1, 0], &[0, 1, 2]];
    let plan = std::fs::read(plan_of(folder.path(), &targets)).expect("it is there");
    let connect = run.cluster().zookeeper_connect().to_owned();
    let path = "/admin/reassign_partitions";
    run.cluster().runtime().block_on(async {
        let zk = zookeeper_client::Client::connect(&connect)
            .await
            .expect("ZooKeeper runs");
        let mode = zookeeper_client::CreateMode::Persistent
            .with_acls(zookeeper_client::Acls::anyone_all());
        zk.create(path, &plan, &mode)
            .await
            .expect("it is not there yet");
    });
    wait_until_moved(run.cluster(), TOPIC, &targets);
    wait_for("the znode is gone", || znode(&connect, path).is_none());
    run.wait_for_acknowledgements("a move");
    println!("{}", run.finish());
}

/// The controller dies while a frozen broker keeps the move from ending; its successor goes on.
#[test]
fn a_move_outlives_the_controller() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    // A frozen broker is not dead for that long.
    let spec = FaultRun::spec_of(4)
        .with("zookeeper.session.timeout.ms", "60000")
        .one_after_the_other();
    let mut run = FaultRun::start(&spec, Load::default());
    let address = run.cluster().bootstrap();
    let targets: [&[i32]; 3] = [&[3, 1, 2], &[3, 2, 1], &[2, 3, 1]];
    let plan = plan_of(folder.path(), &targets);
    let file = ["--reassignment-json-file", text(&plan)];
    let execute = |more: &[&str]| {
        let arguments = [&["--execute"][..], &file, more].concat();
        Whose::Ours.must(&address, &arguments)
    };
    run.cluster().pause(3);
    let told = execute(&[]);
    assert!(
        told.contains("Successfully started partition reassignments"),
        "{told}"
    );
    let list = |address: &str| Whose::Ours.must(address, &["--list"]);
    assert!(list(&address).contains("adding: 3."), "{}", list(&address));
    let controller = run.cluster().wait_for_controller_but(-1);
    assert_ne!(controller, 3);
    run.cluster().kill(controller);
    run.cluster().wait_for_controller_but(controller);
    run.cluster().restart(controller);
    run.cluster().resume(3);
    wait_until_moved(run.cluster(), TOPIC, &targets);
    assert_eq!(list(&address).trim(), "No partition reassignments found.");
    run.wait_for_acknowledgements("a move");
    println!("{}", run.finish());
}

/// Runs one story with each tool on a topic of its own, and compares what they said.
#[test]
fn both_tools_say_the_same() {
    let spec = ClusterSpec::new(3).one_after_the_other();
    let cluster = TestCluster::start(&spec);
    let mut told = BTreeMap::new();
    for (whose, topic) in [(Whose::Ours, "ottlas1"), (Whose::Apaches, "apaches")] {
        cluster.create_topic_on(topic, &[&[0], &[1]], &[]);
        told.insert(topic, story(&cluster, whose, topic));
        cluster
            .with_admin(async |admin| admin.delete_topic(topic).await)
            .expect("it can be deleted");
    }
    let (ours, apaches) = (&told["ottlas1"], &told["apaches"]);
    for (ours, apaches) in ours.iter().zip(apaches) {
        assert_eq!(ours, apaches);
    }
    assert_eq!(ours.len(), apaches.len());
}

fn story(cluster: &TestCluster, whose: Whose, topic: &str) -> Vec<(String, Ending)> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let address = cluster.broker(0).address();
    let mut told = Vec::new();
    let mut tell = |what: &str, arguments: &[&str]| {
        let Ending { code, text } = whose.run(&address, arguments);
        let text = text.replace(topic, "NAME");
        // What Java tells of an exception besides its message.
        let text = match text.starts_with("Error: ") {
            true => text.lines().next().unwrap_or_default().to_owned(),
            false => text,
        };
        let class = "org.apache.kafka.common.errors.UnknownTopicOrPartitionException: ";
        let text = text.replace(class, "");
        told.push((
            what.to_owned(),
            Ending {
                code,
                text: text.clone(),
            },
        ));
        text
    };
    let with = |action: &'static str, plan: &Path, more: &[&'static str]| -> Vec<String> {
        let file = [action, "--reassignment-json-file", text(plan)];
        let words = file.into_iter().chain(more.iter().copied());
        words.map(str::to_owned).collect()
    };
    macro_rules! tell {
        ($what:expr, $action:expr, $partitions:expr, $more:expr) => {{
            let plan = plan(folder.path(), $partitions);
            let words = with($action, &plan, $more);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            tell($what, &words)
        }};
    }
    let connect = cluster.zookeeper_connect().to_owned();
    let config = |path: &str| znode(&connect, path).unwrap_or_default();

    tell("nothing", &["--list"]);
    let topics = folder.path().join("topics.json");
    let of_topic = serde_json::json!({"version": 1, "topics": [{"topic": topic}]});
    std::fs::write(&topics, of_topic.to_string()).expect("the folder can be written");
    let generate = ["--generate", "--topics-to-move-json-file", text(&topics)];
    let one = [&generate[..], &["--broker-list", "2"]].concat();
    tell("one way to move", &one);
    let none = [&generate[..], &["--broker-list", "7"]].concat();
    tell("no way to move", &none);
    let twice = [&generate[..], &["--broker-list", "1,1"]].concat();
    assert!(tell("a broker twice", &twice).contains("duplicate"));

    // A move that ends at once, with throttles.
    let two: &[(&str, i32, &[i32])] = &[(topic, 0, &[1, 0]), (topic, 1, &[0])];
    let throttle = &[
        "--throttle",
        "1000000",
        "--replica-alter-log-dirs-throttle",
        "2000",
    ];
    tell!("begin", "--execute", two, throttle);
    let throttled = config(&format!("/config/topics/{topic}"));
    assert!(throttled.contains("throttled.replicas"), "{throttled}");
    assert!(config("/config/brokers/1").contains("1000000"));
    wait_until_moved(cluster, topic, &[&[1, 0], &[0]]);
    tell!(
        "keep the throttles",
        "--verify",
        two,
        &["--preserve-throttles"]
    );
    assert!(config("/config/brokers/1").contains("1000000"));
    tell!("the end", "--verify", two, &[]);
    let throttled = config(&format!("/config/topics/{topic}"));
    assert!(!throttled.contains("throttled.replicas"), "{throttled}");
    assert!(!config("/config/brokers/1").contains("1000000"));
    let other: &[(&str, i32, &[i32])] = &[(topic, 0, &[0, 1])];
    tell!(
        "somewhere else",
        "--verify",
        other,
        &["--preserve-throttles"]
    );

    // A move that does not end soon: what is out of sync gets next to nothing.
    write_much(cluster, topic);
    let rates = [
        "leader.replication.throttled.rate",
        "follower.replication.throttled.rate",
    ];
    let replicas = [
        "leader.replication.throttled.replicas",
        "follower.replication.throttled.replicas",
    ];
    for id in ["0", "1", "2"] {
        configure(cluster, ResourceType::Broker, id, &rates, Some("100"));
    }
    configure(cluster, ResourceType::Topic, topic, &replicas, Some("*"));
    let stuck: &[(&str, i32, &[i32])] = &[(topic, 0, &[2, 1])];
    tell!("begin again", "--execute", stuck, &[]);
    tell("under way", &["--list"]);
    tell!(
        "not at the end",
        "--verify",
        stuck,
        &["--preserve-throttles"]
    );
    tell!("not twice", "--execute", stuck, &[]);
    tell!("but in addition", "--execute", two, &["--additional"]);
    tell!("once more", "--execute", stuck, &["--additional"]);
    tell!("given up", "--cancel", stuck, &["--preserve-throttles"]);
    tell!(
        "nothing to give up",
        "--cancel",
        stuck,
        &["--preserve-throttles"]
    );
    tell("nothing again", &["--list"]);
    for id in ["0", "1", "2"] {
        configure(cluster, ResourceType::Broker, id, &rates, None);
    }
    configure(cluster, ResourceType::Topic, topic, &replicas, None);

    // Mistakes.
    let unknown: &[(&str, i32, &[i32])] = &[("nobody", 0, &[1])];
    tell!("an unknown topic", "--execute", unknown, &[]);
    tell!(
        "an unknown topic",
        "--verify",
        unknown,
        &["--preserve-throttles"]
    );
    let missing: &[(&str, i32, &[i32])] = &[(topic, 7, &[1])];
    tell!("an unknown partition", "--execute", missing, &[]);
    let stranger: &[(&str, i32, &[i32])] = &[(topic, 0, &[9])];
    tell!("an unknown broker", "--execute", stranger, &[]);
    tell!(
        "no replicas",
        "--execute",
        &[(topic, 0, &[] as &[i32])],
        &[]
    );
    let doubled: &[(&str, i32, &[i32])] = &[(topic, 0, &[1, 1])];
    tell!("a replica twice", "--execute", doubled, &[]);
    tell!("nothing at all", "--execute", &[], &[]);
    tell("no action", &[]);
    tell("no file", &["--execute"]);
    told
}

/// A replica goes to the other directory of its broker, by each tool, and both say the same of it.
#[test]
fn both_tools_move_replicas_between_directories() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let dirs = ["a", "b"].map(|name| folder.path().join(name));
    let list = format!("{},{}", text(&dirs[0]), text(&dirs[1]));
    let cluster = TestCluster::start(&ClusterSpec::new(1).with_of(0, "log.dirs", &list));
    let mut told = Vec::new();
    for (whose, topic) in [(Whose::Ours, "ottlas1"), (Whose::Apaches, "apaches")] {
        cluster.create_topic_on(topic, &[&[0]], &[]);
        let holds = |dir: &PathBuf| dir.join(format!("{topic}-0")).is_dir();
        let (from, to) = match holds(&dirs[0]) {
            true => (&dirs[0], &dirs[1]),
            false => (&dirs[1], &dirs[0]),
        };
        let path = folder.path().join("plan.json");
        let tell = |action: &str, dir: &Path, more: &[&str]| {
            let plan = serde_json::json!({"version": 1, "partitions": [
                {"topic": topic, "partition": 0, "replicas": [0], "log_dirs": [text(dir)]},
            ]});
            std::fs::write(&path, plan.to_string()).expect("the folder can be written");
            let file = [action, "--reassignment-json-file", text(&path)];
            let Ending { code, text: said } =
                whose.run(&cluster.bootstrap(), &[&file[..], more].concat());
            // Java tells where an exception came from, and of what class it was.
            let said = match said.contains("Error: ") {
                true => String::new(),
                false => said,
            };
            let said = said
                .replace(topic, "NAME")
                .replace(text(from), "FROM")
                .replace(text(to), "TO");
            (action.to_owned(), code, said)
        };
        let mut lines = vec![
            tell("--verify", to, &["--preserve-throttles"]),
            tell(
                "--execute",
                to,
                &["--replica-alter-log-dirs-throttle", "100000000"],
            ),
        ];
        wait_for("the replica has moved", || holds(to) && !holds(from));
        lines.push(tell("--verify", to, &[]));
        lines.push(tell("--cancel", to, &["--preserve-throttles"]));
        lines.push(tell("--execute", &folder.path().join("nowhere"), &[]));
        told.push(lines);
    }
    assert_eq!(told[0], told[1]);
}

/// More than one fetch of a follower can bring.
fn write_much(cluster: &TestCluster, topic: &str) {
    let client = cluster.client();
    cluster.runtime().block_on(async {
        let producer = Producer::new(client, ProducerOptions::default());
        for _ in 0..RECORDS {
            let record = ProducerRecord {
                topic: topic.to_owned(),
                partition: Some(0),
                value: Some(vec![b'x'; RECORD].into()),
                ..ProducerRecord::default()
            };
            let sent = producer.send(record).await.expect("it can be sent");
            let delivery = sent.await.expect("not given up");
            delivery.expect("it is acknowledged");
        }
    });
}

/// Sets configurations, or removes them.
fn configure(
    cluster: &TestCluster,
    kind: ResourceType,
    name: &str,
    keys: &[&str],
    value: Option<&str>,
) {
    let op = || match value {
        Some(value) => AlterOp::Set(value.to_owned()),
        None => AlterOp::Delete,
    };
    let changes = keys.iter().map(|key| ((*key).to_owned(), op())).collect();
    let name = name.to_owned();
    let resource = ConfigResource { kind, name };
    cluster
        .with_admin(async |admin| admin.alter_configs(&resource, &changes).await)
        .expect("it can be configured");
}

/// A throttle holds a move back until it is raised by the same reassignment once more.
#[test]
fn a_throttle_holds_a_move_back() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let cluster = TestCluster::start(&ClusterSpec::new(2));
    cluster.create_topic_on("slow", &[&[0]], &[]);
    write_much(&cluster, "slow");
    let address = cluster.bootstrap();
    let plan = plan(folder.path(), &[("slow", 0, &[1])]);
    let file = ["--reassignment-json-file", text(&plan)];
    let throttled = [&["--execute", "--throttle", "20000"][..], &file].concat();
    Whose::Ours.must(&address, &throttled);
    let copied = || {
        let log = cluster.broker(1).log_dir().join("slow-0");
        let segment = log.join("00000000000000000000.log");
        std::fs::metadata(segment).map_or(0, |file| file.len())
    };
    // The first answer is not held back; the next ones are.
    wait_for("the first records", || copied() >= RECORD as u64);
    let verify = [&["--verify"][..], &file].concat();
    let told = Whose::Ours.must(&address, &verify);
    assert!(told.contains("slow-0 is still in progress"), "{told}");
    assert!(copied() < (RECORDS * RECORD) as u64);
    let raised = ["--execute", "--additional", "--throttle", "100000000"];
    Whose::Ours.must(&address, &[&raised[..], &file].concat());
    wait_until_moved(&cluster, "slow", &[&[1]]);
    let told = Whose::Ours.must(&address, &verify);
    assert!(
        told.contains("Clearing topic-level throttles on topic slow"),
        "{told}"
    );
}
