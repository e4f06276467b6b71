//! Groups that share their work through ZooKeeper: our console consumer and that of Apache Kafka
//! 1.1 in one group, both with `--zookeeper`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use ottla_tests::{
    ApacheVersion, Broker, BrokerOptions, Client, Codec, Presence, Process, Record, binary,
    create_topic, java_command, run, run_ok, wait_for_znode, znode, zookeeper,
};

const GROUP: &str = "shared";
const PARTITIONS: i32 = 4;
/// Records to each partition in each round.
const PER_PARTITION: usize = 5;
/// Longer than a rebalance after the end of a session takes.
const BOUND: Duration = Duration::from_secs(90);

/// Whose console consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Apaches,
}

/// A cluster with members of one group.
struct Stage {
    broker: Broker,
    zookeeper: String,
    outputs: tempfile::TempDir,
    topics: Vec<&'static str>,
    options: Vec<&'static str>,
    rounds: usize,
}

impl Stage {
    fn new(topics: &[&'static str], options: &[&'static str]) -> Stage {
        let zookeeper = zookeeper().fresh_chroot();
        let broker = Broker::start(&BrokerOptions::new(&zookeeper));
        for topic in topics {
            create_topic(&broker, topic, PARTITIONS, &[]);
        }
        Stage {
            broker,
            zookeeper,
            outputs: tempfile::tempdir().expect("a temporary folder can be made"),
            topics: topics.to_vec(),
            options: options.to_vec(),
            rounds: 0,
        }
    }

    fn join(&self, whose: Whose, name: &str) -> Process {
        let mut command = match whose {
            Whose::Ours => {
                let mut command = Command::new(binary("ottla"));
                command.arg("console-consumer");
                command.env("OTTLA_LOG", "info,ottla_zk=warn");
                command
            }
            Whose::Apaches => java_command(ApacheVersion::V1_1, 128, "kafka.tools.ConsoleConsumer"),
        };
        command.args(["--zookeeper", &self.zookeeper, "--group", GROUP]);
        command.args(["--whitelist", &self.topics.join(",")]);
        for option in &self.options {
            command.args(["--consumer-property", option]);
        }
        let log = self.outputs.path().join(name);
        Process::start(name, command, &log)
    }

    fn partitions(&self) -> BTreeSet<(&'static str, i32)> {
        let numbers = |topic| (0..PARTITIONS).map(move |number| (topic, number));
        self.topics.iter().copied().flat_map(numbers).collect()
    }

