//! The life of a cluster of three brokers: topics with three replicas, and brokers that die, freeze
//! and come back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ottla_tests::history::{Answer, Event, History, RecordId, read_to_the_end, summary, verify};
use ottla_tests::{
    Client, ClusterSpec, Codec, Member, Presence, Steady, TestCluster, children, records_for,
    wait_for_znode,
};

/// Sends through one client and reads with another.
fn send_and_read(cluster: &TestCluster, topic: &str, before: usize) {
    let bootstrap = cluster.bootstrap();
    let records = records_for("alive", 10, 1);
    Client::Franz.produce(&bootstrap, topic, &records, Codec::None);
    let read = Client::Kcat.consume(&bootstrap, topic, 0, before + 10);
    assert_eq!(read.len(), before + 10);
}

#[test]
fn a_topic_outlives_each_of_its_replicas_in_turn() {
    let mut cluster = TestCluster::start(&ClusterSpec::new(3).with("min.insync.replicas", "2"));
    cluster.create_topic("turns", 1, 3, &[]);
    for (round, id) in cluster.ids().enumerate() {
        send_and_read(&cluster, "turns", 20 * round);
        cluster.kill(id);
        cluster.wait_until_unregistered(id);
        cluster.wait_for_leaders("turns");
        send_and_read(&cluster, "turns", 20 * round + 10);
        cluster.restart(id);
        cluster.wait_for_full_isr("turns");
    }
}

/// A topic is only gone when all its replicas are, and its name then is as good as new.
#[test]
fn a_topic_is_deleted_while_a_broker_is_away_and_created_again() {
    let mut cluster = TestCluster::start(&ClusterSpec::new(3).with("min.insync.replicas", "2"));
    cluster.create_topic("again", 1, 3, &[]);
    send_and_read(&cluster, "again", 0);
    cluster.kill(2);
    cluster.wait_until_unregistered(2);
    cluster
        .with_admin(async |admin| admin.delete_topic("again").await)
        .expect("the topic can be deleted");
    let connect = cluster.zookeeper_connect().to_owned();
    assert_eq!(children(&connect, "/admin/delete_topics"), ["again"]);
    cluster.restart(2);
    for path in ["/admin/delete_topics/again", "/brokers/topics/again"] {
        wait_for_znode(&connect, path, Presence::Gone, PATIENCE);
    }
    cluster.create_topic("again", 1, 3, &[]);
    send_and_read(&cluster, "again", 0);
}

/// How long clients may take to go on: their time-outs are theirs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until every writer has been told of at least ten more acknowledgements.
fn wait_for_more(writers: &[Steady], after: &str) {
    let before: Vec<usize> = writers.iter().map(Steady::acknowledged).collect();
    let start = Instant::now();
    for (writer, before) in writers.iter().zip(before) {
        while writer.acknowledged() < before + 10 {
            assert!(
                start.elapsed() < PATIENCE,
                "{:?} does not go on after {after}: {before} acknowledgements, now {}",
                writer.client(),
                writer.acknowledged()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Waits until a member of a group has read all these records.
fn wait_for_all(client: Client, member: &Member, wanted: &BTreeSet<RecordId>) {
    let start = Instant::now();
    loop {
        let read: BTreeSet<RecordId> = member
            .records()
            .iter()
            .filter_map(|record| record.value.as_deref()?.parse().ok())
            .collect();
        let missing: Vec<_> = wanted.difference(&read).collect();
        if missing.is_empty() {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{client:?} has read {} and misses {} records, {:?} first",
            read.len(),
            missing.len(),
            missing.first()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Every broker is killed once while clients of all kinds write, and read in groups.
#[test]
fn clients_go_on_by_themselves_when_leaders_are_killed() {
    const PARTITIONS: i32 = 3;
    let spec = ClusterSpec::new(3).with("min.insync.replicas", "2");
    let mut cluster = TestCluster::start(&spec);
    cluster.create_topic("load", PARTITIONS, 3, &[]);
    let bootstrap = cluster.bootstrap();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let writers = [
        Client::Kcat,
        Client::Java,
        Client::SaramaNewest,
        Client::Sarama082,
        Client::KafkaNode,
        Client::Franz,
    ];
    let writers: Vec<Steady> = (0..)
        .zip(writers)
        .map(|(number, client)| {
            client.write_steadily(&bootstrap, "load", PARTITIONS, number, folder.path())
        })
        .collect();
    // Not kcat: it ends when for a moment it has no connection at all, which happens when brokers
    // die faster than librdkafka connects to those that came back.
    let readers = [
        Client::Franz,
        Client::Java,
        Client::SaramaNewest,
        Client::KafkaNode,
    ];
    let readers: Vec<(Client, Member)> = readers
        .into_iter()
        .map(|client| {
            let group = format!("group-of-{client:?}");
            let at = (folder.path(), group.as_str());
            let member = client.join(&bootstrap, "load", &group, 10_000_000, at);
            (client, member)
        })
        .collect();
    wait_for_more(&writers, "the start");
    for id in cluster.ids() {
        cluster.kill(id);
        wait_for_more(&writers, &format!("the death of broker {id}"));
        cluster.restart(id);
        cluster.wait_for_full_isr("load");
        cluster.wait_for_full_isr("__consumer_offsets");
    }

    let history = History::default();
    for writer in writers {
        writer.finish(&history);
    }
    let events = history.events();
    println!("{}", summary(&events));
    let acked: BTreeSet<RecordId> = events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Answered {
                record,
                answer: Answer::Acked(_),
                ..
            } => Some(*record),
            _ => None,
        })
        .collect();
    for (client, member) in readers {
        wait_for_all(client, &member, &acked);
        member.leave();
    }
    let last = cluster
        .runtime()
        .block_on(read_to_the_end(
            || cluster.client(),
            "load",
            PARTITIONS,
            PATIENCE,
        ))
        .expect("the topic can be read");
    let violations = verify(&events, &last);
    assert!(violations.is_empty(), "{violations:#?}");
}
