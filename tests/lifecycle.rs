//! Starting, stopping, dying and coming back, with ZooKeeper there or away.

use std::process::Command;
use std::time::Duration;

use ottla_tests::{
    ApacheVersion, Broker, BrokerKind, BrokerOptions, Client, Codec, Presence, Process,
    apache_tool, create_topic, end_offsets, free_port, own_zookeeper, records_for, run,
    topics_tool, wait_for_znode, znode, zookeeper,
};

fn start(options: BrokerOptions) -> Broker {
    Broker::start(&options.kind(BrokerKind::Ottla))
}

fn send_and_read(broker: &Broker, topic: &str, before: usize) {
    let records = records_for("alive", 10, 1);
    Client::Kcat.produce(&broker.address(), topic, &records, Codec::None);
    let read = Client::Kcat.consume(&broker.address(), topic, 0, before + 10);
    assert_eq!(read.len(), before + 10);
}

/// The output of a broker that must refuse to start.
fn refused(command: &mut Command) -> String {
    let output = run(command);
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

/// The file that people bring from tutorials, spaces and legacy keys included.
const TUTORIAL: &str = "\
broker.id=0
listeners=PLAINTEXT://:9092
port=9092
num.network.threads=4
num.io.threads=8
log.dirs=/tmp/kafka-logs
num.partitions=5
num.recovery.threads.per.data.dir=1
log.retention.hours=168
log.segment.bytes=1073741824
log.cleaner.enable=false
zookeeper.connect=localhost:2181
zookeeper.connection.timeout.ms=6000
queued.max.requests =500
log.cleanup.policy = delete
";

#[test]
fn a_tutorials_file_starts_and_a_second_broker_on_its_directory_does_not() {
    let chroot = zookeeper().fresh_chroot();
    let first = start(BrokerOptions::new(&chroot));
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let file = home.path().join("server-1.properties");
    let logs = home.path().join("logs");
    std::fs::write(&file, TUTORIAL.replace("broker.id=0", "broker.id=1")).expect("writable");
    let overridden = |port: u16| {
        let mut command = first.ottla_command();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        assert_eq!(arguments.len(), 1);
        command = Command::new(command.get_program());
        command.arg(&file);
        for (key, value) in [
            ("listeners", format!("PLAINTEXT://127.0.0.1:{port}")),
            ("log.dirs", logs.display().to_string()),
            ("zookeeper.connect", chroot.clone()),
        ] {
            command.arg("--override").arg(format!("{key}={value}"));
        }
        command
    };
    let log = home.path().join("out");
    let mut process = Process::start("tutorial", overridden(free_port()), &log);
    process.wait_for_output("start", 0, Duration::from_secs(20), |text| {
        text.contains("broker started").then_some(())
    });

    let mut second = overridden(free_port());
    second.args(["--override", "broker.id=2"]);
    let text = refused(&mut second);
    assert!(
        text.contains(&logs.display().to_string()),
        "names the directory: {text}"
    );
    assert!(
        text.contains(&process.pid().to_string()),
        "names the holder: {text}"
    );
    assert!(text.contains("log.dirs"), "names the fix: {text}");
}

#[test]
fn a_bad_value_names_file_line_key_and_remedy() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let file = home.path().join("bad.properties");
    std::fs::write(&file, "broker.id=0\n\nnum.partitions = many\n").expect("writable");
    let text = refused(Command::new(ottla_tests::binary("broker")).arg(&file));
    for part in ["bad.properties", "3", "num.partitions", "many"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn zookeeper_away_at_the_start_is_an_error_that_says_so() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let file = home.path().join("server.properties");
    let zookeeper = format!("127.0.0.1:{}", free_port());
    let text = format!(
        "broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\nzookeeper.connect={zookeeper}\n\
         zookeeper.connection.timeout.ms=1500\n",
        home.path().join("logs").display()
    );
    std::fs::write(&file, text).expect("writable");
    let text = refused(Command::new(ottla_tests::binary("broker")).arg(&file));
    assert!(text.contains(&zookeeper), "{text}");
}

#[test]
fn produce_and_fetch_go_on_without_zookeeper() {
    let zookeeper = own_zookeeper();
    let broker = start(BrokerOptions::new(&zookeeper.fresh_chroot()));
    create_topic(&broker, "on", 1, &[]);
    zookeeper.stop();
    send_and_read(&broker, "on", 0);
    zookeeper.restart().expect("ZooKeeper starts again");
    create_topic(&broker, "afterwards", 1, &[]);
    send_and_read(&broker, "afterwards", 0);
}

#[test]
fn an_expired_session_is_replaced_without_a_restart() {
    let chroot = zookeeper().fresh_chroot();
    let mut broker =
        start(BrokerOptions::new(&chroot).with("zookeeper.session.timeout.ms", "2000"));
    create_topic(&broker, "before", 1, &[]);
    let epoch = znode(&chroot, "/controller_epoch").expect("there was a controller");
    broker.process().signal("STOP");
    wait_for_znode(
        &chroot,
        "/brokers/ids/0",
        Presence::Gone,
        Duration::from_secs(30),
    );
    broker.process().signal("CONT");
    wait_for_znode(
        &chroot,
        "/brokers/ids/0",
        Presence::There,
        Duration::from_secs(30),
    );
    create_topic(&broker, "after", 1, &[]);
    send_and_read(&broker, "before", 0);
    send_and_read(&broker, "after", 0);
    let later = znode(&chroot, "/controller_epoch").expect("there was a controller");
    assert!(
        later.parse::<i32>().ok() > epoch.parse().ok(),
        "{epoch} then {later}"
    );
}

#[test]
fn an_id_held_by_another_broker_is_refused_with_its_name() {
    let chroot = zookeeper().fresh_chroot();
    let first = start(BrokerOptions::new(&chroot));
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let mut second = first.ottla_command();
    second
        .arg("--override")
        .arg(format!("log.dirs={}", home.path().display()));
    second
        .arg("--override")
        .arg(format!("listeners=PLAINTEXT://127.0.0.1:{}", free_port()));
    let text = refused(&mut second);
    assert!(text.contains(&first.address()), "names the holder: {text}");
    assert!(text.contains("broker.id"), "names the key: {text}");
}

#[test]
fn a_clean_stop_leaves_zookeeper_and_the_marker() {
    let chroot = zookeeper().fresh_chroot();
    let mut broker = start(BrokerOptions::new(&chroot));
    create_topic(&broker, "stopped", 1, &[]);
    send_and_read(&broker, "stopped", 0);
    assert!(broker.stop().success());
    assert!(broker.log_dir().join(".kafka_cleanshutdown").exists());
    wait_for_znode(
        &chroot,
        "/brokers/ids/0",
        Presence::Gone,
        Duration::from_secs(1),
    );
    broker.restart();
    assert!(!broker.log_dir().join(".kafka_cleanshutdown").exists());
    send_and_read(&broker, "stopped", 10);
    broker.process().signal("INT");
    assert!(broker.process().wait(Duration::from_secs(30)).success());
}

/// A start that is refused after the logs were loaded must not cost the next one a recovery.
#[test]
fn a_refused_start_keeps_the_marker() {
    let mut broker = start(BrokerOptions::new(&zookeeper().fresh_chroot()));
    create_topic(&broker, "kept", 1, &[]);
    send_and_read(&broker, "kept", 0);
    let marker = broker.log_dir().join(".kafka_cleanshutdown");
    assert!(broker.stop().success());
    assert!(marker.exists());
    let address = broker.address();
    let taken = std::net::TcpListener::bind(&address).expect("the broker has left its port");
    let text = refused(&mut broker.ottla_command());
    assert!(text.contains(&address), "{text}");
    assert!(marker.exists(), "{text}");
    drop(taken);
}

#[test]
fn topics_through_apaches_old_tool_and_zookeeper() {
    let chroot = zookeeper().fresh_chroot();
    let broker = start(BrokerOptions::new(&chroot));
    let old = |arguments: &[&str]| {
        let mut all = vec!["--zookeeper", &chroot];
        all.extend(arguments);
        apache_tool(ApacheVersion::V2_0, "kafka.admin.TopicCommand", &all)
    };
    old(&[
        "--create",
        "--topic",
        "old",
        "--partitions",
        "2",
        "--replication-factor",
        "1",
        "--config",
        "retention.ms=100000",
    ]);
    send_and_read(&broker, "old", 0);
    let described = old(&["--describe", "--topic", "old"]);
    assert!(described.contains("PartitionCount:2"), "{described}");
    assert!(
        described.contains("Configs:retention.ms=100000"),
        "{described}"
    );
    assert!(described.contains("Leader: 0"), "{described}");

    old(&["--alter", "--topic", "old", "--partitions", "4"]);
    let address = broker.address();
    wait_for_znode(
        &chroot,
        "/brokers/topics/old/partitions/3/state",
        Presence::There,
        Duration::from_secs(20),
    );
    assert_eq!(end_offsets(&broker, "old").len(), 4);
    let described = topics_tool(&[
        "--bootstrap-server",
        &address,
        "--describe",
        "--topic",
        "old",
    ]);
    assert!(described.contains("PartitionCount: 4"), "{described}");
    assert!(described.contains("retention.ms=100000"), "{described}");

    old(&["--delete", "--topic", "old"]);
    wait_for_znode(
        &chroot,
        "/brokers/topics/old",
        Presence::Gone,
        Duration::from_secs(20),
    );
    let list = topics_tool(&["--bootstrap-server", &address, "--list"]);
    assert!(!list.contains("old"), "{list}");
}

#[test]
fn znodes_are_those_of_apache() {
    let keys = |kind: BrokerKind| {
        let chroot = zookeeper().fresh_chroot();
        let broker = Broker::start(&BrokerOptions::new(&chroot).kind(kind));
        create_topic(&broker, "same", 2, &["--config", "retention.ms=5000000"]);
        [
            "/brokers/ids/0",
            "/controller",
            "/cluster/id",
            "/brokers/topics/same",
            "/feature",
            "/config/topics/same",
            "/brokers/topics/same/partitions/1/state",
        ]
        .map(|path| {
            let text = znode(&chroot, path).unwrap_or_else(|| panic!("no {path}"));
            let json: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"));
            // Values that are drawn by lot or by the clock differ; keys, their order and the
            // kinds of their values do not.
            let shape = json.iter().map(|(key, value)| {
                let kind = match value {
                    serde_json::Value::String(_) => "text".to_owned(),
                    other => other.to_string(),
                };
                let drawn = matches!(key.as_str(), "port" | "endpoints");
                format!("{key}: {}", if drawn { "drawn" } else { &kind })
            });
            format!("{path} {:?}", shape.collect::<Vec<_>>())
        })
    };
    assert_eq!(keys(BrokerKind::Ottla), keys(BrokerKind::Apache));
}
