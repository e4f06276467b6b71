//! The clients that we did not write, each behind `produce` and `consume`.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::{ApacheVersion, Record, clients_dir, java_command, repository, run_ok};

/// How a producer compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// Zstandard, for clients from 2.1 on.
    Zstd,
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// A client of another project, at one protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// librdkafka through `kcat`.
    Kcat,
    /// kafka-node's `Producer` and `Consumer`.
    KafkaNode,
    /// kafka-node's `HighLevelProducer`.
    KafkaNodeHighLevel,
    /// kafka-node's `Consumer` with `autoCommit`: reads partition 0 on behalf of a group.
    KafkaNodeAutoCommit,
    /// kafkajs: produces, and reads in groups only.
    KafkaJs,
    /// kafka-python.
    KafkaPython,
    /// sarama as a client of Kafka 0.8.2.
    Sarama082,
    /// sarama as a client of Kafka 1.0.
    Sarama100,
    /// sarama at the newest version it knows.
    SaramaNewest,
    /// franz-go.
    Franz,
    /// The Java clients of 3.9, idempotent.
    Java,
}

impl Client {
    /// All of them.
    pub const ALL: [Client; 10] = [
        Client::Kcat,
        Client::KafkaNode,
        Client::KafkaNodeHighLevel,
        Client::KafkaJs,
        Client::KafkaPython,
        Client::Sarama082,
        Client::Sarama100,
        Client::SaramaNewest,
        Client::Franz,
        Client::Java,
    ];

    /// Whether it can read one partition without a group.
    pub fn consumes(self) -> bool {
        !matches!(
            self,
            Client::KafkaJs | Client::KafkaNodeHighLevel | Client::KafkaNodeAutoCommit
        )
    }

    /// Whether its records carry headers.
    pub fn has_headers(self) -> bool {
        !matches!(
            self,
            Client::KafkaNode
                | Client::KafkaNodeHighLevel
                | Client::KafkaNodeAutoCommit
                | Client::Sarama082
        )
    }

    /// Whether the records it writes carry the timestamp that the test gave.
    pub fn sends_timestamps(self) -> bool {
        // kcat has no option for it.
        self.has_headers() && self != Client::Kcat
    }

    /// Whether it can tell the timestamp of a record that has one.
    pub fn reads_timestamps(self) -> bool {
        !matches!(self, Client::KafkaNode | Client::Sarama082)
    }

    /// Whether it places records where the test says.
    pub fn honours_partitions(self) -> bool {
        !matches!(
            self,
            Client::KafkaNodeHighLevel
                | Client::Sarama082
                | Client::Sarama100
                | Client::SaramaNewest
        )
    }

    pub(crate) fn program(self) -> Command {
        let clients = clients_dir();
        let go = |name: &str| {
            let mut command = Command::new(clients.join("go/clients"));
            command.arg(name);
            command
        };
        let node = |name: &str| {
            let mut command = Command::new("node");
            command.arg(clients.join("node/client.js")).arg(name);
            command
        };
        match self {
            Client::Kcat => Command::new("kcat"),
            Client::KafkaNode => node("kafka-node"),
            Client::KafkaNodeHighLevel => node("kafka-node-high-level"),
            Client::KafkaNodeAutoCommit => node("kafka-node-auto-commit"),
            Client::KafkaJs => node("kafkajs"),
            Client::KafkaPython => {
                let mut command = Command::new(clients.join("python/bin/python"));
                command.arg(repository().join("tests/clients/python/client.py"));
                command
            }
            Client::Sarama082 => go("sarama:0.8.2.0"),
            Client::Sarama100 => go("sarama:1.0.0"),
            Client::SaramaNewest => go("sarama:newest"),
            Client::Franz => go("franz"),
            Client::Java => java_command(ApacheVersion::V3_9, 256, "Client"),
        }
    }

    /// Sends `records` in order and waits until they are acknowledged.
    pub fn produce(self, brokers: &str, topic: &str, records: &[Record], codec: Codec) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        if self == Client::Kcat {
            for record in records {
                self.kcat_produce(brokers, topic, record, codec, folder.path());
            }
            return;
        }
        let path = folder.path().join("records");
        let mut file = std::fs::File::create(&path).expect("the folder can be written");
        for record in records {
            let line = serde_json::to_string(record).expect("records are plain data");
            writeln!(file, "{line}").expect("the folder can be written");
        }
        let mut command = self.program();
        command
            .args(["produce", brokers, topic])
            .arg(&path)
            .arg(codec.name());
        run_ok(&mut command);
    }

    /// One record: kcat takes headers and partition for all records of a run, not for each.
    fn kcat_produce(
        self,
        brokers: &str,
        topic: &str,
        record: &Record,
        codec: Codec,
        folder: &Path,
    ) {
        let path = folder.join("value");
        std::fs::write(&path, record.value.as_deref().unwrap_or_default()).expect("writable");
        let mut command = self.program();
        command.args([
            "-P",
            "-b",
            brokers,
            "-t",
            topic,
            "-X",
            "acks=all",
            "-z",
            codec.name(),
        ]);
        if let Some(partition) = record.partition {
            command.arg("-p").arg(partition.to_string());
        }
        if let Some(key) = &record.key {
            command.args(["-k", key]);
        }
        for (name, value) in &record.headers {
            command.arg("-H").arg(format!("{name}={value}"));
        }
        run_ok(command.arg(&path));
    }

    /// Reads the first `count` records of a partition.
    pub fn consume(self, brokers: &str, topic: &str, partition: i32, count: usize) -> Vec<Record> {
        let (partition, count) = (partition.to_string(), count.to_string());
        let mut command = self.program();
        if self == Client::Kcat {
            command.args(["-C", "-J", "-q", "-b", brokers, "-t", topic]);
            command.args(["-o", "beginning", "-e", "-p", &partition, "-c", &count]);
            let output = run_ok(&mut command);
            return output.lines().map(kcat_record).collect();
        }
        let output = run_ok(command.args(["consume", brokers, topic, &partition, &count]));
        output
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }
}

/// A line of `kcat -J`.
fn kcat_record(line: &str) -> Record {
    let json = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    record_of_kcat(&json)
}

/// What `kcat -J` prints: its keys have other names, and headers are a flat list.
pub(crate) fn record_of_kcat(json: &serde_json::Value) -> Record {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let headers = json["headers"].as_array().cloned().unwrap_or_default();
    Record {
        partition: json["partition"].as_i64().map(|n| n as i32),
        offset: json["offset"].as_i64(),
        key: text("key"),
        value: text("payload"),
        headers: headers
            .chunks(2)
            .map(|pair| {
                let part = |at: usize| pair[at].as_str().unwrap_or_default().to_owned();
                (part(0), part(1))
            })
            .collect(),
        timestamp: json["ts"].as_i64(),
    }
}
