//! Our tools, called through the scripts with Kafka's names, beside Apache's tools: the same
//! questions get the same answers.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ottla_tests::{
    ApacheVersion, Broker, BrokerKind, BrokerOptions, apache_tool, binary, create_topic, free_port,
    repository, run, run_ok, zookeeper,
};

/// A script of ours that finds the programs of this build.
fn script(name: &str) -> Command {
    let mut command = Command::new(repository().join("scripts").join(name));
    let programs = binary("ottla");
    let folder = programs.parent().expect("a program lies in a folder");
    command.env("OTTLA_BIN", folder);
    command
}

fn ours(name: &str, arguments: &[&str]) -> String {
    run_ok(script(name).args(arguments))
}

/// Runs a script of ours that must fail with exit code 1, and answers all that it printed.
fn refused(name: &str, arguments: &[&str]) -> String {
    let output = run(script(name).args(arguments));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

fn ours_with_input(name: &str, arguments: &[&str], input: &str) {
    let mut child = script(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the script starts");
    let mut stdin = child.stdin.take().expect("the input is piped");
    stdin.write_all(input.as_bytes()).expect("the tool reads");
    drop(stdin);
    let status = child.wait().expect("a child can be waited for");
    assert!(status.success(), "{name} ended with {status}");
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Both tools must print the same lines; their order is chance in Java.
fn check_same(script: &str, version: ApacheVersion, class: &str, arguments: &[&str]) {
    let found = ours(script, arguments);
    let expected = apache_tool(version, class, arguments);
    assert_eq!(sorted(&found), sorted(&expected), "{script} {arguments:?}");
}

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const TOPICS_2_0: &str = "kafka.admin.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const DUMP: &str = "kafka.tools.DumpLogSegments";

#[test]
fn topics_and_configs() {
    let broker = Broker::start(&BrokerOptions::new(&zookeeper().fresh_chroot()));
    let at = broker.address();
    let topics = |arguments: &[&str]| {
        ours(
            "kafka-topics",
            &[&["--bootstrap-server", &at], arguments].concat(),
        )
    };
    let create =
        |name: &str, options: &[&str]| topics(&[&["--create", "--topic", name], options].concat());
    assert_eq!(
        create(
            "plain",
            &["--partitions", "3", "--config", "retention.ms=5000000"]
        ),
        "Created topic plain.\n"
    );
    assert!(create("with.dot", &[]).starts_with("WARNING: Due to limitations in metric names"));
    assert_eq!(create("plain", &["--if-not-exists"]), "");
    let refused_topics = |arguments: &[&str]| {
        refused(
            "kafka-topics.sh",
            &[&["--bootstrap-server", &at], arguments].concat(),
        )
    };
    let again = refused_topics(&["--create", "--topic", "plain"]);
    assert!(again.contains("Error while executing topic command : Topic 'plain' already exists."));
    topics(&["--alter", "--topic", "plain", "--partitions", "4"]);
    let fewer = refused_topics(&["--alter", "--topic", "plain", "--partitions", "2"]);
    assert!(
        fewer.contains("Topic currently has 4 partitions, which is higher than the requested 2.")
    );
    assert!(
        refused_topics(&["--describe", "--topic", "none"]).contains("does not exist as expected")
    );
    assert!(refused_topics(&[]).contains("exactly one action"));
    let same = |arguments: &[&str]| {
        let arguments = [&["--bootstrap-server", &at], arguments].concat();
        check_same("kafka-topics.sh", ApacheVersion::V3_9, TOPICS, &arguments);
    };
    same(&["--list"]);
    same(&["--describe"]);
    same(&["--describe", "--topics-with-overrides"]);
    let json: serde_json::Value =
        serde_json::from_str(&topics(&["--describe", "--topic", "plain", "--json"])).expect("JSON");
    assert_eq!(json[0]["partitions"].as_array().map(Vec::len), Some(4));
    topics(&["--delete", "--topic", "with.*"]);
    assert_eq!(topics(&["--list"]), "plain\n");

    let configs = |arguments: &[&str]| {
        ours(
            "kafka-configs",
            &[&["--bootstrap-server", &at], arguments].concat(),
        )
    };
    let settings = "segment.bytes=1000000,follower.replication.throttled.replicas=[0:0,1:0]";
    assert_eq!(
        configs(&["--alter", "--topic", "plain", "--add-config", settings]),
        "Completed updating config for topic plain.\n"
    );
    configs(&[
        "--alter",
        "--topic",
        "plain",
        "--delete-config",
        "retention.ms",
    ]);
    let same = |arguments: &[&str]| {
        let arguments = [&["--bootstrap-server", &at], arguments].concat();
        check_same("kafka-configs.sh", ApacheVersion::V3_9, CONFIGS, &arguments);
    };
    same(&["--describe", "--topic", "plain"]);
    same(&["--describe", "--topic", "plain", "--all"]);
    same(&["--describe", "--entity-type", "brokers"]);
    let unset = ["--alter", "--topic", "plain", "--delete-config", "flush.ms"];
    let unset = [&["--bootstrap-server", &at], &unset[..]].concat();
    assert_eq!(
        refused("kafka-configs", &unset),
        "Invalid config(s): flush.ms\n"
    );
}

#[test]
fn topics_through_zookeeper() {
    let chroot = zookeeper().fresh_chroot();
    let broker = Broker::start(&BrokerOptions::new(&chroot));
    let topics = |arguments: &[&str]| {
        ours(
            "kafka-topics",
            &[&["--zookeeper", &chroot], arguments].concat(),
        )
    };
    let create = [
        "--create",
        "--topic",
        "old",
        "--partitions",
        "2",
        "--replication-factor",
        "1",
    ];
    assert_eq!(topics(&create), "Created topic \"old\".\n");
    topics(&[
        "--alter",
        "--topic",
        "old",
        "--partitions",
        "3",
        "--config",
        "flush.ms=7",
    ]);
    // The controller sees what was written and does the rest.
    let start = Instant::now();
    let led = |text: &str| text.matches("Leader: 0").count() == 3;
    while !led(&topics(&["--describe", "--topic", "old"])) {
        assert!(start.elapsed() < Duration::from_secs(20), "no leaders");
    }
    let same = |arguments: &[&str]| {
        let arguments = [&["--zookeeper", &chroot], arguments].concat();
        check_same("kafka-topics", ApacheVersion::V2_0, TOPICS_2_0, &arguments);
    };
    same(&["--list"]);
    same(&["--describe"]);
    same(&["--describe", "--unavailable-partitions"]);
    let same = |arguments: &[&str]| {
        let arguments = [&["--zookeeper", &chroot], arguments].concat();
        check_same("kafka-configs", ApacheVersion::V2_0, CONFIGS, &arguments);
    };
    same(&["--describe", "--entity-type", "topics"]);
    let marked = topics(&["--delete", "--topic", "old"]);
    assert!(marked.starts_with("Topic old is marked for deletion.\n"));
    let at = broker.address();
    while ours("kafka-topics", &["--bootstrap-server", &at, "--list"]) != "\n" {
        assert!(start.elapsed() < Duration::from_secs(40), "not deleted");
    }
}

#[test]
fn records_through_the_console() {
    let mut broker = Broker::start(&BrokerOptions::new(&zookeeper().fresh_chroot()));
    let at = broker.address();
    let create = ["--create", "--topic", "console", "--partitions", "1"];
    ours(
        "kafka-topics",
        &[&["--bootstrap-server", &at], &create[..]].concat(),
    );
    let mut expected = String::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let lines: String = (0..50)
            .map(|i| format!("h:{codec}\tk{i}\tv{i}\n"))
            .collect();
        let arguments = [
            ["--broker-list", &at],
            ["--topic", "console"],
            ["--compression-codec", codec],
            ["--property", "parse.key=true"],
            ["--property", "parse.headers=true"],
        ];
        ours_with_input("kafka-console-producer", arguments.as_flattened(), &lines);
        expected.push_str(&lines);
    }
    let printing = [
        ["--bootstrap-server", &at],
        ["--topic", "console"],
        ["--max-messages", "250"],
        ["--property", "print.key=true"],
        ["--property", "print.headers=true"],
    ];
    let printing = [&["--from-beginning"], printing.as_flattened()].concat();
    assert_eq!(ours("kafka-console-consumer", &printing), expected);
    let by_partition = [&printing[..], &["--partition", "0"]].concat();
    assert_eq!(
        apache_tool(ApacheVersion::V3_9, CONSUMER, &by_partition),
        expected
    );
    let tail = [
        "--partition",
        "0",
        "--offset",
        "248",
        "--timeout-ms",
        "1000",
    ];
    let tail = [
        &["--bootstrap-server", &at, "--topic", "console"],
        &tail[..],
    ]
    .concat();
    assert_eq!(ours("kafka-console-consumer", &tail), "v48\nv49\n");
    for time in ["latest", "earliest", "-3", "0"] {
        let arguments = ["--bootstrap-server", &at, "--time", time];
        check_same(
            "kafka-get-offsets",
            ApacheVersion::V3_9,
            OFFSETS,
            &arguments,
        );
    }
    broker.stop();
    let folder = broker.log_dir().join("console-0");
    let file = |ending: &str| folder.join(format!("00000000000000000000.{ending}"));
    for (ending, option) in [
        ("log", "--deep-iteration"),
        ("log", "--print-data-log"),
        ("index", "--verify-index-only"),
        ("timeindex", "--deep-iteration"),
    ] {
        let file = file(ending).display().to_string();
        check_same(
            "kafka-dump-log",
            ApacheVersion::V3_9,
            DUMP,
            &["--files", &file, option],
        );
    }
}

/// The programs of this build under names of the test's own, so that stopping them by their
/// command line stops no other test's.
fn own_programs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["broker", "ottla"] {
        std::fs::copy(binary(name), folder.path().join(name)).expect("a program can be copied");
    }
    folder
}

#[test]
fn a_broker_and_its_zookeeper_by_script() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let programs = own_programs();
    let (zookeeper_port, port) = (free_port(), free_port());
    let write = |name: &str, lines: &[String]| -> PathBuf {
        let path = home.path().join(name);
        std::fs::write(&path, lines.join("\n")).expect("the temporary folder can be written");
        path
    };
    let data = |name: &str| home.path().join(name).display().to_string();
    let zookeeper_file = write(
        "zookeeper.properties",
        &[
            format!("dataDir={}", data("zookeeper")),
            format!("clientPort={zookeeper_port}"),
            "admin.enableServer=false".to_owned(),
        ],
    );
    let broker_file = write(
        "server.properties",
        &[
            format!("listeners=PLAINTEXT://127.0.0.1:{port}"),
            format!("log.dirs={}", data("logs")),
            "zookeeper.connect=127.0.0.1:1".to_owned(),
        ],
    );
    // Copies of the scripts stop only the ZooKeeper that they started.
    let scripts = home.path().join("scripts");
    run_ok(
        Command::new("cp")
            .arg("-r")
            .arg(repository().join("scripts"))
            .arg(&scripts),
    );
    let call = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(scripts.join(name));
        command
            .args(arguments)
            .env("OTTLA_BIN", programs.path())
            .env("LOG_DIR", home.path().join("out"))
            .current_dir("/");
        command
    };
    let zookeeper_file = zookeeper_file.display().to_string();
    let started = run_ok(&mut call(
        "zookeeper-server-start",
        &["-daemon", &zookeeper_file],
    ));
    assert!(started.contains("zookeeper.out"), "{started}");
    let broker_file = broker_file.display().to_string();
    let connect = format!("zookeeper.connect=127.0.0.1:{zookeeper_port}/scripts");
    let arguments = ["-daemon", &broker_file, "--override", &connect];
    let started = run_ok(&mut call("kafka-server-start.sh", &arguments));
    assert!(started.contains("server.out"), "{started}");
    let at = format!("127.0.0.1:{port}");
    let create = ["--bootstrap-server", &at, "--create", "--topic", "t"];
    // The tool waits for the broker.
    let created = run_ok(&mut call("kafka-topics.sh", &create));
    assert_eq!(created, "Created topic t.\n");
    for (stop, what) in [
        ("kafka-server-stop", "kafka server"),
        ("zookeeper-server-stop", "zookeeper server"),
    ] {
        run_ok(&mut call(stop, &[]));
        // Asked again until it is gone; then the script says so.
        let start = Instant::now();
        let ended = loop {
            let output = run(&mut call(stop, &[]));
            if output.status.code() == Some(1) {
                break String::from_utf8_lossy(&output.stdout).into_owned();
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{what} runs on");
        };
        assert_eq!(ended, format!("No {what} to stop\n"));
    }
    let out = std::fs::read_to_string(home.path().join("out/server.out")).expect("a log");
    assert!(out.contains("broker stopped"), "{out}");
}

