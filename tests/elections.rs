//! Elections on demand: Apache's tool and ours, the znode, the timer and a change of configuration,
//! on three real brokers.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use ottla_client::{AlterOp, ConfigResource, ResourceType};
use ottla_tests::{
    ApacheVersion, Client, ClusterSpec, Codec, TestCluster, binary, java_command, records_for,
    repository, run,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// How a tool ended, and what it printed to standard output.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    code: Option<i32>,
    lines: Vec<String>,
}

fn ending(command: &mut Command) -> Ending {
    let output = run(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{command:?}: {errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    Ending {
        code: output.status.code(),
        lines: text.lines().map(str::to_owned).collect(),
    }
}

fn our_script(name: &str) -> Command {
    let mut command = Command::new(repository().join("scripts").join(name));
    let program = binary("ottla");
    command.env("OTTLA_BIN", program.parent().expect("it lies in a folder"));
    command
}

fn ours(cluster: &TestCluster, arguments: &[&str]) -> Ending {
    let mut command = our_script("kafka-leader-election.sh");
    command.args(["--bootstrap-server", &cluster.bootstrap()]);
    ending(command.args(arguments))
}

fn apaches(cluster: &TestCluster, arguments: &[&str]) -> Ending {
    let class = "org.apache.kafka.tools.LeaderElectionCommand";
    let mut command = java_command(ApacheVersion::V3_9, 256, class);
    command.args(["--bootstrap-server", &cluster.bootstrap()]);
    ending(command.args(arguments))
}

fn spec() -> ClusterSpec {
    ClusterSpec::new(3).with("auto.leader.rebalance.enable", "false")
}

/// Takes leadership away from a broker, which is back in sync afterwards.
fn bounce(cluster: &mut TestCluster, id: i32, topic: &str) {
    cluster.kill(id);
    cluster.wait_for_partitions("other leaders", topic, |partition| {
        partition.leader.is_some_and(|leader| leader.0 != id)
    });
    cluster.restart(id);
    cluster.wait_for_full_isr(topic);
}

fn wait_for_leader(cluster: &TestCluster, topic: &str, leader: i32) {
    let start = Instant::now();
    while cluster.leader(topic, 0) != leader {
        assert!(start.elapsed() < PATIENCE, "{leader} does not lead {topic}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn both_tools_elect_preferred_leaders() {
    let mut cluster = TestCluster::start(&spec());
    cluster.create_topic_on("one", &[&[1, 0, 2]], &[]);
    cluster.create_topic_on("two", &[&[1, 2, 0]], &[]);
    bounce(&mut cluster, 1, "one");
    cluster.wait_for_full_isr("two");
    let preferred = |rest: &[&'static str]| -> Vec<&'static str> {
        [&["--election-type", "preferred"], rest].concat()
    };
    let one = preferred(&["--topic", "one", "--partition", "0"]);
    let two = preferred(&["--topic", "two", "--partition", "0"]);
    let says = |text: &str| Ending {
        code: Some(0),
        lines: vec![text.to_owned()],
    };
    let done = "Successfully completed leader election (PREFERRED) for partitions";
    assert_eq!(apaches(&cluster, &one), says(&format!("{done} one-0")));
    assert_eq!(cluster.leader("one", 0), 1);
    assert_eq!(ours(&cluster, &two), says(&format!("{done} two-0")));
    assert_eq!(cluster.leader("two", 0), 1);
    // Nothing is left to do.
    let valid = says("Valid replica already elected for partitions one-0");
    assert_eq!(apaches(&cluster, &one), valid);
    assert_eq!(ours(&cluster, &one), valid);
    for tool in [ours, apaches] {
        let all = tool(&cluster, &preferred(&["--all-topic-partitions"]));
        assert_eq!((all.code, all.lines.len()), (Some(0), 0));
        let unknown = preferred(&["--topic", "none", "--partition", "7"]);
        let unknown = tool(&cluster, &unknown);
        assert_eq!(unknown.code, Some(1));
        let begins = "Error completing leader election (PREFERRED) for partition: none-7: ";
        assert!(unknown.lines[0].starts_with(begins), "{unknown:?}");
    }
    // A preferred replica that is dead cannot be elected.
    cluster.kill(1);
    cluster.wait_until_unregistered(1);
    cluster.wait_for_leaders("one");
    for tool in [ours, apaches] {
        let refused = tool(&cluster, &one);
        let begins = "Error completing leader election (PREFERRED) for partition: one-0: ";
        assert_eq!(refused.code, Some(1));
        assert!(refused.lines[0].starts_with(begins), "{refused:?}");
    }
    cluster.restart(1);
    cluster.wait_for_full_isr("one");
    // As with 2.0, through ZooKeeper.
    let mut old = our_script("kafka-preferred-replica-election.sh");
    let old = ending(old.args(["--zookeeper", cluster.zookeeper_connect()]));
    assert_eq!(old.code, Some(0), "{old:?}");
    wait_for_leader(&cluster, "one", 1);
    cluster.wait_for_no_children("/admin/delete_topics");
}

/// One replica is behind and the other dead: only an unclean election helps.
fn leaderless(cluster: &mut TestCluster, topic: &str) {
    cluster.create_topic_on(topic, &[&[1, 2]], &[]);
    cluster.kill(2);
    cluster.wait_for_partitions("an ISR of one", topic, |partition| partition.isr.len() == 1);
    let records = records_for(topic, 5, 1);
    let bootstrap = cluster.broker(1).address();
    Client::Kcat.produce(&bootstrap, topic, &records, Codec::None);
    cluster.kill(1);
    cluster.wait_for_partitions("no leader", topic, |partition| partition.leader.is_none());
    cluster.restart(2);
    cluster.wait_for_members();
    assert_eq!(cluster.leader(topic, 0), -1, "2 is not in sync");
}

#[test]
fn unclean_leaders_by_tool_and_by_configuration() {
    let mut cluster = TestCluster::start(&spec());
    leaderless(&mut cluster, "tool");
    let arguments = [
        "--election-type",
        "unclean",
        "--topic",
        "tool",
        "--partition",
        "0",
    ];
    let elected = apaches(&cluster, &arguments);
    let done = "Successfully completed leader election (UNCLEAN) for partitions tool-0";
    assert_eq!(
        (elected.code, &*elected.lines),
        (Some(0), &[done.to_owned()][..])
    );
    assert_eq!(cluster.leader("tool", 0), 2);
    assert_eq!(cluster.isr("tool", 0), [2]);
    let again = ours(&cluster, &arguments);
    assert_eq!(
        again.lines,
        ["Valid replica already elected for partitions tool-0"]
    );
    cluster.restart(1);
    cluster.wait_for_full_isr("tool");

    leaderless(&mut cluster, "config");
    let topic = ConfigResource {
        kind: ResourceType::Topic,
        name: "config".to_owned(),
    };
    let change = BTreeMap::from([(
        "unclean.leader.election.enable".to_owned(),
        AlterOp::Set("true".to_owned()),
    )]);
    cluster
        .with_admin(async |admin| admin.alter_configs(&topic, &change).await)
        .expect("the topic can be configured");
    wait_for_leader(&cluster, "config", 2);
    cluster.restart(1);
    cluster.wait_for_full_isr("config");
}

#[test]
fn leadership_is_given_back_by_itself() {
    let spec = ClusterSpec::new(3).with("leader.imbalance.check.interval.seconds", "1");
    let mut cluster = TestCluster::start(&spec);
    cluster.create_topic_on("even", &[&[1, 0, 2]], &[]);
    cluster.kill(1);
    cluster.wait_for_partitions("another leader", "even", |partition| {
        partition.leader.is_some_and(|leader| leader.0 != 1)
    });
    cluster.restart(1);
    wait_for_leader(&cluster, "even", 1);
}
