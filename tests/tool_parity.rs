//! Actions and mistakes through Apache's tools and through ours: the same words, the same exit
//! codes, the same state afterwards. (What the tools only show is compared in `tools.rs`.)

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use ottla_tests::{
    ApacheVersion, Broker, BrokerOptions, Client, Codec, binary, java_command, records_for,
    repository, run, run_ok, zookeeper,
};

const TOPICS: Tool = Tool {
    script: "kafka-topics.sh",
    class: "org.apache.kafka.tools.TopicCommand",
};
const CONFIGS: Tool = Tool {
    script: "kafka-configs.sh",
    class: "kafka.admin.ConfigCommand",
};
const OFFSETS: Tool = Tool {
    script: "kafka-get-offsets.sh",
    class: "org.apache.kafka.tools.GetOffsetShell",
};
const DELETE_RECORDS: Tool = Tool {
    script: "kafka-delete-records.sh",
    class: "org.apache.kafka.tools.DeleteRecordsCommand",
};
const LOG_DIRS: Tool = Tool {
    script: "kafka-log-dirs.sh",
    class: "org.apache.kafka.tools.LogDirsCommand",
};
const VERSIONS: Tool = Tool {
    script: "kafka-broker-api-versions.sh",
    class: "kafka.admin.BrokerApiVersionsCommand",
};
const PRODUCER: Tool = Tool {
    script: "kafka-console-producer.sh",
    class: "kafka.tools.ConsoleProducer",
};
const CONSUMER: Tool = Tool {
    script: "kafka-console-consumer.sh",
    class: "org.apache.kafka.tools.consumer.ConsoleConsumer",
};
const DUMP: Tool = Tool {
    script: "kafka-dump-log.sh",
    class: "kafka.tools.DumpLogSegments",
};

/// A tool of both.
#[derive(Clone, Copy)]
struct Tool {
    script: &'static str,
    class: &'static str,
}

impl Tool {
    fn ours(self) -> Command {
        let mut command = Command::new(repository().join("scripts").join(self.script));
        let program = binary("ottla");
        command.env("OTTLA_BIN", program.parent().expect("it lies in a folder"));
        command
    }

    fn apaches(self) -> Command {
        java_command(ApacheVersion::V3_9, 256, self.class)
    }
}

/// How a tool ended, and what it printed to standard output.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    code: Option<i32>,
    lines: Vec<String>,
}

impl Ending {
    fn of(command: &Command, output: &Output) -> Ending {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{command:?}: {errors}");
        let text = String::from_utf8_lossy(&output.stdout);
        Ending {
            code: output.status.code(),
            lines: text.lines().map(str::to_owned).collect(),
        }
    }

    /// The same for every name and, where Java prints a map, whose order is chance, every order.
    fn normal(mut self, name: &str) -> Ending {
        for line in &mut self.lines {
            // A slip of Apache's.
            *line = line
                .replace("Optional[absent]", "absent")
                .replace(name, "NAME");
        }
        self.lines.sort_unstable();
        self
    }
}

fn ending(command: &mut Command) -> Ending {
    let output = run(command);
    Ending::of(command, &output)
}

fn ending_with_input(command: &mut Command, input: &str) -> Ending {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let mut stdin = child.stdin.take().expect("the input is piped");
    // A tool that refuses its first line reads no more.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("a child can be waited for");
    Ending::of(command, &output)
}

/// Does the same with both tools. `NAME` in the arguments stands for a topic of each tool's own,
/// with names of the same length.
fn same(broker: &Broker, tool: Tool, arguments: &[&str]) -> Ending {
    let named = |name: &str| -> Vec<String> {
        let at = ["--bootstrap-server".to_owned(), broker.address()];
        let rest = arguments.iter().map(|text| text.replace("NAME", name));
        at.into_iter().chain(rest).collect()
    };
    let expected = ending(tool.apaches().args(named("apaches"))).normal("apaches");
    let found = ending(tool.ours().args(named("ottlas1"))).normal("ottlas1");
    assert_eq!(found, expected, "{} {arguments:?}", tool.script);
    found
}

