//! Topics go from several brokers: while one of them is away, while one dies of it, while a partition
//! moves; and where nobody may delete them.

use std::time::{Duration, Instant};

use ottla_client::{ClientError, NewTopic};
use ottla_metadata::{BrokerId, TopicPartition};
use ottla_protocol::ErrorCode;
use ottla_tests::{ClusterSpec, TestCluster, znode};

const TOPIC: &str = "going";
const PATIENCE: Duration = Duration::from_secs(60);

fn start(spec: ClusterSpec) -> TestCluster {
    let cluster = TestCluster::start(&spec.one_after_the_other());
    cluster.create_topic_on(TOPIC, &[&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]], &[]);
    cluster
}

fn delete(cluster: &TestCluster) -> Result<(), ClientError> {
    cluster.with_admin(async |admin| admin.delete_topic(TOPIC).await)
}

/// Deletes as tools of Kafka 2 do, without waiting for anything.
fn mark(cluster: &TestCluster) {
    let connect = cluster.zookeeper_connect();
    cluster.runtime().block_on(async {
        let zk = zookeeper_client::Client::connect(connect)
            .await
            .expect("ZooKeeper runs");
        let mode = zookeeper_client::CreateMode::Persistent
            .with_acls(zookeeper_client::Acls::anyone_all());
        let path = format!("/admin/delete_topics/{TOPIC}");
        zk.create(&path, b"", &mode)
            .await
            .expect("it is not there yet");
    });
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Folders of the topic's logs on a broker, those that are about to go left out.
fn logs(cluster: &TestCluster, id: i32) -> usize {
    let entries = std::fs::read_dir(cluster.broker(id).log_dir()).expect("it can be listed");
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(&format!("{TOPIC}-")) && !name.ends_with("-delete"))
        .count()
}

/// Nothing is left: no znode, no log, no metadata.
fn wait_until_gone(cluster: &TestCluster) {
    cluster.wait_for_no_children("/admin/delete_topics");
    for path in ["/brokers/topics", "/config/topics"] {
        let path = format!("{path}/{TOPIC}");
        assert_eq!(znode(cluster.zookeeper_connect(), &path), None, "{path}");
    }
    wait_for("the logs are gone", || {
        cluster.ids().all(|id| logs(cluster, id) == 0)
    });
    cluster.wait_for_view("forgetting", &cluster.up(), PATIENCE, |view| {
        !view.has_topic(TOPIC)
    });
}

fn is_there(cluster: &TestCluster) -> bool {
    znode(
        cluster.zookeeper_connect(),
        &format!("/brokers/topics/{TOPIC}"),
    )
    .is_some()
}

#[test]
fn a_broker_that_was_away_deletes_when_it_is_back() {
    let mut cluster = start(ClusterSpec::new(3));
    cluster.kill(2);
    cluster.wait_until_unregistered(2);
    cluster.wait_for_members();
    delete(&cluster).expect("clients see it gone at once");
    wait_for("the logs of those who are there are gone", || {
        [0, 1].iter().all(|id| logs(&cluster, *id) == 0)
    });
    assert_eq!(logs(&cluster, 2), 3);
    assert!(is_there(&cluster));
    // Another controller knows no more than the znodes do.
    cluster.kill(0);
    cluster.wait_for_controller_but(0);
    cluster.restart(0);
    cluster.wait_for_members();
    assert!(is_there(&cluster));
    cluster.restart(2);
    wait_until_gone(&cluster);
    // The name is free.
    cluster.create_topic(TOPIC, 2, 3, &[]);
}

#[test]
fn a_broker_may_die_of_it() {
    let mut cluster = start(ClusterSpec::new(3).with("zookeeper.session.timeout.ms", "60000"));
    // It hears of the deletion and does nothing any more.
    cluster.pause(2);
    delete(&cluster).expect("clients see it gone at once");
    wait_for("the others have deleted", || {
        [0, 1].iter().all(|id| logs(&cluster, *id) == 0)
    });
    assert!(is_there(&cluster));
    cluster.kill(2);
    cluster.wait_until_unregistered(2);
    assert!(is_there(&cluster));
    assert_eq!(logs(&cluster, 2), 3);
    cluster.restart(2);
    wait_until_gone(&cluster);
}

#[test]
fn a_topic_that_moves_goes_when_it_has_arrived() {
    let spec = ClusterSpec::new(4).with("zookeeper.session.timeout.ms", "60000");
    let mut cluster = start(spec);
    cluster.pause(3);
    let tp = TopicPartition::new(TOPIC, 0);
    let wanted = [(tp, Some([3, 1, 2].map(BrokerId).to_vec()))].into();
    let moving = cluster.with_admin(async |admin| admin.alter_reassignments(&wanted).await);
    assert!(
        moving
            .expect("it is answered")
            .into_values()
            .all(|r| r.is_ok())
    );
    mark(&cluster);
    // What the controller does next, it does after it has heard of the mark.
    let next = NewTopic {
        name: "next".to_owned(),
        assignment: [(0, vec![BrokerId(0)])].into(),
        ..NewTopic::default()
    };
    cluster
        .with_admin(async |admin| admin.create_topic(&next, false).await)
        .expect("it can be created");
    assert!(is_there(&cluster));
    assert_eq!(logs(&cluster, 0), 3);
    cluster.resume(3);
    wait_until_gone(&cluster);
}

#[test]
fn deletion_can_be_forbidden() {
    let cluster = start(ClusterSpec::new(3).with("delete.topic.enable", "false"));
    let refused = delete(&cluster).expect_err("it is forbidden");
    assert_eq!(refused.code(), Some(ErrorCode::TopicDeletionDisabled));
    mark(&cluster);
    cluster.wait_for_no_children("/admin/delete_topics");
    assert!(is_there(&cluster));
    cluster.wait_for_full_isr(TOPIC);
}
