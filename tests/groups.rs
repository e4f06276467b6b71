//! Consumer groups with clients of all ages: members come, go, crash and come back, and every
//! record is read at least once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use ottla_tests::{
    Broker, BrokerOptions, Client, Codec, Member, Record, create_topic, records_for, zookeeper,
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
        let at: (&Path, &str) = (self.folder.path(), name);
        client.join(&self.broker.address(), TOPIC, GROUP, count, at)
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