#[test]
fn topics_are_made_and_spoiled_alike() {
    let broker = Broker::start(&BrokerOptions::new(&zookeeper().fresh_chroot()));
    let check = |code: i32, arguments: &[&str]| {
        let ending = same(&broker, TOPICS, arguments);
        assert_eq!(ending.code, Some(code), "{arguments:?}: {ending:?}");
    };
    let create = ["--create", "--topic", "NAME"];
    let with = |more: &[&'static str]| -> Vec<&'static str> { [&create[..], more].concat() };
    check(1, &with(&["--replication-factor", "3"]));
    check(1, &with(&["--config", "cleanup.policy=nonsense"]));
    check(
        0,
        &with(&["--partitions", "2", "--config", "segment.bytes=20000"]),
    );
    check(1, &create);
    check(1, &["--alter", "--topic", "NAME", "--partitions", "1"]);
    check(0, &["--alter", "--topic", "NAME", "--partitions", "3"]);
    check(1, &["--delete", "--topic", "absent"]);
    check(0, &["--delete", "--topic", "NAME"]);
    check(1, &["--create", "--topic", "not/a/name"]);
}

#[test]
fn settings_and_records_are_changed_alike() {
    let broker = Broker::start(&BrokerOptions::new(&zookeeper().fresh_chroot()));
    let at = broker.address();
    for name in ["apaches", "ottlas1"] {
        let create = ["--bootstrap-server", &at, "--create", "--topic", name];
        run_ok(TOPICS.ours().args(create));
        Client::Kcat.produce(&at, name, &records_for("sender", 5, 1), Codec::None);
    }
    let check = |tool: Tool, code: i32, arguments: &[&str]| {
        let ending = same(&broker, tool, arguments);
        assert_eq!(ending.code, Some(code), "{arguments:?}: {ending:?}");
    };
    let alter = [
        "--alter",
        "--entity-type",
        "topics",
        "--entity-name",
        "NAME",
    ];
    let with = |more: &[&'static str]| -> Vec<&'static str> { [&alter[..], more].concat() };
    check(
        CONFIGS,
        0,
        &with(&["--add-config", "cleanup.policy=[compact,delete]"]),
    );
    check(CONFIGS, 1, &with(&["--add-config", "no.such.key=1"]));
    check(CONFIGS, 1, &with(&["--add-config", "retention.ms=soon"]));
    let brokers = ["--entity-type", "brokers", "--entity-name", "0"];
    let brokers = [
        &["--alter", "--add-config", "log.cleaner.threads=2"],
        &brokers[..],
    ]
    .concat();
    check(CONFIGS, 0, &brokers);
    check(CONFIGS, 0, &["--describe", "--broker", "0"]);
    check(OFFSETS, 0, &["--topic", "NAME", "--time", "-1"]);
    check(OFFSETS, 1, &["--topic", "absent"]);

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["apaches", "ottlas1"] {
        let json = format!(
            r#"{{"partitions":[{{"topic":"{name}","partition":0,"offset":3}},{{"topic":"{name}","partition":0,"offset":99}}],"version":1}}"#
        );
        std::fs::write(folder.path().join(name), json).expect("writable");
    }
    let offsets = folder.path().join("NAME").display().to_string();
    check(DELETE_RECORDS, 1, &["--offset-json-file", &offsets]);
    for name in ["apaches", "ottlas1"] {
        let json = format!(
            r#"{{"partitions":[{{"topic":"{name}","partition":0,"offset":3}}],"version":1}}"#
        );
        std::fs::write(folder.path().join(name), json).expect("writable");
    }
    check(DELETE_RECORDS, 0, &["--offset-json-file", &offsets]);
    check(OFFSETS, 0, &["--topic", "NAME", "--time", "earliest"]);
    check(LOG_DIRS, 0, &["--describe", "--topic-list", "NAME"]);
    check(VERSIONS, 0, &[]);
}

#[test]
fn the_console_reads_and_writes_alike() {
    let broker = Broker::start(&BrokerOptions::new(&zookeeper().fresh_chroot()));
    let at = broker.address();
    let options = |topic: &'static str, properties: &[&'static str]| -> Vec<String> {
        let mut options = vec!["--bootstrap-server", &at, "--topic", topic];
        options.extend(properties.iter().flat_map(|text| ["--property", text]));
        options.into_iter().map(str::to_owned).collect()
    };
    let reader = ["parse.key=true", "parse.headers=true", "null.marker=NULL"];
    let lines = "a:1,b:\tkey\tvalue\nNULL\tNULL\tNULL\nx:y\t\té\nNULL\tk\ttabs\tin it\n";
    let send = |mut command: Command, topic: &'static str, text: &str| {
        command.args(options(topic, &reader));
        ending_with_input(command.args(["--compression-codec", "zstd"]), text)
    };
    for topic in ["apaches", "ottlas1"] {
        let create = ["--bootstrap-server", &at, "--create", "--topic", topic];
        run_ok(TOPICS.ours().args(create));
    }
    let ours = send(PRODUCER.ours(), "ottlas1", lines);
    assert_eq!(ours, send(PRODUCER.apaches(), "apaches", lines));
    assert_eq!(ours.code, Some(0));
    let ours = send(PRODUCER.ours(), "ottlas1", "no separator\n");
    assert_eq!(ours.code, Some(1));
    assert_eq!(ours, send(PRODUCER.apaches(), "apaches", "no separator\n"));

    let printed = [
        "partition",
        "offset",
        "headers",
        "key",
        "value",
        "timestamp",
    ];
    let read = |mut command: Command, topic: &'static str, times: bool| {
        command.args(options(topic, &["null.literal=nil"]));
        for name in printed.iter().take(if times { 6 } else { 5 }) {
            command.arg("--property").arg(format!("print.{name}=true"));
        }
        let place = ["--partition", "0", "--offset", "earliest"];
        ending(command.args(place).args(["--max-messages", "4"]))
    };
    let found = read(CONSUMER.ours(), "ottlas1", true);
    assert_eq!(found, read(CONSUMER.apaches(), "ottlas1", true));
    assert_eq!((found.code, found.lines.len()), (Some(0), 4), "{found:?}");
    let sent_by_apache = read(CONSUMER.ours(), "apaches", false);
    assert_eq!(sent_by_apache, read(CONSUMER.ours(), "ottlas1", false));
}

