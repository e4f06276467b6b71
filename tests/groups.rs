//! Consumer groups with clients of all ages: members come, go, crash and come back, and every
//! record is read at least once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use ottla_tests::{
    ApacheVersion, Broker, BrokerKind, BrokerOptions, Client, Codec, Member, Process, Record,
    apache_tool, create_topic, java_command, records_for, zookeeper,
};

const PARTITIONS: i32 = 4;
const TOPIC: &str = "shared";
const GROUP: &str = "readers";
/// Long enough for a session of six seconds to time out and a rebalance to follow.
const BOUND: Duration = Duration::from_secs(90);
const FOR_EVER: usize = 1_000_000;

/// A broker with a topic, and what was written to it.
struct Field {
    broker: Broker,
    folder: tempfile::TempDir,
    sent: BTreeSet<String>,
}

impl Field {
    fn new() -> Field {
        let options = BrokerOptions::new(&zookeeper().fresh_chroot())
            .with("group.initial.rebalance.delay.ms", "100");
        let broker = Broker::start(&options);
        create_topic(&broker, TOPIC, PARTITIONS, &[]);
        Field {
            broker,
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
            sent: BTreeSet::new(),
        }
    }

    fn send(&mut self, count: usize) {
        let sender = format!("s{}", self.sent.len());
        let records = records_for(&sender, count, PARTITIONS);
        Client::Franz.produce(&self.broker.address(), TOPIC, &records, Codec::None);
        self.sent.extend(values(&records));
    }

    fn join(&self, client: Client, name: &str, count: usize) -> Member {
        self.join_group(client, GROUP, name, count)
    }

    fn join_group(&self, client: Client, group: &str, name: &str, count: usize) -> Member {
        let at: (&Path, &str) = (self.folder.path(), name);
        client.join(&self.broker.address(), TOPIC, group, count, at)
    }

    /// A member of Java's with properties of its own.
    fn join_java(&self, name: &str, properties: &str) -> Member {
        let (brokers, at) = (self.broker.address(), (self.folder.path(), name));
        Client::Java.join_with(&brokers, TOPIC, GROUP, FOR_EVER, at, properties)
    }

    /// Apache's `kafka-consumer-groups` of 3.9.
    fn groups_tool(&self, arguments: &[&str]) -> String {
        let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        let brokers = self.broker.address();
        let all = [&["--bootstrap-server", &brokers], arguments].concat();
        apache_tool(ApacheVersion::V3_9, class, &all)
    }

    /// Sends until each of these members has read something new.
    fn send_until_all_read(&mut self, members: &[&Member]) {
        let before: Vec<usize> = members.iter().map(|m| m.records().len()).collect();
        let start = Instant::now();
        loop {
            self.send(20);
            std::thread::sleep(Duration::from_millis(500));
            let mut counts = members.iter().map(|m| m.records().len()).zip(&before);
            if counts.all(|(now, before)| now > *before) {
                return;
            }
            assert!(start.elapsed() < BOUND, "not every member got partitions");
        }
    }