    /// Member ids by partition, once all partitions are owned by so many members.
    fn wait_for_owners(
        &self,
        members: usize,
        processes: &[&Process],
    ) -> BTreeMap<(&'static str, i32), String> {
        let start = Instant::now();
        loop {
            let mut owners = BTreeMap::new();
            for (topic, number) in self.partitions() {
                let path = format!("/consumers/{GROUP}/owners/{topic}/{number}");
                if let Some(owner) = znode(&self.zookeeper, &path) {
                    // Each of them has a single thread.
                    let id = owner.trim_end_matches("-0").to_owned();
                    owners.insert((topic, number), id);
                }
            }
            let ids: BTreeSet<&String> = owners.values().collect();
            if owners.len() == self.partitions().len() && ids.len() == members {
                return owners;
            }
            assert!(
                start.elapsed() < BOUND,
                "not {members} owners: {owners:?}\n{}",
                processes.iter().map(|p| p.output()).collect::<String>()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends some records to each partition; answers their values.
    fn send(&mut self) -> BTreeMap<(&'static str, i32), BTreeSet<String>> {
        self.rounds += 1;
        let mut sent: BTreeMap<(&'static str, i32), BTreeSet<String>> = BTreeMap::new();
        for topic in self.topics.clone() {
            let mut records = Vec::new();
            for number in 0..PARTITIONS {
                for at in 0..PER_PARTITION {
                    let value = format!("round-{}:{topic}:{number}:{at}", self.rounds);
                    sent.entry((topic, number))
                        .or_default()
                        .insert(value.clone());
                    records.push(Record {
                        partition: Some(number),
                        offset: None,
                        key: None,
                        value: Some(value),
                        headers: BTreeMap::new(),
                        timestamp: None,
                    });
                }
            }
            Client::Franz.produce(&self.broker.address(), topic, &records, Codec::None);
        }
        sent
    }

    fn offset(&self, topic: &str, partition: i32) -> Option<String> {
        let path = format!("/consumers/{GROUP}/offsets/{topic}/{partition}");
        znode(&self.zookeeper, &path)
    }
}

fn records(process: &Process) -> Vec<String> {
    let output = process.output();
    let lines = output.lines().filter(|line| line.starts_with("round-"));
    lines.map(str::to_owned).collect()
}

fn all(sent: &BTreeMap<(&'static str, i32), BTreeSet<String>>) -> BTreeSet<String> {
    sent.values().flatten().cloned().collect()
}

/// Waits until the processes together have printed all of these.
fn wait_for_records(wanted: &BTreeSet<String>, processes: &[&Process]) {
    let start = Instant::now();
    loop {
        let read: BTreeSet<String> = processes.iter().flat_map(|p| records(p)).collect();
        let missing: Vec<&String> = wanted.difference(&read).collect();
        if missing.is_empty() {
            return;
        }
        assert!(start.elapsed() < BOUND, "nobody has read {missing:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Both have their share and read it, and nothing else.
fn check_shares(stage: &mut Stage, ours: &Process, apaches: &Process) {
    let owners = stage.wait_for_owners(2, &[ours, apaches]);
    let sent = stage.send();
    wait_for_records(&all(&sent), &[ours, apaches]);
    // Which id is whose shows in who has read the first partition.
    let round = format!("round-{}:", stage.rounds);
    let of_round = |process: &Process| -> BTreeSet<String> {
        let read = records(process).into_iter();
        read.filter(|value| value.starts_with(&round)).collect()
    };
    let (by_us, by_apache) = (of_round(ours), of_round(apaches));
    assert_eq!(by_us.intersection(&by_apache).count(), 0);
    let mut readers: BTreeMap<&String, BTreeSet<bool>> = BTreeMap::new();
    for (partition, values) in &sent {
        let is_ours = values.is_subset(&by_us);
        assert!(is_ours || values.is_subset(&by_apache), "{partition:?}");
        readers
            .entry(&owners[partition])
            .or_default()
            .insert(is_ours);
    }
    assert!(readers.values().all(|by| by.len() == 1), "{readers:?}");
    assert_eq!(readers.len(), 2);
}

#[test]
fn a_group_is_shared_with_apaches_consumer() {
    let mut stage = Stage::new(&["t"], &[]);
    let mut ours = stage.join(Whose::Ours, "ours");
    stage.wait_for_owners(1, &[&ours]);
    let mut apaches = stage.join(Whose::Apaches, "apaches");
    check_shares(&mut stage, &ours, &apaches);

    // It dies: when its session is over, we have all.
    apaches.signal("KILL");
    apaches.wait(BOUND);
    stage.wait_for_owners(1, &[&ours]);
    let sent = stage.send();
    wait_for_records(&all(&sent), &[&ours]);

    // It comes again, and goes on behind what we have committed.
    let mut apaches = stage.join(Whose::Apaches, "apaches-again");
    check_shares(&mut stage, &ours, &apaches);
    let early = |value: &String| !value.starts_with("round-3:");
    assert_eq!(records(&apaches).iter().filter(|v| early(v)).count(), 0);

    // We leave with all that we have read committed.
    ours.signal("TERM");
    assert_eq!(ours.wait(BOUND).code(), Some(143));
    stage.wait_for_owners(1, &[&apaches]);
    let sent = stage.send();
    wait_for_records(&all(&sent), &[&apaches]);
    apaches.signal("TERM");
    apaches.wait(BOUND);
    let values = records(&apaches);
    assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), values.len());
    assert_eq!(
        values.iter().filter(|v| v.starts_with("round-4:")).count(),
        20
    );
    for number in 0..PARTITIONS {
        assert_eq!(stage.offset("t", number), Some("20".to_owned()), "{number}");
    }
}

#[test]
fn round_robin_is_dealt_alike() {
    let options = ["partition.assignment.strategy=roundrobin"];
    let mut stage = Stage::new(&["a", "b", "c"], &options);
    let apaches = stage.join(Whose::Apaches, "apaches");
    stage.wait_for_owners(1, &[&apaches]);
    let ours = stage.join(Whose::Ours, "ours");
    check_shares(&mut stage, &ours, &apaches);
}

#[test]
fn a_consumer_comes_back_after_its_session() {
    let mut stage = Stage::new(&["t"], &["zookeeper.session.timeout.ms=4000"]);
    let first = stage.join(Whose::Ours, "first");
    let owners = stage.wait_for_owners(1, &[&first]);
    let id = owners[&("t", 0)].clone();
    let second = stage.join(Whose::Ours, "second");
    stage.wait_for_owners(2, &[&first, &second]);
    first.signal("STOP");
    let member = format!("/consumers/{GROUP}/ids/{id}");
    wait_for_znode(&stage.zookeeper, &member, Presence::Gone, BOUND);
    stage.wait_for_owners(1, &[&second]);
    let sent = stage.send();
    wait_for_records(&all(&sent), &[&second]);
    first.signal("CONT");
    wait_for_znode(&stage.zookeeper, &member, Presence::There, BOUND);
    stage.wait_for_owners(2, &[&first, &second]);
    let sent = stage.send();
    wait_for_records(&all(&sent), &[&first, &second]);
}

fn console_consumer(zookeeper: &str, options: &[&str]) -> Command {
    let mut command = Command::new(binary("ottla"));
    command.args(["console-consumer", "--zookeeper", zookeeper, "--topic", "t"]);
    command.args(options);
    command
}

#[test]
fn the_options_of_the_old_console_consumer() {
    let mut stage = Stage::new(&["t"], &[]);
    let sent = stage.send();
    let zookeeper = stage.zookeeper.clone();
    let read = |options: &[&str]| -> BTreeSet<String> {
        let output = run_ok(&mut console_consumer(&zookeeper, options));
        output.lines().map(str::to_owned).collect()
    };
    // Of a group that nobody named nothing is left.
    let group = ["--from-beginning", "--max-messages", "20"];
    assert_eq!(read(&group), all(&sent));
    let left = console_consumer_groups(&zookeeper);
    assert_eq!(left, Vec::<String>::new());

    // One that has a name goes on where it stopped, in the middle of what was fetched at that.
    let group = ["--group", GROUP];
    let first = read(&[&group[..], &["--from-beginning", "--max-messages", "7"]].concat());
    let rest = read(&[&group[..], &["--max-messages", "13"]].concat());
    assert_eq!((first.len(), rest.len()), (7, 13));
    assert_eq!(
        first.union(&rest).cloned().collect::<BTreeSet<_>>(),
        all(&sent)
    );

    // It does not begin anew unless it is told to.
    let anew = [&group[..], &["--from-beginning", "--max-messages", "20"]].concat();
    let refused = run(&mut console_consumer(&zookeeper, &anew));
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("Found previous offset information"), "{text}");
    assert_eq!(
        read(&[&anew[..], &["--delete-consumer-offsets"]].concat()),
        all(&sent)
    );
}

/// The generated groups that ZooKeeper knows.
fn console_consumer_groups(zookeeper: &str) -> Vec<String> {
    let mut names = ottla_tests::children(zookeeper, "/consumers");
    names.retain(|name| name.starts_with("console-consumer-"));
    names
}

#[test]
fn without_a_cluster_it_says_so() {
    let zookeeper = zookeeper().fresh_chroot();
    let refused = run(&mut console_consumer(&zookeeper, &["--from-beginning"]));
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("No brokers found in ZK."), "{text}");
}