/// The files of a stopped broker's replicas that the dump tool knows.
fn dumpable(broker: &Broker) -> Vec<PathBuf> {
    let list = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).expect("the folder can be read");
        entries.map(|entry| entry.expect("the folder can be read").path())
    };
    let replicas = list(broker.log_dir()).filter(|path| path.is_dir());
    let known = ["log", "index", "timeindex", "snapshot", "txnindex"];
    let mut files: Vec<PathBuf> = replicas
        .flat_map(list)
        .filter(|path| {
            known
                .iter()
                .any(|k| path.extension().is_some_and(|e| e == *k))
        })
        .collect();
    files.sort();
    files
}

/// Ours does not tell the checksums of messages inside a compressed one.
fn without_checksum(line: &str) -> String {
    let parts = line.split_once(" isValid: true crc: ");
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once('}')?.1)));
    parts.map_or_else(
        || line.to_owned(),
        |(before, after)| format!("{before}{after}"),
    )
}

#[test]
fn files_of_every_format_are_dumped_alike() {
    let options = BrokerOptions::new(&zookeeper().fresh_chroot())
        .with("inter.broker.protocol.version", "2.0")
        .with("log.segment.bytes", "16384")
        .with("log.index.interval.bytes", "512");
    let mut broker = Broker::start(&options);
    let at = broker.address();
    for format in ["0.9.0", "0.10.2", "2.0"] {
        let topic = format!("format-{format}");
        let mut create = TOPICS.ours();
        create.args(["--bootstrap-server", &at, "--create", "--topic", &topic]);
        create.args(["--config", &format!("message.format.version={format}")]);
        run_ok(&mut create);
        for (client, codec) in [
            (Client::Kcat, Codec::None),
            (Client::Sarama100, Codec::Gzip),
            (Client::Sarama100, Codec::Snappy),
            (Client::Sarama100, Codec::Lz4),
        ] {
            let mut records = records_for(&format!("{client:?}"), 12, 1);
            if format != "2.0" {
                records.iter_mut().for_each(|record| record.headers.clear());
            }
            client.produce(&at, &topic, &records, codec);
        }
    }
    // Idempotent, so that there are producer snapshots.
    let records = records_for("java", 30, 1);
    Client::Java.produce(&at, "format-2.0", &records, Codec::None);
    broker.stop();
    let files = dumpable(&broker);
    let names: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let names = names.join(",");
    let check = |options: &[&str]| {
        let arguments = [&["--files", &names], options].concat();
        let found = ending(DUMP.ours().args(&arguments));
        let expected = ending(DUMP.apaches().args(&arguments));
        assert_eq!(found.code, expected.code, "{options:?}");
        for (ours, theirs) in found.lines.iter().zip(&expected.lines) {
            assert!(
                ours == theirs || *ours == without_checksum(theirs),
                "{options:?}:\n{ours}\n{theirs}"
            );
        }
        assert_eq!(found.lines.len(), expected.lines.len(), "{options:?}");
    };
    check(&[]);
    check(&["--print-data-log"]);
    check(&["--print-data-log", "--skip-record-metadata"]);
    check(&["--verify-index-only"]);
    check(&["--index-sanity-check"]);
    check(&["--deep-iteration", "--max-bytes", "2000"]);
    // Whatever is in a file, it is told without a panic.
    for (number, path) in files.iter().enumerate() {
        let mut bytes = std::fs::read(path).expect("the file can be read");
        let middle = bytes.len() / 2;
        for byte in bytes.iter_mut().skip(middle).take(number % 9 + 1) {
            *byte ^= 0x55;
        }
        std::fs::write(path, bytes).expect("the file can be written");
        let file = path.display().to_string();
        ending(DUMP.ours().args(["--deep-iteration", "--files", &file]));
    }
}