    /// Waits until everything that was sent has been read by somebody.
    fn wait_until_read(&self, done: &[Vec<Record>], members: &[&Member]) {
        let start = Instant::now();
        loop {
            let mut missing = self.sent.clone();
            let running = members.iter().map(|m| m.records());
            for records in done.iter().cloned().chain(running) {
                for value in values(&records) {
                    missing.remove(&value);
                }
            }
            if missing.is_empty() {
                return;
            }
            assert!(
                start.elapsed() < BOUND,
                "{} of {} records are not read, e.g. {:?}",
                missing.len(),
                self.sent.len(),
                missing.first()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Lines of a table, as words.
fn rows(output: &str) -> Vec<Vec<&str>> {
    let lines = output.lines().map(|line| line.split_whitespace().collect());
    lines
        .filter(|words: &Vec<&str>| !words.is_empty())
        .collect()
}

fn values(records: &[Record]) -> BTreeSet<String> {
    records.iter().filter_map(|r| r.value.clone()).collect()
}

/// Three members share the partitions; one crashes, one comes, one leaves.
fn check_life(client: Client) {
    let mut field = Field::new();
    field.send(40);
    let one = field.join(client, "one", FOR_EVER);
    field.wait_until_read(&[], &[&one]);
    let (two, three) = (
        field.join(client, "two", FOR_EVER),
        field.join(client, "three", FOR_EVER),
    );
    field.send_until_all_read(&[&one, &two, &three]);
    field.wait_until_read(&[], &[&one, &two, &three]);

    let mut done = vec![one.kill()];
    field.send(40);
    field.wait_until_read(&done, &[&two, &three]);

    let four = field.join(client, "four", FOR_EVER);
    field.send_until_all_read(&[&two, &three, &four]);
    done.push(two.leave());
    field.send(40);
    field.wait_until_read(&done, &[&three, &four]);
    done.push(three.leave());
    field.wait_until_read(&done, &[&four]);
    done.push(four.leave());

    // Everything was committed when the last ones left: whoever comes reads on behind it.
    let old = field.sent.clone();
    field.send(20);
    let five = field.join(client, "five", 20).finish(BOUND);
    let again = values(&five).intersection(&old).count();
    assert_eq!(again, 0, "{client:?} reads {again} committed records again");
    assert_eq!(values(&five).len(), 20);
}

#[test]
fn librdkafka_members_come_and_go() {
    check_life(Client::Kcat);
}

#[test]
fn kafka_python_members_come_and_go() {
    check_life(Client::KafkaPython);
}

#[test]
fn sarama_members_come_and_go() {
    check_life(Client::SaramaNewest);
}

#[test]
fn old_sarama_members_come_and_go() {
    check_life(Client::Sarama100);
}

#[test]
fn franz_go_members_come_and_go() {
    check_life(Client::Franz);
}

#[test]
fn kafkajs_members_come_and_go() {
    check_life(Client::KafkaJs);
}

#[test]
fn kafka_node_members_come_and_go() {
    check_life(Client::KafkaNode);
}

#[test]
fn java_members_come_and_go() {
    check_life(Client::Java);
}

/// Members of every client but in groups of their own, on one topic.
#[test]
fn old_and_new_clients_read_in_groups_of_their_own() {
    let mut field = Field::new();
    field.send(60);
    let clients = [
        Client::Kcat,
        Client::KafkaPython,
        Client::Sarama100,
        Client::SaramaNewest,
        Client::Franz,
        Client::KafkaJs,
        Client::KafkaNode,
    ];
    let join = |client: &Client| {
        let name = format!("{client:?}");
        field.join_group(*client, &name, &name, 60)
    };
    let members: Vec<Member> = clients.iter().map(join).collect();
    for (client, member) in clients.iter().zip(members) {
        let records = member.finish(BOUND);
        assert_eq!(values(&records), field.sent, "{client:?}");
        assert_eq!(records.len(), field.sent.len(), "{client:?} reads twice");
    }
}

#[test]
fn offsets_survive_a_crash_of_the_broker() {
    let mut field = Field::new();
    field.send(60);
    for client in [Client::Kcat, Client::Sarama100, Client::Franz] {
        let name = format!("before-{client:?}");
        let read = field
            .join_group(client, &format!("{client:?}"), &name, 60)
            .finish(BOUND);
        assert_eq!(values(&read), field.sent);
    }
    // This one is in the middle of it and goes on with the broker's successor.
    let staying = field.join(Client::Franz, "staying", FOR_EVER);
    field.wait_until_read(&[], &[&staying]);
    field.broker.kill();
    field.broker.restart();
    let old = field.sent.clone();
    field.send(20);
    for client in [Client::Kcat, Client::Sarama100, Client::Franz] {
        let name = format!("after-{client:?}");
        let read = field
            .join_group(client, &format!("{client:?}"), &name, 20)
            .finish(BOUND);
        let again = values(&read).intersection(&old).count();
        assert_eq!(again, 0, "{client:?} reads committed records again");
    }
    field.wait_until_read(&[], &[&staying]);
    staying.leave();
}

/// The consumer of kafka-node's README: no members, only offsets.
#[test]
fn a_consumer_of_kafka_node_commits_by_itself() {
    let field = Field::new();
    let send = |sender: &str| {
        let mut records = records_for(sender, 30, 1);
        records
            .iter_mut()
            .for_each(|record| record.partition = Some(0));
        Client::Franz.produce(&field.broker.address(), TOPIC, &records, Codec::None);
        values(&records)
    };
    let first = send("first");
    let read = field
        .join(Client::KafkaNodeAutoCommit, "one", 30)
        .finish(BOUND);
    assert!(values(&read) == first, "{read:?}");
    let second = send("second");
    let read = field
        .join(Client::KafkaNodeAutoCommit, "two", 30)
        .finish(BOUND);
    assert!(values(&read) == second, "{read:?}");
}

/// A static member that comes back in time takes its partitions up again, and nobody else notices.
#[test]
fn a_static_member_restarts_without_a_rebalance() {
    let mut field = Field::new();
    let properties =
        |instance: &str| format!("group.instance.id={instance},session.timeout.ms=30000");
    let one = field.join_java("one", &properties("i1"));
    let two = field.join_java("two", &properties("i2"));
    field.send_until_all_read(&[&one, &two]);
    let told = |member: &mut Member| member.process().output().matches("assigned [").count();
    let (mut one, before) = (one, two.kill());
    let assigned = told(&mut one);
    let back = field.join_java("two again", &properties("i2"));
    field.send_until_all_read(&[&one, &back]);
    field.wait_until_read(&[before], &[&one, &back]);
    assert_eq!(told(&mut one), assigned, "the other member was rebalanced");
}

/// Cooperative members keep what they have while others come (KIP-429).
#[test]
fn cooperative_members_keep_their_partitions() {
    let mut field = Field::new();
    let cooperative = "partition.assignment.strategy=\
        org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    let mut one = field.join_java("one", cooperative);
    field.send_until_all_read(&[&one]);
    let two = field.join_java("two", cooperative);
    field.send_until_all_read(&[&one, &two]);
    let revoked: Vec<String> = one
        .process()
        .output()
        .lines()
        .filter(|line| line.starts_with("revoked ["))
        .map(str::to_owned)
        .collect();
    let partitions: usize = revoked.iter().map(|line| line.matches(TOPIC).count()).sum();
    assert_eq!(partitions, 2, "{revoked:?}");
    field.wait_until_read(&[], &[&one, &two]);
}

#[test]
fn the_console_consumer_reads_in_a_group() {
    let mut field = Field::new();
    let read = |field: &Field, name: &str, count: &str| {
        let mut command = java_command(
            ApacheVersion::V3_9,
            256,
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
        );
        command.args(["--bootstrap-server", &field.broker.address()]);
        command.args(["--topic", TOPIC, "--group", GROUP, "--from-beginning"]);
        command.args(["--max-messages", count]);
        let log = field.folder.path().join(name);
        let mut process = Process::start(name, command, &log);
        assert!(process.wait(BOUND).success(), "{}", process.output());
        let output = process.output();
        let is_ours = |line: &&str| field.sent.contains(*line);
        output
            .lines()
            .filter(is_ours)
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    field.send(30);
    assert_eq!(read(&field, "first", "30"), field.sent);
    let old = field.sent.clone();
    field.send(10);
    assert_eq!(read(&field, "second", "10").intersection(&old).count(), 0);
}

#[test]
fn apaches_kafka_consumer_groups_administers_our_groups() {
    let mut field = Field::new();
    field.send(40);
    let member = field.join(Client::Franz, "member", FOR_EVER);
    field.wait_until_read(&[], &[&member]);

    assert_eq!(field.groups_tool(&["--list"]).trim(), GROUP);
    let listed = field.groups_tool(&["--list", "--state", "--type"]);
    assert!(
        rows(&listed).contains(&vec![GROUP, "Classic", "Stable"]),
        "{listed}"
    );
    let described = field.groups_tool(&["--describe", "--group", GROUP]);
    let described = rows(&described);
    let partitions: Vec<_> = described
        .iter()
        .filter(|row| row.get(1) == Some(&TOPIC))
        .collect();
    assert_eq!(partitions.len(), 4, "{described:?}");
    for row in partitions {
        // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID
        assert_eq!(
            (row[3], row[4], row[5], row[7]),
            ("10", "10", "0", "/127.0.0.1"),
            "{row:?}"
        );
    }
    let members = field.groups_tool(&["--describe", "--group", GROUP, "--members", "--verbose"]);
    assert!(members.contains("(0,1,2,3)"), "{members}");
    let state = field.groups_tool(&["--describe", "--group", GROUP, "--state"]);
    assert!(state.contains("Stable"), "{state}");
    member.leave();

    let reset = [
        "--reset-offsets",
        "--group",
        GROUP,
        "--topic",
        TOPIC,
        "--to-offset",
        "7",
    ];
    field.groups_tool(&[&reset[..], &["--dry-run"]].concat());
    field.groups_tool(&[&reset[..], &["--execute"]].concat());
    let again = field.join(Client::Kcat, "again", 12).finish(BOUND);
    assert!(
        again.iter().all(|record| record.offset >= Some(7)),
        "{again:?}"
    );

    let topic = format!("{TOPIC}:0");
    field.groups_tool(&["--delete-offsets", "--group", GROUP, "--topic", &topic]);
    let described = field.groups_tool(&["--describe", "--group", GROUP]);
    let left = rows(&described)
        .iter()
        .filter(|row| row.get(1) == Some(&TOPIC))
        .count();
    assert_eq!(left, 3, "{described}");

    let deleted = field.groups_tool(&["--delete", "--group", GROUP]);
    assert!(deleted.contains("was successful"), "{deleted}");
    assert_eq!(field.groups_tool(&["--list"]).trim(), "");
}

/// What one broker stores the other one reads: the log is all there is of a group.
#[test]
fn an_apache_broker_goes_on_with_our_groups_and_we_with_its() {
    let mut field = Field::new();
    for kind in [BrokerKind::Apache, BrokerKind::Ottla] {
        field.send(20);
        let old = field.sent.clone();
        field
            .join(Client::Java, &format!("before {kind:?}"), 20)
            .finish(BOUND);
        field.broker.stop();
        field.broker.restart_as(kind);
        field.send(20);
        let name = format!("after {kind:?}");
        let read = values(&field.join(Client::Java, &name, 20).finish(BOUND));
        assert_eq!(
            read.intersection(&old).count(),
            0,
            "{kind:?} has lost offsets"
        );
        assert_eq!(read.len(), 20);
    }
}