#[test]
fn groups_through_the_console_and_the_groups_tool() {
    let options = BrokerOptions::new(&zookeeper().fresh_chroot());
    let broker = Broker::start(&options.with("offsets.topic.num.partitions", "1"));
    let at = broker.address();
    create_topic(&broker, "shared", 2, &[]);
    let lines: String = (0..40).map(|i| format!("k{i}\tv{i}\n")).collect();
    let sending = ["--bootstrap-server", &at, "--topic", "shared"];
    let keyed = ["--property", "parse.key=true"];
    ours_with_input(
        "kafka-console-producer",
        &[&sending[..], &keyed].concat(),
        &lines,
    );
    let read = |count: &str| {
        let options = ["--group", "g", "--from-beginning", "--max-messages", count];
        ours("kafka-console-consumer", &[&sending[..], &options].concat())
    };
    // What was read and not printed is not committed.
    let (first, second) = (read("15"), read("25"));
    let mut values: Vec<&str> = first.lines().chain(second.lines()).collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), 40, "{first}{second}");

    let with_broker = |arguments: &[&str]| -> Vec<String> {
        let all = [&["--bootstrap-server", &at], arguments].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let tool = |arguments: &[&str]| {
        let all = with_broker(arguments);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        ours("kafka-consumer-groups.sh", &all)
    };
    // Words, not lines: the tool of 3.9 leaves the line ends of a plan out.
    let same_words = |arguments: &[&str]| {
        let all = with_broker(arguments);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let (found, expected) = (
            tool(arguments),
            apache_tool(ApacheVersion::V3_9, GROUPS, &all),
        );
        let words = |text: &str| {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            words.sort_unstable();
            words
        };
        assert_eq!(words(&found), words(&expected), "{arguments:?}");
    };
    same_words(&["--list", "--state", "--type"]);
    same_words(&["--describe", "--group", "g"]);
    same_words(&["--describe", "--all-groups", "--state"]);
    same_words(&["--describe", "--group", "none"]);
    let reset = ["--reset-offsets", "--group", "g", "--topic", "shared"];
    let plan = |target: &[&'static str]| [&reset[..], target].concat();
    same_words(&plan(&["--shift-by", "-5", "--dry-run"]));
    same_words(&plan(&[
        "--to-datetime",
        "2020-01-01T00:00:00.000",
        "--dry-run",
        "--export",
    ]));

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let csv = folder.path().join("plan.csv");
    std::fs::write(&csv, tool(&plan(&["--to-offset", "3", "--export"]))).expect("a file");
    let csv = csv.display().to_string();
    tool(&[
        "--reset-offsets",
        "--group",
        "g",
        "--from-file",
        &csv,
        "--execute",
    ]);
    let offsets: serde_json::Value =
        serde_json::from_str(&tool(&["--describe", "--group", "g", "--json"])).expect("JSON");
    for row in [&offsets[0], &offsets[1]] {
        assert_eq!(row["currentOffset"], 3, "{offsets}");
    }
    assert_eq!(read("34").lines().count(), 34);

    let deleted = tool(&["--delete-offsets", "--group", "g", "--topic", "shared:1"]);
    assert!(deleted.contains("Successful"), "{deleted}");
    let deleted = tool(&["--delete", "--group", "g"]);
    assert_eq!(
        deleted,
        "Deletion of requested consumer groups ('g') was successful.\n"
    );
    let gone = refused(
        "kafka-consumer-groups",
        &["--bootstrap-server", &at, "--delete", "--group", "g"],
    );
    assert!(gone.contains("could not be deleted due to"), "{gone}");
    same_formatted_offsets(&at);
}

/// Both console consumers print the same of the only partition of `__consumer_offsets`, whatever
/// the formatter.
fn same_formatted_offsets(at: &str) {
    for (class, sign) in [
        (
            "org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
            "\"leaderEpoch\":",
        ),
        (
            "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter",
            "\"memberId\":",
        ),
        (
            "kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter",
            "::OffsetAndMetadata(",
        ),
        (
            "kafka.coordinator.group.GroupMetadataManager$GroupMetadataMessageFormatter",
            "-> MemberMetadata(",
        ),
    ] {
        // By partition, as without it Apache's consumer joins a group, which is stored there too.
        let arguments = [
            ["--bootstrap-server", at],
            ["--topic", "__consumer_offsets"],
            ["--partition", "0"],
            ["--formatter", class],
            ["--timeout-ms", "5000"],
        ];
        let arguments = [&["--from-beginning"], arguments.as_flattened()].concat();
        let found = ours("kafka-console-consumer", &arguments);
        assert!(found.contains(sign), "{class}: {found}");
        let expected = apache_tool(ApacheVersion::V3_9, CONSUMER, &arguments);
        assert_eq!(found, expected, "{class}");
    }
}

/// Our groups tool beside Apache's on Apache's broker.
#[test]
fn groups_of_an_apache_broker() {
    let options = BrokerOptions::new(&zookeeper().fresh_chroot())
        .kind(BrokerKind::Apache)
        .with("offsets.topic.num.partitions", "1")
        .with("group.initial.rebalance.delay.ms", "0");
    let broker = Broker::start(&options);
    let at = broker.address();
    create_topic(&broker, "shared", 2, &[]);
    let sending = ["--bootstrap-server", &at, "--topic", "shared"];
    ours_with_input("kafka-console-producer", &sending, "a\nb\nc\nd\n");
    let reading = ["--group", "g", "--from-beginning", "--max-messages", "3"];
    let read = ours("kafka-console-consumer", &[&sending[..], &reading].concat());
    assert_eq!(read.lines().count(), 3, "{read}");
    for arguments in [
        &["--list"][..],
        &["--list", "--state"],
        &["--describe", "--group", "g"],
        &["--describe", "--group", "g", "--members", "--verbose"],
        &["--describe", "--all-groups", "--state"],
    ] {
        let all = [&["--bootstrap-server", &at], arguments].concat();
        let found = ours("kafka-consumer-groups", &all);
        let expected = apache_tool(ApacheVersion::V3_9, GROUPS, &all);
        let words = |text: &str| -> Vec<String> {
            let mut words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
            words.sort_unstable();
            words
        };
        assert_eq!(words(&found), words(&expected), "{arguments:?}");
    }
    same_formatted_offsets(&at);
}

#[test]
fn every_tool_explains_itself() {
    let scripts: BTreeMap<String, PathBuf> = std::fs::read_dir(repository().join("scripts"))
        .expect("the scripts are there")
        .filter_map(|entry| entry.ok())
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            )
        })
        .filter(|(name, _)| name.starts_with("kafka-") && !name.starts_with("kafka-server-"))
        .collect();
    assert!(scripts.len() >= 18, "{scripts:?}");
    for name in scripts.keys() {
        let help = ours(name, &["--help"]);
        assert!(help.contains("Usage: ottla "), "{name}: {help}");
        assert!(
            refused(name, &["--no-such-option"]).contains("--no-such-option"),
            "{name}"
        );
    }
}