#[test]
fn json_is_json() {
    let broker = Broker::start(&BrokerOptions::new(&zookeeper().fresh_chroot()));
    let at = broker.address();
    let create = ["--bootstrap-server", &at, "--create", "--topic", "t"];
    run_ok(TOPICS.ours().args(create));
    for (tool, arguments) in [
        (TOPICS, &["--list"][..]),
        (TOPICS, &["--describe"]),
        (CONFIGS, &["--describe", "--topic", "t", "--all"]),
        (CONFIGS, &["--describe", "--broker", "0", "--all"]),
        (OFFSETS, &[]),
        (LOG_DIRS, &["--describe"]),
        (VERSIONS, &[]),
    ] {
        let mut command = tool.ours();
        command.args(["--bootstrap-server", &at]).args(arguments);
        let text = run_ok(command.arg("--json"));
        let json: Result<serde_json::Value, _> = serde_json::from_str(&text);
        assert!(
            json.is_ok(),
            "{} {arguments:?}: {json:?} {text}",
            tool.script
        );
    }
}

#[test]
fn every_script_explains_itself_through_a_link() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let scripts = repository().join("scripts");
    let program = binary("ottla");
    let programs = program.parent().expect("it lies in a folder");
    let mut count = 0;
    for entry in std::fs::read_dir(scripts).expect("the scripts are there") {
        let path = entry.expect("the scripts are there").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name == "lib.sh" || !name.ends_with(".sh") {
            continue;
        }
        count += 1;
        let link = folder.path().join(format!("link-to-{name}"));
        std::os::unix::fs::symlink(&path, &link).expect("the folder takes a link");
        let mut command = Command::new(format!("./link-to-{name}"));
        command.arg("--help").current_dir(folder.path());
        let help = run_ok(command.env("OTTLA_BIN", programs));
        assert!(help.lines().count() > 1, "{name}: {help}");
    }
    assert!(count >= 16, "{count}");
}
